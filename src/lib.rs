//! muster: a declarative GitOps reconciler for HPC and bare-metal clusters.

pub mod cli;
pub mod cloudinit;
pub mod desired;
pub mod git;
pub mod ipxe;
pub mod model;
pub mod observed;
pub mod report;
pub mod resolve;
pub mod snapshot;
pub mod store;
