//! Boots real machines from a real `muster serve`: real firmware, real iPXE, a real kernel, in a network of their own.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../vm/mod.rs"]
mod vm;

mod from_bmc;
mod judge;
mod libvirt;
mod machines;
mod network;
mod parameters;
mod ports;
mod retry;
mod site;
