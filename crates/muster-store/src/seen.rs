//! Stores boot fetches, the boots that follow from them, and undeclared machines.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::codec::{self, Fault};
use super::tables::{ACCEPTED, BOOTED, FETCHES, UNKNOWN, later};
use super::{Store, StoreError, shape};
use muster_core::model::MacAddr;
use muster_core::observed::{BootFetch, Booted, UnknownMac};

/// The most nodes with a stored last fetch, twice the largest site; those with the oldest fetch are
/// removed first.
pub const MAX_FETCHES: usize = 200_000;

/// The most unclaimed MAC addresses; those with the oldest request are removed first.
pub const MAX_UNKNOWN: usize = 10_000;

impl Store {
    /// Records the last fetch of each node, replacing earlier ones, in one transaction.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn record_fetches<'f>(
        &self,
        fetches: impl IntoIterator<Item = &'f BootFetch, IntoIter: Clone>,
    ) -> Result<(), StoreError> {
        let fetches = fetches.into_iter();
        let Some(now) = fetches.clone().map(|fetch| fetch.at).max() else { return Ok(()) };
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

    /// Records the last boots of nodes, replacing earlier ones, in one transaction.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn record_booted<'b>(
        &self,
        nodes: impl IntoIterator<Item = (&'b str, &'b Booted), IntoIter: Clone>,
    ) -> Result<(), StoreError> {
        let nodes = nodes.into_iter();
        let Some(now) = nodes.clone().map(|(_, booted)| newest(booted)).max() else { return Ok(()) };
        self.write("record what nodes booted", |txn, _| {
            let mut table = txn.open_table(BOOTED)?;
            for (node, booted) in nodes {
                table.insert(node, &*codec::encode_booted(booted)?)?;
            }
            if table.len()? > MAX_FETCHES as u64 {
                let mut all = Vec::new();
                for row in table.iter()? {
                    let (node, record) = row?;
                    let booted = codec::decode_booted(record.value())?;
                    all.push((newest(&booted), Box::<str>::from(node.value())));
                }
                for node in oldest(all, MAX_FETCHES, now) {
                    table.remove(&*node)?;
                }
            }
            Ok(())
        })
    }

    /// Lists the last boots of every node, by name. A fetch that an earlier version recorded does
    /// not count until it can be attributed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn booted(&self) -> Result<BTreeMap<Box<str>, Booted>, StoreError> {
        self.read("read what nodes booted", read_booted)
    }

    /// Records unclaimed machines, replacing earlier records, in one transaction.
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

pub(super) fn read_booted(txn: &ReadTransaction) -> Result<BTreeMap<Box<str>, Booted>, Fault> {
    let mut all: BTreeMap<_, _> =
        read_fetches(txn)?.iter().map(|fetch| (fetch.node.clone(), Booted::from(fetch))).collect();
    let Some(table) = later(txn, BOOTED)? else { return Ok(all) };

    for row in table.iter()? {
        let (node, record) = row?;
        let mut booted = codec::decode_booted(record.value())?;
        if let Some(fetch) = all.get(node.value()).and_then(|fetch| fetch.uncounted.as_ref()) {
            // If an earlier version ran in between, it recorded only fetches.
            if booted.last.iter().chain(&booted.uncounted).all(|boot| boot.at != fetch.at) {
                booted.uncounted = Some(fetch.clone());
            }
        }
        all.insert(node.value().into(), booted);
    }

    Ok(all)
}

/// Returns whether a server that boots nodes wrote this store, which shows by an accepted commit.
pub(super) fn has_served(txn: &ReadTransaction) -> Result<bool, Fault> {
    Ok(!txn.open_table(ACCEPTED)?.is_empty()?)
}

/// Returns the time of the newest fetch of a node.
fn newest(booted: &Booted) -> i64 {
    let times = booted.last.iter().chain(&booted.uncounted).map(|boot| boot.at);
    times.max().unwrap_or_default()
}

type Guard<'t, T> = redb::AccessGuard<'t, T>;

fn fetch((node, record): &(Guard<'_, &'static str>, Guard<'_, &'static [u8]>)) -> Result<BootFetch, Fault> {
    Ok(codec::decode::<shape::FetchRecord>(record.value(), "boot fetch")?.of(node.value()))
}

fn machine((mac, record): &(Guard<'_, &'static [u8]>, Guard<'_, &'static [u8]>)) -> Result<UnknownMac, Fault> {
    let mac = <[u8; 6]>::try_from(mac.value()).map_err(|_| Fault::undecodable("unclaimed machine"))?;
    Ok(codec::decode::<shape::UnknownRecord>(record.value(), "unclaimed machine")?.of(MacAddr(mac)))
}

/// Selects the entries to remove so that `keep` stay: the oldest, and among equally old ones the
/// first. A time in the future comes from a wrong clock and counts as the oldest, because it would
/// otherwise displace new entries until it is past.
pub(super) fn oldest<T: Ord>(mut all: Vec<(i64, T)>, keep: usize, now: i64) -> Vec<T> {
    all.iter_mut().filter(|(at, _)| *at > now).for_each(|(at, _)| *at = i64::MIN);
    all.sort_unstable();
    let surplus = all.len().saturating_sub(keep);
    all.into_iter().take(surplus).map(|(_, key)| key).collect()
}
