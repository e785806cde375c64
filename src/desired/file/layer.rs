//! The keys that every layer has: cluster.toml's defaults, groups and nodes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::expect::Expect;
use super::words::{ArchName, MacSource, NicKind, NodeState};
use crate::desired::at::{At, FreeTable, OneOrMany};
use crate::model::Span;

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
                    state: None,
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

pub(super) use layered;

/// The keys that every layer has, from whichever table stated them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayerTable {
    /// Only groups, nodes and sets state it.
    pub state: Option<At<NodeState>>,
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

impl NicTable {
    /// Lists what the table states, all but the name: the key, the value as text, and its bytes.
    #[must_use]
    pub fn stated(&self) -> Vec<(&'static str, String, Span)> {
        let Self { name: _, kind, network, boot, mac, guid, ip, members, link, mtu } = self;
        let text = |key, at: &Option<At<String>>| at.as_ref().map(|at| (key, at.value.clone(), at.span));
        let list = |key, items: &[At<String>]| {
            let first = items.first()?;
            let texts: Vec<&str> = items.iter().map(|item| item.value.as_str()).collect();
            Some((key, texts.join(" "), first.span))
        };
        let all = [
            kind.as_ref().map(|at| ("kind", at.value.as_str().to_owned(), at.span)),
            text("network", network),
            boot.as_ref().map(|at| ("boot", at.value.to_string(), at.span)),
            text("mac", mac),
            text("guid", guid),
            ip.as_ref().and_then(|ips| list("ip", &ips.0)),
            members.as_ref().and_then(|members| list("members", members)),
            text("link", link),
            mtu.as_ref().map(|at| ("mtu", at.value.to_string(), at.span)),
        ];
        all.into_iter().flatten().collect()
    }
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
