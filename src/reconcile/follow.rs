//! git to Snapshot: one pass looks at the branch, and takes a new commit whole or not at all.
//!
//! A pass is a list of steps: obey, look, read, judge, build, publish, remember. It stops at the first that cannot go on, and
//! always ends in one status. What is served changes only in `publish`; whatever else fails, the last good Snapshot stays.

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

/// How many accepted commits the api lists.
const REVISIONS_LISTED: usize = 100;

/// The one who follows the repository.
pub struct Follower {
    source: Source,
    /// The repository's folder, where it is on this host.
    pub(super) folder: Option<PathBuf>,
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
    /// What the commit comes to that was taken last, served or waiting, once that was asked in this run.
    pub(super) accepted: Option<Arc<Snapshot>>,
    /// The commit that was judged last: taken, waiting or refused.
    pub(super) judged: Option<Revision>,
    /// What is served and not stored yet, because the store could not write.
    pub(super) unstored: Option<(Arc<Snapshot>, Arc<Tree>, Accepted)>,
    /// What was served before: kept until no request holds it any more, as whoever drops it last frees 100,000 nodes, which
    /// is no work for a thread that boots machines.
    before: Option<Arc<Serving>>,
    /// Whether the boot fetches of the store are back in memory.
    restored: bool,
    /// The repository and the branch, as the mirror notes them.
    identity: String,
    /// What building one commit may take.
    pub(super) bounds: BuildSettings,
    /// The builds that were begun when an earlier process ended.
    pub(super) attempts: Vec<Attempt>,
    /// The commit whose build died last.
    pub(super) died: Option<Died>,
    /// Whether what the store has is yet to be built, since an order came in between.
    pub(super) is_start_unbuilt: bool,
    /// What administrators order.
    pub(super) orders: Option<mpsc::Receiver<Order>>,
    /// Tells that the server ends.
    pub(super) stop: CancellationToken,
    /// What tells the story of commits.
    pub(super) pen: Pen,
    /// The commit at which the branch was seen last, in this run or one before.
    pub(super) tip: Option<Box<str>>,
}

/// The boots that the store has from earlier runs.
struct BootsBefore {
    fetches: Vec<BootFetch>,
    booted: BTreeMap<Box<str>, Booted>,
}

/// Where the branch stands.
struct Found {
    branch: String,
    revision: Revision,
}

impl Follower {
    /// Makes a follower that has looked at nothing yet.
    ///
    /// A look at another host is given up once `stop` is cancelled.
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

    /// Takes orders from here on.
    pub fn take_orders(&mut self, orders: mpsc::Receiver<Order>) {
        self.orders = Some(orders);
    }

    /// Reads the boots of earlier runs, for the first commit of this run that is built and for what is served until then.
    fn boots_before(&mut self, snapshot: &Snapshot) -> Option<BootsBefore> {
        if self.restored {
            return None;
        }
        let (fetches, booted) = (self.store.fetches(), self.store.booted());
        // A Snapshot of stored scripts lacks the nodes that were given none, and a disk that fails may work later.
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

    /// Runs one pass; returns whether the repository answered.
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

    /// Drops what was served before, if no request holds it any more; else the next pass does.
    fn drop_what_was_before(&mut self) {
        if self.before.take_if(|before| Arc::strong_count(before) == 1).is_some() {
            memory::give_back();
        }
    }

    /// Tells how it stands.
    pub(super) fn publish_standing(&mut self) {
        self.standing.store_is(self.store.trouble());
        self.standing.trust_is(self.trust.trouble());
        self.standing.pin(self.pinned.as_ref().map(Pinned::view));
        self.swap(None);
    }

    /// Notes that the repository can be read.
    pub(super) fn works(&mut self, branch: &str) {
        self.standing.source_works(branch);
        self.shared.load().counters.repository_read.store(clock::now_ms(), Ordering::Relaxed);
    }

    /// Brings the branch's tip into the mirror; nothing where there is no commit to take.
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

    /// Serves what the mirror kept if nothing else is served: the store is fresh or was lost, and the repository is away.
    fn start_from_mirror(&mut self) {
        if self.shared.load().snapshot.is_some() || !self.mirror_path.exists() {
            return;
        }
        let is_ours = |mirror: &&Mirror| mirror.is_of(&self.identity);
        let Some(mirror) = self.mirror.as_ref().filter(is_ours) else { return };
        // What was served and what was taken last, before what no start has judged.
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
                    // What is wrong with the commit stays wrong, and is no reason to keep its story back.
                    self.pen.write();
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

/// What a commit says of itself, its files, and whether it may be taken.
pub(super) type Read = (CommitInfo, Result<Tree, GitError>, Judged);
