//! The errors of a store, each with a hint about the next step.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Identity;

/// The process that holds a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its program's name in the kernel, at most 15 characters.
    pub program: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.program)
    }
}

fn whom(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".into(), Holder::to_string)
}

/// The reason for which a store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("{path}: is held by {}", whom(.by.as_ref()))]
    Held { path: PathBuf, by: Option<Holder> },
    /// A newer version of muster wrote the file, which is unchanged.
    #[error("{path}: has format {found}, and this version of muster knows formats up to {known}")]
    NewerFormat { path: PathBuf, found: u32, known: u32 },
    /// The file belongs to another cluster repository, and is unchanged.
    #[error("{path}: belongs to {found}, not to {wanted}")]
    Foreign { path: PathBuf, found: Box<Identity>, wanted: Box<Identity> },
    /// The file is another program's database, and is unchanged.
    #[error("{path}: is a database of another program")]
    NotAStore { path: PathBuf },
    /// The folder for the file does not exist.
    #[error("{path}: there is no folder {parent}")]
    ParentMissing { path: PathBuf, parent: PathBuf },
    /// The file cannot be opened or created.
    #[error("{path}: cannot be opened")]
    Open { path: PathBuf, source: io::Error },
    /// A corrupt file cannot be moved out of the way.
    #[error("{path}: is corrupt ({why}) and cannot be renamed to {to}")]
    MoveAside { path: PathBuf, to: PathBuf, why: String, source: io::Error },
    /// A stored value cannot be decoded.
    #[error("{path}: is corrupt: {what}")]
    Corrupt { path: PathBuf, what: String },
    /// A value exceeds its limit. Nothing was written.
    #[error("{what} has {bytes} bytes; at most {most} are stored")]
    TooLarge { what: String, bytes: u64, most: u64 },
    /// The disk refused. Nothing of this call was stored; a later call opens the store again.
    #[error("{path}: cannot {doing}")]
    Io { path: PathBuf, doing: &'static str, source: Box<redb::Error> },
    /// The disk refused before, and it is too early to try again.
    #[error("{path}: is closed after a failure and is tried again in {} s", retry_in.as_secs_f32().ceil())]
    Waiting { path: PathBuf, retry_in: Duration },
}

impl StoreError {
    /// Returns the next step, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held { by: Some(holder), .. } => {
                Some(format!("stop process {}, ask it by its api, or name another file with --store", holder.pid))
            }
            Self::Held { by: None, .. } => Some("stop the other muster, or name another file with --store".into()),
            Self::NewerFormat { .. } => Some("run the newer muster, or name another file with --store".into()),
            Self::Foreign { .. } | Self::NotAStore { .. } => Some("name another file with --store".into()),
            Self::ParentMissing { parent, .. } => Some(format!("make it: mkdir -p {}", parent.display())),
            Self::Open { source, .. } | Self::MoveAside { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Some("give this user the right to write there".into()),
                io::ErrorKind::StorageFull => Some("free some space".into()),
                io::ErrorKind::ReadOnlyFilesystem => {
                    Some("mount its file system writable, or name another file".into())
                }
                io::ErrorKind::IsADirectory => Some("name a file, not a folder".into()),
                _ => None,
            },
            Self::Corrupt { .. } => Some("restart muster: it moves the file aside and begins a new one".into()),
            Self::Io { .. } | Self::Waiting { .. } => {
                Some("free some space; what is served does not depend on it".into())
            }
            Self::TooLarge { .. } => None,
        }
    }

    /// Returns whether the disk is at fault rather than the content or the holder of the file: a
    /// later call tries again.
    #[must_use]
    pub fn is_disk(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Open { .. } | Self::Waiting { .. })
    }
}
