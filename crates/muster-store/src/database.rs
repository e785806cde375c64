//! An open database that closes itself after a failure and is opened again later.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::codec::Fault;
use super::place::{self, Place};
use super::uses::Known;
use super::{Store, StoreError, open};

/// The size of redb's page cache. Nothing latency-sensitive reads the store, and the kernel caches
/// its file while there is room; redb's own default of 1 GiB is more than all other memory of this
/// process.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Opens the file, or a test's replacement for it.
pub(super) type Opener = Box<dyn Fn(&redb::Builder) -> Result<Database, redb::DatabaseError> + Send + Sync>;

/// The times between tries after a failure.
#[derive(Clone, Copy)]
pub(super) struct Retry {
    pub first: Duration,
    pub most: Duration,
}

impl Retry {
    /// A full disk is seldom freed within a second, and once it is freed, a minute is long to be
    /// without the store.
    pub(super) const USUAL: Self = Self { first: Duration::from_secs(1), most: Duration::from_secs(60) };
}

pub(super) struct Inner {
    /// The database; `None` while closed after a failure.
    pub db: Option<Database>,
    /// The identity of the open file; `None` if the database is not a file.
    pub place: Option<Place>,
    pub known: Known,
    /// The length of the current wait after a failure, and its end.
    pub wait: Option<(Duration, Instant)>,
}

impl Inner {
    pub(super) fn new(settled: open::Settled, path: &Path) -> Self {
        let open::Settled { db, known, fresh: _ } = settled;
        Self { db: Some(db), place: place::of(path), known, wait: None }
    }
}

pub(super) fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    // Without this check, a damaged page shows as a panic, if at all.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

impl Store {
    /// Runs one read transaction.
    pub(super) fn read<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.attempt(doing, |inner| {
            let db = inner.db.as_ref().expect("attempt opened it");
            read(&db.begin_read()?)
        })
    }

    /// Runs one write transaction, atomically. Its last step may change the known facts of the
    /// file: if the commit then fails, the file is closed, and they are read again with it.
    pub(super) fn write(
        &self,
        doing: &'static str,
        write: impl FnOnce(&WriteTransaction, &mut Known) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        self.attempt(doing, |inner| {
            let db = inner.db.as_ref().expect("attempt opened it");
            let txn = db.begin_write()?;
            write(&txn, &mut inner.known)?;
            txn.commit()?;
            Ok(())
        })
    }

    fn attempt<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Inner) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut inner = self.lock();
        self.reopen(&mut inner)?;
        let done = catch_unwind(AssertUnwindSafe(|| work(&mut inner)))
            .unwrap_or_else(|_| Err(Fault::Redb(Box::new(redb::Error::Corrupted("a page makes no sense".into())))));

        match done {
            Ok(value) => {
                self.set_trouble(None);
                inner.wait = None;
                Ok(value)
            }
            Err(fault) => {
                let closes = matches!(fault, Fault::Redb(_));
                let error = self.fault(doing, fault);
                if closes {
                    self.close(&mut inner, &error);
                }
                Err(error)
            }
        }
    }

    /// Opens the file again if a failure closed it and the wait is over. It is never moved aside
    /// here: a running server reports that it is corrupt and continues without it.
    fn reopen(&self, inner: &mut Inner) -> Result<(), StoreError> {
        if inner.db.is_some() {
            return Ok(());
        }

        if let Some((_, until)) = inner.wait
            && let Some(retry_in) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            return Err(StoreError::Waiting { path: self.path.clone(), retry_in });
        }

        match open::settle(&self.path, &self.opener, self.identity.as_ref()) {
            Ok(open::Settled { db, known, .. }) => {
                inner.db = Some(db);
                inner.place = place::of(&self.path);
                inner.known = known;
                Ok(())
            }
            Err(error) => {
                self.close(inner, &error);
                Err(error)
            }
        }
    }

    fn close(&self, inner: &mut Inner, error: &StoreError) {
        if let Some(db) = inner.db.take() {
            // redb writes once more as it closes, which may meet the same failure.
            drop(catch_unwind(AssertUnwindSafe(move || drop(db))));
        }
        let wait = inner.wait.map_or(self.retry.first, |(last, _)| (last * 2).min(self.retry.most));
        inner.wait = Some((wait, Instant::now() + wait));
        self.set_trouble(Some(with_causes(error)));
    }

    pub(super) fn fault(&self, doing: &'static str, fault: Fault) -> StoreError {
        fault_error(&self.path, doing, fault)
    }
}

pub(super) fn fault_error(path: &Path, doing: &'static str, fault: Fault) -> StoreError {
    match fault {
        Fault::Redb(source) => match *source {
            redb::Error::Corrupted(what) => StoreError::Corrupt { path: path.into(), what },
            other => StoreError::Io { path: path.into(), doing, source: Box::new(other) },
        },
        Fault::Undecodable(what) => StoreError::Corrupt { path: path.into(), what },
        Fault::TooLarge { what, bytes, most } => StoreError::TooLarge { what, bytes, most },
    }
}

fn with_causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
