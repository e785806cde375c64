//! Walks a history: the parents of commits, and the files of many commits, reading each folder and
//! each file once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use git2::Oid;

use super::commit_tree::{MODE_FOLDER, MODE_KIND, MODE_LINK, MODE_SUBMODULE};
use super::error::GitError;
use super::folder::{Budget, most_bytes, parts};
use super::repo::Repo;
use super::sound;
use muster_core::model::{File, Revision, Tree};

/// The bytes of files that are cached for the next commit; other files are read again.
const KEPT_BYTES: usize = 256 * 1024 * 1024;

/// The number of folders whose listings are cached.
const KEPT_FOLDERS: usize = 50_000;

/// The identity of a file's content: two files with the same id are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(Oid);

/// The identity of a folder's content: two folders with the same id are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId(Oid);

/// An entry at a path of a commit, before any byte of it is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listed {
    /// A file that declares desired state, by its path.
    Wish(BlobId),
    /// An entry that is not read.
    Other(Unread),
}

/// The reason for which an entry is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unread {
    NoWish,
    Symlink,
    Submodule,
    BadName,
}

impl Unread {
    fn file(self) -> File {
        match self {
            Self::NoWish => File::Unread,
            Self::Symlink => File::Symlink,
            Self::Submodule => File::Submodule,
            Self::BadName => File::BadName,
        }
    }
}

/// The paths of a folder and of everything below it, with their entries.
pub type Listing = Arc<[(Box<str>, Listed)]>;

/// The kind of an entry of one folder.
#[derive(Clone, Copy)]
enum Kind {
    Folder,
    File,
    Other(Unread),
}

type Entries = Arc<[(Box<str>, Kind, Oid)]>;

/// Reads the files of commits that have most of them in common.
pub struct Walk<'r> {
    repo: &'r Repo,
    folders: HashMap<Oid, Entries>,
    blobs: HashMap<Oid, File>,
    kept: usize,
}

impl Repo {
    /// Returns the parents of a commit that are in the repository, the first parent first.
    ///
    /// # Errors
    /// The commit is missing or damaged.
    pub fn parents(&self, revision: &Revision) -> Result<Vec<Revision>, GitError> {
        let commit = self.commit(revision)?;
        let here = |id: &Oid| self.inner.odb().is_ok_and(|odb| odb.exists(*id));
        Ok(commit.parent_ids().filter(here).map(|id| Revision::commit(&id.to_string())).collect())
    }

    /// Returns whether a parent of a commit is missing because the clone is shallow.
    ///
    /// # Errors
    /// As [`Self::parents`].
    pub fn is_cut(&self, revision: &Revision) -> Result<bool, GitError> {
        let commit = self.commit(revision)?;
        let written = commit.raw_header_bytes().split(|byte| *byte == b'\n');
        let written = written.filter(|line| line.starts_with(b"parent ")).count();
        Ok(written > self.parents(revision)?.len())
    }

    /// Returns the first parent of a commit.
    ///
    /// # Errors
    /// The commit has no parent, or its first one is not in the repository.
    pub fn first_parent(&self, revision: &Revision) -> Result<Revision, GitError> {
        if let (Some(first), false) = (self.parents(revision)?.into_iter().next(), self.is_cut(revision)?) {
            return Ok(first);
        }
        let is_cut = self.is_cut(revision)?;
        Err(GitError::NoParent { path: self.root().into(), revision: revision.short().into(), is_cut })
    }

    /// Starts a walk.
    #[must_use]
    pub fn walk(&self) -> Walk<'_> {
        Walk { repo: self, folders: HashMap::new(), blobs: HashMap::new(), kept: 0 }
    }
}

