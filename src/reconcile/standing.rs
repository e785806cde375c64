//! The status of the server: what it serves, what it refused, and what does not work; published at
//! the end of a pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tracing::{error, info, warn};

use super::words::with_hint;
use super::{keep, pin};
use crate::model::text::{plural, verb};
use crate::snapshot::Snapshot;
use crate::story::Hold;
use crate::view::{
    BuildingView, DiagnosticView, NodeCounts, PinView, RefusedView, RevisionView, State, Status, StoreState,
    SurveyView, UpgradeView,
};

/// A refused commit.
pub struct Refused {
    pub revision: RevisionView,
    pub reason: String,
    pub diagnostics: Vec<DiagnosticView>,
    /// The number of errors and warnings, shown or not.
    pub errors: u32,
    pub warnings: u32,
}

impl Refused {
    /// Refuses a commit for a reason that is not a finding.
    pub fn whole(revision: RevisionView, reason: String) -> Self {
        Self { revision, reason, diagnostics: Vec::new(), errors: 0, warnings: 0 }
    }
}

/// The source of the status.
pub struct Standing {
    status: Status,
    /// The reason why the store lags behind the served commit.
    unstored: Option<String>,
    /// The reason why the store was replaced at the start.
    replaced: Option<String>,
    store_trouble: Option<String>,
    /// The reason why the pinned commit is not the served one.
    pin_trouble: Option<String>,
    /// The reason why signatures cannot be judged.
    trust_trouble: Option<String>,
    /// The number of unknown machines in memory.
    unknown: Arc<AtomicU64>,
    survey: Arc<ArcSwap<SurveyView>>,
    /// The number of nodes that boot by addresses from their BMCs, on a server that does not know
    /// them.
    unclaimable: usize,
}

impl Standing {
    /// Starts with nothing read; `replaced` is the reason why the store is a new one, if it is.
    pub fn new(
        status: Status,
        replaced: Option<String>,
        unknown: Arc<AtomicU64>,
        survey: Arc<ArcSwap<SurveyView>>,
    ) -> Self {
        Self {
            status,
            unstored: None,
            replaced,
            store_trouble: None,
            pin_trouble: None,
            trust_trouble: None,
            unknown,
            survey,
            unclaimable: 0,
        }
    }

    /// Records the time of a look at the repository.
    pub fn looked(&mut self, at: String) {
        self.status.source.last_check = Some(at);
    }

    /// Records that the repository could be read.
    pub fn source_works(&mut self, branch: &str) {
        if self.status.source.error.take().is_some() {
            info!(branch, "the repository can be read again");
        }
        if self.status.source.branch != branch {
            self.status.source.branch = branch.to_owned();
        }
    }

    /// Records that the repository could not be read. This is logged once, not at every look.
    pub fn source_fails(&mut self, why: &str, hint: Option<String>) {
        let text = with_hint(why, hint);
        // Times and sizes differ from look to look, and are not news.
        let gist = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        if self.status.source.error.as_deref().map(gist) != Some(gist(&text)) {
            warn!(served = self.served_id().unwrap_or("nothing"), "the repository cannot be followed: {text}");
        }
        self.status.source.error = Some(text);
    }

    /// Records the commit that is served from now on, and its signer if a signature is required.
    pub fn serve(&mut self, revision: RevisionView, snapshot: &Snapshot, signed_by: Option<String>) {
        self.status.cluster = Some(snapshot.desired().cluster.name.to_string());
        self.status.nodes = NodeCounts::of(snapshot);
        self.unclaimable = if self.status.boot_only { keep::resting_on_claims(snapshot) } else { 0 };
        // The effect of an upgrade belongs to the commit that was served at the time.
        if self.status.served.as_ref().is_some_and(|served| served.id != revision.id) {
            self.status.upgraded = None;
        }
        self.status.served = Some(revision);
        self.status.signed_by = signed_by;
    }

    /// Records the signer of the served commit.
    pub fn signed(&mut self, by: Option<String>) {
        self.status.signed_by = by;
    }

    /// Records the pinned commit, if any.
    pub fn pin(&mut self, pinned: Option<PinView>) {
        self.status.pinned = pinned;
    }

    /// Records why the pinned commit cannot be served, if so. This is logged once.
    pub fn pin_fails(&mut self, why: Option<String>) {
        if let Some(why) = why.as_ref().filter(|why| self.pin_trouble.as_ref() != Some(why)) {
            error!(served = self.served_id().unwrap_or("nothing"), "the pinned commit cannot be served: {why}");
        }
        self.pin_trouble = why;
    }

    /// Records why signatures cannot be judged, if so.
    pub fn trust_is(&mut self, trouble: Option<String>) {
        self.trust_trouble = trouble;
    }

