//! muster's pure rooms: from a commit's bytes to boot scripts, drift and reports.
//!
//! Nothing here does I/O, reads a clock or the environment, logs, or is async; the manifest holds no crate that would.
//! The `muster` crate re-exports every room and describes how they fit together.

pub mod adopt;
pub mod change;
pub mod cloudinit;
pub mod desired;
pub mod drift;
pub mod ipxe;
pub mod model;
pub mod observed;
pub mod pace;
pub mod report;
pub mod resolve;
pub mod roll;
pub mod snapshot;
pub mod story;
pub mod view;
