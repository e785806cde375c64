//! git to Snapshot: one pass looks at the branch, and takes a new commit whole or not at all.
//!
//! A pass is a list of steps: obey, look, read, judge, build, publish, remember. It stops at the first that cannot go on, and
//! always ends in one status. What is served changes only in `publish`; whatever else fails, the last good Snapshot stays.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::pin::Pinned;
use super::standing::Standing;
use super::trust::{Judged, Trust};
use super::{clock, pin, remember, words};
use crate::git::{CommitInfo, GitError, Mirror, Tip};
use crate::http::{Order, Serving};
use crate::model::{Diagnostic, Revision, Tree};
use crate::settings::Settings;
use crate::snapshot::{self, Snapshot};
use crate::store::{Accepted, Store};
use crate::view::RevisionView;

/// How many accepted commits the api lists.
const REVISIONS_LISTED: usize = 100;

/// The one who follows the repository.
pub struct Follower {
    pub(super) source: PathBuf,
    branch: Option<String>,
    pub(super) sub: String,
    pub(super) mirror_path: PathBuf,
    mirror: Option<Mirror>,
    pub(super) store: Arc<Store>,
    pub(super) shared: Arc<ArcSwap<Serving>>,
    pub(super) standing: Standing,
    pub(super) trust: Trust,
    /// What is served in place of the branch's newest.
    pub(super) pinned: Option<Pinned>,
    /// Whether the store still has a pin that ended.
    pub(super) unpinned: bool,
    /// What was pinned until now, while another commit is yet to be served in its place.
    pub(super) released: Option<Revision>,
    /// The commit that was judged last: taken, waiting or refused.
    pub(super) judged: Option<Revision>,
    /// What is served and not stored yet, because the store could not write.
    pub(super) unstored: Option<(Arc<Snapshot>, Arc<Tree>, Accepted)>,
    /// Whether the boot fetches of the store are back in memory.
    restored: bool,
}

/// Where the branch stands.
struct Found {
    branch: String,
    revision: Revision,
}

impl Follower {
    /// Makes a follower that has looked at nothing yet.
    pub fn new(settings: &Settings, store: Arc<Store>, shared: Arc<ArcSwap<Serving>>, standing: Standing) -> Self {
        Self {
            source: settings.repo.clone(),
            branch: settings.branch.clone(),
            sub: settings.path.clone(),
            mirror_path: settings.mirror(),
            mirror: None,
            store,
            shared,
            standing,
            trust: Trust::new(settings),
            pinned: None,
            unpinned: false,
            released: None,
            judged: None,
            unstored: None,
            restored: false,
        }
    }

    /// Serves the last good commit of the store, so that nothing waits for git.
    pub fn start_from_store(&mut self) {
        self.trust.restore(&self.store);
        match self.store.pin() {
            Ok(pin) => self.pinned = pin.map(|pin| Pinned::new(pin, true)),
            Err(error) => warn!(error = %words::chain(&error), "the pin cannot be read from the store"),
        }
        if let Some(view) = self.pinned.as_ref().map(Pinned::view) {
            warn!("{}", pin::told(&view));
            self.standing.pin(Some(view));
        }
        let last = match self.store.last_good() {
            Ok(Some(last)) => last,
            Ok(None) => return,
            Err(error) => {
                warn!(error = %words::chain(&error), "the last good commit cannot be read from the store");
                return;
            }
        };
        let revision = last.accepted.revision.clone();
        let (snapshot, findings) = build(&last.tree, &revision);
        let snapshot = snapshot.or_else(|| {
            let why = words::why(&findings);
            error!(revision = %revision, "the stored commit does not check any more ({why}); its stored scripts are served");
            remember::stored_scripts(&self.store, &revision)
        });
        if let Some(snapshot) = &snapshot {
            info!(revision = %revision, nodes = snapshot.nodes().len(), "serving the last good commit from the store");
            let signed_by =
                self.open_mirror().and_then(Mirror::repo).and_then(|repo| self.trust.signature(&repo, &revision));
            self.standing.serve(words::view(&last.accepted), snapshot, signed_by.ok().and_then(Result::ok).flatten());
        }
        if snapshot.as_ref().is_none_or(Snapshot::is_stored) {
            self.standing.refuse(words::refused(&last.accepted, &findings, &last.tree));
        }
        // A commit that gave nothing to serve is judged again when git has it.
        self.judged = snapshot.is_some().then_some(revision).filter(|_| !self.trust.is_required());
        self.swap(snapshot.map(Arc::new));
        self.restore();
    }

