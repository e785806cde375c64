//! muster: a declarative GitOps reconciler for HPC and bare-metal clusters.

pub mod cli;
pub mod cloudinit;
pub mod desired;
pub mod git;
pub mod http;
pub mod ipxe;
pub mod model;
pub mod observed;
pub mod reconcile;
pub mod report;
pub mod resolve;
pub mod settings;
pub mod snapshot;
pub mod store;
pub mod view;
