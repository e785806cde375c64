//! The file types of the cluster repository, as people write them: TOML, neither resolved nor
//! checked.
//!
//! The JSON schemas of `schemas/` are generated from these types, so editors show the doc comments
//! here.

mod boot;
mod cluster;
mod exceptions;
mod expect;
mod layer;
mod network;
mod nic;
mod nodes;
mod policy;
mod words;

pub use boot::{BootArch, BootArches, BootFile};
pub use cluster::{BmcDefaults, ClusterFile, Defaults, GroupFile, UnknownAction, UnknownTable};
pub use exceptions::{DateText, ExceptionTable, ExceptionsFile};
pub use expect::{Expect, ExpectBios, ExpectBoot, ExpectDrives, ExpectParts};
pub use layer::{CloudInitTable, LayerTable};
pub use network::NetworkFile;
pub use nic::{BondTable, BridgeTable, DhcpChoice, NicTable, RouteTable};
pub use nodes::{BmcTable, InlineBmc, NodeBmc, NodeTable, NodesFile, SetTable};
pub use policy::{InstallRail, PolicyDrift, PolicyFile, PolicyGuard};
pub use words::{
    AdSelect, ArchName, BmcKind, BondMode, BootKind, BootMode, BootOverride, BootTarget, FailOverMac, HashPolicy,
    IpoibMode, LacpRate, MacSource, NicKind, NodeState, Power, Protocol, Tls,
};