    /// Brings the boot fetches of the store back, once there are nodes that they can belong to.
    pub(super) fn restore(&mut self) {
        if self.restored {
            return;
        }
        self.restored = true;
        match self.store.fetches() {
            Ok(fetches) => self.shared.load().restore(fetches),
            Err(error) => warn!(error = %words::chain(&error), "the boot fetches cannot be read from the store"),
        }
    }

    /// Runs one pass.
    pub fn pass(&mut self, orders: &mut mpsc::Receiver<Order>) {
        self.standing.looked(clock::rfc3339(clock::now_ms()));
        if self.trust.refresh() {
            self.judged = None;
        }
        self.watch_pin();
        let due = self.obey(orders);
        match self.look() {
            Ok(Some(found)) => {
                if let Err(error) = self.consider(&found.branch, &found.revision) {
                    self.standing.source_fails(&words::chain(&error), error.hint());
                }
            }
            Ok(None) => {}
            Err(error) => self.standing.source_fails(&words::chain(&error), error.hint()),
        }
        self.serve_the_pinned();
        self.serve_the_newest_good();
        self.store_pin();
        self.store_what_is_unstored();
        self.publish_standing();
        self.answer(due);
    }

    /// Tells how it stands.
    pub(super) fn publish_standing(&mut self) {
        self.standing.store_is(self.store.trouble());
        self.standing.trust_is(self.trust.trouble());
        self.standing.pin(self.pinned.as_ref().map(Pinned::view));
        self.swap(None);
    }

    /// Brings the branch's tip into the mirror; nothing where there is no commit to take.
    fn look(&mut self) -> Result<Option<Found>, GitError> {
        let mirror = match self.mirror.take() {
            Some(mirror) => mirror,
            None => Mirror::open_or_create(&self.mirror_path)?,
        };
        let fetched = mirror.fetch(&self.source, self.branch.as_deref());
        self.mirror = Some(mirror);
        match fetched?.tip {
            Tip::Commit { branch, revision } => Ok(Some(Found { branch, revision })),
            Tip::Missing { branch, near } => {
                let near = near.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                self.standing.source_fails(&format!("there is no branch `{branch}`{near}"), None);
                Ok(None)
            }
            Tip::Empty { branch } => {
                self.standing.source_fails(&format!("the repository has no commit on `{branch}`"), None);
                Ok(None)
            }
        }
    }

    /// Reads a commit from the mirror, and judges whether it may be taken from the branch; a damaged mirror is made again from
    /// the source once.
    ///
    /// The files are an error of their own where the commit is to blame for it, and none are read where they are not asked
    /// for or the commit is not to be taken.
    pub(super) fn read(&mut self, revision: &Revision, files: bool) -> Result<Read, GitError> {
        match self.read_once(revision, files) {
            Err(error) if error.is_damage() => {
                warn!(error = %words::chain(&error), "the mirror is damaged and is made again");
                if let Some(mirror) = &self.mirror {
                    mirror.remake()?;
                    mirror.fetch(&self.source, self.branch.as_deref())?;
                }
                self.read_once(revision, files)
            }
            read => read,
        }
    }

