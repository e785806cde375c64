//! Records commits whose build harmed this host: builds that began and did not end, and the last
//! build that died.
//!
//! The first are in a separate file next to the store, which is written before each build and only
//! has to survive the process, not the machine. The second is a record of the store.

use std::fs;
use std::io;
use std::path::PathBuf;

use redb::ReadTransaction;
use serde::{Deserialize, Serialize};

use super::codec::{self, Fault};
use super::tables::{FOLLOWED, later};
use super::{Store, StoreError};
use muster_core::model::Revision;

const DIED: &str = "died";

/// The most unfinished builds that are recorded; the newest stay.
const MAX_OPEN: usize = 8;

/// A commit whose build began and did not end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub revision: Revision,
    /// The number of times that the build began.
    pub count: u32,
}

/// A commit whose build died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Died {
    pub revision: Revision,
    /// The reason, in one sentence.
    pub reason: Box<str>,
    /// The time of death, in Unix milliseconds.
    pub at: i64,
}

#[derive(Serialize, Deserialize)]
struct DiedRecord {
    revision: Box<str>,
    reason: Box<str>,
    at: i64,
}

impl Store {
    /// Records the builds in progress, newest last. This only costs a write to the page cache.
    ///
    /// # Errors
    /// The file next to the store cannot be written.
    pub fn mark_attempts(&self, open: &[Attempt]) -> io::Result<()> {
        let newest = &open[open.len().saturating_sub(MAX_OPEN)..];
        if newest.is_empty() {
            return match fs::remove_file(self.mark()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            };
        }
        let lines: String = newest.iter().map(|attempt| format!("{} {}\n", attempt.revision, attempt.count)).collect();
        fs::write(self.mark(), lines)
    }

    /// Returns the builds that began and never ended, because the process died with them.
    #[must_use]
    pub fn open_attempts(&self) -> Vec<Attempt> {
        let text = fs::read_to_string(self.mark()).unwrap_or_default();
        let attempt = |line: &str| {
            let (revision, count) = line.split_once(' ')?;
            Some(Attempt { revision: Revision::commit(revision), count: count.parse().ok()? })
        };
        text.lines().filter_map(attempt).take(MAX_OPEN).collect()
    }

    fn mark(&self) -> PathBuf {
        self.path.with_extension("building")
    }

    /// Reads the commit whose build died last, unless a later build of it ended.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn died(&self) -> Result<Option<Died>, StoreError> {
        self.read("read which commit's build died", read_died)
    }

    /// Records the commit whose build died, or that its build has ended since.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn set_died(&self, died: Option<&Died>) -> Result<(), StoreError> {
        let record = died.map(|died| {
            let Died { revision, reason, at } = died;
            codec::encode(&DiedRecord { revision: revision.as_str().into(), reason: reason.clone(), at: *at })
        });

        let doing = "record which commit's build died";
        let record = record.transpose().map_err(|fault| self.fault(doing, fault))?;
        self.write(doing, |txn, _| {
            let mut table = txn.open_table(FOLLOWED)?;
            match &record {
                Some(record) => table.insert(DIED, &**record)?,
                None => table.remove(DIED)?,
            };
            Ok(())
        })
    }
}

pub(super) fn read_died(txn: &ReadTransaction) -> Result<Option<Died>, Fault> {
    let Some(table) = later(txn, FOLLOWED)? else { return Ok(None) };
    let Some(record) = table.get(DIED)? else { return Ok(None) };
    let DiedRecord { revision, reason, at } = codec::decode(record.value(), DIED)?;
    Ok(Some(Died { revision: Revision::commit(&revision), reason, at }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_did_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open_any(&folder.path().join("muster.redb"), 0).unwrap().0;
        let revision = Revision::commit("0123456789abcdef0123456789abcdef01234567");
        let store = open();
        assert_eq!((store.open_attempts(), store.died().unwrap()), (vec![], None));

        let attempt = Attempt { revision: revision.clone(), count: 2 };
        let died = Died { revision, reason: "it loops".into(), at: 7 };
        store.mark_attempts(&vec![attempt.clone(); MAX_OPEN + 1]).unwrap();
        store.set_died(Some(&died)).unwrap();
        drop(store);

        let store = open();
        assert_eq!((store.open_attempts(), store.died().unwrap()), (vec![attempt; MAX_OPEN], Some(died)));
        store.mark_attempts(&[]).unwrap();
        store.mark_attempts(&[]).unwrap();
        store.set_died(None).unwrap();
        assert_eq!((store.open_attempts(), store.died().unwrap()), (vec![], None));

        fs::write(folder.path().join("muster.building"), [0xff; 8]).unwrap();
        assert_eq!(store.open_attempts(), []);
    }
}
