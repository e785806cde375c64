//! Builds a commit in a child process, in parallel with the loop that takes orders: an order stops
//! the build, which starts again after the order is carried out.
//!
//! A commit whose build died is recorded and not built again automatically. If this process died
//! during the build, the commit is built once more, since a restart of the machine is not a fault
//! of the commit; after that, it is not built again if another commit can be served instead.

use tracing::{error, warn};

use super::clock;
use super::follow::Follower;
use super::words::{chain, with_hint};
use crate::desired::Findings;
use crate::model::{Revision, Tree};
use crate::snapshot::Snapshot;
use crate::store::{Attempt, Died};
use crate::trial::{self, BuildBounds, Built};
use crate::view::BuildingView;

/// The maximum number of attempts at a build that ends with this process.
const MAX_ATTEMPTS: u32 = 2;

/// The result of a completed build: a snapshot if no finding is an error, and all findings.
pub type Outcome = (Option<Snapshot>, Findings);

/// Why a build did not complete.
pub enum Unbuilt {
    /// It died, now or earlier; with the reason and the next step.
    Died(String),
    /// It was stopped by an order, or by the end of the server.
    Stopped,
    /// It could not be started, and may be later.
    Failed(String),
}

impl Unbuilt {
    /// Returns the reason as one sentence.
    pub fn reason(self) -> String {
        match self {
            Self::Died(reason) | Self::Failed(reason) => reason,
            Self::Stopped => "its build was given up, since an order came in or the server ends".into(),
        }
    }
}

impl Follower {
    /// Restores the failed and interrupted builds of earlier processes.
    pub(super) fn restore_attempts(&mut self) {
        self.attempts = self.store.open_attempts();
        for Attempt { revision, count } in &self.attempts {
            warn!(revision = %revision, count, "this server ended while it built this commit");
        }
        match self.store.died() {
            Ok(died) => self.died = died,
            Err(error) => warn!(error = %chain(&error), "which commit's build died cannot be read from the store"),
        }
    }

    /// Builds a commit, unless its build died before.
    pub(super) fn build(&mut self, tree: &Tree, revision: &Revision, subject: &str) -> Result<Outcome, Unbuilt> {
        match self.died.as_ref().filter(|died| died.revision == *revision) {
            Some(died) => Err(Unbuilt::Died(advice(&died.reason, revision))),
            None => self.build_asked(tree, revision, subject),
        }
    }

    /// Builds a commit on a person's request, even if its build died before.
    pub(super) fn build_asked(&mut self, tree: &Tree, revision: &Revision, subject: &str) -> Result<Outcome, Unbuilt> {
        let before = self.attempts.iter().position(|attempt| attempt.revision == *revision);
        let count = before.map_or(1, |at| self.attempts.remove(at).count.saturating_add(1));
        if count > MAX_ATTEMPTS && self.is_other_accepted(revision) {
            self.mark_attempts(&self.attempts);
            return Err(self.died_of(revision, format!("this server ended {} times while it built it", count - 1)));
        }
        let begun = [&self.attempts[..], &[Attempt { revision: revision.clone(), count }]].concat();
        self.mark_attempts(&begun);
        self.standing.building(Some(BuildingView {
            id: revision.to_string(),
            subject: subject.to_owned(),
            since: clock::rfc3339(clock::now_ms()),
        }));
        self.publish_standing();

        let bounds = BuildBounds { timeout: self.bounds.timeout, max_bytes: self.bounds.max_bytes };
        let built = trial::build(tree, revision, &bounds, &self.gives_up());

        self.mark_attempts(&self.attempts);
        self.standing.building(None);
        match built {
            Ok(Built::Done(snapshot, findings)) => {
                self.forget_death_of(revision);
                Ok((snapshot.map(|snapshot| *snapshot), findings))
            }
            Ok(Built::Died(reason)) => Err(self.died_of(revision, reason)),
            Ok(Built::Stopped) => Err(Unbuilt::Stopped),
            Err(error) => Err(Unbuilt::Failed(format!("its build cannot be started: {}", chain(&error)))),
        }
    }

    /// Returns the check that stops long work: an order came in, or the server ends.
    pub(super) fn gives_up(&self) -> impl Fn() -> bool + Sync {
        let (orders, stop) = (self.orders.as_ref(), &self.stop);
        move || stop.is_cancelled() || orders.is_some_and(|orders| !orders.is_empty())
    }

    /// Checks whether another commit can be served in place of this one.
    ///
    /// If none can, giving this one up would leave nothing to boot by, and power cuts at two starts in a row are more
    /// likely than a commit that kills both its child and this process. One that was accepted before has been built whole.
    fn is_other_accepted(&self, revision: &Revision) -> bool {
        match self.store.last_accepted() {
            Ok(last) => last.is_some_and(|last| last.revision != *revision),
            Err(error) => {
                warn!(error = %chain(&error), "which commit was accepted last cannot be read from the store");
                false
            }
        }
    }

    fn mark_attempts(&self, open: &[Attempt]) {
        // If the disk is full, the child still bounds the build.
        if let Err(error) = self.store.mark_attempts(open) {
            warn!(%error, "which builds are begun cannot be marked beside the store");
        }
    }

    fn died_of(&mut self, revision: &Revision, reason: String) -> Unbuilt {
        let died = Died { revision: revision.clone(), reason: reason.as_str().into(), at: clock::now_ms() };
        if let Err(error) = self.store.set_died(Some(&died)) {
            error!(error = %chain(&error), revision = %revision, "that this commit's build died cannot be stored");
        }
        self.died = Some(died);
        Unbuilt::Died(advice(&reason, revision))
    }

    fn forget_death_of(&mut self, revision: &Revision) {
        if self.died.as_ref().is_some_and(|died| died.revision == *revision) {
            self.died = None;
            if let Err(error) = self.store.set_died(None) {
                warn!(error = %chain(&error), "that this commit's build came to its end cannot be stored");
            }
        }
    }
}

/// Adds what a person can do about a commit whose build died.
fn advice(reason: &str, revision: &Revision) -> String {
    let hint = format!(
        "it is not built again by itself: push a commit that mends it, or try it once more with `muster pin {}`",
        revision.short()
    );
    with_hint(reason, Some(hint))
}
