//! The keys that every layer has: cluster.toml's defaults, groups and nodes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::expect::Expect;
use super::nic::NicTable;
use super::words::{ArchName, MacSource, NodeState};
use crate::desired::at::{At, FreeTable};

/// Adds the keys that every layer has to a table, and a function that takes them out.
macro_rules! layered {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// The boot configuration: the file `boot/NAME.toml`.
            #[serde(default)]
            pub boot: Option<At<String>>,
            /// Kernel parameters, one per element. `key=value` replaces the one weaker entry of its key, `=key=value`
            /// all of them, `+key=value` adds one, `-key` removes all and `-key=value` one.
            #[serde(default)]
            pub params: Option<Vec<At<String>>>,
            /// Plain values for templates: `{{ vars.NAME }}`. Tables merge by key.
            #[serde(default)]
            pub vars: Option<At<FreeTable>>,
            /// The processor architecture: `x86_64` (the default) or `aarch64`.
            #[serde(default)]
            pub arch: Option<At<ArchName>>,
            /// The documents for cloud-init.
            #[serde(default)]
            pub cloud_init: Option<At<CloudInitTable>>,
            /// The network interfaces. Layers merge them by name.
            #[serde(default)]
            pub nics: Option<Vec<At<NicTable>>>,
            /// The expected properties of the machine. Only declared keys are compared.
            #[serde(default)]
            pub expect: Option<At<Expect>>,
            /// The source of MAC addresses.
            #[serde(default)]
            pub macs: Option<At<MacSource>>,
            /// Removes values of weaker layers, by path: `"vars.image"`, `"nics.ib0"`, `"cloud_init.user_data"`.
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

/// The documents for cloud-init.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CloudInitTable {
    /// The file under `cloud-init/` with the node's user-data; that of the strongest layer is used.
    #[serde(default)]
    pub user_data: Option<At<String>>,
    /// The file under `cloud-init/` with this layer's part of vendor-data; the parts of all layers are used, in
    /// order.
    #[serde(default)]
    pub vendor_data: Option<At<String>>,
    /// Further keys for meta-data. Tables merge by key.
    #[serde(default)]
    pub meta_data: Option<At<FreeTable>>,
    /// The file under `cloud-init/` with the node's network-config, instead of one generated from `nics`.
    #[serde(default)]
    pub network_config: Option<At<String>>,
    /// The version of the network-config generated from `nics`: 2 is netplan's, 1 cloud-init's own. The default is 2,
    /// or 1 for nodes with settings that cloud-init loses when it converts version 2 for NetworkManager.
    #[serde(default)]
    #[schemars(range(min = 1, max = 2))]
    pub network_version: Option<At<u8>>,
}
