//! Computes the result of a merge in memory: nothing is written to the repository.

use std::path::Path;

use git2::{Index, IndexEntry, IndexTime, Oid};

use super::commit_tree::{MODE_KIND, MODE_LINK, MODE_SUBMODULE};
use super::error::GitError;
use super::folder::{Budget, most_bytes};
use super::repo::Repo;
use muster_core::model::{File, Revision, Tree};

/// The priority of the in-memory store: higher than the repository's own, so that every new object
/// stays in memory.
const IN_MEMORY: i32 = 1000;

/// The mode of a plain, non-executable file in git.
const MODE_FILE: u32 = 0o100_644;

/// The branches that serve as the target without a remote, in order of preference.
const USUAL_BRANCHES: [&str; 2] = ["main", "master"];

impl Repo {
    /// Finds the branch that the work targets: the one that `origin/HEAD` names, else the upstream
    /// of the current branch, else `main`, else `master`. Returns its name and its tip.
    ///
    /// # Errors
    /// No such branch exists, or it cannot be read.
    pub fn target(&self) -> Result<(String, Revision), GitError> {
        let remote = self.inner.find_reference("refs/remotes/origin/HEAD").and_then(|found| found.resolve());
        let mut names: Vec<String> = Vec::new();
        names.extend(remote.ok().map(|found| String::from_utf8_lossy(found.name_bytes()).into_owned()));
        names.extend(self.upstream());
        names.extend(USUAL_BRANCHES.map(|branch| format!("refs/heads/{branch}")));
        for name in names {
            let Ok(found) = self.inner.find_reference(&name) else { continue };
            let commit = found.peel_to_commit().map_err(|source| self.error("read the target branch", source))?;
            let short = ["refs/remotes/", "refs/heads/"].iter().find_map(|start| name.strip_prefix(start));
            return Ok((short.unwrap_or(&name).to_owned(), Revision::commit(&commit.id().to_string())));
        }
        Err(GitError::NoTarget { path: self.root().into() })
    }

    fn upstream(&self) -> Option<String> {
        let head = self.inner.head().ok()?;
        let name = self.inner.branch_upstream_name(head.name().ok()?).ok()?;
        name.as_str().ok().map(str::to_owned)
    }

    /// Reads the files under a folder ("" is the root) as they would be after merging a commit into
    /// a target.
    ///
    /// # Errors
    /// The error names the files that both sides changed; other errors are those of [`Self::tree`].
    pub fn merged(&self, target: &Revision, head: &Revision, sub: &str) -> Result<Tree, GitError> {
        let (target, head) = (self.commit(target)?, self.commit(head)?);
        self.merge_of(&target, &head, sub)
    }

    /// Reads the files under a folder as they would be after committing `work` on top of HEAD and
    /// merging that.
    ///
    /// `work` is the result of [`work_tree`](super::work_tree()) for the same folder.
    ///
    /// # Errors
    /// As [`Self::merged`].
    pub fn merged_work(&self, target: &Revision, work: &Tree, sub: &str) -> Result<Tree, GitError> {
        let doing = "take the files as they stand into a merge";
        let fault = |source| self.error(doing, source);
        let target = self.commit(target)?;
        let head = self.commit(&self.resolve("HEAD")?)?;
        if self.inner.merge_base(target.id(), head.id()).is_ok_and(|base| base == target.id()) {
            return Ok(work.clone());
        }

        self.stay_in_memory()?;
        let mut index = Index::new().map_err(fault)?;
        index.read_tree(&head.tree().map_err(fault)?).map_err(fault)?;
        let prefix = prefix(sub);

        for path in index.iter().map(|entry| entry.path).collect::<Vec<_>>() {
            let path = String::from_utf8_lossy(&path).into_owned();
            if path.strip_prefix(&prefix).is_some_and(Tree::is_wish) {
                index.remove(Path::new(&path), 0).map_err(fault)?;
            }
        }

        for (path, bytes) in work.blobs() {
            let id = self.inner.blob(bytes).map_err(fault)?;
            index.add(&entry(format!("{prefix}{path}"), id, bytes.len())).map_err(fault)?;
        }

        let tree = index.write_tree_to(&self.inner).and_then(|id| self.inner.find_tree(id)).map_err(fault)?;
        let commit = self.inner.commit(None, &head.committer(), &head.committer(), "", &tree, &[&head]);
        let commit = commit.and_then(|id| self.inner.find_commit(id)).map_err(fault)?;
        let mut merged = self.merge_of(&target, &commit, sub)?;

        // A file that cannot be read cannot be merged either; the check of the files reports it.
        for (path, file) in work.iter().filter(|(path, file)| Tree::is_wish(path) && !matches!(file, File::Bytes(_))) {
            merged.insert(path, file.clone());
        }

        Ok(merged)
    }

