//! What a change means, as strangers see it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::published;

/// The effect of a change of the cluster repository on machines.
///
/// Equal changes are grouped. Values that belong to one machine appear in texts as placeholders, such as `<name>` or
/// `<new eth0.mac>`; `machines` has their values for each machine. If a text itself contains `<name>`, the placeholder
/// has another name, such as `name 2`: a name in angle brackets that is a placeholder neither of the machine nor of the
/// group is text. The kernel line of a script is split: each parameter is a line that begins with its blank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffView {
    /// The version of this document: `v1`.
    pub api_version: String,
    /// The version of the muster that compared.
    pub muster: String,
    pub cluster: String,
    /// The base of the comparison, in words.
    pub base: String,
    /// The full id of its commit.
    pub base_revision: String,
    /// The head of the comparison, in words.
    pub head: String,
    /// The full id of its commit, or `worktree`; of a merge, of the commit that is merged.
    pub head_revision: String,
    pub summary: DiffCounts,
    /// The judgement of the guard rails in policy.toml; null if only some nodes were compared, which no rail judges.
    #[serde(default)]
    pub guard: Option<GuardView>,
    /// The accounts that are newly sent to BMCs: to a new place, or with another TLS mode.
    #[serde(default)]
    pub accounts: Vec<NewAccountView>,
    /// Nodes first, most machines first; every machine that differs is in exactly one.
    pub folds: Vec<FoldView>,
}

/// An account that BMCs are sent, as none was before the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewAccountView {
    /// The name of the credential; null if the host has one for each of the BMCs.
    pub credential: Option<String>,
    /// The TLS mode, or `in clear text`.
    pub protection: String,
    /// How many BMCs.
    pub count: u64,
    /// Their names, folded.
    pub set: String,
    /// Their addresses, each once.
    pub urls: Vec<String>,
}

/// The effect of the change, in nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffCounts {
    /// All nodes of the head.
    pub nodes: u64,
    pub added: u64,
    pub removed: u64,
    /// The names of those that are removed, folded.
    #[serde(default)]
    pub removed_nodes: String,
    pub renamed: u64,
    pub changed: u64,
    /// Of those that stay: nodes that get another kernel, or another kind of boot.
    pub kernel: u64,
    /// Of those that stay: nodes that get another initial RAM disk.
    #[serde(default)]
    pub initrd: u64,
    /// Of those that stay: nodes that get other parameters.
    pub params: u64,
    /// Of those that stay: nodes whose script differs in nothing of the above.
    pub other_script: u64,
    /// Of those that stay: nodes that get other cloud-init documents.
    pub cloud_init: u64,
    /// Of those that stay: nodes that are served the same bytes, but are found by other keys than before.
    #[serde(default)]
    pub found: u64,
    /// Of those that stay: nodes that are served the same bytes by the same keys, and are compared with or asked by other values.
    pub not_served: u64,
    /// Nodes that stay or come and get something of it at their next boot; nothing reboots them.
    #[serde(default)]
    pub next_boot: u64,
    /// BMCs without a declared node.
    pub bmcs: u64,
}

/// The judgement of the guard rails of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuardView {
    /// The rails that it breaks; a server holds a commit that breaks any.
    pub breaches: Vec<BreachView>,
    /// The digests that `allow` in `[guard]` of policy.toml must name besides those that it does, for no rail to be broken.
    pub to_allow: Vec<String>,
    /// Digests in `allow` that are not needed.
    pub stale: Vec<StaleAllowView>,
}

/// A guard rail that a change breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreachView {
    /// Its key in `[guard]`: `max_nodes`, `max_percent`, `max_removals`, `emptied`, `install` or `accounts`.
    pub rail: String,
    /// The violation, in one sentence.
    pub told: String,
    /// Which side states it.
    pub side: SideView,
    /// From the cluster's root of that side.
    pub path: String,
    /// Counted from 1.
    pub line: u32,
    /// How many nodes break it, those that are allowed aside.
    pub count: u64,
    /// Violations that are not allowed.
    pub folds: Vec<BrokenView>,
}

/// A fold that breaks a guard rail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BrokenView {
    pub digest: String,
    /// The names of its nodes, folded; empty for undeclared machines.
    pub set: String,
    /// How many of its machines break the rail.
    pub count: u64,
}

/// A digest that is allowed and that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StaleAllowView {
    pub digest: String,
    /// From the cluster's root of the head.
    pub path: String,
    /// Counted from 1.
    pub line: u32,
}

/// A side of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SideView {
    Base,
    Head,
}

/// Equal changes of some machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoldView {
    /// The same for the same change of the same machines, whatever its commits and lines.
    pub digest: String,
    pub subject: ChangedSubject,
    pub fate: FateView,
    pub reach: ReachView,
    /// Whether bytes differ that no value explains.
    #[serde(default)]
    pub unexplained: bool,
    /// The names of the holes in its texts that each request fills, or that follow from the rest of a text: `server`, `path`,
    /// `who`, `again`, `bootif`, `boundary`.
    #[serde(default)]
    pub holes: Vec<String>,
    /// The names, folded: `nid[0001-0008]`.
    pub set: String,
    /// In natural order.
    pub machines: Vec<ChangedMachine>,
    pub values: Vec<ChangedValue>,
    pub texts: Vec<ChangedText>,
}

/// One machine of a fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedMachine {
    /// Its name; for an undeclared machine, the architecture that it reports, or `?`.
    pub name: String,
    /// The former name, if it was renamed.
    pub from: Option<String>,
    /// The values of its holes, by name.
    pub holes: BTreeMap<String, String>,
}

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedValue {
    /// Such as `params.selinux`, `eth0.mac` or `expect.memory_gib`; of a file under `cloud-init/`, its path.
    pub key: String,
    pub old: Option<StatedValue>,
    pub new: Option<StatedValue>,
    /// How many other places state it for other machines of the fold.
    pub more_places: u64,
}

/// One side of a value, and its origin for the first machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatedValue {
    /// Of a file under `cloud-init/`, the first digits of its SHA-256.
    pub text: String,
    /// From the cluster's root; null if no single line declares it.
    pub path: Option<String>,
    /// Counted from 1.
    pub line: Option<u32>,
    /// In words, such as `group compute`.
    pub layer: Option<String>,
}

/// The differences of one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedText {
    /// `script`, `meta-data`, `user-data`, `vendor-data` or `network-config`.
    pub part: String,
    pub hunks: Vec<HunkView>,
}

/// Lines, each with its ending, that replace others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HunkView {
    /// The lines before, of the first machine.
    pub before: Vec<String>,
    pub removed: Vec<String>,
    pub added: Vec<String>,
    /// The lines after, of the first machine.
    pub after: Vec<String>,
}

/// The kind of the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangedSubject {
    Node,
    /// A BMC without a declared node.
    Bmc,
    /// Any undeclared machine.
    Unknown,
}

/// The effect on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FateView {
    Added,
    Removed,
    /// It is the same machine by its MAC address, serial number or UUID.
    Renamed,
    Changed,
}

/// How the change gets to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReachView {
    /// Bytes that it is served differ.
    NextBoot,
    /// The node is served the same bytes, but to others than before: it is found by other keys.
    Found,
    /// Only values that muster compares with the machine, or contacts it by.
    Compared,
}

impl DiffView {
    /// Returns the JSON schema of a comparison (draft 7): the name of its file, and its text, which ends in a newline.
    ///
    /// It lets in keys that it does not name, since a version gains fields.
    #[must_use]
    pub fn schema() -> (&'static str, String) {
        published::<Self>("diff.schema.json", "A change: muster diff --format json")
    }
}
