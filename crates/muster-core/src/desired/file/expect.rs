//! The expected hardware, settings and state of a machine.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{BootMode, BootOverride, BootTarget, Power};
use crate::desired::at::{At, FreeTable};

/// The expected properties of a machine. Only declared keys are compared with the report of its BMC.
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
    pub drives: Option<At<ExpectDrives>>,
    /// The BIOS.
    #[serde(default)]
    pub bios: Option<At<ExpectBios>>,
    /// Firmware versions, by name in the BMC's inventory.
    #[serde(default)]
    pub firmware: Option<At<BTreeMap<String, At<String>>>>,
    /// Whether Secure Boot is on.
    #[serde(default)]
    pub secure_boot: Option<At<bool>>,
    /// The power state.
    #[serde(default)]
    pub power: Option<At<Power>>,
    /// The boot settings.
    #[serde(default)]
    pub boot: Option<At<ExpectBoot>>,
}

/// The number and model of parts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExpectParts {
    /// The number of them.
    #[serde(default)]
    pub count: Option<At<u32>>,
    /// The model of each.
    #[serde(default)]
    pub model: Option<At<String>>,
    /// The cores of each processor.
    #[serde(default)]
    pub cores: Option<At<u32>>,
}

/// The number and model of drives.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExpectDrives {
    /// The number of them.
    #[serde(default)]
    pub count: Option<At<u32>>,
    /// The model of each.
    #[serde(default)]
    pub model: Option<At<String>>,
}

/// The expected BIOS.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExpectBios {
    /// The version.
    #[serde(default)]
    pub version: Option<At<String>>,
    /// Settings, by name in the BMC's attribute registry.
    #[serde(default)]
    pub attributes: Option<At<FreeTable>>,
}

/// The boot settings.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExpectBoot {
    /// References of boot options such as `Boot0003`, in boot order.
    #[serde(default)]
    pub order: Option<At<Vec<String>>>,
    /// The duration of the boot override; `Disabled` for none.
    #[serde(default)]
    pub r#override: Option<At<BootOverride>>,
    /// The target of the boot override.
    #[serde(default)]
    pub target: Option<At<BootTarget>>,
    /// The mode of the boot override.
    #[serde(default)]
    pub mode: Option<At<BootMode>>,
}
