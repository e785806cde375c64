//! muster: a declarative GitOps reconciler for HPC and bare-metal clusters.

pub mod cloudinit;
pub mod desired;
pub mod ipxe;
pub mod model;
pub mod resolve;
pub mod snapshot;
