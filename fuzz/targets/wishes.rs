//! Files of wishes, laid over a sound cluster, to a Snapshot.

#![no_main]

#[path = "../laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|input: &[u8]| laws::wishes::holds(input));
