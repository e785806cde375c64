//! `policy.toml`: the rules for judging drift, and for changes that need approval.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::desired::at::At;

/// `policy.toml`: how drift is judged, and which changes wait for permission.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyFile {
    /// How drift is judged.
    #[serde(default)]
    pub drift: Option<At<PolicyDrift>>,
    /// The changes that wait for permission.
    #[serde(default)]
    pub guard: Option<At<PolicyGuard>>,
}

/// How drift is judged.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyDrift {
    /// The number of consecutive surveys that must observe a difference before it counts; 1 by default.
    #[serde(default)]
    #[schemars(range(min = 1, max = 4))]
    pub confirm: Option<At<u8>>,
    /// The conditions that make `muster drift` fail, as for `--fail-on`: `"drift"`, `"unknown>1%"`, `"pending>5"`,
    /// `"stale>24h"`.
    #[serde(default)]
    pub fail_on: Option<Vec<At<String>>>,
    /// The age from which observations count as stale, such as `"24h"`.
    #[serde(default)]
    pub stale_after: Option<At<String>>,
}

/// Guard rails: limits for changes without permission.
///
/// They apply before and after a change: a change that removes a rail is still judged by it, and only the next one is
/// not. Protect this file itself, with the approval rules of the forge.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyGuard {
    /// The number of nodes that may change in any way, including added and removed ones.
    #[serde(default)]
    pub max_nodes: Option<At<u32>>,
    /// The same, as a percentage of the nodes before the change.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: Option<At<u8>>,
    /// The number of nodes that may be removed. A node that becomes retired counts, and so does a renamed one that
    /// boots something else; one that only has another name does not.
    #[serde(default)]
    pub max_removals: Option<At<u32>>,
    /// Whether to guard against a group losing its last node, or the last one that is not retired. A group whose
    /// nodes are all in a new group, with no other change for them, is only renamed.
    #[serde(default)]
    pub emptied: Option<At<bool>>,
    /// Whether to guard against a machine newly booting an installer: `true` for boot configurations of kind
    /// `install`, or a list of others that wipe disks, such as `["reinstall"]`. For each MAC address, UUID, serial
    /// number and name of before, the new boot is determined, as an unknown machine if no node has it any more. A
    /// boot configuration with the kernel and initial RAM disks of an installer counts as one, unless its parameters
    /// differ.
    #[serde(default)]
    pub install: Option<At<InstallRail>>,
    /// Whether to guard against sending a BMC account to a new address, under another credential name, or with
    /// another TLS mode.
    #[serde(default)]
    pub accounts: Option<At<bool>>,
    /// The digests of permitted changes, as `muster diff` prints them.
    #[serde(default)]
    pub allow: Option<Vec<At<String>>>,
}

/// The boot configurations that are installers: those of kind `install` or none, or others by name too.
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
