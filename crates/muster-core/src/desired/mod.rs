//! Converts the files of one commit, a `Tree`, to the desired state, [`Desired`], or to every error
//! in them.
//!
//! [`load()`] parses all files ([`mod@file`] has their types), expands patterns, joins facts, sorts
//! nodes into groups and checks every reference and every value that must be unique. Layers are
//! kept as written; the resolve room merges them. This room does not know scripts, serving, or the
//! observed state.

mod at;
mod attribute;
mod bmcs;
mod boots;
mod check;
mod classes;
mod cluster;
mod columns;
mod depth;
mod endpoints;
mod exceptions;
mod facts;
mod fail_on;
pub mod file;
mod files;
mod groups;
mod guard;
mod identity;
mod interfaces;
mod keys;
mod limits;
mod load;
mod machines;
mod membership;
mod mentions;
mod networks;
mod nic_settings;
mod nics;
mod nodes;
mod own_facts;
mod policy;
mod read;
mod reserved;
pub mod schema;
mod secrets;
mod sets;
mod sources;
mod suggest;
pub mod template;
mod template_hints;
mod texts;
mod unique;
mod values;
mod var_columns;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jiff::civil::Date;
use uuid::Uuid;

pub use at::{At, Free, FreeTable, OneOrMany};
pub use attribute::{ATTRIBUTES, attribute_fault};
pub use check::tidy;
pub use cluster::no_such_boot;
pub use facts::lines as facts_lines;
pub use fail_on::{Condition, FailOn, Over};
pub use file::{BmcKind, BootKind, LayerTable, MacSource, NicKind, NodeState, Protocol, Tls};
pub use guard::DIGEST_DIGITS;
pub use interfaces::{DhcpFamilies, dhcp_families};
pub use load::{hide_secrets, load};
pub use mentions::{Mentions, is_of_machines, mentions, reaches_machines};
pub use nic_settings::{BondSettings, BridgeSettings, NicSettings, Route};
pub use policy::MAX_CONFIRM;
pub use secrets::{secret_findings, tree_secrets};
pub use sets::{OverdueSet, overdue};
pub use sources::{Findings, Sources};
pub use suggest::{did_you_mean, nearest};
pub use template_hints::undefined_hint;
pub use values::{MAX_ADVERTISE, advertise_fault, boot_url_fault};

use crate::model::clear_secret::SecretMask;
use crate::model::{Arch, FileId, Guid, Layer, MacAddr, Origin, Span, Stated, Xname};

/// The checked desired state of one commit: every reference resolves, every identity is unique.
#[derive(Debug)]
pub struct Desired {
    pub sources: Sources,
    pub cluster: Cluster,
    pub defaults: Source,
    /// Sorted by name.
    pub groups: Vec<Group>,
    /// Sorted by name.
    pub boots: Vec<BootConfiguration>,
    /// Sorted by name.
    pub networks: Arc<[Network]>,
    /// The files under `cloud-init/`, by path below it.
    pub templates: BTreeMap<Box<str>, CloudInitFile>,
    /// The `[[node]]` tables, in the order of files.
    pub tables: Vec<Source>,
    /// The distinct (table, groups, sets) that nodes have.
    pub classes: Vec<Class>,
    /// In the order of files, tables and patterns.
    pub nodes: Vec<Node>,
    pub bmcs: Vec<Bmc>,
    /// The `[[set]]` tables, in the order of files and tables; [`Layer::Set`] is the index.
    pub sets: Vec<AppliedSet>,
    pub policy: Policy,
    /// In the order of files and tables.
    pub exceptions: Vec<Exception>,
    /// The mask for values that must not be shown to people.
    pub secrets: SecretMask,
}

/// The settings of the cluster as a whole, from cluster.toml.
#[derive(Debug)]
pub struct Cluster {
    pub name: Box<str>,
    pub advertise: Option<Stated<Box<str>>>,
    /// Seconds between tries of a node whose boot failed.
    pub retry_delay: u32,
    pub credentials: Vec<Box<str>>,
    pub unknown: Unknown,
}

/// The reply to an undeclared machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    Refuse,
    Retry,
    /// The index of a boot configuration.
    Boot(Stated<u16>),
}

/// A layer as written, with its place.
#[derive(Debug)]
pub struct Source {
    pub file: FileId,
    pub layer: Layer,
    pub table: LayerTable,
}

/// One group.
#[derive(Debug)]
pub struct Group {
    pub name: Box<str>,
    /// The place in `layers`; a group that sets nothing may have none.
    pub rank: Option<u16>,
    pub source: Source,
    /// Indices of nodes, ascending.
    pub members: Vec<u32>,
}

/// One boot configuration.
#[derive(Debug)]
pub struct BootConfiguration {
    pub name: Box<str>,
    pub file: FileId,
    pub kind: BootKind,
    pub sealed: bool,
    pub base: BootImage,
    /// Indexed by [`Arch`].
    pub by_arch: [Option<BootImage>; 2],
}

