//! The files of the wishes as people write them: what TOML says, nothing resolved, nothing checked.
//!
//! The JSON schemas of `schemas/` are made from these types, so a doc comment here is what an editor shows.

mod boot;
mod cluster;
mod expect;
mod layer;
mod network;
mod nodes;
mod words;

pub use boot::{BootArch, BootArches, BootFile};
pub use cluster::{BmcDefaults, ClusterFile, Defaults, GroupFile, UnknownAction, UnknownTable};
pub use expect::{Expect, ExpectBios, ExpectParts};
pub use layer::{CloudInitTable, LayerTable, NicTable};
pub use network::NetworkFile;
pub use nodes::{BmcTable, InlineBmc, NodeBmc, NodeTable, NodesFile};
pub use words::{ArchName, BmcKind, BootKind, MacSource, NicKind, NodeState, Power, Protocol, Tls};
