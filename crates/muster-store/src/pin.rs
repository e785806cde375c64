//! Stores the holds on the followed branch: the pinned commit, and the commit that later ones must
//! descend from.

use redb::ReadTransaction;

use super::codec::{self, Fault};
use super::tables::{FOLLOWED, later};
use super::{Store, StoreError, shape};
use muster_core::model::Revision;

const PIN: &str = "pin";
const BASELINE: &str = "baseline";

/// A commit that is served instead of the branch's newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The commit.
    pub revision: Revision,
    /// The first line of its message.
    pub subject: Box<str>,
    /// The time of the pin, in Unix milliseconds.
    pub since: i64,
    /// The end of the pin, in Unix milliseconds; `None` if only a command ends it.
    pub until: Option<i64>,
    /// The rest of the pin's duration when this was written, in milliseconds; `None` if it has no
    /// end.
    pub left: Option<u64>,
    /// The person who pinned it, as stated.
    pub by: Box<str>,
    /// The stated reason; empty if there is none.
    pub reason: Box<str>,
    /// Whether it needed no signature.
    pub unsigned: bool,
}

impl Store {
    /// Reads the pin, if there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn pin(&self) -> Result<Option<Pin>, StoreError> {
        self.read("read the pin", read_pin)
    }

    /// Records the pin, or its removal.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn set_pin(&self, pin: Option<&Pin>) -> Result<(), StoreError> {
        let record = pin.map(|pin| codec::encode(&shape::PinRecord::from(pin))).transpose();
        let record = record.map_err(|fault| self.fault("record the pin", fault))?;
        self.write("record the pin", |txn, _| {
            let mut table = txn.open_table(FOLLOWED)?;
            match &record {
                Some(record) => table.insert(PIN, &**record)?,
                None => table.remove(PIN)?,
            };
            Ok(())
        })
    }

    /// Reads the newest commit that was accepted from the branch, if there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn baseline(&self) -> Result<Option<Revision>, StoreError> {
        self.read("read which commit was taken last", read_baseline)
    }

    /// Records the newest commit that was accepted from the branch.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn set_baseline(&self, revision: &Revision) -> Result<(), StoreError> {
        let record = codec::wrap(revision.as_str().as_bytes());
        self.write("record which commit was taken last", |txn, _| {
            txn.open_table(FOLLOWED)?.insert(BASELINE, &*record)?;
            Ok(())
        })
    }
}

pub(super) fn read_pin(txn: &ReadTransaction) -> Result<Option<Pin>, Fault> {
    let Some(table) = later(txn, FOLLOWED)? else { return Ok(None) };
    let Some(record) = table.get(PIN)? else { return Ok(None) };
    Ok(Some(codec::decode::<shape::PinRecord>(record.value(), PIN)?.into()))
}

pub(super) fn read_baseline(txn: &ReadTransaction) -> Result<Option<Revision>, Fault> {
    let Some(table) = later(txn, FOLLOWED)? else { return Ok(None) };
    let Some(record) = table.get(BASELINE)? else { return Ok(None) };
    let id = std::str::from_utf8(codec::body(record.value(), BASELINE)?);
    Ok(Some(Revision::commit(id.map_err(|_| Fault::undecodable(BASELINE))?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_the_branch_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open_any(&folder.path().join("muster.redb"), 0).unwrap().0;
        let store = open();
        assert_eq!((store.pin().unwrap(), store.baseline().unwrap()), (None, None));

        let pin = Pin {
            revision: Revision::commit("0123456789abcdef0123456789abcdef01234567"),
            subject: "last week's".into(),
            since: 1,
            until: Some(28_800_001),
            left: Some(28_800_000),
            by: "ada".into(),
            reason: "it panics".into(),
            unsigned: true,
        };

        store.set_pin(Some(&pin)).unwrap();
        store.set_baseline(&pin.revision).unwrap();
        drop(store);
        let store = open();
        assert_eq!((store.pin().unwrap(), store.baseline().unwrap()), (Some(pin.clone()), Some(pin.revision)));
        store.set_pin(None).unwrap();
        assert_eq!(store.pin().unwrap(), None);

        assert!(store.baseline().unwrap().is_some());
    }
}
