//! Orders of an administrator to the follower: a pin, its end, or permission for a rewind.
//!
//! An order that cannot be carried out changes nothing and returns the reason. A pin is answered
//! once it is served; the other two after a look at the branch, since the result depends on it.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::follow::Follower;
use super::pin::{self, Pinned};
use super::{clock, pen, words};
use crate::git::{GitError, Repo, Trust};
use crate::http::Order;
use crate::model::Revision;
use crate::store::{Accepted, Pin};
use crate::story::What;
use crate::view::{Ordered, PinOrder};

/// The maximum length of a reason and of a name, in characters.
const MAX_REASON: usize = 500;
const MAX_NAME: usize = 64;

/// The number of accepted commits that are searched for the one a pin names.
const ACCEPTED_ASKED: usize = crate::store::MAX_ACCEPTED;

/// An order that was carried out; its reply waits for the commit served after the look.
pub struct Due {
    reply: oneshot::Sender<Result<Ordered, String>>,
    done: String,
}

impl Follower {
    /// Carries out the waiting orders.
    pub(super) fn obey(&mut self) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(order) = self.orders.as_mut().and_then(|orders| orders.try_recv().ok()) {
            match order {
                Order::Pin(order, reply) => {
                    let done = self.pin(&order).map(|done| self.ordered(done));
                    self.publish_standing();
                    // The client may have disconnected.
                    let _ = reply.send(done);
                }
                Order::Unpin(order, reply) => match self.pinned.is_some() {
                    true => {
                        let by = pin::one_line(&order.by, MAX_NAME);
                        let done =
                            self.release(&format!("unpinned by {}", if by.is_empty() { "somebody" } else { &by }));
                        due.push(Due { reply, done });
                    }
                    false => {
                        let _ = reply.send(Err("nothing is pinned".into()));
                    }
                },
                Order::AllowRewind(order, reply) => match self.allow_rewind(&order.rev, &order.by) {
                    Ok(done) => due.push(Due { reply, done }),
                    Err(why) => {
                        let _ = reply.send(Err(why));
                    }
                },
            }
        }

