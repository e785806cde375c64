//! `boot/NAME.toml`: the boot configurations.

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::BootKind;
use crate::desired::at::{At, OneOrMany};

/// `boot/NAME.toml`: the boot configuration NAME.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BootFile {
    /// The purpose of the boot configuration.
    #[serde(default)]
    pub description: Option<At<String>>,
    /// `live` loads a kernel, `local` exits to the disk, `install` wipes the disk and is refused until nodes can be
    /// armed.
    #[schemars(required)]
    pub kind: Option<At<BootKind>>,
    /// The URL of the kernel.
    #[serde(default)]
    pub kernel: Option<At<String>>,
    /// The URLs of the initial RAM disks, in loading order.
    #[serde(default)]
    pub initrd: Option<OneOrMany>,
    /// Kernel parameters, the weakest layer.
    #[serde(default)]
    pub params: Option<Vec<At<String>>>,
    /// Ignores the parameters of all layers, for memory tests and discovery.
    #[serde(default)]
    pub sealed: Option<At<bool>>,
    /// Values per architecture.
    #[serde(default)]
    pub arch: Option<At<BootArches>>,
}

/// Values per architecture.
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

/// Values of one architecture, used instead.
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