/// The boot image as written.
#[derive(Debug, Default)]
pub struct BootImage {
    pub kernel: Option<At<String>>,
    pub initrd: Option<Vec<At<String>>>,
    pub params: Vec<At<String>>,
}

/// One network.
#[derive(Debug, Clone)]
pub struct Network {
    pub name: Box<str>,
    pub cidrs: Vec<IpNet>,
    pub gateways: Vec<IpAddr>,
    pub dns: Vec<IpAddr>,
    pub domain: Option<Box<str>>,
    pub vlan: Option<u16>,
    pub mtu: Option<u32>,
    pub advertise: Option<Box<str>>,
}

/// One file under `cloud-init/`.
#[derive(Debug, Clone)]
pub struct CloudInitFile {
    pub text: Arc<str>,
    /// Whether the file is expanded (its name ends in `.j2`) or goes out verbatim.
    pub is_template: bool,
}

/// One `[[set]]` table: values for some nodes that override their tables and groups.
#[derive(Debug)]
pub struct AppliedSet {
    /// The node set as written.
    pub expression: Stated<Box<str>>,
    /// Indices of nodes, ascending, each once.
    pub nodes: Vec<u32>,
    /// Indices of groups that the nodes are added to.
    pub joins: Vec<Stated<u16>>,
    /// Indices of groups that the nodes are removed from.
    pub leaves: Vec<Stated<u16>>,
    pub source: Source,
    pub reason: Option<Box<str>>,
    /// The last day on which the table is needed. The table applies until it is removed; code with
    /// a clock compares the day.
    pub until: Option<Stated<Date>>,
}

/// Nodes whose layers are the same: one table, one set of groups, the same `[[set]]` tables.
#[derive(Debug)]
pub struct Class {
    /// The index of the `[[node]]` table.
    pub table: u32,
    /// Indices of groups: all that the nodes are in, weakest layer first, those without a layer
    /// last.
    pub groups: Vec<u16>,
    /// Indices of `[[set]]` tables, ascending.
    pub sets: Vec<u16>,
    pub nics: Arc<[NicSpec]>,
}

/// The merged settings of one interface, for all nodes of a class.
#[derive(Debug, Clone)]
pub struct NicSpec {
    pub name: Box<str>,
    pub kind: NicKind,
    /// The index of a network.
    pub network: Option<Stated<u16>>,
    pub boot: bool,
    pub members: Vec<Box<str>>,
    pub link: Option<Box<str>>,
    pub mtu: Option<u32>,
    pub settings: NicSettings,
    pub origin: Origin,
}

/// One node.
#[derive(Debug)]
pub struct Node {
    pub name: Box<str>,
    pub origin: Origin,
    /// The index of the node's class.
    pub class: u32,
    pub state: Stated<NodeState>,
    pub xname: Option<Stated<Xname>>,
    pub nid: Option<Stated<u32>>,
    pub serial: Option<Stated<Box<str>>>,
    pub uuid: Option<Stated<Uuid>>,
    /// The index of the node's BMC.
    pub bmc: Option<Stated<u32>>,
    pub system: Option<Box<str>>,
    /// In the order of the class's [`NicSpec`]s.
    pub nics: Box<[Nic]>,
    /// The node's own layers, weakest first: stronger than the node's table, weaker than sets.
    pub own: Box<[OwnLayer]>,
}

/// Layer values of one node only: variables that its table states by patterns, or the values of a
/// facts row.
#[derive(Debug, Clone)]
pub struct OwnLayer {
    pub file: FileId,
    pub layer: Layer,
    pub state: Option<At<NodeState>>,
    pub vars: FreeTable,
}

impl OwnLayer {
    /// Returns the values as an ordinary layer.
    #[must_use]
    pub fn to_source(&self) -> Source {
        let vars = (!self.vars.is_empty()).then(|| At { value: self.vars.clone(), span: Span { start: 0, end: 0 } });
        Source {
            file: self.file,
            layer: self.layer,
            table: LayerTable { state: self.state.clone(), vars, ..LayerTable::default() },
        }
    }
}

/// The properties of one interface that differ by node.
#[derive(Debug, Clone, Default)]
pub struct Nic {
    pub mac: Option<Stated<MacAddr>>,
    /// The MAC address that a bond, VLAN or bridge is given, which does not identify the machine.
    pub given_mac: Option<Stated<MacAddr>>,
    pub guid: Option<Stated<Guid>>,
    pub ips: Vec<Stated<IpAddr>>,
}

/// One management controller.
#[derive(Debug)]
pub struct Bmc {
    pub name: Box<str>,
    pub origin: Origin,
    pub xname: Option<Xname>,
    pub url: Option<Stated<Box<str>>>,
    /// The index of a network.
    pub network: Option<u16>,
    pub kind: BmcKind,
    pub protocol: Protocol,
    pub credentials: Option<Stated<Box<str>>>,
    pub tls: Tls,
    pub tls_pin: Option<Stated<Box<str>>>,
    pub mac: Option<Stated<MacAddr>>,
    pub ip: Option<Stated<IpAddr>>,
}

