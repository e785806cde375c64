//! Drift, as strangers see it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::published;

use super::DiagnosticView;

/// A comparison of the desired with the observed state.
///
/// Equal findings are grouped. The entry of a node in `nodes` refers to its findings by their position in `findings`:
/// `jq --arg n nid0001 '.findings as $f | .nodes[] | select(.name == $n) | .findings[] | $f[.finding] + {since, observed}'`.
/// Findings that belong to no node are in `findings` only, with another `kind`.
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
    /// Everything that is not in sync, by severity, then by the number of nodes, then by class and attribute.
    pub findings: Vec<FindingView>,
    /// Remarks about the comparison itself, such as unused exceptions; paths are from the git root.
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

/// How much of the observed state is managed.
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
    /// `managed_nodes` in percent of `nodes`, rounded down; null if there are none.
    pub node_percent: Option<u64>,
    /// `managed_attributes` in percent of `attributes`, rounded down; null if there are none.
    pub attribute_percent: Option<u64>,
}

/// The result for one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeDriftView {
    pub name: String,
    /// The gravest of its verdicts.
    pub standing: StandingView,
    /// The file that declares it, from the git root.
    pub path: String,
    pub line: u32,
    /// The time of the BMC's latest observation; null if there is none.
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
    /// The time since when this is so, if known.
    pub since: Option<String>,
    /// The time of the observation that it is based on, if there is one.
    pub observed: Option<String>,
}

/// Equal findings about several nodes, or others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FindingView {
    pub class: ClassView,
    /// The attribute's path, such as `bios.attributes.LogicalProc`; empty for the subject as a whole.
    pub attribute: String,
    pub verdict: VerdictView,
    /// The findings per subject.
    pub kind: SubjectKind,
    /// The undeclared System, if the finding is about one.
    pub system: Option<String>,
    /// The names, folded: `nid[0001-0008]`; MAC addresses with commas between.
    pub set: String,
    /// The names, one by one; of Systems, those of their BMCs.
    pub names: Vec<String>,
    /// The expected value, as written.
    pub wished: Option<String>,
    /// The observed value, as reported.
    pub seen: Option<String>,
    /// An additional sentence, if the values are not enough.
    pub note: Option<String>,
    /// The reason why the verdict is not plain drift, in words; null if it is.
    pub why: Option<String>,
    /// The exception that accepts it; null if there is none, and for maintenance.
    pub exception: Option<ExceptionView>,
    /// The file that declares the value, from the git root.
    pub path: Option<String>,
    /// Counted from 1.
    pub line: Option<u32>,
    /// Counted in characters from 1.
    pub column: Option<u32>,
    /// Since when it is so.
    pub since: Option<TimesView>,
    /// The time of the observation that it is based on.
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
    /// It cannot be observed: it has no BMC or one without a protocol, or it is retired.
    NotObservable,
    InSync,
    Excepted,
    Settling,
    Pending,
    Unknown,
    Drifted,
}

/// The attributes that are judged. Those in sync are not findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictView {
    /// It differs from the desired state.
    Drifted,
    /// It is not known, which is never fine.
    Unknown,
    /// The expected value waits for a reset.
    Pending,
    /// It does not count yet.
    Settling,
    /// It is excused.
    Excepted,
}

/// The kind of a difference.
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

/// The subject of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    Node,
    Bmc,
    /// An undeclared System of a BMC.
    System,
    /// The MAC address of an undeclared machine that requested a script.
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