    fn read_once(&mut self, revision: &Revision, files: bool) -> Result<Read, GitError> {
        let repo = self.open_mirror()?.repo()?;
        let info = repo.commit_info(revision)?;
        let judged = self.trust.judge(&repo, revision)?;
        if judged.is_err() || !files {
            return Ok((info, Ok(Tree::default()), judged));
        }
        match repo.tree(revision, &self.sub) {
            Err(error @ (GitError::NoSuchFolder { .. } | GitError::BadFolder { .. } | GitError::TooMuch { .. })) => {
                Ok((info, Err(error), judged))
            }
            tree => Ok((info, Ok(tree?), judged)),
        }
    }

    /// Opens the mirror, or makes it.
    pub(super) fn open_mirror(&mut self) -> Result<&Mirror, GitError> {
        let mirror = match self.mirror.take() {
            Some(mirror) => mirror,
            None => Mirror::open_or_create(&self.mirror_path)?,
        };
        Ok(self.mirror.insert(mirror))
    }

    /// Stores what is served, so that a start without git serves it too. Nothing waits for this.
    pub(super) fn store_what_is_unstored(&mut self) {
        if self.trust.store(&self.store) {
            self.keep_in_mirror();
        }
        let Some((snapshot, tree, accepted)) = self.unstored.take() else { return };
        match remember::store(&self.store, &snapshot, &tree, &accepted) {
            Ok(()) => {
                self.standing.stored();
                info!(revision = %accepted.revision, "commit stored");
                self.keep_in_mirror();
                self.list_revisions();
            }
            Err(error) => {
                if self.standing.unstored(&words::chain(&error)) {
                    error!(error = %words::chain(&error), "the served commit cannot be stored; boots go on");
                }
                self.unstored = Some((snapshot, tree, accepted));
            }
        }
    }

    /// Keeps in the mirror what is served, and what later commits must come after, wherever the branch goes.
    fn keep_in_mirror(&self) {
        let served = self.standing.served_id().map(Revision::commit);
        let kept: Vec<Revision> = served.into_iter().chain(self.trust.baseline().cloned()).collect();
        if let Some(Err(error)) = self.mirror.as_ref().map(|mirror| mirror.keep(&kept)) {
            warn!(error = %words::chain(&error), "the served commit cannot be kept in the mirror");
        }
    }

    /// Tells the api which commits were accepted.
    pub fn list_revisions(&self) {
        match self.store.accepted(REVISIONS_LISTED) {
            Ok(accepted) => {
                let revisions: Arc<[RevisionView]> = accepted.iter().map(words::view).collect();
                self.shared.rcu(|serving| {
                    serving.with_status(Arc::clone(&serving.status)).with_revisions(Arc::clone(&revisions))
                });
            }
            Err(error) => warn!(error = %words::chain(&error), "the accepted commits cannot be listed"),
        }
    }

    /// Publishes the standing, and a new Snapshot where there is one. Claims are published beside it
    /// ([`Serving::publish_claims`]), so what stands is replaced by what follows from it, and nothing is lost.
    pub(super) fn swap(&self, snapshot: Option<Arc<Snapshot>>) {
        let status = Arc::new(self.standing.status());
        match snapshot {
            Some(snapshot) => {
                self.shared.rcu(|serving| Serving::next(serving, Arc::clone(&snapshot), Arc::clone(&status)));
            }
            None if *self.shared.load().status == *status => {}
            None => {
                self.shared.rcu(|serving| serving.with_status(Arc::clone(&status)));
            }
        }
    }
}

/// What a commit says of itself, its files, and whether it may be taken.
pub(super) type Read = (CommitInfo, Result<Tree, GitError>, Judged);

/// Builds a Snapshot. A fault of ours that a commit brings out is the end of that commit, not of the server; it gives no
/// Snapshot and no findings.
pub(super) fn build(tree: &Tree, revision: &Revision) -> (Option<Snapshot>, Vec<Diagnostic>) {
    catch_unwind(AssertUnwindSafe(|| snapshot::build(tree, revision.clone()))).unwrap_or_default()
}
