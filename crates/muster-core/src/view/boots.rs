//! Which node runs what, as strangers see it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::node::hex;
use super::schema::published;
use super::{ChangedValue, TimesView};
use crate::drift::runs::{Doubt, Run, Tally};
use crate::observed::Boot;
use crate::snapshot::{Answer, Snapshot};

/// The number of nodes per state of their last boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunCounts {
    /// The full id of the commit that they are compared with; nothing before the first.
    pub revision: Option<String>,
    /// Nodes that run the script that they would be given today.
    pub current: u64,
    /// Nodes that run another, until they boot next.
    pub stale: u64,
    /// Nodes for which it is not known.
    pub unknown: u64,
    /// Nodes that git gives nothing to boot.
    pub idle: u64,
    /// Which commits the nodes booted whose script is known, most nodes first; at most 20.
    pub revisions: Vec<RunRevision>,
}

/// How many nodes booted one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRevision {
    /// The full id of the commit.
    pub id: String,
    pub nodes: u64,
}

/// Some nodes and what they run, in the order of their names' bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BootsPage {
    /// The version of this document: `v1`.
    pub api_version: String,
    /// The full id of the commit that they are compared with.
    pub revision: String,
    pub nodes: Vec<RunView>,
    /// What to ask `after=` for the next page; null on the last one. A page may be empty and not the last.
    pub next: Option<String>,
}

/// What one node runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunView {
    pub name: String,
    pub state: RunState,
    /// Why it is unknown: `never`, `unconfirmed`, `other_machine`, `ahead`, `reset` or `later`; null where it is not.
    pub why: Option<String>,
    /// The same in words.
    pub reason: Option<String>,
    /// The last boot that is believed; of an unknown node the fetch that is in doubt, where there is one.
    pub boot: Option<RunBoot>,
    /// The digest of the script that the node would be given today.
    pub today: Option<String>,
    /// The name that the machine booted as, where git has given its MAC address to this node since.
    pub booted_as: Option<String>,
    /// A later fetch of another script, which is not counted since nobody can tell that the node made it.
    pub uncounted: Option<RunBoot>,
    /// The architecture that git declares, if the machine named another at that boot; null otherwise.
    #[serde(default)]
    pub other_arch: Option<String>,
}

/// Whether a node runs the script that it would get today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    Stale,
    Unknown,
    Current,
    /// Git gives it nothing to boot.
    Idle,
}

/// One fetch of a boot script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunBoot {
    pub at: String,
    /// The address that asked.
    pub address: String,
    /// The full id of the commit that was served.
    pub revision: String,
    pub script_digest: String,
    /// The architecture that the machine named, in iPXE's words.
    #[serde(default)]
    pub arch: Option<String>,
    /// When cloud-init said from there that it was done.
    pub confirmed: Option<String>,
}

/// Which nodes run which script: `muster boots --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BootsView {
    /// The version of this document: `v1`.
    pub api_version: String,
    /// The version of the muster that wrote it.
    pub muster: String,
    /// The full id of the commit that the nodes are compared with, or `worktree`.
    pub revision: String,
    /// Of the nodes that were asked for.
    pub counts: RunCounts,
    /// Equal nodes, stale ones first, then most nodes first; every node is in exactly one.
    pub folds: Vec<RunFold>,
}

/// Nodes that run the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunFold {
    pub state: RunState,
    /// Why it is unknown; see the nodes of `/api/v1/boots`.
    pub why: Option<String>,
    pub reason: Option<String>,
    /// The commit that they booted; null if unknown.
    pub revision: Option<String>,
    /// The script that they booted; null if it is unknown, or if each of them has its own.
    pub script_digest: Option<String>,
    /// The names, folded.
    pub set: String,
    /// The names, one by one.
    pub names: Vec<String>,
    /// The times of the first and the last of their boots, if known.
    pub booted: Option<TimesView>,
    /// How many of these boots cloud-init confirmed.
    pub confirmed: u64,
    /// How many of them were made under another name.
    pub renamed: u64,
    /// The number of nodes with a later fetch of another script that does not count as a boot.
    pub uncounted: u64,
    /// How many of these machines named another architecture than git declares for their node.
    #[serde(default)]
    pub other_arch: u64,
    /// The differences from the current scripts; null if they booted the current commit.
    pub how: Option<HowView>,
}

