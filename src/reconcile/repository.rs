//! The cluster repository, by one canonical name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::ServeError;
use super::words::chain;
use crate::git::{FetchBounds, GitError, Place, Remote, Repo, Source, Trust, Wanted};
use crate::model::{RepoAddress, Transport};
use crate::settings::Settings;

/// Finds the repository's own folder, so that a store recognizes it under any path.
///
/// A repository on another host is identified by its address, without a request to it.
pub fn find(settings: &Settings) -> Result<RepoAddress, ServeError> {
    match &settings.repo {
        RepoAddress::Local(path) => find_here(path, settings).map(RepoAddress::Local),
        RepoAddress::Remote(url) => Ok(RepoAddress::Remote(url.clone())),
    }
}

fn find_here(path: &Path, settings: &Settings) -> Result<PathBuf, ServeError> {
    match Repo::open(path, Trust::Named) {
        Ok(repo) => Ok(repo.root().canonicalize().unwrap_or_else(|_| repo.root().into())),
        // It may be missing for now; the store's or the mirror's commit is served.
        Err(
            error @ (GitError::PathMissing { .. }
            | GitError::NotRepository { .. }
            | GitError::BrokenLink { .. }
            | GitError::Io { .. }),
        ) if settings.store.exists() || settings.mirror().exists() => {
            warn!(error = %chain(&error), "the repository is away; what this host has is served until it is back");
            Ok(settled(path, MAX_LINKS))
        }
        Err(error) => match Repo::open(path, Trust::Person) {
            Ok(around) if !around.prefix().is_empty() => Err(ServeError::Inside {
                path: path.into(),
                root: around.root().into(),
                prefix: around.prefix().into(),
            }),
            Ok(_) | Err(_) => Err(error.into()),
        },
    }
}

/// Returns the source for the follower; cancelling `stop` ends a fetch from another host.
pub fn source(settings: &Settings, stop: &CancellationToken) -> Source {
    let place = match &settings.repo {
        RepoAddress::Local(path) => Place::Local(path.clone()),
        RepoAddress::Remote(url) => {
            let bounds = FetchBounds { timeout: settings.fetch.timeout, max_bytes: settings.fetch.max_bytes };
            let stop = stop.clone();
            Place::Remote(Box::new(Remote::new(url.clone(), bounds, Arc::new(move || stop.is_cancelled()))))
        }
    };
    Source::new(place, Wanted::new(settings.branch.as_deref(), settings.tag.as_deref()))
}

/// Returns a warning about the transport to the repository: plain http does not authenticate
/// content, unless commits must be signed.
pub fn warning(settings: &Settings) -> Option<String> {
    match &settings.repo {
        RepoAddress::Remote(url) if url.transport() == Transport::Http && settings.require_signed.is_none() => {
            let text = format!(
                "{url} is plain http: whoever is on the way decides what machines boot; use https or ssh, or --require-signed"
            );
            warn!("{text}");
            Some(text)
        }
        RepoAddress::Remote(_) | RepoAddress::Local(_) => None,
    }
}

/// The maximum number of symbolic links in a path, as in Linux (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// Returns the canonical path of a folder that may be missing: absolute and without links.
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
