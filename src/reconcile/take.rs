//! Taking or refusing a commit: its signature and its ancestry are judged, it is built, the guard
//! rails are applied, and it is served or waits.
//!
//! This module knows neither where commits come from nor how a served commit is stored.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{error, info, warn};

use super::building::Unbuilt;
use super::follow::Follower;
use super::guard::Verdict;
use super::standing::Refused;
use super::trust::Untrusted;
use super::{clock, pen, remember, words};
use crate::git::{CommitInfo, GitError, Mirror};
use crate::model::{Revision, Tree};
use crate::snapshot::Snapshot;
use crate::store::Accepted;
use crate::story::{self, Hold, What};
use crate::view::RevisionView;

impl Follower {
    /// Judges the commit at the tip of the branch, if it is new.
    pub(super) fn consider(&mut self, branch: &str, revision: &Revision) -> Result<(), GitError> {
        if self.judged.as_ref() == Some(revision) {
            self.works(branch);
            return Ok(());
        }

        let is_whole = self.shared.load().snapshot.as_ref().is_some_and(|snapshot| !snapshot.is_stored());
        if self.standing.served_id() != Some(revision.as_str()) || !is_whole || !self.was_taken(revision) {
            return self.take(branch, revision);
        }

        let (info, _, trusted) = self.read(revision, false)?;
        self.works(branch);
        self.see(branch, revision, &info);
        self.judged = Some(revision.clone());

        match trusted {
            Ok(signed_by) => {
                if self.standing.clear_refusal() {
                    info!(revision = %revision, "the newest commit is the one that is served, and no other is refused");
                }
                self.standing.signed(signed_by);
                self.taken(revision, None);
            }
            Err(Untrusted { by, why }) => {
                let reason = format!("{why}; it is served on, since it was taken before");
                let commit = commit(revision, &info, 0);
                self.refuse(&commit, Refused::whole(words::view(&commit), reason), Some(by));
            }
        }

        Ok(())
    }

    /// Serves the newest good commit if a pin ended and the tip of the branch cannot be served: it
    /// was refused, or the source is unreachable. So the served commit is the one without the pin.
    pub(super) fn serve_the_newest_good(&mut self) {
        let Some(pinned) = self.released.take() else { return };
        let Some(newest) = self.trust.baseline().filter(|newest| **newest != pinned).cloned() else { return };
        if self.standing.served_id() != Some(pinned.as_str()) {
            return;
        }
        match self.serve_unjudged(&newest, "the pin ended, and it is the newest that was taken") {
            None => info!(revision = %newest, "serving the newest commit that was taken, now that the pin ended"),
            Some(why) => warn!(revision = %newest, "the newest commit that was taken cannot be served: {why}"),
        }
    }

    /// Serves the pinned commit if another one is served, as after a start from a store that could
    /// no longer be written.
    pub(super) fn serve_the_pinned(&mut self) {
        let Some(revision) = self.pinned.as_ref().map(|pinned| pinned.pin.revision.clone()) else {
            return self.standing.pin_fails(None);
        };
        if self.standing.served_id() == Some(revision.as_str()) {
            return;
        }
        let fault = self.serve_unjudged(&revision, "it is pinned");
        self.standing.pin_fails(fault);
    }

    /// Serves a commit of the mirror if nothing is served and the required signature is good;
    /// otherwise returns the reason.
    pub(super) fn serve_of_mirror(&mut self, revision: &Revision) -> Option<String> {
        let repo = self.open_mirror().and_then(Mirror::repo);
        match repo.and_then(|repo| self.trust.signature(&repo, revision)) {
            Ok(Ok(_)) => self.serve_unjudged(revision, "the store has no commit, and the repository is away"),
            Ok(Err(why)) => Some(why),
            Err(error) => Some(words::chain(&error)),
        }
    }

