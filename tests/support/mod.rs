//! What the integration tests stand on: the parts they need from outside, git repositories in temporary folders, a running
//! `muster serve`, HTTP by hand, a web server of canned answers, a forge and an sshd, and a network of the test's own.
//!
//! Everything here is real (real git, real processes, real sockets) and on loopback; nothing outlives the test that made it.
//! It knows nothing of what muster should answer.

#![allow(dead_code, reason = "each test binary compiles this module for itself and uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

pub mod forge;
pub mod http;
pub mod muster;
pub mod netns;
pub mod parts;
pub mod sshd;
pub mod stub;
pub mod watched;
pub mod wishes;
