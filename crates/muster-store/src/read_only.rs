//! Opens a store on a file system that was mounted read-only, or became read-only after a disk
//! fault.
//!
//! A server that cannot start boots no machine, so it starts from a copy of the file in memory. It
//! writes to that copy, and to the file once that is writable again. Commands that write do not use
//! a copy: they would succeed, and their work would be lost.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};

use super::database::{Opener, Retry, builder};
use super::{Identity, Opened, Store, StoreError, open};

impl Store {
    /// Opens the store as [`Store::open`] does, or a copy of it in memory if its file system is
    /// read-only.
    ///
    /// # Errors
    /// As [`Store::open`]; or the file system is read-only and has no store.
    pub fn open_to_serve(path: &Path, identity: &Identity, now_unix: i64) -> Result<(Self, Opened), StoreError> {
        open::check_place(path)?;
        let in_memory = Arc::new(AtomicBool::new(false));
        let opener = file_or_copy(path, Arc::clone(&in_memory));
        let (store, opened) = open::with(path, Some(identity), now_unix, Retry::USUAL, opener)?;
        Ok((Self { in_memory, ..store }, opened))
    }

    /// Returns a message if changes are stored only in memory.
    pub(super) fn told_in_memory(&self) -> Option<String> {
        let is_told = self.in_memory.load(Ordering::Relaxed);
        is_told.then(|| {
            format!(
                "{}: its file system is read-only; what is stored is in memory and is lost with this process, until the \
                 file can be written again",
                self.path.display()
            )
        })
    }

    /// Checks whether the file can be written again and no other process has it.
    pub(super) fn can_leave_memory(&self) -> bool {
        builder().open(&self.path).is_ok()
    }
}

fn file_or_copy(path: &Path, in_memory: Arc<AtomicBool>) -> Opener {
    let path = path.to_path_buf();
    Box::new(move |builder: &Builder| match builder.create(&path) {
        Err(DatabaseError::Storage(StorageError::Io(error))) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            // Without a file, the first error describes the problem.
            let Ok(bytes) = fs::read(&path) else { return Err(StorageError::Io(error).into()) };
            let database = copy(builder, &bytes)?;
            in_memory.store(true, Ordering::Relaxed);
            Ok(database)
        }
        opened => {
            in_memory.store(false, Ordering::Relaxed);
            opened
        }
    })
}

fn copy(builder: &Builder, bytes: &[u8]) -> Result<Database, DatabaseError> {
    let backend = InMemoryBackend::new();
    let filled = backend.set_len(bytes.len() as u64).and_then(|()| backend.write(0, bytes));
    filled.map_err(StorageError::Io)?;
    builder.create_with_backend(backend)
}
