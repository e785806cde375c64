//! The state of a host that survives restarts, in one redb file: the accepted commits, the inputs
//! and boot scripts of the last good one, the boots of machines, and the observations of their
//! BMCs.
//!
//! All functions block; callers on an async runtime use a blocking thread. Nothing in the file is
//! desired state: losing it loses history, never intent. This crate does not know what a commit
//! means or who requests a script. If the disk is full, it reports that and tries again later.
//!
//! Every value is one version byte and a postcard record; large ones are compressed as an lz4
//! frame, survey records as an lz4 block. Survey records have a version of their own: records of
//! another version are skipped and reported, and the rest is read.

#![expect(clippy::disallowed_methods, reason = "a bank room: it opens its file, moves a corrupt one, and waits")]

mod attempt;
mod batch;
mod claims;
mod codec;
mod database;
mod error;
mod events;
mod holder;
mod open;
mod pin;
mod place;
mod publish;
mod read_only;
mod seen;
mod shape;
mod surveys;
mod tables;
mod unreadable;
mod uses;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use attempt::{Attempt, Died};
pub use claims::{MAX_REFUSED, RefusedLogin};
use database::{Inner, Opener, Retry};
pub use error::{Holder, StoreError};
pub use events::{Appended, MAX_EVENT_BYTES, MAX_EVENTS};
pub use pin::Pin;
pub use place::Rewritten;
pub use publish::{Accepted, BootRow, Digest, LastGood, MAX_ACCEPTED, MAX_BODY_BYTES, Rendered};
pub use seen::{MAX_FETCHES, MAX_UNKNOWN};
pub use surveys::MAX_UNDECLARED;
pub use tables::FORMAT;
use unreadable::{Lost, What};

/// The cluster repository that a store belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The repository's address or folder.
    pub repository: String,
    /// The requested branch; `None` follows HEAD.
    pub branch: Option<String>,
    /// The folder inside the repository; "" is its root.
    pub path: String,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "repository {}, ", self.repository)?;
        match &self.branch {
            Some(branch) => write!(f, "branch {branch}, ")?,
            None => f.write_str("HEAD's branch, ")?,
        }
        write!(f, "path {}", if self.path.is_empty() { "/" } else { &self.path })
    }
}

/// The state in which the store was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It did not exist; an empty one was created.
    Fresh,
    /// It is as it was left.
    Existing,
    /// It was corrupt: it was renamed, and an empty one was created.
    MovedAside { to: PathBuf, why: String },
}

/// The store of one host, which threads can share: callers wait for each other.
///
/// After a failed write (a full disk) the file is closed, and a later call opens it again; until
/// then every call returns [`StoreError::Waiting`] at once.
pub struct Store {
    path: PathBuf,
    /// The identity that the file must have; `None` accepts any.
    identity: Option<Identity>,
    opener: Opener,
    retry: Retry,
    inner: Mutex<Inner>,
    /// Separate from `inner`, so that a status request never waits for a disk.
    trouble: Mutex<Option<String>>,
    /// The reason for which the open file is not the one at the path, if so.
    displaced: Mutex<Option<String>>,
    /// Whether a copy of the file in memory is open, because the file cannot be written.
    in_memory: Arc<AtomicBool>,
    /// The survey records that could not be read.
    unreadable: Mutex<BTreeMap<What, Lost>>,
}

impl Store {
    /// Opens or creates the store of a cluster repository; renames a corrupt file to
    /// `<file>.corrupt-<now_unix>`.
    ///
    /// # Errors
    /// Another process holds it, it belongs to another repository or a newer version, or the file
    /// cannot be opened.
    pub fn open(path: &Path, identity: &Identity, now_unix: i64) -> Result<(Self, Opened), StoreError> {
        open::open(path, Some(identity), now_unix)
    }

    /// Opens the store of any cluster repository, for a command without one. A store that this
    /// creates belongs to the first repository that claims it.
    ///
    /// # Errors
    /// Another process holds it, a newer version wrote it, or the file cannot be opened.
    pub fn open_any(path: &Path, now_unix: i64) -> Result<(Self, Opened), StoreError> {
        open::open(path, None, now_unix)
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns why nothing can be written at present, or else which records cannot be read. Never
    /// waits for a transaction.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let disk = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let displaced = || self.displaced.lock().unwrap_or_else(PoisonError::into_inner).clone();
        disk.or_else(displaced).or_else(|| self.told_in_memory()).or_else(|| self.told_unreadable())
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
