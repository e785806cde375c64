//! The JSON that we promise to strangers: status, nodes, revisions, drift and changes, versioned as a whole by [`API_VERSION`].
//!
//! Fields are added, never renamed or taken away, within a version. Times are RFC 3339 in UTC, in seconds. This room does
//! not know how a value came to be, who reads it, or how the store keeps it.

mod boots;
mod change;
mod drift;
mod event;
mod log;
mod node;
mod observed;
mod pin;
mod schema;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use boots::{
    BootsPage, BootsView, HowChange, HowView, RunBoot, RunCounts, RunFold, RunRevision, RunState, RunView,
};
pub use change::{
    BreachView, BrokenView, ChangedMachine, ChangedSubject, ChangedText, ChangedValue, DiffCounts, DiffView, FateView,
    FoldView, GuardView, HunkView, NewAccountView, ReachView, SideView, StaleAllowView, StatedValue,
};
pub use drift::{
    ClassView, CoverageView, DriftView, ExceptionView, FindingView, NodeDriftView, NodeFindingView, StandingCounts,
    StandingView, SubjectKind, TimesView, VerdictView,
};
pub use event::{EventCommit, EventList, EventView, GapView};
pub use log::{LogCommit, LogView};
pub use node::{BootView, ClaimView, CloudInitView, NodeCounts, NodeList, NodeView, hex};
pub use observed::{
    ForgetBmcs, Observations, ObservedFile, RefusedLoginView, RefusedLogins, RetryLogins, SurveyView, Taken,
};
pub use pin::{Ordered, PinOrder, PinView, RewindOrder, UnpinOrder};

use crate::model::text::bounded_path;
use crate::model::{Diagnostic, Positions, Revision, Severity, Tree};
use crate::story::Hold;

/// The version of everything in this room.
pub const API_VERSION: &str = "v1";

/// What a running server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The version of this document: `v1`.
    pub api_version: String,
    /// The version of the muster that serves.
    pub muster: String,
    /// The cluster's name, once a commit was read.
    pub cluster: Option<String>,
    pub state: State,
    /// Whether the server only boots, and surveys no BMCs.
    #[serde(default)]
    pub boot_only: bool,
    /// When the server started.
    pub since: String,
    /// The commit that is served.
    pub served: Option<RevisionView>,
    /// Who signed the commit that is served, where a signature is required and it has one that counts.
    #[serde(default)]
    pub signed_by: Option<String>,
    /// The pin, where a commit is served in place of the newest.
    #[serde(default)]
    pub pinned: Option<PinView>,
    /// The newest commit, where it was refused or is held.
    pub refused: Option<RefusedView>,
    /// The commit that is being built, if one is.
    #[serde(default)]
    pub building: Option<BuildingView>,
    /// What an upgrade of muster changed, where the commit that is served was stored by another version.
    #[serde(default)]
    pub upgraded: Option<UpgradeView>,
    /// Why something waits or is not as it should be, one sentence each.
    pub held: Vec<String>,
    /// What somebody should look at, though all is served as it should be, one sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
    pub source: SourceView,
    pub store: StoreView,
    pub nodes: NodeCounts,
    /// How many MAC addresses asked to boot that nobody declares.
    pub unknown_macs: u64,
    /// Those of them that asked last, the newest first; ten at most.
    #[serde(default)]
    pub newest_unknown: Vec<UnknownView>,
    /// How many nodes run what they would be given today.
    #[serde(default)]
    pub runs: RunCounts,
    /// How many boot scripts were given to nodes since the server started.
    pub boots: u64,
    /// How many requests of unknown machines were not noted since then, because too many came at once.
    #[serde(default)]
    pub unknown_dropped: u64,
    /// What the surveys of the BMCs came to.
    #[serde(default)]
    pub survey: SurveyView,
}

