//! What the benchmarks share.

pub mod fixture;
