//! The two HTTP listeners, over real sockets: what they answer, byte for byte, and what they stand.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

mod serving;
mod support;
mod vm;