    fn merge_of(&self, target: &git2::Commit<'_>, head: &git2::Commit<'_>, sub: &str) -> Result<Tree, GitError> {
        self.stay_in_memory()?;
        let merged = self.inner.merge_commits(target, head, None);
        let index = merged.map_err(|source| self.error("merge", source))?;
        let files = self.conflicts(&index)?;
        if !files.is_empty() {
            return Err(GitError::Conflict { path: self.root().into(), files });
        }
        self.of_index(&index, sub, &Revision::commit(&head.id().to_string()))
    }

    fn stay_in_memory(&self) -> Result<(), GitError> {
        let fault = |source| self.error("merge in memory", source);
        let odb = self.inner.odb().map_err(fault)?;
        odb.add_new_mempack_backend(IN_MEMORY).map_err(fault)?;
        Ok(())
    }

    fn conflicts(&self, index: &Index) -> Result<Vec<String>, GitError> {
        let mut files = Vec::new();
        for conflict in index.conflicts().map_err(|source| self.error("read the merge", source))? {
            let conflict = conflict.map_err(|source| self.error("read the merge", source))?;
            let side = conflict.our.or(conflict.their).or(conflict.ancestor);
            files.extend(side.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()));
        }
        files.sort();
        files.dedup();
        Ok(files)
    }

    fn of_index(&self, index: &Index, sub: &str, revision: &Revision) -> Result<Tree, GitError> {
        let damaged = |source| self.damaged(revision, source);
        let odb = self.inner.odb().map_err(|source| self.error("open its objects", source))?;
        let mut budget = Budget::new(format!("{} merged", self.root().display()));
        let prefix = prefix(sub);
        let mut tree = Tree::default();

        for entry in index.iter() {
            let Some(key) = entry.path.strip_prefix(prefix.as_bytes()) else { continue };
            budget.entry(key.iter().filter(|byte| **byte == b'/').count(), key.len())?;
            let name = String::from_utf8_lossy(key).into_owned();
            let file = match entry.mode as i32 & MODE_KIND {
                _ if std::str::from_utf8(key).is_err() => File::BadName,
                MODE_LINK => File::Symlink,
                MODE_SUBMODULE => File::Submodule,
                _ if !Tree::is_wish(&name) => File::Unread,
                _ => {
                    let (size, _) = odb.read_header(entry.id).map_err(damaged)?;
                    if size as u64 > most_bytes(&name) {
                        File::TooLarge { bytes: size as u64 }
                    } else {
                        budget.bytes(size as u64)?;
                        File::Bytes(odb.read(entry.id).map_err(damaged)?.data().into())
                    }
                }
            };
            tree.insert(name, file);
        }

        Ok(tree)
    }
}

/// Returns a folder as the prefix of the paths of its files.
fn prefix(sub: &str) -> String {
    let sub = sub.trim_matches('/');
    if sub.is_empty() { String::new() } else { format!("{sub}/") }
}

fn entry(path: String, id: Oid, bytes: usize) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode: MODE_FILE,
        uid: 0,
        gid: 0,
        file_size: bytes as u32,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.into_bytes(),
    }
}
