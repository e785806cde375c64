//! `nodes/**/*.toml`: nodes and their BMCs.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::exceptions::DateText;
use super::expect::Expect;
use super::layer::{CloudInitTable, LayerTable, layered};
use super::nic::NicTable;
use super::words::{ArchName, BmcKind, MacSource, NodeState, Protocol, Tls};
use crate::desired::at::{At, FreeTable, Text};

/// A file under `nodes/`: nodes and BMCs, each table many machines by patterns.
///
/// Each table is read alone, so that a mistake in one hides nothing of the others; this type is what they are together.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NodesFile {
    /// Nodes; one table declares as many as its name expands to.
    #[serde(default)]
    pub node: Vec<NodeTable>,
    /// Management controllers of nodes, chassis, switches and power distribution units.
    #[serde(default)]
    pub bmc: Vec<BmcTable>,
    /// What holds for single nodes, over what their tables and groups say.
    #[serde(default)]
    pub set: Vec<SetTable>,
}

layered! {
    /// One or many nodes. A bracketed string is a pattern: `nid[0001-0008]` is eight names in this order.
    pub struct NodeTable {
        /// The name, or a pattern of names; it says how many nodes the table declares.
        #[schemars(required)]
        pub name: Option<At<String>>,
        /// The names of the pattern that are left out, as a node set such as `nid[0007,0012]`: their places are left
        /// out of all patterns of the table.
        #[serde(default)]
        pub except: Option<At<String>>,
        /// The place in the machine room, a pattern as long as the name.
        #[serde(default)]
        pub xname: Option<At<String>>,
        /// The node's number, a pattern as long as the name.
        #[serde(default)]
        pub nid: Option<At<Text>>,
        /// The name of the node's BMC, or the BMC itself where it has no other node.
        #[serde(default)]
        pub bmc: Option<At<NodeBmc>>,
        /// Which System of a shared BMC the node is.
        #[serde(default)]
        pub system: Option<At<String>>,
        /// `active` where nobody says; `retired` is refused at boot and never unknown.
        #[serde(default)]
        pub state: Option<At<NodeState>>,
        /// The groups that the nodes are in; a set, since the order is that of `layers`.
        #[serde(default)]
        pub groups: Vec<At<String>>,
        /// The serial number that the machine reports.
        #[serde(default)]
        pub serial: Option<At<String>>,
        /// The UUID that the machine reports.
        #[serde(default)]
        pub uuid: Option<At<String>>,
    }
}

layered! {
    /// What holds for some nodes, over what their tables and groups say. Two tables that set one key of a node to
    /// different values are an error.
    pub struct SetTable {
        /// The nodes, as a node set such as `nid[0007,0012]` or `@gpu`.
        #[schemars(required)]
        pub nodes: Option<At<String>>,
        /// The state of these nodes.
        #[serde(default)]
        pub state: Option<At<NodeState>>,
        /// Further groups that these nodes are in. `unset = ["groups.NAME"]` takes them out of a group.
        #[serde(default)]
        pub groups: Vec<At<String>>,
        /// Why these nodes are different.
        #[serde(default)]
        pub reason: Option<At<String>>,
        /// The last day on which the table is needed, such as `2026-12-31`. It holds until it is removed; after that day
        /// `muster check` and `muster status` warn.
        #[serde(default)]
        pub until: Option<At<DateText>>,
    }
}

/// One or many management controllers. A bracketed string is a pattern.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BmcTable {
    /// The name, or a pattern of names; it says how many BMCs the table declares.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// The names of the pattern that are left out, as a node set: their places are left out of all patterns of the table.
    #[serde(default)]
    pub except: Option<At<String>>,
    /// The place in the machine room; the name itself where that is an xname.
    #[serde(default)]
    pub xname: Option<At<String>>,
    /// Where the BMC is reached.
    #[serde(default)]
    pub url: Option<At<String>>,
    /// The network of its address.
    #[serde(default)]
    pub network: Option<At<String>>,
    /// Its MAC address.
    #[serde(default)]
    pub mac: Option<At<String>>,
    /// Its IP address, where the URL has a name.
    #[serde(default)]
    pub ip: Option<At<String>>,
    /// What it controls; `node` where nobody says.
    #[serde(default)]
    pub kind: Option<At<BmcKind>>,
    /// What it speaks; `none` is not observable, which is not unknown.
    #[serde(default)]
    pub protocol: Option<At<Protocol>>,
    /// The name of the credential that logs in.
    #[serde(default)]
    pub credentials: Option<At<String>>,
    /// How its certificate is judged.
    #[serde(default)]
    pub tls: Option<At<Tls>>,
    /// The SHA-256 fingerprint of its certificate, for `tls = "pin"`.
    #[serde(default)]
    pub tls_pin: Option<At<String>>,
}

/// The BMC of a node: a name, or the BMC itself.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum NodeBmc {
    /// The name of a `[[bmc]]`.
    Named(String),
    /// A BMC that has this one node; it bears the node's name.
    Inline(Box<InlineBmc>),
}

impl<'de> Deserialize<'de> for NodeBmc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrTable;
        impl<'de> Visitor<'de> for NameOrTable {
            type Value = NodeBmc;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a BMC or a table with its url")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<NodeBmc, E> {
                Ok(NodeBmc::Named(name.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<NodeBmc, A::Error> {
                InlineBmc::deserialize(MapAccessDeserializer::new(entries)).map(|bmc| NodeBmc::Inline(Box::new(bmc)))
            }
        }
        deserializer.deserialize_any(NameOrTable)
    }
}

/// A BMC that has one node; it bears the node's name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct InlineBmc {
    /// Where the BMC is reached.
    #[serde(default)]
    pub url: Option<At<String>>,
    /// The network of its address.
    #[serde(default)]
    pub network: Option<At<String>>,
    /// Its MAC address.
    #[serde(default)]
    pub mac: Option<At<String>>,
    /// What it speaks; `none` is not observable, which is not unknown.
    #[serde(default)]
    pub protocol: Option<At<Protocol>>,
    /// The name of the credential that logs in.
    #[serde(default)]
    pub credentials: Option<At<String>>,
    /// How its certificate is judged.
    #[serde(default)]
    pub tls: Option<At<Tls>>,
    /// The SHA-256 fingerprint of its certificate, for `tls = "pin"`.
    #[serde(default)]
    pub tls_pin: Option<At<String>>,
}
