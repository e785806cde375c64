//! muster: a declarative GitOps reconciler for HPC and bare-metal clusters.

pub mod cloudinit;
pub mod desired;
pub mod http;
pub mod ipxe;
pub mod model;
pub mod observed;
pub mod resolve;
pub mod snapshot;
pub mod view;
