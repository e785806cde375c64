//! The name of one state of the wishes.

use std::fmt;
use std::sync::Arc;

/// A commit id (40 hex digits), or the state of a folder that was read without git.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(Arc<str>);

impl Revision {
    /// Names a commit by its full id.
    #[must_use]
    pub fn commit(id: &str) -> Self {
        Self(id.into())
    }

    /// Names the files of a folder as they stand, committed or not.
    #[must_use]
    pub fn work_tree() -> Self {
        Self("worktree".into())
    }

    /// Returns the full name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first 12 characters, enough to name a commit to a person.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