/// A MAC address that asked to boot and that nothing declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnknownView {
    pub mac: String,
    /// When it asked first.
    pub first: String,
    /// When it asked last.
    pub last: String,
    /// How often it asked.
    pub count: u64,
    /// The network address that it last asked from.
    pub address: String,
    /// What the client calls itself.
    pub user_agent: String,
}

/// How well a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No commit is served yet.
    Starting,
    /// The newest commit is served.
    Serving,
    /// A commit is served, and something is not as it should be.
    Degraded,
}

/// One commit that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevisionView {
    /// The full commit id.
    pub id: String,
    /// Its first 12 digits.
    pub short: String,
    /// The first line of the commit's message.
    pub subject: String,
    /// When it was accepted.
    pub at: String,
}

/// One commit that was refused, or is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedView {
    pub revision: RevisionView,
    /// What holds it; null where it is itself at fault.
    #[serde(default)]
    pub held_by: Option<Hold>,
    /// Why, in one sentence.
    pub reason: String,
    pub diagnostics: Vec<DiagnosticView>,
}

/// A commit that is being built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildingView {
    /// The full commit id.
    pub id: String,
    /// The first line of the commit's message.
    pub subject: String,
    /// Since when.
    pub since: String,
}

/// What the first start after an upgrade found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpgradeView {
    /// The version of muster that rendered the stored scripts.
    pub from: String,
    /// How many nodes get another script than the one that was stored, of the same commit.
    pub scripts_changed: u64,
}

/// One finding of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiagnosticView {
    /// The stable name of this kind of finding.
    pub code: String,
    pub severity: SeverityView,
    /// The file: from the cluster's root, or for `muster check`, from the current folder.
    pub path: String,
    /// Counted from 1; null if the finding is about the whole file.
    pub line: Option<u32>,
    /// Counted in characters from 1.
    pub column: Option<u32>,
    pub message: String,
    pub hint: Option<String>,
}

/// All findings of a check, in the order of the text output; empty if there are none.
///
/// It is a plain list without a version; a later version would be an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct FindingList(pub Vec<DiagnosticView>);

impl FindingList {
    /// Describes findings; paths begin with `prefix`.
    #[must_use]
    pub fn of(findings: &[Diagnostic], tree: &Tree, prefix: &str) -> Self {
        let mut all = DiagnosticView::all(findings, tree);
        all.iter_mut().for_each(|finding| finding.path.insert_str(0, prefix));
        Self(all)
    }

    /// Returns the JSON schema of the list: the name of its file, and its text, which ends in a newline.
    #[must_use]
    pub fn schema() -> (&'static str, String) {
        schema::published::<Self>("findings.schema.json", "Findings: muster check --format json")
    }
}

/// Whether a finding refuses the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeverityView {
    Error,
    Warning,
}

/// Where the wishes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceView {
    /// The folder or URL of the repository.
    pub repository: String,
    /// The branch that is followed; empty where a tag is.
    pub branch: String,
    /// The tag that is followed in place of a branch.
    #[serde(default)]
    pub tag: Option<String>,
    /// What to know of the way to it, where it can be read and there is something.
    #[serde(default)]
    pub warning: Option<String>,
    /// The folder of the cluster in the repository; empty for its root.
    pub path: String,
    /// When the repository was last looked at.
    pub last_check: Option<String>,
    /// Why it could not be read, where it could not.
    pub error: Option<String>,
}

/// Where the server remembers what it saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoreView {
    /// The file.
    pub path: String,
    pub state: StoreState,
    /// Why it does not work, where it does not.
    pub error: Option<String>,
}

/// How well the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreState {
    /// What is seen is on disk within a second.
    Ok,
    /// The store was unreadable and is kept beside; a fresh one took its place.
    Replaced,
    /// Writing fails, for want of space or worse; what is seen is in memory only.
    Failing,
}

/// The accepted commits, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevisionList {
    /// The version of this document: `v1`.
    pub api_version: String,
    pub revisions: Vec<RevisionView>,
}

