//! From git to a snapshot: one pass fetches the branch and takes a new commit entirely or not at
//! all.
//!
//! A pass is a list of steps: obey, look, read, judge, build, publish, remember. It stops at the
//! first step that fails, and always ends in one status. Only `publish` changes what is served; if
//! anything else fails, the last good snapshot stays.

mod start;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::pen::{Book, Pen};
use super::pin::Pinned;
use super::rhythm::Looked;
use super::standing::Standing;
use super::trust::{Judged, Trust};
use super::{clock, memory, remember, repository, words};
use crate::git::{CommitInfo, Fetched, GitError, Mirror, RemoteFault, Source, Tip};
use crate::http::{Order, Serving};
use crate::model::{RepoAddress, Revision, Tree};
use crate::observed::{BootFetch, Booted};
use crate::settings::{BuildSettings, Settings};
use crate::snapshot::Snapshot;
use crate::store::{Accepted, Attempt, Died, Rewritten, Store};
use crate::story::Happening;
use crate::view::RevisionView;

/// The number of accepted commits that the API lists.
const REVISIONS_LISTED: usize = 100;

/// The follower of the repository.
pub struct Follower {
    source: Source,
    /// The repository's folder, if it is on this host.
    pub(super) folder: Option<PathBuf>,
    pub(super) sub: String,
    pub(super) mirror_path: PathBuf,
    mirror: Option<Mirror>,
    pub(super) store: Arc<Store>,
    pub(super) shared: Arc<ArcSwap<Serving>>,
    pub(super) standing: Standing,
    pub(super) trust: Trust,
    /// The pinned commit, served in place of the newest one of the branch.
    pub(super) pinned: Option<Pinned>,
    /// Whether the store still has a pin that ended.
    pub(super) unpinned: bool,
    /// The commit that was pinned until now, while its replacement is not yet served.
    pub(super) released: Option<Revision>,
    /// The snapshot of the last commit taken, served or waiting, if this run has built it.
    pub(super) accepted: Option<Arc<Snapshot>>,
    /// The last commit judged: taken, waiting or refused.
    pub(super) judged: Option<Revision>,
    /// The served snapshot that is not stored yet, because the store could not write.
    pub(super) unstored: Option<(Arc<Snapshot>, Arc<Tree>, Accepted)>,
    /// The previous snapshot, kept until no request uses it: the last owner frees 100,000 nodes,
    /// and a thread that boots machines should not do that.
    before: Option<Arc<Serving>>,
    /// Whether the boot fetches of the store are back in memory.
    restored: bool,
    /// The repository and the branch, as the mirror records them.
    identity: String,
    /// The limits of one build.
    pub(super) bounds: BuildSettings,
    /// The builds that were running when an earlier process ended.
    pub(super) attempts: Vec<Attempt>,
    /// The last commit whose build died.
    pub(super) died: Option<Died>,
    /// Whether the stored commit is not built yet, because an order interrupted its build.
    pub(super) is_start_unbuilt: bool,
    /// The orders of administrators.
    pub(super) orders: Option<mpsc::Receiver<Order>>,
    /// Cancelled when the server ends.
    pub(super) stop: CancellationToken,
    /// The writer of the events of commits.
    pub(super) pen: Pen,
    /// The last known tip of the branch, in this run or an earlier one.
    pub(super) tip: Option<Box<str>>,
}

/// The boots that the store has from earlier runs.
struct BootsBefore {
    fetches: Vec<BootFetch>,
    booted: BTreeMap<Box<str>, Booted>,
}

/// The tip of the branch.
struct Found {
    branch: String,
    revision: Revision,
}

impl Follower {
    /// Creates a follower that has not looked at the repository yet.
    ///
    /// Cancelling `stop` ends a fetch from another host.
    pub fn new(
        settings: &Settings,
        (store, book): (Arc<Store>, &Arc<Book>),
        shared: Arc<ArcSwap<Serving>>,
        standing: Standing,
        stop: &CancellationToken,
    ) -> Self {
        Self {
            pen: Pen::new(Arc::clone(book)),
            tip: book.history.tip(),
            source: repository::source(settings, stop),
            folder: match &settings.repo {
                RepoAddress::Local(folder) => Some(folder.clone()),
                RepoAddress::Remote(_) => None,
            },
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
            accepted: None,
            judged: None,
            unstored: None,
            before: None,
            restored: false,
            identity: format!("{} branch {:?} tag {:?}\n", settings.repo, settings.branch, settings.tag),
            bounds: settings.build.clone(),
            attempts: Vec::new(),
            died: None,
            is_start_unbuilt: false,
            orders: None,
            stop: stop.clone(),
        }
    }

    /// Accepts orders from now on.
    pub fn take_orders(&mut self, orders: mpsc::Receiver<Order>) {
        self.orders = Some(orders);
    }

