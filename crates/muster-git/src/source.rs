//! What is followed: a branch or a tag of a repository, on this host or on another one.

use std::path::PathBuf;

use super::error::GitError;
use super::mirror::{Fetched, Mirror};
use super::remote::Remote;
use super::repo::Wanted;

/// A branch or a tag, and where its repository is.
pub struct Source {
    wanted: Wanted,
    place: Place,
}

/// Where a repository is.
pub enum Place {
    Local(PathBuf),
    Remote(Box<Remote>),
}

impl Source {
    /// Names what is followed; nothing is looked at yet.
    #[must_use]
    pub fn new(place: Place, wanted: Wanted) -> Self {
        Self { wanted, place }
    }

    /// Returns what is followed.
    #[must_use]
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Looks where the branch or tag stands, and brings it into the mirror if it moved.
    ///
    /// # Errors
    /// The repository cannot be reached or read, or the mirror cannot be written; the mirror's last tip stays.
    pub fn look(&mut self, mirror: &Mirror) -> Result<Fetched, GitError> {
        match &mut self.place {
            Place::Local(path) => mirror.fetch(path, &self.wanted),
            Place::Remote(remote) => remote.look(mirror, &self.wanted),
        }
    }
}
