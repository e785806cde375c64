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

/// A file under `nodes/`: nodes and BMCs, with patterns for many machines per table.
///
/// Each table is read alone, so that an error in one hides none in the others; this type is all of them together.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NodesFile {
    /// Nodes; one table declares as many as its name expands to.
    #[serde(default)]
    pub node: Vec<NodeTable>,
    /// Management controllers of nodes, chassis, switches and power distribution units.
    #[serde(default)]
    pub bmc: Vec<BmcTable>,
    /// Values of single nodes, which override their tables and groups.
    #[serde(default)]
    pub set: Vec<SetTable>,
}

layered! {
    /// One or many nodes. A bracketed string is a pattern: `nid[0001-0008]` is eight names in this order.
    pub struct NodeTable {
        /// The name, or a pattern of names, which determines the number of nodes in the table.
        #[schemars(required)]
        pub name: Option<At<String>>,
        /// The names of the pattern to leave out, as a node set such as `nid[0007,0012]`; their positions are left
        /// out of all patterns of the table.
        #[serde(default)]
        pub except: Option<At<String>>,
        /// The xname, or a pattern as long as the name.
        #[serde(default)]
        pub xname: Option<At<String>>,
        /// The node number, or a pattern as long as the name.
        #[serde(default)]
        pub nid: Option<At<Text>>,
        /// The name of the node's BMC, or the BMC itself if it has no other node.
        #[serde(default)]
        pub bmc: Option<At<NodeBmc>>,
        /// The node's System on a shared BMC.
        #[serde(default)]
        pub system: Option<At<String>>,
        /// `active` by default; `retired` nodes are refused at boot and are never unknown.
        #[serde(default)]
        pub state: Option<At<NodeState>>,
        /// The groups of the nodes, in any order; `layers` defines the order.
        #[serde(default)]
        pub groups: Vec<At<String>>,
        /// The serial number reported by the machine.
        #[serde(default)]
        pub serial: Option<At<String>>,
        /// The UUID reported by the machine.
        #[serde(default)]
        pub uuid: Option<At<String>>,
    }
}

layered! {
    /// Values of some nodes, which override their tables and groups. Two tables that set one key of a node to
    /// different values are an error.
    pub struct SetTable {
        /// The nodes, as a node set such as `nid[0007,0012]` or `@gpu`.
        #[schemars(required)]
        pub nodes: Option<At<String>>,
        /// The state of these nodes.
        #[serde(default)]
        pub state: Option<At<NodeState>>,
        /// Additional groups of these nodes. `unset = ["groups.NAME"]` removes them from a group.
        #[serde(default)]
        pub groups: Vec<At<String>>,
        /// The reason for the difference.
        #[serde(default)]
        pub reason: Option<At<String>>,
        /// The last day on which the table is needed, such as `2026-12-31`. It applies until it is removed; after
        /// that day `muster check` and `muster status` warn.
        #[serde(default)]
        pub until: Option<At<DateText>>,
    }
}

/// One or many management controllers. A bracketed string is a pattern.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BmcTable {
    /// The name, or a pattern of names, which determines the number of BMCs in the table.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// The names of the pattern to leave out, as a node set; their positions are left out of all patterns of the
    /// table.
    #[serde(default)]
    pub except: Option<At<String>>,
    /// The xname; by default the name, if it is one.
    #[serde(default)]
    pub xname: Option<At<String>>,
    /// The URL of the BMC, such as `https://10.1.0.[1-8]`. A BMC without one is not surveyed.
    #[serde(default)]
    pub url: Option<At<String>>,
    /// The network of its address: the file `networks/NAME.toml`. If not set, that of `[defaults.bmc]`.
    #[serde(default)]
    pub network: Option<At<String>>,
    /// Its MAC address, a pattern.
    #[serde(default)]
    pub mac: Option<At<String>>,
    /// Its IP address, if the URL has a host name.
    #[serde(default)]
    pub ip: Option<At<String>>,
    /// The kind of device that it controls; `node` by default.
    #[serde(default)]
    pub kind: Option<At<BmcKind>>,
    /// The protocol; by default that of `[defaults.bmc]`, else `redfish`. `none` is not observable, which is not
    /// unknown.
    #[serde(default)]
    pub protocol: Option<At<Protocol>>,
    /// The name of the credential for the login; by default that of `[defaults.bmc]`.
    #[serde(default)]
    pub credentials: Option<At<String>>,
    /// How its certificate is verified; by default as `[defaults.bmc]` says, else `verify`.
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
    /// A BMC with this node only; it has the node's name.
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

/// A BMC with one node only; it has the node's name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct InlineBmc {
    /// The URL of the BMC, such as `https://10.1.0.[1-8]`. A BMC without one is not surveyed.
    #[serde(default)]
    pub url: Option<At<String>>,
    /// The network of its address: the file `networks/NAME.toml`. If not set, that of `[defaults.bmc]`.
    #[serde(default)]
    pub network: Option<At<String>>,
    /// Its MAC address, a pattern.
    #[serde(default)]
    pub mac: Option<At<String>>,
    /// The protocol; by default that of `[defaults.bmc]`, else `redfish`. `none` is not observable, which is not
    /// unknown.
    #[serde(default)]
    pub protocol: Option<At<Protocol>>,
    /// The name of the credential for the login; by default that of `[defaults.bmc]`.
    #[serde(default)]
    pub credentials: Option<At<String>>,
    /// How its certificate is verified; by default as `[defaults.bmc]` says, else `verify`.
    #[serde(default)]
    pub tls: Option<At<Tls>>,
    /// The SHA-256 fingerprint of its certificate, for `tls = "pin"`.
    #[serde(default)]
    pub tls_pin: Option<At<String>>,
}