    /// Serves a commit that was good before; returns the reason if it cannot.
    fn serve_unjudged(&mut self, revision: &Revision, why: &str) -> Option<String> {
        let repo = self.open_mirror().and_then(Mirror::repo);
        let read = repo.and_then(|repo| {
            let signed_by = self.trust.signature(&repo, revision)?.ok().flatten();
            Ok((repo.commit_info(revision)?, repo.tree(revision, &self.sub)?, signed_by))
        });

        let (info, tree, signed_by) = match read {
            Ok(read) => read,
            Err(error) => return Some(words::chain(&error)),
        };

        let snapshot = match self.build(&tree, revision, &info.subject) {
            Ok((Some(snapshot), _)) => snapshot,
            Ok((None, _)) => return Some("it does not check any more".into()),
            Err(why) => return Some(why.reason()),
        };

        let accepted = commit(revision, &info, snapshot.nodes().len());
        self.pen.note(Some(pen::commit(revision, &accepted.subject)), What::Served { why: why.into() });
        self.publish(Arc::new(snapshot), Arc::new(tree), accepted, signed_by);
        None
    }

    /// Reads, judges and builds one commit.
    fn take(&mut self, branch: &str, revision: &Revision) -> Result<(), GitError> {
        let (info, tree, trusted) = self.read(revision, true)?;
        self.works(branch);
        self.see(branch, revision, &info);
        self.judged = Some(revision.clone());
        let mut accepted = commit(revision, &info, 0);

        let reason = match &trusted {
            Err(Untrusted { by, why }) => Some((why.clone(), Some(*by))),
            Ok(_) => tree.as_ref().err().map(|error| (words::with_hint(&words::chain(error), error.hint()), None)),
        };

        let (Ok(signed_by), Ok(tree), None) = (trusted, tree, &reason) else {
            let (reason, by) = reason.unwrap_or_default();
            self.refuse(&accepted, Refused::whole(words::view(&accepted), reason), by);
            return Ok(());
        };

        let started = std::time::Instant::now();
        let (snapshot, findings) = match self.build(&tree, revision, &info.subject) {
            Ok(built) => built,
            Err(why) => {
                self.not_built(&accepted, why);
                return Ok(());
            }
        };

        let took = started.elapsed();
        let millis = took.as_millis() as u64;
        self.shared.load().counters.build_micros.store(took.as_micros() as u64, Ordering::Relaxed);
        words::tell(&findings, &tree);

        let Some(snapshot) = snapshot else {
            self.refuse(&accepted, words::refused(&accepted, &findings, &tree), None);
            return Ok(());
        };

        accepted.nodes = snapshot.nodes().len() as u32;
        let snapshot = Arc::new(snapshot);
        let is_judged = match self.judge_by_rails((&snapshot, &tree), &accepted).inspect_err(|_| self.judged = None)? {
            Verdict::Sound => true,
            Verdict::Unjudged => false,
            Verdict::Held(refused, by) => {
                self.refuse(&accepted, refused, by);
                return Ok(());
            }
            Verdict::Later => {
                self.judged = None;
                return Ok(());
            }
        };

        self.standing.clear_refusal();
        self.accept((Arc::clone(&snapshot), tree, millis), accepted, signed_by);
        self.accepted = Some(snapshot);
        if !is_judged {
            self.pen.note(Some(pen::commit(revision, &info.subject)), What::NoBaseline);
        }

        Ok(())
    }

    /// Refuses a commit whose build died; an unfinished build is judged at a later look.
    fn not_built(&mut self, commit: &Accepted, why: Unbuilt) {
        match why {
            Unbuilt::Died(reason) => self.refuse(commit, Refused::whole(words::view(commit), reason), None),
            Unbuilt::Failed(reason) => {
                self.judged = None;
                self.refuse(commit, Refused::whole(words::view(commit), reason), None);
            }
            Unbuilt::Stopped => self.judged = None,
        }
    }

