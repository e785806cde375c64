//! Stores survey results: a record of each BMC, and the sets that they share.
//!
//! A batch of observations is one transaction: each record is read, updated, and written together
//! with new sets; sets that no record names any more are removed in the same transaction.

use std::sync::Arc;
use std::time::SystemTime;

use rayon::prelude::*;
use redb::{ReadTransaction, ReadableTable};

use super::batch::{Batch, digest_of};
use super::codec::{self, Fault};
use super::tables::{BMCS, CLAIMS, SETS, later};
use super::unreadable::{Lost, Table, What};
use super::{Store, StoreError, seen};
use muster_core::observed::{BmcRecord, Claim, Digest, Observation, Observed, Shared, SharedSet};

/// The most undeclared BMCs, as many as the largest site has of its own, so that a survey of its
/// whole network fits. Those with the oldest try are removed first.
pub const MAX_UNDECLARED: usize = 10_000;

/// The number of records in encoded form at once while all are read.
const CHUNK: usize = 1_024;

impl Store {
    /// Records observations in the given order, in one transaction; on success they are on the
    /// disk.
    ///
    /// Of undeclared BMCs, at most [`MAX_UNDECLARED`] are kept.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn record_observations(&self, observations: &[Observation]) -> Result<(), StoreError> {
        if observations.is_empty() {
            return Ok(());
        }
        let mut written = Vec::new();

        self.write("record what was surveyed", |txn, known| {
            let mut batch = Batch::begin(txn, known.uses.take())?;
            batch.take(observations)?;
            batch.forget_surplus(now())?;
            (known.uses, written) = batch.end()?;
            Ok(())
        })?;

        let written: Vec<String> = written.iter().map(ToString::to_string).collect();
        self.rewritten(Table::Sets, written.iter().map(String::as_str));
        self.rewritten(Table::Bmcs, observations.iter().map(|observation| &*observation.bmc));
        Ok(())
    }

    /// Removes BMCs, in one transaction; unknown names are ignored.
    ///
    /// # Errors
    /// The disk refused, or it is too early to try again. Nothing was changed.
    pub fn forget_bmcs(&self, names: &[&str]) -> Result<(), StoreError> {
        if names.is_empty() {
            return Ok(());
        }

        self.write("forget BMCs", |txn, known| {
            let mut batch = Batch::begin(txn, known.uses.take())?;
            for name in names {
                batch.forget(name)?;
            }
            (known.uses, _) = batch.end()?;
            Ok(())
        })?;

        self.rewritten(Table::Bmcs, names.iter().copied());
        Ok(())
    }

    /// Reads the records of all BMCs. Unreadable records are left out; [`Store::trouble`] reports
    /// them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn observed(&self) -> Result<Observed, StoreError> {
        let mut lost = Vec::new();
        let observed = self.read("read what was surveyed", |txn| {
            let mut observed = Observed { unknown: seen::read_unknown(txn)?, ..Observed::default() };
            read_records(txn, &mut observed, &mut lost)?;
            read_sets(txn, &mut observed.shared, &mut lost)?;
            observed.claims = read_claims(txn, &mut lost)?;
            if seen::has_served(txn)? {
                observed.boots = Some(seen::read_booted(txn)?);
            }
            Ok(observed)
        })?;

        self.all_unreadable(&[Table::Bmcs, Table::Sets, Table::Claims], lost);
        Ok(observed)
    }

    /// Reads the record of one BMC; `None` also if it cannot be read.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn bmc_record(&self, name: &str) -> Result<Option<BmcRecord>, StoreError> {
        let found = self.read("read what was surveyed", |txn| match later(txn, BMCS)? {
            Some(table) => Ok(table.get(name)?.map(|bytes| codec::unpack(bytes.value()))),
            None => Ok(None),
        })?;
        Ok(found.and_then(|record| record.map_err(|lost| self.one_unreadable((Table::Bmcs, name.into()), lost)).ok()))
    }

    /// Reads shared sets by digest; missing or unreadable sets are not in the result.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn shared_of(&self, digests: &[Digest]) -> Result<Shared, StoreError> {
        let mut lost = Vec::new();
        let shared = self.read("read what was surveyed", |txn| {
            let mut shared = Shared::default();
            let Some(table) = later(txn, SETS)? else { return Ok(shared) };
            for digest in digests {
                let Some(bytes) = table.get(&digest.0[..])? else { continue };
                match codec::unpack(bytes.value()) {
                    Ok(set) => shared.put(*digest, Arc::new(set)),
                    Err(why) => lost.push(((Table::Sets, digest.to_string().into()), why)),
                }
            }
            Ok(shared)
        })?;

        lost.into_iter().for_each(|(what, why)| self.one_unreadable(what, why));
        Ok(shared)
    }
}

fn read_records(txn: &ReadTransaction, observed: &mut Observed, lost: &mut Vec<(What, Lost)>) -> Result<(), Fault> {
    let Some(table) = later(txn, BMCS)? else { return Ok(()) };
    let rows = table.iter()?.map(|row| {
        let (name, bytes) = row?;
        Ok((Box::<str>::from(name.value()), bytes.value().to_vec()))
    });
    decode_all(rows, |name, record: Result<BmcRecord, Lost>| match record {
        Ok(record) => drop(observed.bmcs.insert(name, record)),
        Err(why) => lost.push(((Table::Bmcs, name), why)),
    })
}

fn read_sets(txn: &ReadTransaction, shared: &mut Shared, lost: &mut Vec<(What, Lost)>) -> Result<(), Fault> {
    let Some(table) = later(txn, SETS)? else { return Ok(()) };
    let rows = table.iter()?.map(|row| {
        let (key, bytes) = row?;
        Ok((digest_of(key.value())?, bytes.value().to_vec()))
    });
    decode_all(rows, |digest, set: Result<SharedSet, Lost>| match set {
        Ok(set) => shared.put(digest, Arc::new(set)),
        Err(why) => lost.push(((Table::Sets, digest.to_string().into()), why)),
    })
}

pub(super) fn read_claims(txn: &ReadTransaction, lost: &mut Vec<(What, Lost)>) -> Result<Vec<Claim>, Fault> {
    let mut claims = Vec::new();
    let Some(table) = later(txn, CLAIMS)? else { return Ok(claims) };
    for row in table.iter()? {
        let (node, bytes) = row?;
        match codec::unpack(bytes.value()) {
            Ok(claim) => claims.push(claim),
            Err(why) => lost.push(((Table::Claims, node.value().into()), why)),
        }
    }
    Ok(claims)
}

/// Decodes rows on all cores, a chunk at a time, and passes them on in order.
pub(super) fn decode_all<K: Send, T: codec::Surveyed + Send>(
    mut rows: impl Iterator<Item = Result<(K, Vec<u8>), Fault>>,
    mut each: impl FnMut(K, Result<T, Lost>),
) -> Result<(), Fault> {
    loop {
        let chunk: Vec<(K, Vec<u8>)> = rows.by_ref().take(CHUNK).collect::<Result<_, _>>()?;
        if chunk.is_empty() {
            return Ok(());
        }
        let decoded: Vec<(K, Result<T, Lost>)> =
            chunk.into_par_iter().map(|(key, bytes)| (key, codec::unpack(&bytes))).collect();
        decoded.into_iter().for_each(|(key, value)| each(key, value));
    }
}

/// Returns the time of this host's clock, in Unix milliseconds: observations may come from
/// elsewhere, and late.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
