//! Opens the file: checks its owner and holder, and moves a corrupt file aside.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use redb::{Database, DatabaseError, StorageError};

use super::codec::Fault;
use super::database::{Inner, Opener, Retry, builder, fault_error};
use super::tables::{self, FORMAT, Owner};
use super::uses::Known;
use super::{Identity, Opened, Store, StoreError, holder};

pub(super) fn open(path: &Path, identity: Option<&Identity>, now_unix: i64) -> Result<(Store, Opened), StoreError> {
    check_place(path)?;
    let file = path.to_path_buf();
    with(path, identity, now_unix, Retry::USUAL, Box::new(move |builder| builder.create(&file)))
}

/// Checks that a path names a file in an existing folder.
pub(super) fn check_place(path: &Path) -> Result<(), StoreError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(StoreError::ParentMissing { path: path.into(), parent: parent.into() });
    }
    if path.is_dir() {
        return Err(StoreError::Open { path: path.into(), source: io::ErrorKind::IsADirectory.into() });
    }
    Ok(())
}

/// Opens with any opener; [`Store::open`] passes the one that opens the file.
pub(super) fn with(
    path: &Path,
    identity: Option<&Identity>,
    now_unix: i64,
    retry: Retry,
    opener: Opener,
) -> Result<(Store, Opened), StoreError> {
    let was_there = path.metadata().is_ok_and(|meta| meta.len() > 0);
    let (settled, opened) = match settle_when_free(path, &opener, identity) {
        Ok(settled) => {
            let opened = if settled.fresh { Opened::Fresh } else { Opened::Existing };
            (settled, opened)
        }
        Err(StoreError::Corrupt { what: why, .. }) => {
            let to = move_aside(path, now_unix, &why)?;
            let settled = settle(path, &opener, identity).inspect_err(|error| discard_unfinished(path, error))?;
            (settled, Opened::MovedAside { to, why })
        }
        Err(other) => {
            if !was_there {
                discard_unfinished(path, &other);
            }
            return Err(other);
        }
    };

    let store = Store {
        path: path.into(),
        identity: identity.cloned(),
        opener,
        retry,
        inner: Mutex::new(Inner::new(settled, path)),
        trouble: Mutex::default(),
        displaced: Mutex::default(),
        in_memory: Arc::default(),
        unreadable: Mutex::default(),
    };

    Ok((store, opened))
}

/// Removes a new file that could not be completed, as on a full disk. The next start would take it
/// for a corrupt store, and each later start would leave another file behind.
fn discard_unfinished(path: &Path, error: &StoreError) {
    if error.is_disk() {
        // The error at hand says more than an error from here would.
        let _ = fs::remove_file(path);
    }
}

/// The longest that [`settle_when_free`] waits for a lock that no process seems to hold.
const ORPHANED_LOCK: Duration = Duration::from_secs(2);

/// Settles, and waits a moment if the file is locked and no running process has it open.
///
/// A server that is killed while it starts a process leaves its lock to that process until the
/// process runs its own program: the file looks locked without a holder, and is free within
/// milliseconds. A service manager that restarts the server at once must not find its store locked.
fn settle_when_free(path: &Path, opener: &Opener, identity: Option<&Identity>) -> Result<Settled, StoreError> {
    let since = Instant::now();
    loop {
        match settle(path, opener, identity) {
            Err(StoreError::Held { by: None, .. }) if since.elapsed() < ORPHANED_LOCK => {
                thread::sleep(Duration::from_millis(20));
            }
            settled => return settled,
        }
    }
}

/// An open and complete database of this store.
pub(super) struct Settled {
    pub db: Database,
    pub known: Known,
    pub fresh: bool,
}

pub(super) fn settle(path: &Path, opener: &Opener, identity: Option<&Identity>) -> Result<Settled, StoreError> {
    let corrupt = |what: String| StoreError::Corrupt { path: path.into(), what };
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let db = opener(&builder()).map_err(|e| refusal(path, e))?;
        ours(path, db, identity)
    }));
    opened.unwrap_or_else(|_| Err(corrupt("a page makes no sense".into())))
}

fn ours(path: &Path, db: Database, identity: Option<&Identity>) -> Result<Settled, StoreError> {
    let fault = |fault| fault_error(path, "read what is stored", mismatch(fault));
    let found = tables::owner(&db).map_err(fault)?;
    let fresh = matches!(found, Owner::Nobody);

    match (found, identity) {
        (Owner::Nobody, _) => {
            tables::create(&db, identity).map_err(|fault| fault_error(path, "make its tables", fault))?;
        }
        (Owner::Unclaimed, Some(identity)) => {
            tables::claim(&db, identity).map_err(|fault| fault_error(path, "say whose it is", fault))?;
        }
        (Owner::Stranger, _) => return Err(StoreError::NotAStore { path: path.into() }),
        (Owner::Newer(found), _) => return Err(StoreError::NewerFormat { path: path.into(), found, known: FORMAT }),
        (Owner::Wishes(found), Some(identity)) if found != *identity => {
            let (found, wanted) = (Box::new(found), Box::new(identity.clone()));
            return Err(StoreError::Foreign { path: path.into(), found, wanted });
        }
        (Owner::Wishes(_) | Owner::Unclaimed, _) => {}
    }

    let known = Known { scripts: tables::check(&db).map_err(fault)?, ..Known::default() };
    Ok(Settled { db, known, fresh })
}

/// Treats a table of muster's that is missing or has other types as corrupt, like an unreadable
/// record.
fn mismatch(fault: Fault) -> Fault {
    match fault {
        Fault::Redb(error) => match *error {
            redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableIsNotMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableDoesNotExist(_) => Fault::Undecodable(error.to_string()),
            other => Fault::Redb(Box::new(other)),
        },
        Fault::Undecodable(_) | Fault::TooLarge { .. } => fault,
    }
}

fn refusal(path: &Path, error: DatabaseError) -> StoreError {
    let corrupt = |what: String| StoreError::Corrupt { path: path.into(), what };
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Held { path: path.into(), by: holder::of(path) }
        }
        DatabaseError::Storage(StorageError::Io(source)) => match source.kind() {
            io::ErrorKind::InvalidData => corrupt("it is no database".into()),
            io::ErrorKind::UnexpectedEof => corrupt("it ends too early".into()),
            _ => StoreError::Open { path: path.into(), source },
        },
        DatabaseError::Storage(StorageError::Corrupted(what)) => corrupt(what),
        DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_) => corrupt(error.to_string()),
        other => StoreError::Open { path: path.into(), source: io::Error::other(other.to_string()) },
    }
}

/// Renames a corrupt file instead of removing it, because its content may still be of use.
fn move_aside(path: &Path, now_unix: i64, why: &str) -> Result<PathBuf, StoreError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".corrupt-{now_unix}"));
    let mut to = path.with_file_name(&name);
    let mut number = 1;

    while to.symlink_metadata().is_ok() {
        let mut numbered = name.clone();
        numbered.push(format!("-{number}"));
        to = path.with_file_name(numbered);
        number += 1;
    }

    fs::rename(path, &to).map_err(|source| StoreError::MoveAside {
        path: path.into(),
        to: to.clone(),
        why: why.into(),
        source,
    })?;

    Ok(to)
}
