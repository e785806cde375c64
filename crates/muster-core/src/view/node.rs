//! One node, as strangers see it.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::desired::NodeState;
use crate::snapshot::{Answer, Snapshot};

/// How many nodes are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeCounts {
    pub total: u64,
    pub active: u64,
    pub maintenance: u64,
    pub spare: u64,
    pub retired: u64,
}

/// Nodes, in the order of the wishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeList {
    /// The version of this document: `v1`.
    pub api_version: String,
    /// The full id of the commit that declares them.
    pub revision: Option<String>,
    pub nodes: Vec<NodeView>,
}

/// What is declared of one node, and what was seen of its last boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeView {
    pub name: String,
    /// `active`, `maintenance`, `spare` or `retired`.
    pub state: String,
    pub xname: Option<String>,
    pub nid: Option<u32>,
    pub arch: String,
    /// Weakest layer first.
    pub groups: Vec<String>,
    /// The boot configuration's name.
    pub boot_configuration: Option<String>,
    /// The MAC addresses that git declares.
    pub macs: Vec<String>,
    /// The MAC addresses that the node's BMC reported, where the wishes leave them to it.
    #[serde(default)]
    pub claim: Option<ClaimView>,
    pub ips: Vec<String>,
    /// The SHA-256 of the script before what differs by request is filled in, in hex.
    pub script_digest: Option<String>,
    /// The last time that the node fetched its script.
    pub last_boot: Option<BootView>,
    /// The last time that cloud-init on the node said it was done.
    pub cloud_init: Option<CloudInitView>,
}

/// One fetch of a boot script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BootView {
    pub at: String,
    /// The address that asked.
    pub address: String,
    pub user_agent: String,
    /// The full id of the commit that was served.
    pub revision: String,
    pub script_digest: String,
    /// Whether the node would be given the same script today.
    pub current: bool,
    /// The MAC address that it asked by.
    pub mac: Option<String>,
    /// The architecture that it named.
    pub arch: Option<String>,
}

/// What a node's BMC reported first, and keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimView {
    /// When it was reported.
    pub at: String,
    /// The name of the BMC.
    pub bmc: String,
    /// The id of the System behind it.
    pub system: String,
    /// The addresses by which the node boots.
    pub macs: Vec<String>,
    /// The addresses that were reported, and by which the node does not boot; the server's status says why.
    pub held: Vec<String>,
}

/// One word from cloud-init that it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CloudInitView {
    pub at: String,
    /// The address that told.
    pub address: String,
    pub instance_id: String,
}

impl NodeCounts {
    /// Counts the nodes of a commit.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut counts = Self::default();
        for node in snapshot.nodes() {
            counts.total += 1;
            *match node.state.value {
                NodeState::Active => &mut counts.active,
                NodeState::Maintenance => &mut counts.maintenance,
                NodeState::Spare => &mut counts.spare,
                NodeState::Retired => &mut counts.retired,
            } += 1;
        }
        counts
    }
}

impl NodeView {
    /// Describes what a commit declares of a node, by the node's index, and nothing that was seen.
    #[must_use]
    pub fn declared(snapshot: &Snapshot, node: usize) -> Self {
        let desired = snapshot.desired();
        let own = &snapshot.nodes()[node];
        let class = snapshot.resolved().class(node);
        let groups = desired.class(own).groups.iter().map(|at| desired.groups[usize::from(*at)].name.to_string());
        let ips = own.nics.iter().flat_map(|nic| &nic.ips);
        Self {
            name: own.name.to_string(),
            state: state_name(own.state.value).into(),
            xname: own.xname.as_ref().map(|xname| xname.value.to_string()),
            nid: own.nid.map(|nid| nid.value),
            arch: class.arch.value.to_string(),
            groups: groups.collect(),
            boot_configuration: class.boot.map(|at| desired.boots[usize::from(at.value)].name.to_string()),
            macs: own.nics.iter().filter_map(|nic| nic.mac).map(|mac| mac.value.to_string()).collect(),
            ips: ips.map(|ip| ip.value.to_string()).collect(),
            script_digest: match snapshot.answer(node) {
                Answer::Script(prepared) => Some(hex(&prepared.digest)),
                Answer::Retired | Answer::Nothing => None,
            },
            claim: None,
            last_boot: None,
            cloud_init: None,
        }
    }
}

fn state_name(state: NodeState) -> &'static str {
    match state {
        NodeState::Active => "active",
        NodeState::Maintenance => "maintenance",
        NodeState::Spare => "spare",
        NodeState::Retired => "retired",
    }
}

/// Writes bytes as lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
