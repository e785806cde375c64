//! Boot fetches and unclaimed machines.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::codec::{self, Fault};
use super::tables::{FETCHES, UNKNOWN};
use super::{Store, StoreError, shape};
use crate::model::MacAddr;
use crate::observed::{BootFetch, UnknownMac};

/// How many nodes' last fetches are remembered, those longest silent forgotten first: twice the largest site.
pub const MAX_FETCHES: usize = 200_000;

/// How many unclaimed MACs are remembered, those longest silent forgotten first.
pub const MAX_UNKNOWN: usize = 10_000;

impl Store {
    /// Records the last fetch of each node, replacing what was known of it, in one transaction.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn record_fetches(&self, fetches: &[BootFetch]) -> Result<(), StoreError> {
        if fetches.is_empty() {
            return Ok(());
        }
        let now = fetches.iter().map(|fetch| fetch.at).max().unwrap_or_default();
        self.write("record boot fetches", |txn, _| {
            let mut table = txn.open_table(FETCHES)?;
            for fetch in fetches {
                table.insert(&*fetch.node, &*codec::encode(&shape::FetchRecord::from(fetch))?)?;
            }
            if table.len()? > MAX_FETCHES as u64 {
                let mut all = Vec::new();
                for row in table.iter()? {
                    let fetch = fetch(&row?)?;
                    all.push((fetch.at, fetch.node));
                }
                for node in oldest(all, MAX_FETCHES, now) {
                    table.remove(&*node)?;
                }
            }
            Ok(())
        })
    }

    /// Lists the last fetch of every node, by name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn fetches(&self) -> Result<Vec<BootFetch>, StoreError> {
        self.read("read the boot fetches", read_fetches)
    }

    /// Records unclaimed machines, replacing what was known of each, in one transaction.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn record_unknown(&self, machines: &[UnknownMac]) -> Result<(), StoreError> {
        if machines.is_empty() {
            return Ok(());
        }
        let now = machines.iter().map(|machine| machine.last).max().unwrap_or_default();
        self.write("record unclaimed machines", |txn, _| {
            let mut table = txn.open_table(UNKNOWN)?;
            for machine in machines {
                table.insert(&machine.mac.0[..], &*codec::encode(&shape::UnknownRecord::from(machine))?)?;
            }
            if table.len()? > MAX_UNKNOWN as u64 {
                let mut all = Vec::new();
                for row in table.iter()? {
                    let machine = machine(&row?)?;
                    all.push((machine.last, machine.mac));
                }
                for mac in oldest(all, MAX_UNKNOWN, now) {
                    table.remove(&mac.0[..])?;
                }
            }
            Ok(())
        })
    }

    /// Lists the unclaimed machines, by MAC.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn unknown(&self) -> Result<Vec<UnknownMac>, StoreError> {
        self.read("read the unclaimed machines", read_unknown)
    }
}

pub(super) fn read_fetches(txn: &ReadTransaction) -> Result<Vec<BootFetch>, Fault> {
    txn.open_table(FETCHES)?.iter()?.map(|row| fetch(&row?)).collect()
}

pub(super) fn read_unknown(txn: &ReadTransaction) -> Result<Vec<UnknownMac>, Fault> {
    txn.open_table(UNKNOWN)?.iter()?.map(|row| machine(&row?)).collect()
}

type Guard<'t, T> = redb::AccessGuard<'t, T>;

fn fetch((node, record): &(Guard<'_, &'static str>, Guard<'_, &'static [u8]>)) -> Result<BootFetch, Fault> {
    Ok(codec::decode::<shape::FetchRecord>(record.value(), "boot fetch")?.of(node.value()))
}

fn machine((mac, record): &(Guard<'_, &'static [u8]>, Guard<'_, &'static [u8]>)) -> Result<UnknownMac, Fault> {
    let mac = <[u8; 6]>::try_from(mac.value()).map_err(|_| Fault::undecodable("unclaimed machine"))?;
    Ok(codec::decode::<shape::UnknownRecord>(record.value(), "unclaimed machine")?.of(MacAddr(mac)))
}

/// Picks what to forget so that `keep` stay: the oldest, and among those equally old the first. A time that is yet to come
/// was told by a wrong clock and is older than any: else it would stay until it is past, and whatever is new would go.
pub(super) fn oldest<T: Ord>(mut all: Vec<(i64, T)>, keep: usize, now: i64) -> Vec<T> {
    all.iter_mut().filter(|(at, _)| *at > now).for_each(|(at, _)| *at = i64::MIN);
    all.sort_unstable();
    let surplus = all.len().saturating_sub(keep);
    all.into_iter().take(surplus).map(|(_, key)| key).collect()
}
