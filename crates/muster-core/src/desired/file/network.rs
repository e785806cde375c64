//! `networks/NAME.toml`: where addresses come from.

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
    /// The address range, or one of each family.
    #[schemars(required)]
    pub cidr: Option<OneOrMany>,
    /// The router's address, or one of each family.
    #[serde(default)]
    pub gateway: Option<OneOrMany>,
    /// The addresses of name servers.
    #[serde(default)]
    pub dns: Option<OneOrMany>,
    /// The DNS domain of the nodes.
    #[serde(default)]
    pub domain: Option<At<String>>,
    /// The VLAN ID.
    #[serde(default)]
    #[schemars(range(min = 1, max = 4094))]
    pub vlan: Option<At<u16>>,
    /// The largest packet in bytes.
    #[serde(default)]
    #[schemars(range(min = 68, max = 65535))]
    pub mtu: Option<At<u32>>,
    /// The URL by which nodes that boot in this network reach muster.
    #[serde(default)]
    pub advertise: Option<At<String>>,
}
