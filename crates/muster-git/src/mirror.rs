//! A bare repository that follows one branch or tag of another one.
//!
//! The source may vanish, be rewritten or be locked by its owner; fetched commits stay readable
//! here. This module itself, libgit2 and `git fetch` write the mirror, without hooks or templates.
//! The next fetch restores everything that is lost with a mirror, so a broken one is recreated.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use git2::Oid;

use super::error::GitError;
use super::fault::{RemoteError, RemoteFault};
use super::left;
use super::locate::io_error;
use super::repo::{Repo, Tip, Trust, Wanted};
use super::transfer;
use muster_core::model::Revision;

/// The number of packs above which a mirror is compacted: each fetch adds one, and every look-up
/// searches each.
pub const MAX_PACKS: usize = 50;

/// The branch of the mirror that holds the followed tip.
pub const FOLLOWED: &str = "refs/heads/followed";
const KEPT: &str = "refs/muster/kept/";

/// The file in which the mirror records its source repository and branch.
const SOURCE: &str = "muster-source";

/// The reference that `git fetch` writes, until its commit is known to be complete.
pub(super) const INCOMING: &str = "refs/muster/incoming";

/// The file that marks a folder as a mirror of muster, so that no other repository is ever deleted.
const MARK: &str = "muster-mirror";

/// The result of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The tip of the branch in the source. If the branch is missing, the mirror stays as it was.
    pub tip: Tip,
    /// Whether the tip is another commit than after the last fetch.
    pub changed: bool,
}

/// A bare mirror of one branch, which threads can share: fetches wait for each other and for
/// readers that open it.
pub struct Mirror {
    path: PathBuf,
    /// Locked for writing while the folder may be swapped.
    gate: RwLock<()>,
}

impl Mirror {
    /// Opens the mirror at a path, or creates one; a broken one is recreated.
    ///
    /// # Errors
    /// The folder holds something else, or cannot be written.
    pub fn open_or_create(path: &Path) -> Result<Self, GitError> {
        let mirror = Self { path: path.into(), gate: RwLock::new(()) };
        mirror.finish_swap()?;
        if path.join(MARK).is_file() {
            left::mend(path, FOLLOWED);
        }
        if mirror.is_whole()? { Ok(mirror) } else { mirror.remake().map(|()| mirror) }
    }

    /// Fetches the tip of a branch or tag of a repository on this host, whatever the mirror held
    /// before.
    ///
    /// # Errors
    /// The source cannot be opened or read, or the mirror cannot be written. The mirror keeps its
    /// last tip.
    pub fn fetch(&self, source: &Path, wanted: &Wanted) -> Result<Fetched, GitError> {
        let source = Repo::open(source, Trust::Named)?;
        let tip = source.tip(wanted)?;
        let Tip::Commit { revision, .. } = &tip else { return Ok(Fetched { tip, changed: false }) };
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);

        match self.open() {
            Ok(ours) if tip_of(&ours).as_ref() == Some(revision) => return Ok(Fetched { tip, changed: false }),
            Ok(_) => {}
            Err(e @ GitError::HomeConfig { .. }) => return Err(e),
            Err(_) => self.make_anew()?,
        }

        let id = source.commit(revision)?.id();
        if let Err(error) = self.bring(&source, id) {
            // The mirror may be at fault: a lock, a broken reference or lost objects. A mirror that
            // lost objects still treats them as present, so it starts over.
            left::mend(&self.path, FOLLOWED);
            if error.is_damage() || !self.is_whole()? {
                self.make_anew()?;
            }
            self.bring(&source, id)?;
        }

