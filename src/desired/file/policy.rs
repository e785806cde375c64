//! `policy.toml`: how drift is judged.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::desired::at::At;

/// `policy.toml`: how what is wished is held against what is seen.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyFile {
    /// How drift is judged.
    #[serde(default)]
    pub drift: Option<At<PolicyDrift>>,
}

/// How drift is judged.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyDrift {
    /// How many surveys one after another must show a difference before it counts; 1 where nobody says.
    #[serde(default)]
    #[schemars(range(min = 1, max = 4))]
    pub confirm: Option<At<u8>>,
    /// What makes `muster drift` fail, each as for `--fail-on`: `"drift"`, `"unknown>1%"`, `"pending>5"`, `"stale>24h"`.
    #[serde(default)]
    pub fail_on: Option<Vec<At<String>>>,
    /// The age from which what was seen counts as stale, such as `"24h"`.
    #[serde(default)]
    pub stale_after: Option<At<String>>,
}