        due
    }

    /// Answers the orders that waited for the look.
    pub(super) fn answer(&self, due: Vec<Due>) {
        for Due { reply, done } in due {
            let _ = reply.send(Ok(self.ordered(done)));
        }
    }

    fn ordered(&self, done: String) -> Ordered {
        let status = self.standing.status();
        Ordered { served: status.served, done, warnings: status.held }
    }

    /// Ends the pin, and logs it.
    pub(super) fn release(&mut self, why: &str) -> String {
        let Some(pinned) = self.pinned.take() else { return why.to_owned() };
        warn!(revision = %pinned.pin.revision, "the pin ended: {why}");
        self.unpinned = true;
        self.released = Some(pinned.pin.revision.clone());
        let commit = pen::commit(&pinned.pin.revision, &pinned.pin.subject);
        self.pen.note(Some(commit), What::Unpinned { why: why.into() });
        // The newest commit is judged again: its build was not kept during the pin.
        self.judged = None;
        self.standing.pin(None);
        self.store_pin();
        format!("{} is pinned no more ({why})", pinned.pin.revision.short())
    }

    /// Ends a pin whose time has come, and logs a reminder of one that continues.
    pub(super) fn watch_pin(&mut self) {
        let Some(pinned) = &mut self.pinned else { return };
        if pinned.is_over(clock::now_ms()) {
            self.release("its time is over");
        } else if pinned.reminds() {
            let told = pin::told(&pinned.view());
            warn!("still {told}");
        }
    }

    /// Stores the pin, or its absence. If that fails, it is stored later; the pin counts all the
    /// same.
    pub(super) fn store_pin(&mut self) {
        match &mut self.pinned {
            Some(pinned) if !pinned.is_stored => pinned.is_stored = self.store.set_pin(Some(&pinned.pin)).is_ok(),
            None if self.unpinned => self.unpinned = self.store.set_pin(None).is_err(),
            Some(_) | None => {}
        }
    }

    fn pin(&mut self, order: &PinOrder) -> Result<String, String> {
        let (revision, repo) = self.find(&order.rev)?;
        let told = |error: GitError| words::with_hint(&words::chain(&error), error.hint());
        let mut signed_by = None;

        if !order.unsigned {
            match self.trust.signature(&repo, &revision).map_err(told)? {
                Ok(who) => signed_by = who,
                Err(_) if self.was_accepted(&revision) => {}
                Err(why) => {
                    let out = "to pin it all the same: --unsigned";
                    return Err(format!("commit {} is not pinned: {why}; {out}", revision.short()));
                }
            }
        }

        let info = repo.commit_info(&revision).map_err(told)?;
        let subject: Box<str> = info.subject.into();
        if self.standing.served_id() != Some(revision.as_str()) {
            let tree = repo.tree(&revision, &self.sub).map_err(told)?;
            let built = self.build_asked(&tree, &revision, &subject);
            let (snapshot, findings) =
                built.map_err(|why| format!("commit {} is not pinned: {}", revision.short(), why.reason()))?;
            let Some(snapshot) = snapshot else {
                words::tell(&findings, &tree);
                return Err(format!(
                    "commit {} is not pinned, since it does not check: {}; `muster check {} --rev {}` tells all",
                    revision.short(),
                    words::why(&findings),
                    self.mirror_path.display(),
                    revision.short()
                ));
            };
            let (at, nodes) = (clock::now_ms(), snapshot.nodes().len() as u32);
            let accepted = Accepted { revision: revision.clone(), at, subject: subject.clone(), nodes };
            self.publish(Arc::new(snapshot), Arc::new(tree), accepted, signed_by);
        }

        let millis = order.seconds.map(|seconds| seconds.saturating_mul(1000));
        let since = clock::now_ms();
        let pin = Pin {
            revision: revision.clone(),
            subject,
            since,
            until: millis.map(|millis| since.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX))),
            left: millis,
            by: pin::one_line(&order.by, MAX_NAME),
            reason: pin::one_line(&order.reason, MAX_REASON),
            unsigned: order.unsigned && self.trust.is_required(),
        };

        let what = What::Pinned {
            by: pin.by.clone(),
            reason: pin.reason.clone(),
            until: pin.until.map(|until| clock::rfc3339(until).into()),
            unsigned: pin.unsigned,
        };

        self.pen.note(Some(pen::commit(&revision, &pin.subject)), what);
        let pinned = Pinned::new(pin, false);
        let told = pin::told(&pinned.view());
        warn!("{told}");
        self.standing.pin(Some(pinned.view()));
        (self.pinned, self.unpinned, self.released) = (Some(pinned), false, None);

        // The branch's newest commit is judged again, as one that waits.
        self.judged = None;
        self.store_pin();
        self.store_what_is_unstored();

        Ok(told)
    }

    fn allow_rewind(&mut self, rev: &str, by: &str) -> Result<String, String> {
        if !self.trust.is_required() {
            return Err("rewinds are taken as they come, since no signature is required on this host".into());
        }

        let (revision, repo) = self.find(rev)?;
        let told = |error: GitError| words::with_hint(&words::chain(&error), error.hint());
        if let Err(why) = self.trust.signature(&repo, &revision).map_err(told)? {
            return Err(format!("commit {} may not be gone back to: {why}", revision.short()));
        }

        let by = pin::one_line(by, MAX_NAME);
        warn!(revision = %revision, by = &*by, "a rewind is allowed: the branch may stand at this commit, and after it");
        let subject = repo.commit_info(&revision).map_err(told)?.subject;
        self.pen.note(Some(pen::commit(&revision, &subject)), What::RewindAllowed { by });
        self.trust.took(&revision);
        self.judged = None;

        Ok(format!("the branch may stand at {}, and at what comes after it", revision.short()))
    }

    /// Returns whether this host served a commit before.
    fn was_accepted(&self, revision: &Revision) -> bool {
        let accepted = self.store.accepted(ACCEPTED_ASKED).unwrap_or_default();
        accepted.iter().any(|accepted| accepted.revision == *revision)
    }

    /// Finds the commit of a revision: in the mirror, in which the followed branch also has its own
    /// name, otherwise by the names of the repository itself, if it is on this host.
    fn find(&mut self, rev: &str) -> Result<(Revision, Repo), String> {
        let told = |error: GitError| words::with_hint(&words::chain(&error), error.hint());
        let repo = self.open_mirror().and_then(crate::git::Mirror::repo).map_err(told)?;
        let named = Some(self.standing.branch()).filter(|branch| !branch.is_empty());
        let followed = named
            .and_then(|branch| rev.strip_prefix(branch))
            .filter(|rest| rest.is_empty() || rest.starts_with(['~', '^', '@']));

        let here = match followed {
            Some(rest) => repo.resolve(&format!("{}{rest}", crate::git::FOLLOWED)),
            None => repo.resolve(rev),
        };

        let revision = here.or_else(|error| {
            let theirs =
                self.folder.as_ref().and_then(|folder| Repo::open(folder, Trust::Named).ok()?.resolve(rev).ok());
            theirs.ok_or(error)
        });

        // The name in the request, not the one in the mirror.
        let revision = revision.map_err(|error| match error {
            GitError::NoSuchRevision { path, near, is_shallow, .. } => {
                told(GitError::NoSuchRevision { path, rev: rev.into(), near, is_shallow })
            }
            other => told(other),
        })?;

        if repo.commit_info(&revision).is_err() {
            return Err(format!(
                "commit {} is not on the followed branch, so the mirror has none of it (push it there: git push {} {}:refs/heads/NAME)",
                revision.short(),
                self.mirror_path.display(),
                revision.short()
            ));
        }

        debug!(rev, revision = %revision, "an order names a commit");
        Ok((revision, repo))
    }
}
