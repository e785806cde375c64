//! Stores the event history: ordered, limited by count and by bytes, the oldest removed first,
//! without reuse of numbers.
//!
//! A record is JSON after a version byte, so that later versions can add fields. An unreadable
//! record is skipped, because the loss of one event is not a reason to lose the rest.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::codec::{self, Fault};
use super::tables::{EVENTS, later};
use super::uses::Known;
use super::{Store, StoreError};
use muster_core::story::{Event, Happening};

/// The most events: a year of five commits a day, each with five events.
pub const MAX_EVENTS: u64 = 10_000;

/// The most bytes of events: four times the size of usual ones.
pub const MAX_EVENT_BYTES: u64 = 8 * 1024 * 1024;

/// The result of an append.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appended {
    /// The events with their numbers, in order.
    pub events: Vec<Event>,
    /// The number of the oldest stored event.
    pub oldest: u64,
}

impl Store {
    /// Appends events, in one transaction.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn append_events(&self, happened: &[Happening]) -> Result<Appended, StoreError> {
        let mut appended = Appended::default();
        self.write("record what happened", |txn, known| {
            appended = append(txn, known, happened)?;
            Ok(())
        })?;
        Ok(appended)
    }

    /// Lists the stored events, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn events(&self) -> Result<Vec<Event>, StoreError> {
        self.read("read what happened", read_events)
    }
}

fn read_events(txn: &ReadTransaction) -> Result<Vec<Event>, Fault> {
    let Some(table) = later(txn, EVENTS)? else { return Ok(Vec::new()) };
    let mut events = Vec::new();
    for row in table.iter()? {
        let (seq, record) = row?;
        events.extend(decode(record.value()).map(|happening| Event { seq: seq.value(), happening }));
    }
    Ok(events)
}

/// Appends within another write transaction, as its last step.
pub(super) fn append(txn: &WriteTransaction, known: &mut Known, happened: &[Happening]) -> Result<Appended, Fault> {
    if happened.is_empty() {
        return Ok(Appended::default());
    }
    let mut table = txn.open_table(EVENTS)?;
    let mut bytes = match known.event_bytes {
        Some(bytes) => bytes,
        None => count(&table)?,
    };

    let mut next = table.last()?.map_or(1, |(seq, _)| seq.value() + 1);
    let mut events = Vec::with_capacity(happened.len());
    for happening in happened {
        let record = encode(happening)?;
        bytes += record.len() as u64;
        table.insert(next, &*record)?;
        events.push(Event { seq: next, happening: happening.clone() });
        next += 1;
    }

    // The newest event stays whatever its size, because numbering continues from it.
    while table.len()? > 1 && (table.len()? > MAX_EVENTS || bytes > MAX_EVENT_BYTES) {
        if let Some((_, record)) = table.pop_first()? {
            bytes -= record.value().len() as u64;
        }
    }

    let oldest = table.first()?.map_or(next, |(seq, _)| seq.value());
    known.event_bytes = Some(bytes);
    Ok(Appended { events, oldest })
}

fn count(table: &Table<'_, u64, &'static [u8]>) -> Result<u64, Fault> {
    table.iter()?.try_fold(0, |sum, row| Ok(sum + row?.1.value().len() as u64))
}

fn encode(happening: &Happening) -> Result<Vec<u8>, Fault> {
    let json = serde_json::to_vec(happening).map_err(|error| Fault::Undecodable(error.to_string()))?;
    Ok(codec::wrap(&json))
}

fn decode(record: &[u8]) -> Option<Happening> {
    serde_json::from_slice(codec::body(record, "event").ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::story::{Commit, What};

    fn boot(node: &str) -> Happening {
        let what = What::FirstBoot { node: node.into() };
        Happening { at: 7, commit: Some(Commit::new("0123", "one")), what }
    }

    fn seqs(events: &[Event]) -> Vec<u64> {
        events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn the_oldest_are_dropped_and_no_number_comes_twice() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open_any(&folder.path().join("muster.redb"), 0).unwrap().0;
        let store = open();
        assert_eq!(store.events().unwrap(), []);
        assert_eq!(store.append_events(&[]).unwrap(), Appended::default());
        let many: Vec<Happening> = (0..MAX_EVENTS + 5).map(|n| boot(&format!("n{n}"))).collect();
        let first = store.append_events(&many).unwrap();

        assert_eq!((first.events.len() as u64, first.oldest), (MAX_EVENTS + 5, 6));
        drop(store);
        let store = open();
        let next = store.append_events(&[boot("again")]).unwrap();
        assert_eq!((seqs(&next.events), next.oldest), (vec![MAX_EVENTS + 6], 7));
        let kept = store.events().unwrap();
        assert_eq!(seqs(&kept), (7..=MAX_EVENTS + 6).collect::<Vec<u64>>());

        assert_eq!(kept.last(), next.events.last());
    }

    #[test]
    fn bytes_are_bounded_too_and_the_newest_stays_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open_any(&folder.path().join("muster.redb"), 0).unwrap().0;
        let store = open();
        let large = boot(&"x".repeat(3 * 1024 * 1024));
        for seq in 1..=4 {
            assert_eq!(seqs(&store.append_events(std::slice::from_ref(&large)).unwrap().events), [seq]);
        }

        assert_eq!(seqs(&store.events().unwrap()), [3, 4]);
        drop(store);
        let store = open();
        let huge = boot(&"x".repeat(MAX_EVENT_BYTES as usize + 1));
        assert_eq!(store.append_events(&[huge]).unwrap().oldest, 5);
        assert_eq!(seqs(&store.append_events(&[boot("n")]).unwrap().events), [6]);

        assert_eq!(seqs(&store.events().unwrap()), [6]);
    }

    #[test]
    fn they_outlive_a_file_that_was_removed_under_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("muster.redb");
        let (store, _) = Store::open_any(&file, 0).unwrap();
        store.append_events(&[boot("a")]).unwrap();
        store.record_booted([("a", &muster_core::observed::Booted::default())]).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(store.stay_in_place().unwrap(), Some(crate::Rewritten::Removed));
        assert_eq!(seqs(&store.append_events(&[boot("b")]).unwrap().events), [2]);
        drop(store);
        let (store, _) = Store::open_any(&file, 0).unwrap();
        assert_eq!(seqs(&store.events().unwrap()), [1, 2]);
    }

    #[test]
    fn one_that_a_later_version_wrote_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open_any(&folder.path().join("muster.redb"), 0).unwrap();
        store.append_events(&[boot("a")]).unwrap();
        let newer = br#"{"at":1,"commit":null,"what":{"event":"not-yet-thought-of","x":1}}"#;

        store
            .write("record what happened", |txn, known| {
                txn.open_table(EVENTS)?.insert(2, &*codec::wrap(newer))?;
                known.event_bytes = None;
                Ok(())
            })
            .unwrap();

        store.append_events(&[boot("b")]).unwrap();
        assert_eq!(seqs(&store.events().unwrap()), [1, 3]);
    }
}
