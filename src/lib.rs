//! muster: a declarative GitOps reconciler for HPC and bare-metal clusters.

pub mod git;
pub mod model;
pub mod observed;
pub mod store;