/// The differences between booted scripts and current ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HowView {
    /// The reason why only digests are known; null if the differences are.
    pub untold: Option<String>,
    /// The differences, most nodes first; empty if nothing that nodes are served differs.
    pub changes: Vec<HowChange>,
}

/// An equal difference of some nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HowChange {
    /// The names, folded.
    pub set: String,
    /// The text that differs: `script`, `user-data` and so on.
    pub parts: Vec<String>,
    /// The values that cause it.
    pub values: Vec<ChangedValue>,
}

impl RunCounts {
    /// The most commits that are named.
    pub const MOST_REVISIONS: usize = 20;

    /// Describes a tally of the nodes of a commit.
    #[must_use]
    pub fn of(tally: &Tally, revision: Option<&str>) -> Self {
        let Tally { current, stale, unknown, idle, revisions } = tally;
        let mut all: Vec<_> =
            revisions.iter().map(|(id, nodes)| RunRevision { id: id.to_string(), nodes: *nodes }).collect();
        all.sort_by(|a, b| b.nodes.cmp(&a.nodes).then_with(|| a.id.cmp(&b.id)));
        all.truncate(Self::MOST_REVISIONS);
        let (current, stale, unknown, idle) = (*current, *stale, *unknown, *idle);
        Self { revision: revision.map(str::to_owned), current, stale, unknown, idle, revisions: all }
    }
}

impl RunView {
    /// Describes what a node runs, by its index.
    #[must_use]
    pub fn of(snapshot: &Snapshot, node: usize, run: &Run) -> Self {
        let (state, doubt) = match run {
            Run::Current(_) => (RunState::Current, None),
            Run::Stale(_) => (RunState::Stale, None),
            Run::Unknown(doubt) => (RunState::Unknown, Some(doubt)),
            Run::Idle => (RunState::Idle, None),
        };
        let known = run.known();
        let boot = known.map(|known| &known.boot).or_else(|| doubt?.boot());
        let later = match doubt {
            Some(Doubt::Later { uncounted, .. }) => Some(uncounted),
            Some(
                Doubt::Never
                | Doubt::Unconfirmed(_)
                | Doubt::OtherMachine { .. }
                | Doubt::Ahead(_)
                | Doubt::Reset { .. },
            )
            | None => known.and_then(|known| known.uncounted.as_ref()),
        };
        let named = boot.and_then(|boot| boot.arch.as_deref());
        Self {
            name: snapshot.nodes()[node].name.to_string(),
            state,
            why: doubt.map(|doubt| doubt.as_str().into()),
            reason: doubt.map(|doubt| doubt.words().into()),
            boot: boot.map(RunBoot::of),
            today: match snapshot.answer(node) {
                Answer::Script(prepared) => Some(hex(&prepared.digest)),
                Answer::Retired | Answer::Nothing => None,
            },
            booted_as: known.and_then(|known| known.booted_as.as_deref()).map(str::to_owned),
            uncounted: later.map(RunBoot::of),
            other_arch: named.and_then(|named| snapshot.other_arch(node, named)).map(|arch| arch.to_string()),
        }
    }
}

impl RunBoot {
    fn of(boot: &Boot) -> Self {
        Self {
            at: rfc3339(boot.at),
            address: boot.address.to_string(),
            revision: boot.revision.to_string(),
            script_digest: hex(&boot.digest),
            arch: boot.arch.as_deref().map(str::to_owned),
            confirmed: boot.confirmed.map(rfc3339),
        }
    }
}

impl BootsView {
    /// Returns the JSON schema of the document: the name of its file, and its text.
    #[must_use]
    pub fn schema() -> (&'static str, String) {
        published::<Self>("boots.schema.json", "Which nodes run what: muster boots --format json")
    }
}

impl RunState {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::Current => "current",
            Self::Idle => "idle",
        }
    }
}

/// Writes unix milliseconds as RFC 3339 in UTC, in seconds.
fn rfc3339(millis: i64) -> String {
    Timestamp::from_second(millis.div_euclid(1000)).unwrap_or_default().to_string()
}
