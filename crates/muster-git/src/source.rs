//! The followed branch or tag of a repository, on this host or on another one.

use std::path::PathBuf;

use super::error::GitError;
use super::mirror::{Fetched, Mirror};
use super::remote::Remote;
use super::repo::Wanted;

/// A branch or a tag, and the location of its repository.
pub struct Source {
    wanted: Wanted,
    place: Place,
}

/// The location of a repository.
pub enum Place {
    Local(PathBuf),
    Remote(Box<Remote>),
}

impl Source {
    /// Creates a source without accessing the repository.
    #[must_use]
    pub fn new(place: Place, wanted: Wanted) -> Self {
        Self { wanted, place }
    }

    /// Returns the followed branch or tag.
    #[must_use]
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Reads the tip of the branch or tag, and fetches it into the mirror if it moved.
    ///
    /// # Errors
    /// The repository cannot be reached or read, or the mirror cannot be written; the mirror keeps
    /// its last tip.
    pub fn look(&mut self, mirror: &Mirror) -> Result<Fetched, GitError> {
        match &mut self.place {
            Place::Local(path) => mirror.fetch(path, &self.wanted),
            Place::Remote(remote) => remote.look(mirror, &self.wanted),
        }
    }
}