    /// Reads the boots of earlier runs, for the first commit built in this run and for what is
    /// served until then.
    fn boots_before(&mut self, snapshot: &Snapshot) -> Option<BootsBefore> {
        if self.restored {
            return None;
        }
        let (fetches, booted) = (self.store.fetches(), self.store.booted());
        // A snapshot of stored scripts lacks the nodes without a script, and a failing disk may
        // recover.
        self.restored = !snapshot.is_stored() && fetches.is_ok() && booted.is_ok();

        let fetches = fetches.unwrap_or_else(|error| {
            warn!(error = %words::chain(&error), "the boot fetches cannot be read from the store");
            Vec::new()
        });
        let booted = booted.unwrap_or_else(|error| {
            warn!(error = %words::chain(&error), "what nodes booted cannot be read from the store");
            BTreeMap::new()
        });
        Some(BootsBefore { fetches, booted })
    }

    /// Runs one pass and returns whether the repository answered.
    pub fn pass(&mut self) -> Looked {
        self.drop_what_was_before();
        self.standing.looked(clock::rfc3339(clock::now_ms()));
        if self.trust.refresh() {
            self.judged = None;
        }

        self.watch_pin();
        let due = self.obey();
        self.build_what_is_stored();

        let found = self.look();
        let looked = match &found {
            Err(GitError::Remote(error)) if error.is_content() => Looked::Well,
            Err(_) => Looked::Badly,
            Ok(_) => Looked::Well,
        };

        match found {
            Ok(Some(found)) => {
                if let Err(error) = self.consider(&found.branch, &found.revision) {
                    self.standing.source_fails(&words::chain(&error), error.hint());
                }
            }
            Ok(None) => {}
            Err(GitError::Remote(error)) if *error.fault() == RemoteFault::Stopped => {}
            Err(error) => {
                self.standing.source_fails(&words::chain(&error), error.hint());
                self.start_from_mirror();
            }
        }

        self.serve_the_pinned();
        self.serve_the_newest_good();

        match self.store.stay_in_place() {
            Ok(Some(Rewritten::Removed)) => {
                warn!("the file of the store was removed; all that it held is written anew");
            }
            Ok(Some(Rewritten::Writable)) => {
                info!("the file of the store can be written again; what was kept in memory is stored");
            }
            Ok(None) => {}
            Err(error) => warn!(error = %words::chain(&error), "the file of the store cannot be written again"),
        }

        self.store_pin();
        self.pen.tell_source(self.standing.source_trouble());
        self.store_what_is_unstored();
        if self.unstored.is_none() {
            self.pen.write();
        }

        self.publish_standing();
        self.answer(due);
        self.drop_what_was_before();
        looked
    }

    /// Drops the previous snapshot if no request uses it; otherwise the next pass does.
    fn drop_what_was_before(&mut self) {
        if self.before.take_if(|before| Arc::strong_count(before) == 1).is_some() {
            memory::give_back();
        }
    }

    /// Publishes the status.
    pub(super) fn publish_standing(&mut self) {
        self.standing.store_is(self.store.trouble());
        self.standing.trust_is(self.trust.trouble());
        self.standing.pin(self.pinned.as_ref().map(Pinned::view));
        self.swap(None);
    }

    /// Records that the repository can be read.
    pub(super) fn works(&mut self, branch: &str) {
        self.standing.source_works(branch);
        self.shared.load().counters.repository_read.store(clock::now_ms(), Ordering::Relaxed);
    }

    /// Fetches the branch's tip into the mirror, or returns `None` if there is no commit to take.
    fn look(&mut self) -> Result<Option<Found>, GitError> {
        let mirror = match self.mirror.take() {
            Some(mirror) => mirror,
            None => Mirror::open_or_create(&self.mirror_path)?,
        };

        let fetched = self.source.look(&mirror);
        if let Ok(Fetched { tip: Tip::Commit { .. }, .. }) = &fetched
            && let Err(error) = mirror.claim(&self.identity)
        {
            warn!(error = %words::chain(&error), "the mirror cannot note whose it is");
        }
        self.mirror = Some(mirror);

        let noun = self.source.wanted().noun();
        match fetched?.tip {
            Tip::Commit { branch, revision } => Ok(Some(Found { branch, revision })),
            Tip::Missing { branch, near } => {
                let near = near.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                self.standing.source_fails(&format!("there is no {noun} `{branch}`{near}"), None);
                Ok(None)
            }
            Tip::Empty { branch } => {
                self.standing.source_fails(&format!("the repository has no commit on the {noun} `{branch}`"), None);
                Ok(None)
            }
        }
    }

