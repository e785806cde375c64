//! What a machine should look like.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{BootMode, BootOverride, BootTarget, Power};
use crate::desired::at::{At, FreeTable};

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
    pub drives: Option<At<ExpectDrives>>,
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
    /// What the machine boots next.
    #[serde(default)]
    pub boot: Option<At<ExpectBoot>>,
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

/// How many drives, and which.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExpectDrives {
    /// How many there are.
    #[serde(default)]
    pub count: Option<At<u32>>,
    /// The model of each.
    #[serde(default)]
    pub model: Option<At<String>>,
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

/// What the machine boots next.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExpectBoot {
    /// References of boot options such as `Boot0003`, first tried first.
    #[serde(default)]
    pub order: Option<At<Vec<String>>>,
    /// How long the boot override lasts; `Disabled` where there should be none.
    #[serde(default)]
    pub r#override: Option<At<BootOverride>>,
    /// What the boot override boots from.
    #[serde(default)]
    pub target: Option<At<BootTarget>>,
    /// How the boot override boots.
    #[serde(default)]
    pub mode: Option<At<BootMode>>,
}
