//! The files of the wishes as people write them: what TOML says, nothing resolved, nothing checked.
//!
//! The JSON schemas of `schemas/` are made from these types, so a doc comment here is what an editor shows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::at::{At, FreeTable, OneOrMany, Text};

/// Adds the keys that every layer has to a table, and a function that takes them out.
macro_rules! layered {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// Names the boot configuration: the file `boot/NAME.toml`.
            #[serde(default)]
            pub boot: Option<At<String>>,
            /// Kernel parameters, one an element. `key=value` replaces the one weaker entry of its key, `=key=value` all
            /// of them, `+key=value` adds one, `-key` removes all and `-key=value` one.
            #[serde(default)]
            pub params: Option<Vec<At<String>>>,
            /// Plain values for templates: `{{ vars.NAME }}`. Tables merge by key.
            #[serde(default)]
            pub vars: Option<At<FreeTable>>,
            /// The processor architecture: `x86_64` (where nobody says) or `aarch64`.
            #[serde(default)]
            pub arch: Option<At<ArchName>>,
            /// What cloud-init is told.
            #[serde(default)]
            pub cloud_init: Option<At<CloudInitTable>>,
            /// The network interfaces. Layers merge them by name.
            #[serde(default)]
            pub nics: Option<Vec<At<NicTable>>>,
            /// What the machine should look like. Only what is named here is compared.
            #[serde(default)]
            pub expect: Option<At<Expect>>,
            /// Where MAC addresses come from.
            #[serde(default)]
            pub macs: Option<At<MacSource>>,
            /// Takes back what weaker layers set, by path: `"vars.image"`, `"nics.ib0"`, `"cloud_init.user_data"`.
            #[serde(default)]
            pub unset: Option<Vec<At<String>>>,
        }

        impl $name {
            /// Takes out the keys that every layer has.
            pub fn take_layer(&mut self) -> LayerTable {
                LayerTable {
                    boot: self.boot.take(),
                    params: self.params.take().unwrap_or_default(),
                    vars: self.vars.take(),
                    arch: self.arch.take(),
                    cloud_init: self.cloud_init.take(),
                    nics: self.nics.take().unwrap_or_default(),
                    expect: self.expect.take(),
                    macs: self.macs.take(),
                    unset: self.unset.take().unwrap_or_default(),
                }
            }
        }
    };
}

/// The keys that every layer has, from whichever table stated them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayerTable {
    pub boot: Option<At<String>>,
    pub params: Vec<At<String>>,
    pub vars: Option<At<FreeTable>>,
    pub arch: Option<At<ArchName>>,
    pub cloud_init: Option<At<CloudInitTable>>,
    pub nics: Vec<At<NicTable>>,
    pub expect: Option<At<Expect>>,
    pub macs: Option<At<MacSource>>,
    pub unset: Vec<At<String>>,
}

impl LayerTable {
    /// Tells whether the layer sets nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

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
    /// What a machine gets that nobody declares.
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
}

layered! {
    /// One or many nodes. A bracketed string is a pattern: `nid[0001-0008]` is eight names in this order.
    pub struct NodeTable {
        /// The name, or a pattern of names; it says how many nodes the table declares.
        #[schemars(required)]
    pub name: Option<At<String>>,
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

/// One or many management controllers. A bracketed string is a pattern.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BmcTable {
    /// The name, or a pattern of names; it says how many BMCs the table declares.
    #[schemars(required)]
    pub name: Option<At<String>>,
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

/// One network interface.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NicTable {
    /// The interface's name, such as `eth0`.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// What it is; `ethernet` where nobody says.
    #[serde(default)]
    pub kind: Option<At<NicKind>>,
    /// The network that it is in: the file `networks/NAME.toml`.
    #[serde(default)]
    pub network: Option<At<String>>,
    /// Whether the node boots from it; at most one interface of a node does.
    #[serde(default)]
    pub boot: Option<At<bool>>,
    /// Its MAC address.
    #[serde(default)]
    pub mac: Option<At<String>>,
    /// Its InfiniBand GUID.
    #[serde(default)]
    pub guid: Option<At<String>>,
    /// Its addresses: patterns, or templates such as `"{{ net('node') | host(nid) }}"`.
    #[serde(default)]
    pub ip: Option<OneOrMany>,
    /// The interfaces that a bond is made of.
    #[serde(default)]
    pub members: Option<Vec<At<String>>>,
    /// The interface that a vlan lies on.
    #[serde(default)]
    pub link: Option<At<String>>,
    /// The largest packet in bytes.
    #[serde(default)]
    #[schemars(range(min = 68, max = 65535))]
    pub mtu: Option<At<u32>>,
}

/// What cloud-init is told.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CloudInitTable {
    /// The file under `cloud-init/` that is the node's user-data; the strongest layer's counts.
    #[serde(default)]
    pub user_data: Option<At<String>>,
    /// The file under `cloud-init/` that is this layer's part of the node's vendor-data; every layer's counts, in order.
    #[serde(default)]
    pub vendor_data: Option<At<String>>,
    /// Further keys for meta-data. Tables merge by key.
    #[serde(default)]
    pub meta_data: Option<At<FreeTable>>,
}