        if self.packs()? > MAX_PACKS {
            self.swap_afresh()?;
        }
        Ok(Fetched { tip, changed: true })
    }

    /// Calls `bring` to fetch into the mirror's folder as [`INCOMING`], and makes that commit the
    /// tip if it is complete.
    ///
    /// A mirror that turns out to be damaged is recreated, and filled once more.
    pub(super) fn receive(&self, bring: &mut dyn FnMut(&Path) -> Result<(), GitError>) -> Result<Revision, GitError> {
        match self.receive_once(bring) {
            Err(error) if error.is_damage() || (may_be_ours(&error) && !self.is_whole()?) => {
                self.remake()?;
                self.receive_once(bring)
            }
            done => done,
        }
    }

    fn receive_once(&self, bring: &mut dyn FnMut(&Path) -> Result<(), GitError>) -> Result<Revision, GitError> {
        left::mend(&self.path, FOLLOWED);
        let brought = {
            let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
            bring(&self.path)
        };

        // An interrupted fetch may have left locks and unfinished packs at any time.
        left::mend(&self.path, FOLLOWED);
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        brought?;
        let taken = self.take_incoming();
        if self.packs()? > MAX_PACKS || self.is_strewn() {
            self.swap_afresh()?;
        }

        taken
    }

    /// Moves the tip to the fetched commit.
    fn take_incoming(&self) -> Result<Revision, GitError> {
        let ours = self.open()?;
        let fault = |source| ours.error("read what was fetched", source);
        let mut incoming = ours.inner.find_reference(INCOMING).map_err(fault)?;
        let commit = incoming.peel_to_commit().map(|commit| commit.id());
        incoming.delete().map_err(fault)?;
        let id =
            commit.map_err(|source| GitError::BadRevision { path: self.path.clone(), rev: "HEAD".into(), source })?;

        let revision = Revision::commit(&id.to_string());
        if !transfer::is_complete(&ours, id) {
            return Err(ours.damaged(&revision, git2::Error::from_str("an object is missing")));
        }
        ours.inner.reference(FOLLOWED, id, true, "").map_err(|e| ours.error("move the mirror's tip", e))?;

        Ok(revision)
    }

    /// Returns whether there are loose objects, which git fetches from a plain web server.
    fn is_strewn(&self) -> bool {
        let folders = fs::read_dir(self.path.join("objects")).into_iter().flatten().filter_map(Result::ok);
        folders.filter(|entry| entry.file_name().len() == 2).count() > MAX_PACKS
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the last fetched commit, if the mirror can be read.
    pub(super) fn tip(&self) -> Option<Revision> {
        tip_of(&self.repo().ok()?)
    }

    /// Opens the mirror for reading.
    ///
    /// # Errors
    /// The folder was removed or damaged since.
    pub fn repo(&self) -> Result<Repo, GitError> {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        self.open()
    }

    /// Keeps these commits next to the tip until the next call, however the source moves on.
    ///
    /// Commits that are not in the mirror are skipped.
    ///
    /// # Errors
    /// The mirror cannot be written.
    pub fn keep(&self, revisions: &[Revision]) -> Result<(), GitError> {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.keep_once(revisions).or_else(|_| {
            left::mend(&self.path, FOLLOWED);
            self.keep_once(revisions)
        })
    }

    /// Returns the kept commits, newest first.
    ///
    /// # Errors
    /// The mirror cannot be read.
    pub fn kept(&self) -> Result<Vec<Revision>, GitError> {
        let ours = self.repo()?;
        let names = ours.names(&format!("{KEPT}*"))?;
        let mut kept: Vec<(i64, Revision)> = Vec::new();
        for revision in names.iter().map(|name| Revision::commit(name)) {
            if let Ok(commit) = ours.commit(&revision) {
                kept.push((commit.time().seconds(), revision));
            }
        }
        kept.sort_by(|a, b| b.cmp(a));
        Ok(kept.into_iter().map(|(_, revision)| revision).collect())
    }

    /// Records the repository and branch that the mirror follows.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn claim(&self, source: &str) -> Result<(), GitError> {
        if self.is_of(source) {
            return Ok(());
        }
        let file = self.path.join(SOURCE);
        fs::write(&file, source).map_err(|error| io_error(&file, "written", error))
    }

    /// Returns whether this is recorded as the mirror of a repository and branch.
    #[must_use]
    pub fn is_of(&self, source: &str) -> bool {
        fs::read_to_string(self.path.join(SOURCE)).is_ok_and(|claimed| claimed == source)
    }

    fn keep_once(&self, revisions: &[Revision]) -> Result<(), GitError> {
        let ours = self.open()?;
        let fault = |source| ours.error("keep a commit", source);
        for revision in revisions {
            if let Ok(commit) = ours.commit(revision) {
                ours.inner.reference(&format!("{KEPT}{}", commit.id()), commit.id(), true, "").map_err(fault)?;
            }
        }

        for name in ours.names(&format!("{KEPT}*"))? {
            if !revisions.iter().any(|revision| revision.as_str() == name) {
                let mut old = ours.inner.find_reference(&format!("{KEPT}{name}")).map_err(fault)?;
                old.delete().map_err(fault)?;
            }
        }

        Ok(())
    }

    /// Deletes the mirror and creates an empty one; the next fetch fills it.
    ///
    /// # Errors
    /// The folder holds something else, or cannot be written.
    pub fn remake(&self) -> Result<(), GitError> {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.make_anew()
    }

    /// Copies everything that is still needed into a new folder with one pack, and replaces this
    /// folder with it.
    ///
    /// # Errors
    /// The new folder cannot be written; the mirror stays as it was.
    pub fn compact(&self) -> Result<(), GitError> {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.swap_afresh()
    }

    /// Counts the mirror's packs.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn packs(&self) -> Result<usize, GitError> {
        let folder = self.path.join("objects/pack");
        let entries = fs::read_dir(&folder).map_err(|source| io_error(&folder, "listed", source))?;
        Ok(entries.filter_map(Result::ok).filter(|e| e.path().extension().is_some_and(|x| x == "pack")).count())
    }

    fn open(&self) -> Result<Repo, GitError> {
        Repo::open(&self.path, Trust::Named)
    }

    fn is_whole(&self) -> Result<bool, GitError> {
        match self.open() {
            Ok(ours) if self.path.join(MARK).is_file() => Ok(match ours.inner.refname_to_id(FOLLOWED) {
                Ok(tip) => transfer::is_complete(&ours, tip),
                Err(e) => e.code() == git2::ErrorCode::NotFound,
            }),
            Err(e @ GitError::HomeConfig { .. }) => Err(e),
            Ok(_) | Err(_) => Ok(false),
        }
    }

    fn bring(&self, source: &Repo, id: Oid) -> Result<(), GitError> {
        let ours = self.open()?;
        transfer::copy(source, &ours, &[id]).map_err(|e| source.error("copy its commits", e))?;
        let ours = self.open()?;
        if !transfer::is_complete(&ours, id) {
            let missing = git2::Error::from_str("an object is missing");
            return Err(ours.damaged(&Revision::commit(&id.to_string()), missing));
        }
        ours.inner.reference(FOLLOWED, id, true, "").map_err(|e| ours.error("move the mirror's tip", e))?;
        Ok(())
    }

    fn make_anew(&self) -> Result<(), GitError> {
        let used = fs::read_dir(&self.path).is_ok_and(|mut entries| entries.next().is_some());
        if (used && !self.path.join(MARK).is_file()) || self.path.is_file() {
            return Err(GitError::NotOurMirror { path: self.path.clone() });
        }
        remove(&self.path)?;
        make(&self.path)
    }

    fn swap_afresh(&self) -> Result<(), GitError> {
        let (fresh, old) = (beside(&self.path, "new"), beside(&self.path, "old"));
        remove(&fresh)?;
        remove(&old)?;
        make(&fresh)?;
        let ours = self.open()?;
        let theirs = Repo::open(&fresh, Trust::Named)?;
        let mut keep = Vec::new();

        for name in ours.names("refs/*")? {
            let name = format!("refs/{name}");
            let id = ours.inner.refname_to_id(&name).map_err(|e| ours.error("read its references", e))?;
            keep.push((name, id));
        }

        let ids: Vec<Oid> = keep.iter().map(|(_, id)| *id).collect();
        transfer::copy(&ours, &theirs, &ids).map_err(|e| ours.error("be copied afresh", e))?;
        for (name, id) in keep {
            theirs.inner.reference(&name, id, true, "").map_err(|e| theirs.error("write a reference", e))?;
        }

        // If this file is lost, the next fetch writes it.
        let _ = fs::copy(self.path.join(SOURCE), fresh.join(SOURCE));
        fs::rename(&self.path, &old).map_err(|source| io_error(&self.path, "moved aside", source))?;
        fs::rename(&fresh, &self.path).map_err(|source| io_error(&fresh, "moved into place", source))?;
        remove(&old)
    }

    /// Restores the old folder if a swap was interrupted between its two renames.
    fn finish_swap(&self) -> Result<(), GitError> {
        let old = beside(&self.path, "old");
        if !self.path.exists() && old.join(MARK).is_file() {
            fs::rename(&old, &self.path).map_err(|source| io_error(&old, "moved back", source))?;
        }
        Ok(())
    }
}

