//! The guard rails before a commit is taken, compared with the last one taken, whatever is pinned.
//!
//! Without a commit to compare with, nothing can be held: the commit is taken, and the log says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::warn;

use super::building::Unbuilt;
use super::follow::Follower;
use super::standing::Refused;
use super::words;
use crate::change::{self, Judgement};
use crate::git::{GitError, Mirror};
use crate::model::{Revision, Tree};
use crate::snapshot::Snapshot;
use crate::store::Accepted;
use crate::story::Hold;

/// The judgement of the guard rails on a commit whose checks pass.
pub enum Verdict {
    /// It may be taken.
    Sound,
    /// It may be taken, since there is no commit to compare with.
    Unjudged,
    /// It waits until a person allows its changes. There is no hold if it only exposed a fault of
    /// muster.
    Held(Refused, Option<Hold>),
    /// The commit to compare with could not be built now, and may be later.
    Later,
}

/// The commit that was taken last.
enum Base {
    Built(Arc<Snapshot>),
    /// The reason why there is none.
    None(String),
    Later,
}

impl Follower {
    /// Judges a commit that is about to be taken.
    ///
    /// # Errors
    /// The commit that was taken last cannot be read now, and may be later.
    pub(super) fn judge_by_rails(
        &mut self,
        (head, tree): (&Arc<Snapshot>, &Tree),
        commit: &Accepted,
    ) -> Result<Verdict, GitError> {
        let base = match self.last_taken()? {
            Base::Built(base) => base,
            Base::Later => return Ok(Verdict::Later),
            Base::None(why) => {
                let revision = &commit.revision;
                warn!(revision = %revision, "no guard rail judges this commit, and it is taken all the same: {why}");
                return Ok(Verdict::Unjudged);
            }
        };

        // A comparison of 100,000 nodes takes seconds, and an order interrupts it like a build.
        let judged = catch_unwind(AssertUnwindSafe(|| judge(&base, head, &self.gives_up())));
        self.accepted = Some(base);
        if matches!(judged, Ok(None)) {
            return Ok(Verdict::Later);
        }

        let Ok(Some(judgement)) = judged else {
            let reason = "muster itself failed on comparing it with the last one, which is a fault of muster";
            return Ok(Verdict::Held(Refused::whole(words::view(commit), reason.into()), None));
        };

        let findings = judgement.findings();
        words::tell(&findings, tree);
        if judgement.is_sound() {
            return Ok(Verdict::Sound);
        }

        let refused = Refused { reason: words::held(&judgement), ..words::refused(commit, &findings, tree) };
        Ok(Verdict::Held(refused, Some(Hold::GuardRail)))
    }

    /// Returns the last commit taken, built, or the reason why there is none.
    fn last_taken(&mut self) -> Result<Base, GitError> {
        if let Some(accepted) = &self.accepted {
            return Ok(Base::Built(Arc::clone(accepted)));
        }

        let Some(baseline) = self.trust.baseline().cloned() else {
            return Ok(Base::None("this store has taken no commit before it".into()));
        };

        let served = self.shared.load().snapshot.clone();
        if let Some(served) = served.filter(|served| !served.is_stored() && *served.revision() == baseline) {
            return Ok(Base::Built(served));
        }

        if let Ok(Some(last)) = self.store.last_good()
            && last.accepted.revision == baseline
        {
            match self.build(&last.tree, &baseline, &last.accepted.subject) {
                Ok((Some(snapshot), _)) => return Ok(Base::Built(Arc::new(snapshot))),
                Err(Unbuilt::Stopped | Unbuilt::Failed(_)) => return Ok(Base::Later),
                Ok((None, _)) | Err(Unbuilt::Died(_)) => {}
            }
        }

        let short = baseline.short();
        match self.tree_of(&baseline) {
            Ok(tree) => Ok(match self.build(&tree, &baseline, "") {
                Ok((Some(snapshot), _)) => Base::Built(Arc::new(snapshot)),
                Ok((None, findings)) => Base::None(format!(
                    "{short}, which was taken last, does not check by this version of muster ({})",
                    words::why(&findings)
                )),
                Err(Unbuilt::Died(why)) => Base::None(format!("{short}, which was taken last: {why}")),
                Err(Unbuilt::Stopped | Unbuilt::Failed(_)) => Base::Later,
            }),
            Err(
                error @ (GitError::NoSuchRevision { .. }
                | GitError::BadRevision { .. }
                | GitError::Damaged { .. }
                | GitError::NoSuchFolder { .. }
                | GitError::BadFolder { .. }
                | GitError::TooMuch { .. }),
            ) => Ok(Base::None(format!("{short}, which was taken last, is gone: {}", words::chain(&error)))),
            Err(error) => Err(error),
        }
    }

    fn tree_of(&mut self, revision: &Revision) -> Result<Tree, GitError> {
        self.open_mirror().and_then(Mirror::repo)?.tree(revision, &self.sub)
    }
}

/// Judges the changes of the head, or returns `None` if `stop` interrupted it.
fn judge(base: &Arc<Snapshot>, head: &Arc<Snapshot>, stop: &(dyn Fn() -> bool + Sync)) -> Option<Judgement> {
    let guards = |snapshot: &Snapshot| {
        let guard = &snapshot.desired().policy.guard;
        guard.has_rails() || !guard.allow.is_empty()
    };
    if base.revision() == head.revision() || !(guards(base) || guards(head)) {
        return Some(Judgement::default());
    }
    let change = change::compare_until(base, head, stop)?;
    Some(change::judge(&change, &change::fold(&change)))
}
