//! Reads the files of a commit directly from its tree objects.

use std::collections::HashSet;

use git2::{Odb, Oid};

use super::error::{GitError, similar};
use super::folder::{Budget, most_bytes, parts};
use super::repo::Repo;
use super::sound;
use muster_core::model::{File, Revision, Tree};

/// The bits of a git file mode that hold the kind of a tree entry.
pub(super) const MODE_KIND: i32 = 0o170_000;
pub(super) const MODE_FOLDER: i32 = 0o040_000;
pub(super) const MODE_LINK: i32 = 0o120_000;
pub(super) const MODE_SUBMODULE: i32 = 0o160_000;

pub(super) fn read(repo: &Repo, revision: &Revision, sub: &str) -> Result<Tree, GitError> {
    let root = descend(repo, revision, sub)?;
    let odb = repo.inner.odb().map_err(|source| repo.error("open its objects", source))?;
    let at = place(repo, revision);
    let mut reading = Reading { repo, revision, odb, tree: Tree::default(), budget: Budget::new(at) };
    let mut pending = vec![(root, String::new(), 0)];
    while let Some((id, prefix, depth)) = pending.pop() {
        reading.folder(id, &prefix, depth, &mut pending)?;
    }
    Ok(reading.tree)
}

struct Reading<'r> {
    repo: &'r Repo,
    revision: &'r Revision,
    odb: Odb<'r>,
    tree: Tree,
    budget: Budget,
}

impl Reading<'_> {
    fn folder(
        &mut self,
        id: Oid,
        prefix: &str,
        depth: usize,
        pending: &mut Vec<(Oid, String, usize)>,
    ) -> Result<(), GitError> {
        self.repo.bounded(id)?;
        let folder = self.repo.inner.find_tree(id).map_err(|source| self.repo.damaged(self.revision, source))?;
        let mut names = HashSet::new();

        for entry in folder.iter() {
            let name = entry.name_bytes();
            if let Some(why) = sound::fault_of_name(name, &mut names) {
                let name = format!("{prefix}{}", name.escape_ascii());
                return Err(GitError::Unsound { at: place(self.repo, self.revision), name, why });
            }
            self.budget.entry(depth, prefix.len() + name.len())?;
            let key = format!("{prefix}{}", String::from_utf8_lossy(name));
            let file = match entry.filemode_raw() & MODE_KIND {
                _ if std::str::from_utf8(name).is_err() => File::BadName,
                MODE_LINK => File::Symlink,
                MODE_SUBMODULE => File::Submodule,
                MODE_FOLDER => {
                    pending.push((entry.id(), format!("{key}/"), depth + 1));
                    continue;
                }
                _ if Tree::is_wish(&key) => self.wish(entry.id(), &key)?,
                _ => File::Unread,
            };
            self.tree.insert(key, file);
        }

        Ok(())
    }

    fn wish(&mut self, id: Oid, key: &str) -> Result<File, GitError> {
        let damaged = |source| self.repo.damaged(self.revision, source);
        let size = self.repo.size_of(&self.odb, id).map_err(damaged)?;
        if size > most_bytes(key) {
            return Ok(File::TooLarge { bytes: size });
        }
        let bytes = self.odb.read(id).map_err(damaged)?.data().into();
        self.budget.bytes(size)?;
        Ok(File::Bytes(bytes))
    }
}

fn descend(repo: &Repo, revision: &Revision, sub: &str) -> Result<Oid, GitError> {
    let damaged = |source| repo.damaged(revision, source);
    let at = place(repo, revision);
    let mut id = repo.commit(revision)?.tree_id();

    for part in parts(&at, sub)? {
        repo.bounded(id)?;
        let folder = repo.inner.find_tree(id).map_err(damaged)?;
        id = match folder.get_name(part) {
            Some(entry) if entry.filemode_raw() & MODE_KIND == MODE_FOLDER => entry.id(),
            Some(_) => return Err(GitError::BadFolder { at, sub: sub.into(), why: "is not a folder" }),
            None => {
                let folders = folder.iter().filter(|entry| entry.filemode_raw() & MODE_KIND == MODE_FOLDER);
                let names: Vec<String> =
                    folders.map(|entry| String::from_utf8_lossy(entry.name_bytes()).into_owned()).collect();
                return Err(GitError::NoSuchFolder { at, sub: sub.into(), near: similar(part, names, true) });
            }
        };
    }

    Ok(id)
}

fn place(repo: &Repo, revision: &Revision) -> String {
    format!("{} at {}", repo.root().display(), revision.short())
}
