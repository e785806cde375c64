//! Reports of drift: to the byte what a reader expects, every finding told once, nothing in a value able to break a
//! format, and each format judged by a validator that is not ours.
//!
//! Comparisons are made by hand over the Snapshot of a small fixture. It knows nothing of how verdicts come to be.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;

mod ci;
mod golden;
mod hostile;
mod laws;
mod outputs;
mod scene;
mod secrets;
mod sizes;
mod validators;
