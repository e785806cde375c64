//! `cluster.toml` and `groups/NAME.toml`: the settings of many nodes at once.

use schemars::JsonSchema;
use serde::Deserialize;

use super::expect::Expect;
use super::layer::{CloudInitTable, LayerTable, layered};
use super::nic::NicTable;
use super::words::{ArchName, MacSource, NodeState, Protocol, Tls};
use crate::desired::at::{At, FreeTable};

/// `cluster.toml`: the cluster as a whole.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ClusterFile {
    /// The name of the cluster.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// The versions of muster that may serve this repository, such as `">=0.1"`.
    #[serde(default)]
    pub muster: Option<At<String>>,
    /// The order of groups, weakest first. A group that sets a value must be listed.
    #[serde(default)]
    pub layers: Vec<At<String>>,
    /// The names of BMC credentials. Their values are on the host that runs muster.
    #[serde(default)]
    pub credentials: Vec<At<String>>,
    /// The URL by which nodes reach muster, if their network declares none.
    #[serde(default)]
    pub advertise: Option<At<String>>,
    /// Seconds until a node retries a failed boot; 30 by default.
    #[serde(default)]
    #[schemars(range(min = 1, max = 3600))]
    pub retry_delay: Option<At<u32>>,
    /// Values of every node, weaker than all groups.
    #[serde(default)]
    pub defaults: Option<At<Defaults>>,
    /// The answer for undeclared machines. Without this table they are refused, as with `action = "refuse"`.
    #[serde(default)]
    pub unknown: Option<At<UnknownTable>>,
}

layered! {
    /// Values of every node, weaker than all groups.
    pub struct Defaults {
        /// Default values of BMCs.
        #[serde(default)]
        pub bmc: Option<At<BmcDefaults>>,
    }
}

/// Default values of BMCs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BmcDefaults {
    /// The name of the credential for the login to the BMC, one of `credentials`. By default the settings of the host decide.
    #[serde(default)]
    pub credentials: Option<At<String>>,
    /// How the certificate of the BMC is verified; `verify` by default.
    #[serde(default)]
    pub tls: Option<At<Tls>>,
    /// The network of the BMCs: the file `networks/NAME.toml`. If not set, no range is checked.
    #[serde(default)]
    pub network: Option<At<String>>,
    /// The protocol of the BMCs; `redfish` by default. `none` is not observable, which is not unknown.
    #[serde(default)]
    pub protocol: Option<At<Protocol>>,
}

/// The answer for undeclared machines.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct UnknownTable {
    /// `refuse` answers 404, `retry` makes the machine ask again, `boot` boots it into `boot`.
    #[serde(default)]
    pub action: Option<At<UnknownAction>>,
    /// The boot configuration of unknown machines; implies `action = "boot"`.
    #[serde(default)]
    pub boot: Option<At<String>>,
}

/// The answer for undeclared machines.
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
        /// The purpose of the group.
        #[serde(default)]
        pub description: Option<At<String>>,
        /// The nodes of the group, as a node set, in addition to those that name the group.
        #[serde(default)]
        pub nodes: Option<At<String>>,
        /// The state of the group's nodes; a node's own table overrides it.
        #[serde(default)]
        pub state: Option<At<NodeState>>,
    }
}
