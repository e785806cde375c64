//! Calls back when the branches of a repository may have moved.

use std::path::{Path, PathBuf};

use notify::{EventKind, RecursiveMode, Watcher};

use super::error::GitError;
use super::locate;

/// A watch on the branches of a repository; dropping it ends the watch.
///
/// A callback carries no data. It may come without a change, and it never comes on file systems
/// that report no events, so callers poll as well.
pub struct Watch {
    _watcher: notify::RecommendedWatcher,
}

impl Watch {
    /// Calls back whenever HEAD, a branch or the packed references of a repository may have
    /// changed.
    ///
    /// Watches folders, because git replaces its files by renaming. The callback runs on the
    /// watch's own thread.
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

/// Ignores read events, which muster's own looks cause, and events of files that move no branch.
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