impl Walk<'_> {
    /// Finds a folder of a commit ("" is the root); returns `None` if the commit has no such
    /// folder.
    ///
    /// # Errors
    /// The commit is missing or damaged, or `sub` lies outside the repository.
    pub fn folder(&mut self, revision: &Revision, sub: &str) -> Result<Option<FolderId>, GitError> {
        let at = format!("{} at {}", self.repo.root().display(), revision.short());
        let mut id = self.repo.commit(revision)?.tree_id();
        for part in parts(&at, sub)? {
            let entries = self.entries(id, revision)?;
            match entries.iter().find(|(name, ..)| **name == *part) {
                Some((_, Kind::Folder, folder)) => id = *folder,
                Some((_, Kind::File | Kind::Other(_), _)) | None => return Ok(None),
            }
        }
        Ok(Some(FolderId(id)))
    }

    /// Lists a folder of a commit and everything below it.
    ///
    /// # Errors
    /// An object is missing or damaged, or the folder exceeds the bounds of this crate.
    pub fn list(&mut self, folder: FolderId, revision: &Revision) -> Result<Listing, GitError> {
        let mut budget = Budget::new(format!("{} at {}", self.repo.root().display(), revision.short()));
        let mut all = Vec::new();
        let mut pending = vec![(folder.0, String::new(), 0)];

        while let Some((id, prefix, depth)) = pending.pop() {
            for (name, kind, id) in self.entries(id, revision)?.iter() {
                budget.entry(depth, prefix.len() + name.len())?;
                let key = format!("{prefix}{name}");
                match kind {
                    Kind::Folder => pending.push((*id, format!("{key}/"), depth + 1)),
                    Kind::File if Tree::is_wish(&key) => all.push((key.into(), Listed::Wish(BlobId(*id)))),
                    Kind::File => all.push((key.into(), Listed::Other(Unread::NoWish))),
                    Kind::Other(why) => all.push((key.into(), Listed::Other(*why))),
                }
            }
        }

        Ok(all.into())
    }

    /// Reads the file for an entry of a listing.
    ///
    /// # Errors
    /// The object is missing or damaged.
    pub fn file(&mut self, path: &str, listed: &Listed, revision: &Revision) -> Result<File, GitError> {
        let id = match listed {
            Listed::Wish(BlobId(id)) => *id,
            Listed::Other(why) => return Ok(why.file()),
        };

        if let Some(file) = self.blobs.get(&id) {
            return Ok(file.clone());
        }
        let damaged = |source| self.repo.damaged(revision, source);
        let odb = self.repo.inner.odb().map_err(damaged)?;
        let size = self.repo.size_of(&odb, id).map_err(damaged)?;
        if size > most_bytes(path) {
            // Not cached, because the limit depends on the path.
            return Ok(File::TooLarge { bytes: size });
        }

        let size = size as usize;
        let file = File::Bytes(odb.read(id).map_err(damaged)?.data().into());
        if self.kept + size > KEPT_BYTES {
            self.blobs.clear();
            self.kept = 0;
        }

        self.kept += size;
        self.blobs.insert(id, file.clone());
        Ok(file)
    }

    fn entries(&mut self, id: Oid, revision: &Revision) -> Result<Entries, GitError> {
        if let Some(known) = self.folders.get(&id) {
            return Ok(Arc::clone(known));
        }
        self.repo.bounded(id)?;
        let tree = self.repo.inner.find_tree(id).map_err(|source| self.repo.damaged(revision, source))?;
        let mut names = HashSet::new();

        for entry in tree.iter() {
            if let Some(why) = sound::fault_of_name(entry.name_bytes(), &mut names) {
                let at = format!("{} at {}", self.repo.root().display(), revision.short());
                return Err(GitError::Unsound { at, name: entry.name_bytes().escape_ascii().to_string(), why });
            }
        }

        let entry = |entry: git2::TreeEntry<'_>| {
            let kind = match entry.filemode_raw() & MODE_KIND {
                _ if std::str::from_utf8(entry.name_bytes()).is_err() => Kind::Other(Unread::BadName),
                MODE_LINK => Kind::Other(Unread::Symlink),
                MODE_SUBMODULE => Kind::Other(Unread::Submodule),
                MODE_FOLDER => Kind::Folder,
                _ => Kind::File,
            };
            (String::from_utf8_lossy(entry.name_bytes()).into(), kind, entry.id())
        };

        let entries: Entries = tree.iter().map(entry).collect();
        if self.folders.len() >= KEPT_FOLDERS {
            self.folders.clear();
        }
        self.folders.insert(id, Arc::clone(&entries));

        Ok(entries)
    }
}
