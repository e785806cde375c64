//! Copies commits and everything they need from one object store into another, as one pack. Files
//! that are too large to declare desired state are left out, and recorded.

use std::collections::HashSet;
use std::io::Write;

use git2::{Odb, OdbLookupFlags, Oid, PackBuilder, Tree};

use super::commit_tree::{MODE_FOLDER, MODE_KIND, MODE_SUBMODULE};
use super::repo::Repo;
use super::sound;

/// Copies the commits, their history and their files, except objects that the target already has.
///
/// Relies on the target's invariant that it holds no commit and no tree without everything that
/// they name; one pack per copy preserves it. A parent that the source lacks (a shallow clone) is
/// left out. Returns the number of objects copied.
pub(super) fn copy(from: &Repo, to: &Repo, commits: &[Oid]) -> Result<usize, git2::Error> {
    let target = to.inner.odb()?;
    let mut pick = Pick {
        from,
        source: from.inner.odb()?,
        target: &target,
        seen: HashSet::new(),
        pack: from.inner.packbuilder()?,
        left_out: Vec::new(),
    };

    pick.pack.set_threads(0);
    let mut pending = commits.to_vec();
    while let Some(id) = pending.pop() {
        pick.commit(id, &mut pending)?;
    }
    pick.left_out.retain(|(id, _)| !to.left_out.contains_key(id));
    sound::leave_out(to.inner.path(), &pick.left_out)?;

    let count = pick.pack.object_count();
    if count > 0 {
        write(&mut pick.pack, &target)?;
    }
    Ok(count)
}

/// Returns whether a commit and all its files and folders are in the repository.
pub(super) fn is_complete(repo: &Repo, commit: Oid) -> bool {
    let Ok(odb) = repo.inner.odb() else { return false };
    if sound::passes(&odb, commit).is_some() {
        return false;
    }
    let Ok(root) = repo.inner.find_commit(commit).and_then(|commit| commit.tree()) else { return false };
    let mut seen = HashSet::new();
    let mut pending = vec![root];

    while let Some(folder) = pending.pop() {
        for entry in folder.iter() {
            if !seen.insert(entry.id()) {
                continue;
            }
            match entry.filemode_raw() & MODE_KIND {
                MODE_SUBMODULE => {}
                MODE_FOLDER => match repo.inner.find_tree(entry.id()) {
                    Ok(below) => pending.push(below),
                    Err(_) => return false,
                },
                _ if has(&odb, entry.id()) || repo.left_out.contains_key(&entry.id()) => {}
                _ => return false,
            }
        }
    }

    true
}

struct Pick<'r> {
    from: &'r Repo,
    source: Odb<'r>,
    target: &'r Odb<'r>,
    seen: HashSet<Oid>,
    pack: PackBuilder<'r>,
    /// The files that are too large to be copied, and their sizes.
    left_out: Vec<(Oid, u64)>,
}

impl Pick<'_> {
    fn commit(&mut self, id: Oid, pending: &mut Vec<Oid>) -> Result<(), git2::Error> {
        if !self.wanted(id) {
            return Ok(());
        }
        sound::check(&self.source, id)?;
        let commit = self.from.inner.find_commit(id)?;
        self.pack.insert_object(id, None)?;

        if self.wanted(commit.tree_id()) {
            self.pack.insert_object(commit.tree_id(), None)?;
            sound::check(&self.source, commit.tree_id())?;
            self.folders(commit.tree()?)?;
        }

        pending.extend(commit.parent_ids().filter(|parent| self.source.exists(*parent)));
        Ok(())
    }

    fn folders(&mut self, root: Tree<'_>) -> Result<(), git2::Error> {
        let mut pending = vec![root];
        while let Some(folder) = pending.pop() {
            let mut names = HashSet::new();
            for entry in folder.iter() {
                if let Some(why) = sound::fault_of_name(entry.name_bytes(), &mut names) {
                    return Err(sound::bad_name(folder.id(), entry.name_bytes(), why));
                }
                let kind = entry.filemode_raw() & MODE_KIND;
                if kind == MODE_SUBMODULE || !self.wanted(entry.id()) {
                    continue;
                }
                match kind {
                    MODE_FOLDER => sound::check(&self.source, entry.id())?,
                    _ => {
                        let size = self.from.size_of(&self.source, entry.id())?;
                        if size > sound::MAX_BLOB_BYTES {
                            self.left_out.push((entry.id(), size));
                            continue;
                        }
                    }
                }
                self.pack.insert_object(entry.id(), entry.name().ok())?;
                if kind == MODE_FOLDER {
                    pending.push(self.from.inner.find_tree(entry.id())?);
                }
            }
        }

        Ok(())
    }

    fn wanted(&mut self, id: Oid) -> bool {
        self.seen.insert(id) && !has(self.target, id)
    }
}

/// Looks up an object without listing the packs again, which libgit2 otherwise does on every miss.
fn has(odb: &Odb<'_>, id: Oid) -> bool {
    odb.exists_ext(id, OdbLookupFlags::NO_REFRESH)
}

fn write(pack: &mut PackBuilder<'_>, target: &Odb<'_>) -> Result<(), git2::Error> {
    let mut writer = target.packwriter()?;
    let mut failed = None;
    let done = pack.foreach(|bytes| match writer.write_all(bytes) {
        Ok(()) => true,
        Err(e) => {
            failed = Some(git2::Error::from_str(&format!("the pack cannot be written: {e}")));
            false
        }
    });

    if let Some(e) = failed {
        return Err(e);
    }
    done?;
    writer.commit()?;

    Ok(())
}
