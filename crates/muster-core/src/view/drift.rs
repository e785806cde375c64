//! Drift, as strangers see it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::published;

use super::DiagnosticView;

/// A comparison of the wishes with what was observed.
///
/// Equal findings are folded. All that is known of one node stands in its entry of `nodes`, which names its findings by
/// their place in `findings`: `jq --arg n nid0001 '.findings as $f | .nodes[] | select(.name == $n) | .findings[] |
/// $f[.finding] + {since, observed}'`. What is no node's stands in `findings` alone, with another `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftView {
    /// The version of this document: `v1`.
    pub api_version: String,
    /// The version of the muster that compared.
    pub muster: String,
    pub cluster: String,
    /// The full id of the commit that was compared, or `worktree`.
    pub revision: String,
    /// The time that the comparison was made for.
    pub at: String,
    pub summary: StandingCounts,
    pub coverage: CoverageView,
    /// Every node, in natural order.
    pub nodes: Vec<NodeDriftView>,
    /// Everything that is not in sync: gravest first, then what concerns most, then by class and attribute.
    pub findings: Vec<FindingView>,
    /// What is odd about the comparison itself, such as exceptions that excuse nothing; paths are from the git root.
    pub warnings: Vec<DiagnosticView>,
}

/// How many nodes have each standing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StandingCounts {
    pub total: u64,
    pub drifted: u64,
    pub unknown: u64,
    pub pending: u64,
    pub settling: u64,
    pub excepted: u64,
    pub in_sync: u64,
    pub not_observable: u64,
}

/// How much of what is seen is managed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoverageView {
    /// Nodes that can be observed.
    pub nodes: u64,
    /// Of those, nodes of which at least one attribute is managed.
    pub managed_nodes: u64,
    /// Attributes that were observed of the managed nodes.
    pub attributes: u64,
    /// Of those, attributes that are managed.
    pub managed_attributes: u64,
    /// `managed_nodes` in percent of `nodes`, rounded down; null where there are none.
    pub node_percent: Option<u64>,
    /// `managed_attributes` in percent of `attributes`, rounded down; null where there are none.
    pub attribute_percent: Option<u64>,
}

/// What one node comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeDriftView {
    pub name: String,
    /// The gravest of its verdicts.
    pub standing: StandingView,
    /// The file that declares it, from the git root.
    pub path: String,
    pub line: u32,
    /// When its BMC was last seen; null where it never was, or cannot be.
    pub seen: Option<String>,
    /// How many of its attributes were judged.
    pub judged: u32,
    /// How many of those are in sync.
    pub in_sync: u32,
    pub findings: Vec<NodeFindingView>,
}

/// One finding about one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeFindingView {
    /// The place in `findings`, counted from 0.
    pub finding: u32,
    /// Since when it is so, where that is known.
    pub since: Option<String>,
    /// When what it rests on was seen, where anything was.
    pub observed: Option<String>,
}

/// Equal findings about several nodes, or others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FindingView {
    pub class: ClassView,
    /// The attribute's path, such as `bios.attributes.LogicalProc`; empty where the subject as a whole is meant.
    pub attribute: String,
    pub verdict: VerdictView,
    /// What is found about whom.
    pub kind: SubjectKind,
    /// The System that nobody declares, where the finding is about Systems.
    pub system: Option<String>,
    /// The names, folded: `nid[0001-0008]`; MAC addresses with commas between.
    pub set: String,
    /// The names, one by one; of Systems, those of their BMCs.
    pub names: Vec<String>,
    /// What is wished, as it was written.
    pub wished: Option<String>,
    /// What was seen, as it was seen.
    pub seen: Option<String>,
    /// One sentence more, where the values do not tell it all.
    pub note: Option<String>,
    /// Why the verdict is not plain drift, in words; null where it is.
    pub why: Option<String>,
    /// The exception that excuses it; null where none does, and for maintenance.
    pub exception: Option<ExceptionView>,
    /// Where the wish is stated: the file, from the git root.
    pub path: Option<String>,
    /// Counted from 1.
    pub line: Option<u32>,
    /// Counted in characters from 1.
    pub column: Option<u32>,
    /// Since when it is so.
    pub since: Option<TimesView>,
    /// When what it rests on was seen.
    pub observed: Option<TimesView>,
}

/// The oldest and the newest of some times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimesView {
    pub oldest: String,
    pub newest: String,
}

/// An entry under `exceptions/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionView {
    pub owner: String,
    pub reason: Option<String>,
    /// The last day on which it holds, in UTC: `2026-12-31`.
    pub until: String,
    /// The file that states it, from the git root.
    pub path: String,
    pub line: u32,
}

/// The gravest verdict of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StandingView {
    /// Nobody can observe it: it has no BMC, or one that speaks no protocol; or it is retired.
    NotObservable,
    InSync,
    Excepted,
    Settling,
    Pending,
    Unknown,
    Drifted,
}

/// What is judged. What is in sync is no finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictView {
    /// It is not as wished.
    Drifted,
    /// It cannot be told, which is never fine.
    Unknown,
    /// The wished value waits for a reset.
    Pending,
    /// It does not count yet.
    Settling,
    /// It is excused.
    Excepted,
}

/// What kind of thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassView {
    Presence,
    Identity,
    Inventory,
    Firmware,
    Bios,
    Boot,
    Power,
    /// The node runs a script that git no longer says.
    #[serde(rename = "stale_boot")]
    StaleBoot,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    Node,
    Bmc,
    /// A System that nobody declares, behind a BMC.
    System,
    /// A MAC address that asked to boot and that nobody claims.
    Mac,
}

impl DriftView {
    /// Returns the JSON schema of a comparison (draft 7): the name of its file, and its text, which ends in a newline.
    ///
    /// It lets in keys that it does not name, since a version gains fields.
    #[must_use]
    pub fn schema() -> (&'static str, String) {
        published::<Self>("drift.schema.json", "Drift: muster drift --format json")
    }
}
