//! `boot/NAME.toml`: what is booted.

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::BootKind;
use crate::desired::at::{At, OneOrMany};

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
