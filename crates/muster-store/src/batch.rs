//! One write transaction of observations: the tables, and the changes in them until the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redb::{ReadableTable, Table, WriteTransaction};

use super::codec::{self, Fault};
use super::seen::oldest;
use super::surveys::{MAX_UNDECLARED, decode_all};
use super::tables::{BMCS, SETS};
use super::uses::{Uses, named};
use muster_core::observed::{BmcRecord, Digest, Observation, Shared, SharedSet};

pub(super) struct Batch<'t> {
    bmcs: Table<'t, &'static str, &'static [u8]>,
    sets: Table<'t, &'static [u8], &'static [u8]>,
    uses: Uses,
    /// The digests of the written sets.
    written: Vec<Digest>,
}

/// A record in progress, and the sets that its stored version named.
struct Open {
    record: BmcRecord,
    named: BTreeSet<Digest>,
}

pub(super) fn digest_of(key: &[u8]) -> Result<Digest, Fault> {
    key.try_into().map(Digest).map_err(|_| Fault::undecodable("the name of a shared set"))
}

impl<'t> Batch<'t> {
    /// Opens the tables; if the sets in use are not known, reads every record once.
    pub(super) fn begin(txn: &'t WriteTransaction, uses: Option<Uses>) -> Result<Self, Fault> {
        let (bmcs, sets) = (txn.open_table(BMCS)?, txn.open_table(SETS)?);
        let mut batch = Self { bmcs, sets, uses: Uses::default(), written: Vec::new() };
        match uses {
            Some(uses) => batch.uses = uses,
            None => batch.count()?,
        }
        Ok(batch)
    }

    fn count(&mut self) -> Result<(), Fault> {
        let rows = self.bmcs.iter()?.map(|row| Ok(((), row?.1.value().to_vec())));
        decode_all(rows, |(), record| {
            if let Ok(record) = record {
                self.uses.add(&record);
            }
        })?;

        let mut unnamed = Vec::new();
        for row in self.sets.iter()? {
            let digest = digest_of(row?.0.value())?;
            if !self.uses.names(digest) {
                unnamed.push(digest);
            }
        }

        for digest in unnamed {
            self.sets.remove(&digest.0[..])?;
        }
        Ok(())
    }

    pub(super) fn take(&mut self, observations: &[Observation]) -> Result<(), Fault> {
        let mut open: BTreeMap<&str, Open> = BTreeMap::new();
        let (mut at_hand, mut fresh) = (Shared::default(), Shared::default());
        for observation in observations {
            let mut work = match open.remove(&*observation.bmc) {
                Some(work) => work,
                None => self.open(observation)?,
            };
            self.fetch(work.record.digests(), &mut at_hand)?;
            work.record.take(observation, &at_hand);
            at_hand.join(observation.shared.clone());
            fresh.join(observation.shared.clone());
            open.insert(&observation.bmc, work);
        }

        for (name, Open { record, named: before }) in open {
            let what = format!("what is remembered of BMC {name}");
            self.bmcs.insert(name, &*codec::pack(&record, &what)?)?;
            self.uses.remove(name, &before);
            self.uses.add(&record);
        }

        self.store(&fresh)
    }

    /// Removes undeclared BMCs above the limit; `now` detects times in the future.
    pub(super) fn forget_surplus(&mut self, now: i64) -> Result<(), Fault> {
        if self.uses.undeclared.len() <= MAX_UNDECLARED {
            return Ok(());
        }
        let all = self.uses.undeclared.iter().map(|(name, tried)| (*tried, name.clone())).collect();
        oldest(all, MAX_UNDECLARED, now).iter().try_for_each(|name| self.forget(name))
    }

    pub(super) fn forget(&mut self, name: &str) -> Result<(), Fault> {
        let Some(bytes) = self.bmcs.remove(name)? else { return Ok(()) };
        if let Ok(record) = codec::unpack(bytes.value()) {
            self.uses.remove(name, &named(&record));
        }
        Ok(())
    }

    /// Removes the sets that no record names. Returns the sets in use and the written ones.
    pub(super) fn end(mut self) -> Result<(Option<Uses>, Vec<Digest>), Fault> {
        for digest in self.uses.take_unnamed() {
            self.sets.remove(&digest.0[..])?;
        }
        Ok((Some(self.uses), self.written))
    }

    /// Reads the record that an observation updates; an unreadable one starts again, because its
    /// history is lost.
    fn open(&self, observation: &Observation) -> Result<Open, Fault> {
        let stored = self.bmcs.get(&*observation.bmc)?.and_then(|bytes| codec::unpack::<BmcRecord>(bytes.value()).ok());
        let named = stored.as_ref().map(named).unwrap_or_default();
        Ok(Open { record: stored.unwrap_or_else(|| BmcRecord::new(&*observation.bmc, &*observation.url)), named })
    }

    /// Reads the sets of some digests that are not in memory yet, as far as they can be read.
    fn fetch(&self, digests: impl Iterator<Item = Digest>, at_hand: &mut Shared) -> Result<(), Fault> {
        for digest in digests {
            if at_hand.get(digest).is_some() {
                continue;
            }
            if let Some(bytes) = self.sets.get(&digest.0[..])?
                && let Ok(set) = codec::unpack::<SharedSet>(bytes.value())
            {
                at_hand.put(digest, Arc::new(set));
            }
        }
        Ok(())
    }

    /// Writes the sets that records name if they are not stored yet, or only in another format.
    fn store(&mut self, fresh: &Shared) -> Result<(), Fault> {
        for (digest, set) in fresh.iter().filter(|(digest, _)| self.uses.names(*digest)) {
            let bytes = codec::pack(&**set, "a shared set")?;
            if self.sets.get(&digest.0[..])?.is_none_or(|stored| stored.value() != bytes) {
                self.sets.insert(&digest.0[..], &*bytes)?;
                self.written.push(digest);
            }
        }
        Ok(())
    }
}
