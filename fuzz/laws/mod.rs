//! What must hold for any bytes at all, one law a room: `make fuzz` looks for bytes that break one, and the tests replay the
//! bytes that it kept (`fuzz/corpus/`).
//!
//! A law that is broken panics. Inputs that no commit and no client could send are passed over; so are those that are
//! within muster's bounds, but too large to try many of.

#![allow(dead_code, reason = "each target compiles this module for itself and uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

pub mod commit;
pub mod facts;
pub mod hook;
pub mod mime;
pub mod nodeset;
pub mod pattern;
pub mod redfish;
pub mod request;
pub mod signature;
pub mod template;
pub mod wishes;