    /// Serves a commit that the mirror kept if nothing else is served: the store is new or was
    /// lost, and the repository is unreachable.
    fn start_from_mirror(&mut self) {
        if self.shared.load().snapshot.is_some() || !self.mirror_path.exists() {
            return;
        }

        let is_ours = |mirror: &&Mirror| mirror.is_of(&self.identity);
        let Some(mirror) = self.mirror.as_ref().filter(is_ours) else { return };

        // Commits that were served or taken before come before those that no start has judged.
        let kept = mirror.kept().unwrap_or_default().into_iter();
        let tip = mirror.repo().ok().and_then(|repo| repo.resolve(crate::git::FOLLOWED).ok());

        for revision in kept.chain(tip).take(3) {
            if self.died.as_ref().is_some_and(|died| died.revision == revision) {
                continue;
            }
            match self.serve_of_mirror(&revision) {
                None => {
                    info!(revision = %revision, "serving what the mirror kept: the store has nothing, and the repository is away");
                    self.trust.took(&revision);
                    return;
                }
                Some(why) => warn!(revision = %revision, "what the mirror kept cannot be served: {why}"),
            }
        }
    }

    /// Reads a commit from the mirror and judges whether it may be taken from the branch. A damaged
    /// mirror is created again from the source once.
    ///
    /// The files are a separate error if the commit itself is at fault. They are not read if they
    /// are not requested or the commit may not be taken.
    pub(super) fn read(&mut self, revision: &Revision, files: bool) -> Result<Read, GitError> {
        match self.read_once(revision, files) {
            Err(error) if error.is_damage() => {
                warn!(error = %words::chain(&error), "the mirror is damaged and is made again");
                if let Some(mirror) = &self.mirror {
                    mirror.remake()?;
                    self.source.look(mirror)?;
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
            Err(
                error @ (GitError::NoSuchFolder { .. }
                | GitError::BadFolder { .. }
                | GitError::Unsound { .. }
                | GitError::TooMuch { .. }),
            ) => Ok((info, Err(error), judged)),
            tree => Ok((info, Ok(tree?), judged)),
        }
    }

    /// Opens the mirror, or creates it.
    pub(super) fn open_mirror(&mut self) -> Result<&Mirror, GitError> {
        let mirror = match self.mirror.take() {
            Some(mirror) => mirror,
            None => Mirror::open_or_create(&self.mirror_path)?,
        };
        Ok(self.mirror.insert(mirror))
    }

    /// Stores the served commit, so that a start without git serves it too. Nothing waits for this.
    pub(super) fn store_what_is_unstored(&mut self) {
        if self.trust.store(&self.store) {
            self.keep_in_mirror();
        }

        let Some((snapshot, tree, accepted)) = self.unstored.take() else { return };
        let store = |happened: &[Happening]| remember::store(&self.store, (&snapshot, &tree, &accepted), happened);
        match self.pen.write_with(store) {
            Ok(()) => {
                self.standing.stored();
                info!(revision = %accepted.revision, "commit stored");
                self.keep_in_mirror();
                self.list_revisions();
            }
            Err(error) => {
                self.shared.load().counters.store_errors.fetch_add(1, Ordering::Relaxed);
                if self.standing.unstored(&words::chain(&error)) {
                    error!(error = %words::chain(&error), "the served commit cannot be stored; boots go on");
                }
                if !error.is_disk() {
                    // A fault of the commit does not go away, and is no reason to hold back its
                    // events.
                    self.pen.write();
                }
                self.unstored = Some((snapshot, tree, accepted));
            }
        }
    }

    /// Keeps in the mirror the served commit and the one that later commits must descend from,
    /// wherever the branch moves.
    fn keep_in_mirror(&self) {
        let served = self.standing.served_id().map(Revision::commit);
        let kept: Vec<Revision> = served.into_iter().chain(self.trust.baseline().cloned()).collect();
        if let Some(Err(error)) = self.mirror.as_ref().map(|mirror| mirror.keep(&kept)) {
            warn!(error = %words::chain(&error), "the served commit cannot be kept in the mirror");
        }
    }

    /// Publishes the list of accepted commits for the API.
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

    /// Publishes the status, and a new snapshot if there is one.
    ///
    /// Claims are published separately ([`Serving::publish_claims`]), so the current value is
    /// replaced by one derived from it, and nothing is lost.
    pub(super) fn swap(&mut self, snapshot: Option<Arc<Snapshot>>) {
        let status = Arc::new(self.standing.status());
        match snapshot {
            Some(snapshot) => {
                let before = self.boots_before(&snapshot);
                let next = |serving: &Arc<Serving>| {
                    let next = Serving::next(serving, Arc::clone(&snapshot), Arc::clone(&status));
                    // Before the first reader sees it: an empty slot means that the node never booted.
                    if let Some(before) = &before {
                        next.restore(&before.fetches);
                        next.restore_booted(&before.booted);
                    }
                    next
                };
                self.before = Some(self.shared.rcu(next));
            }
            None if *self.shared.load().status == *status => {}
            None => {
                self.shared.rcu(|serving| serving.with_status(Arc::clone(&status)));
            }
        }
    }
}

/// The commit's own information, its files, and whether it may be taken.
pub(super) type Read = (CommitInfo, Result<Tree, GitError>, Judged);
