//! Checks whether the open file is still at its path, because it may be removed under a running
//! server.
//!
//! An open file that was unlinked can be read and written as before, but is lost when the process
//! ends. So muster checks its path from time to time, and writes everything to it again if
//! necessary.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use redb::{Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, Value, WriteTransaction};

use super::codec::Fault;
use super::database::{builder, fault_error};
use super::tables::{
    ACCEPTED, BMCS, BODIES, BOOTED, CLAIMS, DOCUMENTS, EVENTS, FETCHES, FOLLOWED, LAST_GOOD, META, REFUSED, SETS,
    UNKNOWN, later,
};
use super::{Store, StoreError};

/// The identity of a file: its device and inode.
pub(super) type Place = (u64, u64);

/// The reason for which the file was written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewritten {
    /// It was removed.
    Removed,
    /// Its file system was read-only, and is writable again.
    Writable,
}

/// Returns the identity of the file at a path.
pub(super) fn of(path: &Path) -> Option<Place> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

impl Store {
    /// Checks that the file is still at its path, and writes all of it there again if it was
    /// removed or could not be written before. Returns the reason if it did. Another file in its
    /// place is left alone, and [`Store::trouble`] reports it.
    ///
    /// # Errors
    /// The file cannot be written again.
    pub fn stay_in_place(&self) -> Result<Option<Rewritten>, StoreError> {
        let mut inner = self.lock();
        let (Some(db), Some(opened)) = (&inner.db, inner.place) else { return Ok(None) };
        if self.in_memory.load(Ordering::Relaxed) {
            if !self.can_leave_memory() {
                return Ok(None);
            }
            let fresh = self.write_anew(db)?;
            inner.place = of(&self.path);
            inner.db = Some(fresh);
            self.in_memory.store(false, Ordering::Relaxed);
            return Ok(Some(Rewritten::Writable));
        }
        match of(&self.path) {
            Some(found) if found == opened => self.set_displaced(None),
            Some(_) => self.set_displaced(Some(format!(
                "{}: another file was put in its place, and what is stored goes to the old one, which nobody finds again; \
                 restart muster to use the new one, or remove it",
                self.path.display()
            ))),
            None => match self.write_anew(db) {
                Ok(fresh) => {
                    inner.place = of(&self.path);
                    inner.db = Some(fresh);
                    self.set_displaced(None);
                    return Ok(Some(Rewritten::Removed));
                }
                Err(error) => {
                    self.set_displaced(Some(format!("{}: was removed, and cannot be written anew", self.path.display())));
                    return Err(error);
                }
            },
        }
        Ok(None)
    }

    /// Copies the open file to another name, and then renames the copy to the file's own name.
    fn write_anew(&self, db: &Database) -> Result<Database, StoreError> {
        let beside = beside(&self.path);
        let open = |source| StoreError::Open { path: beside.clone(), source };
        let copied = || {
            // An interrupted copy is of no use.
            if beside.exists() {
                fs::remove_file(&beside).map_err(open)?;
            }
            let fresh = builder().create(&beside).map_err(|error| open(std::io::Error::other(error)))?;
            copy_all(db, &fresh).map_err(|fault| fault_error(&beside, "copy what is stored", fault))?;
            fs::rename(&beside, &self.path).map_err(open)?;
            Ok(fresh)
        };

        copied().inspect_err(|_: &StoreError| drop(fs::remove_file(&beside)))
    }

    fn set_displaced(&self, why: Option<String>) {
        *self.displaced.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".anew");
    path.with_file_name(name)
}

fn copy_all(from: &Database, to: &Database) -> Result<(), Fault> {
    let (from, to) = (from.begin_read()?, to.begin_write()?);
    copy(&from, &to, META)?;
    copy(&from, &to, ACCEPTED)?;
    copy(&from, &to, LAST_GOOD)?;
    copy(&from, &to, BODIES)?;
    copy(&from, &to, DOCUMENTS)?;
    copy(&from, &to, FETCHES)?;

    copy(&from, &to, UNKNOWN)?;
    copy(&from, &to, BMCS)?;
    copy(&from, &to, SETS)?;
    copy(&from, &to, CLAIMS)?;
    copy(&from, &to, REFUSED)?;
    copy(&from, &to, FOLLOWED)?;
    copy(&from, &to, EVENTS)?;

    copy(&from, &to, BOOTED)?;
    let copied = to.list_tables()?.count();
    assert_eq!(copied, from.list_tables()?.count(), "every table is copied");
    to.commit()?;
    Ok(())
}

fn copy<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<(), Fault> {
    let Some(old) = later(from, table)? else { return Ok(()) };
    let mut new = to.open_table(table)?;
    for row in old.iter()? {
        let (key, value) = row?;
        new.insert(key.value(), value.value())?;
    }
    Ok(())
}
