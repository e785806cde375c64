//! git to Snapshot: one pass looks at the branch, and takes a new commit whole or not at all.
//!
//! A pass is a list of steps: look, read, build, publish, remember. It stops at the first that cannot go on, and always
//! ends in one status. What is served changes only in `publish`; whatever else fails, the last good Snapshot stays.

mod start;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing::{error, info, warn};

use super::standing::{Refused, Standing};
use super::{clock, remember, words};
use crate::git::{CommitInfo, GitError, Mirror, Tip};
use crate::http::Serving;
use crate::model::{Diagnostic, Revision, Tree};
use crate::settings::Settings;
use crate::snapshot::{self, Snapshot};
use crate::store::{Accepted, Store};
use crate::view::RevisionView;

/// How many accepted commits the api lists.
const REVISIONS_LISTED: usize = 100;

/// The one who follows the repository.
pub struct Follower {
    source: PathBuf,
    branch: Option<String>,
    sub: String,
    mirror_path: PathBuf,
    mirror: Option<Mirror>,
    store: Arc<Store>,
    shared: Arc<ArcSwap<Serving>>,
    standing: Standing,
    /// The commit that was judged last, taken or refused.
    judged: Option<Revision>,
    /// What is served and not stored yet, because the store could not write.
    unstored: Option<(Arc<Snapshot>, Arc<Tree>, Accepted)>,
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
            judged: None,
            unstored: None,
            restored: false,
        }
    }

    /// Brings the boot fetches of the store back, once there are nodes that they can belong to.
    fn restore(&mut self) {
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
    pub fn pass(&mut self) {
        self.standing.looked(clock::rfc3339(clock::now_ms()));
        match self.look() {
            Ok(Some(Found { branch, revision })) if self.judged.as_ref() == Some(&revision) => {
                self.standing.source_works(&branch);
            }
            Ok(Some(Found { branch, revision })) if self.standing.served_id() == Some(revision.as_str()) => {
                info!(revision = %revision, "the branch is back at the commit that is served");
                self.standing.source_works(&branch);
                self.standing.clear_refusal();
                self.judged = Some(revision);
            }
            Ok(Some(found)) => self.take(&found),
            Ok(None) => {}
            Err(error) => self.standing.source_fails(&words::chain(&error), error.hint()),
        }
        match self.store.stay_in_place() {
            Ok(true) => warn!("the file of the store was removed; all that it held is written anew"),
            Ok(false) => {}
            Err(error) => warn!(error = %words::chain(&error), "the file of the store was removed"),
        }
        self.store_what_is_unstored();
        self.standing.store_is(self.store.trouble());
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

    /// Reads, builds and judges one commit.
    fn take(&mut self, found: &Found) {
        let Found { branch, revision } = found;
        let (info, tree) = match self.read(revision) {
            Ok(read) => read,
            Err(error) => return self.standing.source_fails(&words::chain(&error), error.hint()),
        };
        self.standing.source_works(branch);
        self.judged = Some(revision.clone());
        let mut accepted =
            Accepted { revision: revision.clone(), at: clock::now_ms(), subject: info.subject.into(), nodes: 0 };
        let tree = match tree {
            Ok(tree) => tree,
            Err(error) => {
                let reason = words::with_hint(&words::chain(&error), error.hint());
                return self
                    .refuse(&accepted, Refused { revision: words::view(&accepted), reason, diagnostics: Vec::new() });
            }
        };
        let started = std::time::Instant::now();
        let (snapshot, findings) = build(&tree, revision);
        let millis = started.elapsed().as_millis() as u64;
        words::tell(&findings, &tree);
        match snapshot {
            Some(snapshot) => {
                let nodes = snapshot.nodes().len() as u32;
                accepted.nodes = nodes;
                self.standing.serve(words::view(&accepted), &snapshot);
                let snapshot = Arc::new(snapshot);
                self.swap(Some(Arc::clone(&snapshot)));
                info!(revision = %revision, subject = accepted.subject, nodes, millis, "commit accepted");
                self.unstored = Some((snapshot, Arc::new(tree), accepted));
                self.restore();
            }
            None => self.refuse(&accepted, words::refused(&accepted, &findings, &tree)),
        }
    }

    fn refuse(&mut self, commit: &Accepted, refused: Refused) {
        let served = self.standing.served_id().unwrap_or("nothing").to_owned();
        let (revision, subject) = (&commit.revision, &*commit.subject);
        error!(revision = %revision, subject, served, "commit refused: {}", refused.reason);
        self.standing.refuse(refused);
    }

    /// Reads a commit from the mirror; a damaged mirror is made again from the source once.
    ///
    /// The files are an error of their own where the commit is to blame for it.
    fn read(&mut self, revision: &Revision) -> Result<(CommitInfo, Result<Tree, GitError>), GitError> {
        match self.read_once(revision) {
            Err(error) if error.is_damage() => {
                warn!(error = %words::chain(&error), "the mirror is damaged and is made again");
                if let Some(mirror) = &self.mirror {
                    mirror.remake()?;
                    mirror.fetch(&self.source, self.branch.as_deref())?;
                }
                self.read_once(revision)
            }
            read => read,
        }
    }

    fn read_once(&mut self, revision: &Revision) -> Result<(CommitInfo, Result<Tree, GitError>), GitError> {
        let mirror = match self.mirror.take() {
            Some(mirror) => mirror,
            None => Mirror::open_or_create(&self.mirror_path)?,
        };
        let mirror = self.mirror.insert(mirror);
        let repo = mirror.repo()?;
        let info = repo.commit_info(revision)?;
        match repo.tree(revision, &self.sub) {
            Err(error @ (GitError::NoSuchFolder { .. } | GitError::BadFolder { .. } | GitError::TooMuch { .. })) => {
                Ok((info, Err(error)))
            }
            tree => Ok((info, Ok(tree?))),
        }
    }

    /// Stores what is served, so that a start without git serves it too. Nothing waits for this.
    fn store_what_is_unstored(&mut self) {
        let Some((snapshot, tree, accepted)) = self.unstored.take() else { return };
        match remember::store(&self.store, &snapshot, &tree, &accepted) {
            Ok(()) => {
                self.standing.stored();
                info!(revision = %accepted.revision, "commit stored");
                let kept = [accepted.revision.clone()];
                if let Some(Err(error)) = self.mirror.as_ref().map(|mirror| mirror.keep(&kept)) {
                    warn!(error = %words::chain(&error), "the served commit cannot be kept in the mirror");
                }
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
    fn swap(&self, snapshot: Option<Arc<Snapshot>>) {
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

/// Builds a Snapshot. A fault of ours that a commit brings out is the end of that commit, not of the server; it gives no
/// Snapshot and no findings.
fn build(tree: &Tree, revision: &Revision) -> (Option<Snapshot>, Vec<Diagnostic>) {
    catch_unwind(AssertUnwindSafe(|| snapshot::build(tree, revision.clone()))).unwrap_or_default()
}