/// The rules of policy.toml for judging drift and for holding changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The number of consecutive surveys that must show a difference before it counts: 1 to
    /// [`MAX_CONFIRM`].
    pub confirm: u8,
    /// The conditions that make a run of `muster drift` fail; empty if none is stated.
    pub fail_on: Vec<FailOn>,
    /// The age from which observations are stale; if it is not stated, they never are.
    pub stale_after: Option<Duration>,
    pub guard: Guard,
}

/// The limits of a change that needs no approval; a limit that is not stated does not apply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// The most nodes that may differ in anything.
    pub max_nodes: Option<Stated<u32>>,
    /// The largest share of the nodes before the change that may differ in anything, in percent.
    pub max_percent: Option<Stated<u8>>,
    /// The most nodes that may be removed.
    pub max_removals: Option<Stated<u32>>,
    /// The place that forbids a group to lose its last node.
    pub emptied: Option<Origin>,
    /// Forbids new boots of an installer; the names are installers that are not of kind `install`.
    pub install: Option<Stated<Vec<Box<str>>>>,
    /// The place that forbids sending an account to a new BMC address, or with another TLS mode.
    pub accounts: Option<Origin>,
    /// Digests of changes that are allowed all the same, each once.
    pub allow: Vec<Stated<Box<str>>>,
}

impl Guard {
    /// Returns whether there is any guard rail.
    #[must_use]
    pub fn has_rails(&self) -> bool {
        let Self { max_nodes, max_percent, max_removals, emptied, install, accounts, allow: _ } = self;
        let numbers = max_nodes.is_some() || max_percent.is_some() || max_removals.is_some();
        numbers || emptied.is_some() || install.is_some() || accounts.is_some()
    }
}

/// Drift that its owner accepts for some time.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// Indices of nodes, ascending, each once.
    pub nodes: Vec<u32>,
    /// A path that [`attribute_fault`] finds nothing wrong with.
    pub attribute: Box<str>,
    /// The accepted value; `None` accepts a missing attribute.
    pub seen: Option<Free>,
    pub owner: Box<str>,
    pub reason: Option<Box<str>>,
    /// The last day of the exception, in UTC.
    pub expires: Date,
    /// The place of `attribute`.
    pub origin: Origin,
}

impl Desired {
    /// Returns the class of a node.
    #[must_use]
    pub fn class(&self, node: &Node) -> &Class {
        &self.classes[node.class as usize]
    }

    /// Iterates over a node's interfaces with the class settings of each.
    pub fn nics<'d>(&'d self, node: &'d Node) -> impl Iterator<Item = (&'d NicSpec, &'d Nic)> {
        self.class(node).nics.iter().zip(&node.nics)
    }

    /// Returns the interface that a node boots from: the one marked `boot`, else the first Ethernet
    /// one with a network.
    #[must_use]
    pub fn boot_nic<'d>(&'d self, node: &'d Node) -> Option<(&'d NicSpec, &'d Nic)> {
        let first = || self.nics(node).find(|(spec, _)| spec.kind == NicKind::Ethernet);
        self.nics(node).find(|(spec, _)| spec.boot).or_else(first)
    }

    /// Returns the network of a node's boot interface.
    #[must_use]
    pub fn boot_network(&self, node: &Node) -> Option<&Network> {
        let network = self.boot_nic(node)?.0.network?;
        Some(&self.networks[usize::from(network.value)])
    }

    /// Iterates over the `[[set]]` tables of a node, weakest first.
    pub fn sets<'d>(&'d self, node: &'d Node) -> impl Iterator<Item = &'d AppliedSet> {
        self.class(node).sets.iter().map(|at| &self.sets[usize::from(*at)])
    }

    /// Returns the group with a name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.binary_search_by(|group| (*group.name).cmp(name)).ok().map(|at| &self.groups[at])
    }

    /// Returns the description of a layer, such as `group compute`.
    #[must_use]
    pub fn layer_words(&self, layer: Layer) -> Box<str> {
        match layer {
            Layer::BuiltIn => "built in".into(),
            Layer::Boot => "boot configuration".into(),
            Layer::BootArch => "boot configuration, by architecture".into(),
            Layer::Defaults => "defaults".into(),
            Layer::Group(rank) => {
                let group = self.groups.iter().find(|group| group.rank == Some(rank));
                group.map_or_else(|| "group".into(), |group| format!("group {}", group.name).into())
            }
            Layer::Node => "node".into(),
            Layer::Facts => "facts".into(),
            Layer::Set(_) => "set".into(),
        }
    }

    /// Returns the index of the boot configuration with a name.
    #[must_use]
    pub fn boot_index(&self, name: &str) -> Option<u16> {
        self.boots.binary_search_by(|boot| (*boot.name).cmp(name)).ok().map(|at| at as u16)
    }
}

impl BootConfiguration {
    /// Returns the image for an architecture, if it differs.
    #[must_use]
    pub fn for_arch(&self, arch: Arch) -> Option<&BootImage> {
        self.by_arch[arch as usize].as_ref()
    }
}
