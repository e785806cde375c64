//! Answers of a BMC, surveyed, stored and compared.

#![no_main]

#[path = "../laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|input: &[u8]| laws::redfish::holds(input));
