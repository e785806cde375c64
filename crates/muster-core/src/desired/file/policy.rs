//! `policy.toml`: how drift is judged, and which changes wait until somebody allows them.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::desired::at::At;

/// `policy.toml`: how what is wished is held against what is seen, and which changes wait until somebody allows them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyFile {
    /// How drift is judged.
    #[serde(default)]
    pub drift: Option<At<PolicyDrift>>,
    /// Which changes wait until somebody allows them.
    #[serde(default)]
    pub guard: Option<At<PolicyGuard>>,
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

/// Guard rails: what a change may do without being allowed.
///
/// They count before a change and after it: one that takes a rail away is still judged by it, and only the next one is
/// not. So guard this file itself, by the rules of the forge for who must approve it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyGuard {
    /// At most so many nodes may differ in anything, those that come or go among them.
    #[serde(default)]
    pub max_nodes: Option<At<u32>>,
    /// At most such a share of the nodes before the change may differ in anything, in percent.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: Option<At<u8>>,
    /// At most so many nodes may be removed. A node that becomes retired counts, and so does a renamed one that boots
    /// something else than before; one that only has another name does not.
    #[serde(default)]
    pub max_removals: Option<At<u32>>,
    /// Whether a group may not lose its last node, or the last one that is not retired. A group whose very nodes are in a
    /// new group, with nothing else changed for them, has another name only.
    #[serde(default)]
    pub emptied: Option<At<bool>>,
    /// Whether no machine may come to boot by an installer: `true` for boot configurations of kind `install`, or a list of
    /// others that wipe disks, such as `["reinstall"]`. Each MAC address, UUID, serial number and name of before is asked what
    /// it would boot now, as an unknown machine if no node has it any more. A boot configuration that boots the same kernel
    /// and initial RAM disks as an installer of before or now counts as one, unless parameters tell them apart.
    #[serde(default)]
    pub install: Option<At<InstallRail>>,
    /// Whether no BMC account may go where none went before: to a new address, under another credential name, or by
    /// another TLS mode.
    #[serde(default)]
    pub accounts: Option<At<bool>>,
    /// The digests of changes that may be made all the same, as `muster diff` prints them.
    #[serde(default)]
    pub allow: Option<Vec<At<String>>>,
}

/// Which boots are installers: those of kind `install` alone or none, or others by name too.
#[derive(Debug, Clone, PartialEq)]
pub enum InstallRail {
    OfKind(bool),
    Named(Vec<At<String>>),
}

impl<'de> Deserialize<'de> for InstallRail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TrueOrNames;
        impl<'de> Visitor<'de> for TrueOrNames {
            type Value = InstallRail;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, or a list of boot configurations")
            }
            fn visit_bool<E: Error>(self, is_on: bool) -> Result<InstallRail, E> {
                Ok(InstallRail::OfKind(is_on))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<InstallRail, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(InstallRail::Named(all))
            }
        }
        deserializer.deserialize_any(TrueOrNames)
    }
}

impl JsonSchema for InstallRail {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InstallRail".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "boolean" }, { "type": "array", "items": { "type": "string" } }] })
    }
}