/// What a machine should look like. Only what is named is compared with what its BMC reports.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Expect {
    /// The manufacturer's name.
    #[serde(default)]
    pub manufacturer: Option<At<String>>,
    /// The model's name.
    #[serde(default)]
    pub model: Option<At<String>>,
    /// The memory in GiB.
    #[serde(default)]
    pub memory_gib: Option<At<u64>>,
    /// The processors.
    #[serde(default)]
    pub processors: Option<At<ExpectParts>>,
    /// The GPUs and other accelerators.
    #[serde(default)]
    pub accelerators: Option<At<ExpectParts>>,
    /// The drives.
    #[serde(default)]
    pub drives: Option<At<ExpectParts>>,
    /// The BIOS.
    #[serde(default)]
    pub bios: Option<At<ExpectBios>>,
    /// Firmware versions by the name that the BMC's inventory gives the part.
    #[serde(default)]
    pub firmware: Option<At<BTreeMap<String, At<String>>>>,
    /// Whether Secure Boot is on.
    #[serde(default)]
    pub secure_boot: Option<At<bool>>,
    /// The power state.
    #[serde(default)]
    pub power: Option<At<Power>>,
}

/// How many parts of a kind, and which.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExpectParts {
    /// How many there are.
    #[serde(default)]
    pub count: Option<At<u32>>,
    /// The model of each.
    #[serde(default)]
    pub model: Option<At<String>>,
    /// The cores of each processor.
    #[serde(default)]
    pub cores: Option<At<u32>>,
}

/// What the BIOS should be.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExpectBios {
    /// The version.
    #[serde(default)]
    pub version: Option<At<String>>,
    /// Settings by the name that the BMC's attribute registry gives them.
    #[serde(default)]
    pub attributes: Option<At<FreeTable>>,
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
    }
}

/// `boot/NAME.toml`: the boot configuration NAME.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BootFile {
    /// What the boot configuration is for.
    #[serde(default)]
    pub description: Option<At<String>>,
    /// `live` fetches a kernel, `local` exits to the disk, `install` wipes the disk and is refused until nodes can be armed.
    #[schemars(required)]
    pub kind: Option<At<BootKind>>,
    /// The URL of the kernel.
    #[serde(default)]
    pub kernel: Option<At<String>>,
    /// The URLs of the initial RAM disks, in the order of loading.
    #[serde(default)]
    pub initrd: Option<OneOrMany>,
    /// Kernel parameters, weakest of all layers.
    #[serde(default)]
    pub params: Option<Vec<At<String>>>,
    /// Takes nothing from the layers: for memory tests and discovery.
    #[serde(default)]
    pub sealed: Option<At<bool>>,
    /// What differs by architecture.
    #[serde(default)]
    pub arch: Option<At<BootArches>>,
}

/// What differs by architecture.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BootArches {
    /// For `x86_64` nodes.
    #[serde(default)]
    pub x86_64: Option<At<BootArch>>,
    /// For `aarch64` nodes.
    #[serde(default)]
    pub aarch64: Option<At<BootArch>>,
}

/// What one architecture boots instead.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BootArch {
    /// The URL of the kernel.
    #[serde(default)]
    pub kernel: Option<At<String>>,
    /// The URLs of the initial RAM disks.
    #[serde(default)]
    pub initrd: Option<OneOrMany>,
    /// Kernel parameters, a layer above those of the boot configuration.
    #[serde(default)]
    pub params: Option<Vec<At<String>>>,
}

/// `networks/NAME.toml`: the network NAME.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NetworkFile {
    /// What the network is for.
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
    /// The VLAN's number.
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

/// Makes enumerations of plain words.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
        #[schemars(inline)]
        pub enum $name { $(#[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Returns the word that the files use.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    )+};
}

words! {
    /// A processor architecture, as the Linux kernel names it.
    ArchName { X86_64 = "x86_64", Aarch64 = "aarch64" }
    /// Where MAC addresses come from: git alone, or the first trusted survey of the BMC.
    MacSource { Declared = "declared", FromBmc = "from-bmc" }
    /// What is to become of a node.
    NodeState { Active = "active", Maintenance = "maintenance", Spare = "spare", Retired = "retired" }
    /// What a BMC controls.
    BmcKind { Node = "node", Chassis = "chassis", Switch = "switch", Pdu = "pdu" }
    /// What a BMC speaks.
    Protocol { Redfish = "redfish", None = "none" }
    /// How a BMC's certificate is judged.
    Tls { Verify = "verify", Pin = "pin", Insecure = "insecure" }
    /// What an interface is.
    NicKind { Ethernet = "ethernet", Infiniband = "infiniband", Bond = "bond", Vlan = "vlan" }
    /// What a boot configuration does.
    BootKind { Live = "live", Local = "local", Install = "install" }
    /// A power state.
    Power { On = "on", Off = "off" }
}