impl RevisionView {
    /// Describes a commit; `at` is RFC 3339.
    #[must_use]
    pub fn new(revision: &Revision, subject: &str, at: String) -> Self {
        Self { id: revision.as_str().into(), short: revision.short().into(), subject: subject.into(), at }
    }
}

impl From<Severity> for SeverityView {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Error,
            Severity::Warning => Self::Warning,
        }
    }
}

impl DiagnosticView {
    /// Describes a finding about the files of a tree.
    #[must_use]
    pub fn of(diagnostic: &Diagnostic, tree: &Tree) -> Self {
        Self::at(diagnostic, &mut Positions::new(tree))
    }

    /// Describes findings about the files of a tree, each file of which is read once.
    #[must_use]
    pub fn all(findings: &[Diagnostic], tree: &Tree) -> Vec<Self> {
        let mut positions = Positions::new(tree);
        findings.iter().map(|finding| Self::at(finding, &mut positions)).collect()
    }

    /// Describes one of several findings.
    #[must_use]
    pub fn at(diagnostic: &Diagnostic, positions: &mut Positions<'_>) -> Self {
        let position = positions.of(&diagnostic.place);
        Self {
            code: diagnostic.code.as_str().into(),
            severity: diagnostic.severity().into(),
            path: bounded_path(&diagnostic.place.file),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
        }
    }
}

impl Status {
    /// Describes a server that has read nothing yet.
    #[must_use]
    pub fn starting(source: SourceView, store: StoreView, since: String) -> Self {
        Self {
            api_version: API_VERSION.into(),
            muster: env!("CARGO_PKG_VERSION").into(),
            cluster: None,
            state: State::Starting,
            boot_only: false,
            since,
            served: None,
            signed_by: None,
            pinned: None,
            refused: None,
            building: None,
            upgraded: None,
            held: Vec::new(),
            warnings: Vec::new(),
            source,
            store,
            nodes: NodeCounts::default(),
            unknown_macs: 0,
            newest_unknown: Vec::new(),
            runs: RunCounts::default(),
            boots: 0,
            unknown_dropped: 0,
            survey: SurveyView::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Code, Place};

    #[test]
    fn findings_have_lines_and_columns() {
        let tree = Tree::from_fixture("//- cluster.toml\nname = \"t\"\n# \u{fc}\nrow = 1\n");
        let place = |span| Place { file: "cluster.toml".into(), span };
        let view = |span: Option<std::ops::Range<usize>>| {
            let finding = Diagnostic::new(Code::UnknownKey, place(span.map(Into::into)), "no key `row`");
            let view = DiagnosticView::of(&finding, &tree);
            (view.line, view.column)
        };
        assert_eq!(view(Some(0..4)), (Some(1), Some(1)));
        assert_eq!(view(Some(15..16)), (Some(2), Some(4)));
        assert_eq!(view(Some(16..19)), (Some(3), Some(1)));
        assert_eq!(view(Some(9999..10000)), (Some(3), Some(8)));
        assert_eq!(view(None), (None, None));
    }

    #[test]
    fn what_is_written_is_read_again_and_optional_keys_are_there() {
        let source = SourceView {
            repository: "/srv/wishes.git".into(),
            branch: "main".into(),
            tag: None,
            warning: None,
            path: String::new(),
            last_check: None,
            error: None,
        };
        let store = StoreView { path: "/var/lib/muster/store.redb".into(), state: StoreState::Ok, error: None };
        let mut status = Status::starting(source, store, "2026-11-23T10:00:00Z".into());
        let revision = Revision::commit("0123456789abcdef0123456789abcdef01234567");
        status.served = Some(RevisionView::new(&revision, "canary: the next image", "2026-11-23T10:00:01Z".into()));
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["api_version"], "v1");
        assert_eq!(json["state"], "starting");
        assert_eq!(json["served"]["short"], "0123456789ab");
        assert!(json.as_object().unwrap().contains_key("refused") && json["refused"].is_null());
        assert_eq!(serde_json::from_value::<Status>(json).unwrap(), status);
    }
}
