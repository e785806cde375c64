//! What a host remembers across restarts, in one redb file: the accepted commits, the inputs and boot scripts of the
//! last good one, what was seen of the machines that boot, and what their BMCs showed.
//!
//! Everything here blocks; callers on an async runtime use a blocking thread. Nothing in the file is a wish: losing it
//! loses history, never intent. This room does not know what a commit means, who asks for a script, or what to do when
//! the disk is full, beyond saying so and trying again later.
//!
//! Every value is one version byte and a postcard record; large ones are an lz4 frame of it, what was surveyed an lz4
//! block. What was surveyed has a version of its own: a record of another is skipped and told of, and the rest is read.

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

/// Which wishes a store belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The repository's address or folder.
    pub repository: String,
    /// The branch that was asked for; none follows HEAD.
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

/// How the store was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// There was none; an empty one was made.
    Fresh,
    /// It is as it was left.
    Existing,
    /// It was corrupt: it was renamed, and an empty one was made.
    MovedAside { to: PathBuf, why: String },
}

/// One host's memory. Share it freely: callers wait for each other.
///
/// After a failed write (a full disk) the file is closed, and opened again by a later call; until then every call
/// answers [`StoreError::Waiting`] at once.
pub struct Store {
    path: PathBuf,
    /// None takes the store of any wishes.
    identity: Option<Identity>,
    opener: Opener,
    retry: Retry,
    inner: Mutex<Inner>,
    /// Apart from `inner`, so that whoever asks how we are never waits for a disk.
    trouble: Mutex<Option<String>>,
    /// Why the open file is not the one at the path, if so.
    displaced: Mutex<Option<String>>,
    /// Whether a copy of the file in memory is open, since the file cannot be written.
    in_memory: Arc<AtomicBool>,
    /// The surveyed records that could not be read.
    unreadable: Mutex<BTreeMap<What, Lost>>,
}

impl Store {
    /// Opens the store of these wishes, or makes it; a corrupt file is renamed to `<file>.corrupt-<now_unix>`.
    ///
    /// # Errors
    /// Another process holds it, it belongs to other wishes or a newer version, or the file cannot be opened.
    pub fn open(path: &Path, identity: &Identity, now_unix: i64) -> Result<(Self, Opened), StoreError> {
        open::open(path, Some(identity), now_unix)
    }

    /// Opens the store of whatever wishes it belongs to, for a command that has none; one that it makes belongs to the
    /// first that claim it.
    ///
    /// # Errors
    /// Another process holds it, a newer version wrote it, or the file cannot be opened.
    pub fn open_any(path: &Path, now_unix: i64) -> Result<(Self, Opened), StoreError> {
        open::open(path, None, now_unix)
    }

    /// Returns the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says why nothing can be written at present, or else what could not be read, if so. Never waits for a transaction.
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