fn tip_of(repo: &Repo) -> Option<Revision> {
    repo.inner.refname_to_id(FOLLOWED).ok().map(|id| Revision::commit(&id.to_string()))
}

/// Returns whether a fetch may have failed because of a fault in the mirror's folder.
fn may_be_ours(error: &GitError) -> bool {
    let faults = |error: &RemoteError| {
        matches!(error.fault(), RemoteFault::Other | RemoteFault::Unsound | RemoteFault::CutShort)
    };
    matches!(error, GitError::Remote(error) if faults(error))
}

/// Creates an empty bare repository. The mark comes first, so that an interrupted one is
/// recognized.
fn make(path: &Path) -> Result<(), GitError> {
    let folder = |path: PathBuf| fs::create_dir_all(&path).map_err(|source| io_error(&path, "made", source));
    let file = |name: &str, text: &str| {
        let path = path.join(name);
        fs::write(&path, text).map_err(|source| io_error(&path, "written", source))
    };
    folder(path.into())?;
    file(MARK, "This repository is muster's own copy. It may be deleted while muster is stopped.\n")?;
    for name in ["objects/info", "objects/pack", "refs/heads"] {
        folder(path.join(name))?;
    }
    file("config", "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n")?;
    file("HEAD", &format!("ref: {FOLLOWED}\n"))
}

/// Removes a folder of muster's, or an empty one.
fn remove(path: &Path) -> Result<(), GitError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(path, "removed", e)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{suffix}"));
    path.with_file_name(name)
}
