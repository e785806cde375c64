//! `networks/NAME.toml`: the networks and their addresses.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::desired::at::{At, OneOrMany};

/// `networks/NAME.toml`: the network NAME.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NetworkFile {
    /// The purpose of the network.
    #[serde(default)]
    pub description: Option<At<String>>,
    /// The address range, or one of each family: `"10.0.0.0/24"`, `["10.0.0.0/24", "fd00::/64"]`. Addresses of nodes and BMCs in this
    /// network must be in it.
    #[schemars(required)]
    pub cidr: Option<OneOrMany>,
    /// The router's address, or one of each family. If not set, the network brings no default route.
    #[serde(default)]
    pub gateway: Option<OneOrMany>,
    /// The addresses of name servers, which the network-config names. If not set, there are none.
    #[serde(default)]
    pub dns: Option<OneOrMany>,
    /// The DNS domain of the nodes: the part of `{{ fqdn }}` after the name, for nodes that boot in this network.
    #[serde(default)]
    pub domain: Option<At<String>>,
    /// The VLAN ID, which an interface of the kind `vlan` needs.
    #[serde(default)]
    #[schemars(range(min = 1, max = 4094))]
    pub vlan: Option<At<u16>>,
    /// The largest packet in bytes, for interfaces that state none. If not set, the system's own, mostly 1500.
    #[serde(default)]
    #[schemars(range(min = 68, max = 65535))]
    pub mtu: Option<At<u32>>,
    /// The URL by which nodes that boot in this network reach muster. If not set, that of cluster.toml, else the one
    /// that the host of `muster serve` has.
    #[serde(default)]
    pub advertise: Option<At<String>>,
}
