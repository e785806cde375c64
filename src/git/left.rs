//! What a process that was killed leaves in a mirror: locks that nobody holds any more, and packs that were not finished.

use std::fs;
use std::path::{Path, PathBuf};

/// Removes it. Only for a folder of our own, as its server starts or is about to fetch. What an administrator's push is
/// bringing in at the moment is left alone.
///
/// libgit2 and git refuse a reference whose lock file is there, however old it is, so that one left over ends all following.
pub(super) fn sweep(mirror: &Path) {
    let is_left = |name: &str| name.ends_with(".lock") || name.starts_with("pack_git2_") || name.starts_with("tmp_");
    let mut folders: Vec<PathBuf> = vec![mirror.into()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = entry.file_name();
            if is_folder && !name.to_string_lossy().starts_with("tmp_objdir-incoming-") {
                folders.push(entry.path());
            } else if !is_folder && is_left(&name.to_string_lossy()) {
                // Where it cannot be removed, the fetch says why.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
