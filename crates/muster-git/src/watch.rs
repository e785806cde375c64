//! Wakes whoever follows a repository when its branches may have moved.

use std::path::{Path, PathBuf};

use notify::{EventKind, RecursiveMode, Watcher};

use super::error::GitError;
use super::locate;

/// A watch on a repository's branches; dropping it ends it.
///
/// A wake-up carries no data and may come without cause, or not at all on file systems that report nothing: look for
/// yourself, and look from time to time all the same.
pub struct Watch {
    _watcher: notify::RecommendedWatcher,
}

impl Watch {
    /// Calls back whenever HEAD, a branch or the packed references of a repository may have changed.
    ///
    /// Watches folders, since git replaces its files by rename. The callback runs on the watch's own thread.
    ///
    /// # Errors
    /// There is no repository, or the system grants no more watches.
    pub fn new(dir: &Path, on_change: impl Fn() + Send + 'static) -> Result<Self, GitError> {
        let dirs = locate::at(dir)?;
        let fault = |path: &Path| {
            let path: PathBuf = path.into();
            move |source| GitError::Watch { path, source }
        };
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.as_ref().map_or(true, may_matter) {
                on_change();
            }
        })
        .map_err(fault(dir))?;
        watcher.watch(&dirs.git, RecursiveMode::NonRecursive).map_err(fault(&dirs.git))?;
        if dirs.common != dirs.git {
            watcher.watch(&dirs.common, RecursiveMode::NonRecursive).map_err(fault(&dirs.common))?;
        }
        let refs = dirs.common.join("refs");
        watcher.watch(&refs, RecursiveMode::Recursive).map_err(fault(&refs))?;
        Ok(Self { _watcher: watcher })
    }
}

/// Passes over reading, which our own looks cause, and files that move no branch.
fn may_matter(event: &notify::Event) -> bool {
    let quiet = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".lock") || matches!(&*name, "index" | "FETCH_HEAD" | "ORIG_HEAD" | "COMMIT_EDITMSG")
    };
    if matches!(event.kind, EventKind::Access(_)) {
        return false;
    }
    event.need_rescan() || event.paths.is_empty() || !event.paths.iter().all(quiet)
}
