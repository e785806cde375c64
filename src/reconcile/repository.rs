//! The repository of wishes, by the one name that it has however it is called.

use std::path::{Path, PathBuf};

use tracing::warn;

use super::ServeError;
use super::words::chain;
use crate::git::{GitError, Repo, Trust};
use crate::settings::Settings;

/// Finds the repository's own folder, so that a store knows it however it was named.
pub fn find(settings: &Settings) -> Result<PathBuf, ServeError> {
    match Repo::open(&settings.repo, Trust::Named) {
        Ok(repo) => Ok(repo.root().canonicalize().unwrap_or_else(|_| repo.root().into())),
        // It may be away for now; what the store has is served.
        Err(
            error @ (GitError::PathMissing { .. }
            | GitError::NotRepository { .. }
            | GitError::BrokenLink { .. }
            | GitError::Io { .. }),
        ) if settings.store.exists() => {
            warn!(error = %chain(&error), "the repository is away; what the store has is served until it is back");
            Ok(settled(&settings.repo, MAX_LINKS))
        }
        Err(error) => match Repo::open(&settings.repo, Trust::Person) {
            Ok(around) if !around.prefix().is_empty() => Err(ServeError::Inside {
                path: settings.repo.clone(),
                root: around.root().into(),
                prefix: around.prefix().into(),
            }),
            Ok(_) | Err(_) => Err(error.into()),
        },
    }
}

/// How many symbolic links a path may go through, as Linux bounds it (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// Names a path that may be away as it is named when it is there: absolute, and through no link.
fn settled(path: &Path, links: u32) -> PathBuf {
    let Ok(path) = std::path::absolute(path) else { return path.into() };
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = settled(parent, links);
            match std::fs::read_link(parent.join(name)) {
                Ok(target) if links > 0 => settled(&parent.join(target), links - 1),
                Ok(_) | Err(_) => parent.join(name),
            }
        }
        (Some(_) | None, _) => path,
    }
}
