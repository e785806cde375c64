//! How the server stands: what it serves, what it refused, what does not work; written to status at the end of a pass.

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

/// A commit that was refused.
pub struct Refused {
    pub revision: RevisionView,
    pub reason: String,
    pub diagnostics: Vec<DiagnosticView>,
    /// How many errors and warnings there are, told or not.
    pub errors: u32,
    pub warnings: u32,
}

impl Refused {
    /// Refuses a commit for something that is no finding.
    pub fn whole(revision: RevisionView, reason: String) -> Self {
        Self { revision, reason, diagnostics: Vec::new(), errors: 0, warnings: 0 }
    }
}

/// What the status is made from.
pub struct Standing {
    status: Status,
    /// Why the store lags behind what is served.
    unstored: Option<String>,
    /// Why the store was replaced at the start.
    replaced: Option<String>,
    store_trouble: Option<String>,
    /// Why the pinned commit is not the one that is served.
    pin_trouble: Option<String>,
    /// Why nobody's signature can be judged.
    trust_trouble: Option<String>,
    /// How many unknown machines are remembered.
    unknown: Arc<AtomicU64>,
    survey: Arc<ArcSwap<SurveyView>>,
    /// How many nodes boot by what their BMCs report, on a server that does not know it.
    unclaimable: usize,
}

impl Standing {
    /// Begins with a server that has read nothing; `replaced` says why its store is a fresh one, if so.
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

    /// Notes when the repository was looked at.
    pub fn looked(&mut self, at: String) {
        self.status.source.last_check = Some(at);
    }

    /// Notes that the repository could be read.
    pub fn source_works(&mut self, branch: &str) {
        if self.status.source.error.take().is_some() {
            info!(branch, "the repository can be read again");
        }
        if self.status.source.branch != branch {
            self.status.source.branch = branch.to_owned();
        }
    }

    /// Notes that the repository could not be read; told in the log once, not at every look.
    pub fn source_fails(&mut self, why: &str, hint: Option<String>) {
        let text = with_hint(why, hint);
        // Times and sizes differ from look to look, and are no news.
        let gist = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        if self.status.source.error.as_deref().map(gist) != Some(gist(&text)) {
            warn!(served = self.served_id().unwrap_or("nothing"), "the repository cannot be followed: {text}");
        }
        self.status.source.error = Some(text);
    }

    /// Notes which commit is served from now on, and who signed it, where that is asked.
    pub fn serve(&mut self, revision: RevisionView, snapshot: &Snapshot, signed_by: Option<String>) {
        self.status.cluster = Some(snapshot.desired().cluster.name.to_string());
        self.status.nodes = NodeCounts::of(snapshot);
        self.unclaimable = if self.status.boot_only { keep::resting_on_claims(snapshot) } else { 0 };
        // What an upgrade changed is of the commit that it met.
        if self.status.served.as_ref().is_some_and(|served| served.id != revision.id) {
            self.status.upgraded = None;
        }
        self.status.served = Some(revision);
        self.status.signed_by = signed_by;
    }

    /// Notes who signed the commit that is served.
    pub fn signed(&mut self, by: Option<String>) {
        self.status.signed_by = by;
    }

    /// Notes that a commit is pinned, or none.
    pub fn pin(&mut self, pinned: Option<PinView>) {
        self.status.pinned = pinned;
    }

    /// Notes why the pinned commit cannot be served, if so; told in the log once.
    pub fn pin_fails(&mut self, why: Option<String>) {
        if let Some(why) = why.as_ref().filter(|why| self.pin_trouble.as_ref() != Some(why)) {
            error!(served = self.served_id().unwrap_or("nothing"), "the pinned commit cannot be served: {why}");
        }
        self.pin_trouble = why;
    }

    /// Notes why nobody's signature can be judged, if so.
    pub fn trust_is(&mut self, trouble: Option<String>) {
        self.trust_trouble = trouble;
    }

    /// Notes that the commit was rendered by another version of muster before, and what differs.
    pub fn upgraded(&mut self, upgrade: UpgradeView) {
        self.status.upgraded = Some(upgrade);
    }

    /// Notes which commit is being built, if one is.
    pub fn building(&mut self, building: Option<BuildingView>) {
        self.status.building = building;
    }

    /// Notes that the newest commit was refused, or is held by something.
    pub fn refuse(&mut self, refused: Refused, held_by: Option<Hold>) {
        let Refused { revision, reason, diagnostics, errors: _, warnings: _ } = refused;
        self.status.refused = Some(RefusedView { revision, held_by, reason, diagnostics });
    }

    /// Tells whether a commit was refused for the same already.
    pub fn has_refused(&self, refused: &Refused) -> bool {
        let known = self.status.refused.as_ref();
        known.is_some_and(|known| known.revision.id == refused.revision.id && known.reason == refused.reason)
    }

    /// Forgets a refusal: the newest commit is taken, or the branch went back to the one that is served.
    ///
    /// True where there was one.
    pub fn clear_refusal(&mut self) -> bool {
        self.status.refused.take().is_some()
    }

    /// Notes that what is served is stored.
    pub fn stored(&mut self) {
        self.unstored = None;
    }

    /// Notes that what is served could not be stored; true where that is news.
    pub fn unstored(&mut self, why: &str) -> bool {
        let is_news = self.unstored.is_none();
        self.unstored = Some(why.to_owned());
        is_news
    }

    /// Notes why the store cannot write, if so.
    pub fn store_is(&mut self, trouble: Option<String>) {
        self.store_trouble = trouble;
    }

    /// Returns the id of the commit that is served.
    pub fn served_id(&self) -> Option<&str> {
        self.status.served.as_ref().map(|served| served.id.as_str())
    }

    /// Returns why the repository cannot be followed, if so.
    pub fn source_trouble(&self) -> Option<&str> {
        self.status.source.error.as_deref()
    }

    /// Returns the branch that is followed, as far as it is known.
    pub fn branch(&self) -> &str {
        &self.status.source.branch
    }

    /// Writes the status.
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
        // A refused commit says it already.
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
