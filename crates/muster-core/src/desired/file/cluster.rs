//! `cluster.toml` and `groups/NAME.toml`: what holds for many nodes at once.

use schemars::JsonSchema;
use serde::Deserialize;

use super::expect::Expect;
use super::layer::{CloudInitTable, LayerTable, layered};
use super::nic::NicTable;
use super::words::{ArchName, MacSource, NodeState, Protocol, Tls};
use crate::desired::at::{At, FreeTable};

/// `cluster.toml`: what holds for the cluster as a whole.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ClusterFile {
    /// The cluster's name.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// The versions of muster that may serve this repository, such as `">=0.1"`.
    #[serde(default)]
    pub muster: Option<At<String>>,
    /// The one order of groups, weakest first. A group that sets anything must stand here.
    #[serde(default)]
    pub layers: Vec<At<String>>,
    /// The names of BMC credentials. Their values live on the host that runs muster.
    #[serde(default)]
    pub credentials: Vec<At<String>>,
    /// The URL by which nodes reach muster, where their network names none of its own.
    #[serde(default)]
    pub advertise: Option<At<String>>,
    /// Seconds that a node waits before it asks again after a failed boot; 30 where nobody says.
    #[serde(default)]
    #[schemars(range(min = 1, max = 3600))]
    pub retry_delay: Option<At<u32>>,
    /// What holds for every node, below all groups.
    #[serde(default)]
    pub defaults: Option<At<Defaults>>,
    /// What an undeclared machine gets. Without this table it is refused, as with `action = "refuse"`.
    #[serde(default)]
    pub unknown: Option<At<UnknownTable>>,
}

layered! {
    /// What holds for every node, below all groups.
    pub struct Defaults {
        /// What holds for every BMC that does not say otherwise.
        #[serde(default)]
        pub bmc: Option<At<BmcDefaults>>,
    }
}

/// What holds for every BMC that does not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BmcDefaults {
    /// The name of the credential that logs in to the BMC.
    #[serde(default)]
    pub credentials: Option<At<String>>,
    /// How the BMC's certificate is judged.
    #[serde(default)]
    pub tls: Option<At<Tls>>,
    /// The network of the BMCs.
    #[serde(default)]
    pub network: Option<At<String>>,
    /// What the BMCs speak.
    #[serde(default)]
    pub protocol: Option<At<Protocol>>,
}

/// What a machine gets that nobody declares.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct UnknownTable {
    /// `refuse` answers 404, `retry` lets the machine ask again for ever, `boot` boots it into `boot`.
    #[serde(default)]
    pub action: Option<At<UnknownAction>>,
    /// The boot configuration of unknown machines; it gives `action` the value `boot`.
    #[serde(default)]
    pub boot: Option<At<String>>,
}

/// What happens to a machine that nobody declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum UnknownAction {
    Refuse,
    Retry,
    Boot,
}

layered! {
    /// `groups/NAME.toml`: the group NAME.
    pub struct GroupFile {
        /// What the group is for.
        #[serde(default)]
        pub description: Option<At<String>>,
        /// The nodes of the group, as a node set; joined with those that name the group themselves.
        #[serde(default)]
        pub nodes: Option<At<String>>,
        /// The state of the group's nodes; a node's own table is stronger.
        #[serde(default)]
        pub state: Option<At<NodeState>>,
    }
}