    /// Records that another version of muster rendered the commit before, and the differences.
    pub fn upgraded(&mut self, upgrade: UpgradeView) {
        self.status.upgraded = Some(upgrade);
    }

    /// Records the commit that is being built, if any.
    pub fn building(&mut self, building: Option<BuildingView>) {
        self.status.building = building;
    }

    /// Records that the newest commit was refused or is held.
    pub fn refuse(&mut self, refused: Refused, held_by: Option<Hold>) {
        let Refused { revision, reason, diagnostics, errors: _, warnings: _ } = refused;
        self.status.refused = Some(RefusedView { revision, held_by, reason, diagnostics });
    }

    /// Returns whether a commit has already been refused for the same reason.
    pub fn has_refused(&self, refused: &Refused) -> bool {
        let known = self.status.refused.as_ref();
        known.is_some_and(|known| known.revision.id == refused.revision.id && known.reason == refused.reason)
    }

    /// Clears a refusal: the newest commit is taken, or the branch went back to the served one.
    ///
    /// Returns whether there was one.
    pub fn clear_refusal(&mut self) -> bool {
        self.status.refused.take().is_some()
    }

    /// Records that the served commit is stored.
    pub fn stored(&mut self) {
        self.unstored = None;
    }

    /// Records that the served commit could not be stored; returns whether that is new.
    pub fn unstored(&mut self, why: &str) -> bool {
        let is_news = self.unstored.is_none();
        self.unstored = Some(why.to_owned());
        is_news
    }

    /// Records why the store cannot write, if so.
    pub fn store_is(&mut self, trouble: Option<String>) {
        self.store_trouble = trouble;
    }

    /// Returns the id of the served commit.
    pub fn served_id(&self) -> Option<&str> {
        self.status.served.as_ref().map(|served| served.id.as_str())
    }

    /// Returns why the repository cannot be followed, if so.
    pub fn source_trouble(&self) -> Option<&str> {
        self.status.source.error.as_deref()
    }

    /// Returns the followed branch, as far as it is known.
    pub fn branch(&self) -> &str {
        &self.status.source.branch
    }

    /// Returns the status.
    pub fn status(&self) -> Status {
        let mut status = self.status.clone();
        let trouble = self.store_trouble.as_ref().or(self.unstored.as_ref());
        (status.store.state, status.store.error) = match (trouble, &self.replaced) {
            (Some(why), _) => (StoreState::Failing, Some(why.clone())),
            (None, Some(why)) => (StoreState::Replaced, Some(why.clone())),
            (None, None) => (StoreState::Ok, None),
        };

        status.survey = (**self.survey.load()).clone();
        status.unknown_macs = self.unknown.load(Ordering::Relaxed);
        status.held = self.held(&status);

        status.state = match (&status.served, status.held.is_empty()) {
            (None, _) => State::Starting,
            (Some(_), true) => State::Serving,
            (Some(_), false) => State::Degraded,
        };

        status
    }

    fn held(&self, status: &Status) -> Vec<String> {
        let mut held = Vec::new();
        held.extend(status.pinned.as_ref().map(pin::told));
        held.extend(self.pin_trouble.as_ref().map(|why| format!("the pinned commit cannot be served: {why}")));

        // The reason of a refused commit may already contain it.
        let said = |why: &&String| status.refused.as_ref().is_some_and(|refused| refused.reason.contains(&***why));
        held.extend(
            self.trust_trouble.as_ref().filter(|why| !said(why)).map(|why| format!("no new commit is taken: {why}")),
        );

        if let Some(refused) = &status.refused {
            let (short, reason) = (&refused.revision.short, &refused.reason);
            held.push(match refused.held_by {
                Some(Hold::GuardRail) => format!("commit {short} is held: guard rail: {reason}"),
                Some(Hold::Signature | Hold::Rewind | Hold::Pin) | None => {
                    format!("commit {short} was refused: {reason}")
                }
            });
        }

        if let Some(error) = &status.source.error {
            held.push(format!("the repository cannot be followed: {error}"));
        }

        if self.unclaimable > 0 {
            let nodes = plural(self.unclaimable, "node");
            let boot = verb(self.unclaimable, "boots", "boot");
            held.push(format!(
                "{nodes} {boot} by the addresses that BMCs report, which a server that only boots does not know; they are \
                 asked to wait until another server answers"
            ));
        }

        if let Some(why) = &self.replaced {
            held.push(format!("the store was corrupt and is a fresh one: {why}"));
        }

        if let Some(why) = self.store_trouble.as_ref().or(self.unstored.as_ref()) {
            held.push(format!("the store cannot write: {why}"));
        }

        held
    }
}