    /// Serves a good commit, or lets it wait for the end of a pin; the build time is in
    /// milliseconds.
    fn accept(
        &mut self,
        (snapshot, tree, millis): (Arc<Snapshot>, Tree, u64),
        accepted: Accepted,
        signed_by: Option<String>,
    ) {
        let (revision, nodes, subject) = (accepted.revision.clone(), accepted.nodes, accepted.subject.clone());
        let commit = pen::commit(&revision, &subject);
        if let Some(pinned) = self.pinned.as_ref().map(|pinned| &pinned.pin.revision) {
            if *pinned == revision {
                return self.taken(&revision, None);
            }
            let reason = format!("it checks, and waits while {} is pinned", pinned.short());
            self.pen.judge(commit, What::Held { by: Hold::Pin, reason: reason.into() });
            info!(revision = %revision, subject = &*subject, nodes, millis, "the newest commit checks and waits for the end of the pin");
            return self.taken(&revision, Some(words::view(&accepted)));
        }
        let before = self.shared.load().snapshot.clone();
        let by = signed_by.as_deref().map(story::text);
        // Counted and logged before it is served, so that a client that sees it served finds both.
        self.shared.load().counters.accepted.fetch_add(1, Ordering::Relaxed);
        info!(revision = %revision, subject = &*subject, nodes, millis, "commit accepted");
        self.publish(Arc::clone(&snapshot), Arc::new(tree), accepted, signed_by);

        let stat = before.as_ref().map(|before| remember::stat(before, &snapshot));
        self.pen.note(Some(commit), What::Accepted { nodes, signed_by: by, stat });
        self.taken(&revision, None);
    }

    /// Returns whether a commit is the last one taken; a commit served only by a pin is not.
    fn was_taken(&self, revision: &Revision) -> bool {
        let accepted = self.accepted.as_ref().map(|accepted| accepted.revision());
        self.trust.baseline() == Some(revision) || accepted == Some(revision)
    }

    /// Records that a commit of the branch is good, and whether it waits.
    fn taken(&mut self, revision: &Revision, waits: Option<RevisionView>) {
        self.trust.took(revision);
        if let Some(pinned) = &mut self.pinned {
            pinned.waits = waits;
        }
    }

    /// Serves a commit from now on.
    pub(super) fn publish(
        &mut self,
        snapshot: Arc<Snapshot>,
        tree: Arc<Tree>,
        accepted: Accepted,
        signed_by: Option<String>,
    ) {
        self.standing.serve(words::view(&accepted), &snapshot, signed_by);
        self.swap(Some(Arc::clone(&snapshot)));
        self.unstored = Some((snapshot, tree, accepted));
    }

    /// Records that the branch moved to a commit.
    fn see(&mut self, branch: &str, revision: &Revision, info: &CommitInfo) {
        if self.tip.as_deref() != Some(revision.as_str()) {
            self.tip = Some(revision.as_str().into());
            self.pen.note(Some(pen::commit(revision, &info.subject)), What::Seen { branch: story::text(branch) });
        }
    }

    /// Refuses a commit, or holds it if the commit itself is not at fault.
    fn refuse(&mut self, commit: &Accepted, refused: Refused, by: Option<Hold>) {
        let served = self.standing.served_id().unwrap_or("nothing").to_owned();
        let (revision, subject) = (&commit.revision, &*commit.subject);
        if !self.standing.has_refused(&refused) {
            self.shared.load().counters.refused.fetch_add(1, Ordering::Relaxed);
            match by {
                Some(Hold::GuardRail) => {
                    error!(revision = %revision, subject, served, "commit held: guard rail: {}", refused.reason);
                }
                Some(Hold::Signature | Hold::Rewind | Hold::Pin) | None => {
                    error!(revision = %revision, subject, served, "commit refused: {}", refused.reason);
                }
            }
        }

        let what = match by {
            Some(by) => What::Held { by, reason: story::text(&refused.reason) },
            None => words::refusal(&refused),
        };

        self.pen.judge(pen::commit(revision, subject), what);
        if let Some(pinned) = &mut self.pinned {
            pinned.waits = None;
        }

        self.standing.refuse(refused, by);
    }
}

/// Describes a commit that is being judged.
fn commit(revision: &Revision, info: &CommitInfo, nodes: usize) -> Accepted {
    let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
    Accepted { revision: revision.clone(), at: clock::now_ms(), subject: info.subject.as_str().into(), nodes }
}
