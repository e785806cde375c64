//! In-memory facts about an open file: its scripts, and the shared sets that its records name.

use std::collections::{BTreeMap, BTreeSet};

use super::publish;
use muster_core::observed::{BmcRecord, Digest};

/// The known facts about an open file.
#[derive(Default)]
pub(super) struct Known {
    pub scripts: BTreeSet<publish::Digest>,
    /// `None` before the first write of surveys and after a failed one; the next write counts
    /// again.
    pub uses: Option<Uses>,
    /// The bytes of all events; `None` before the first write of one.
    pub event_bytes: Option<u64>,
}

/// The number of records that name each shared set, and the records of undeclared BMCs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    counts: BTreeMap<Digest, u32>,
    /// The time of the last try of each.
    pub undeclared: BTreeMap<Box<str>, i64>,
}

/// Lists the shared sets that a record names, each once.
pub(super) fn named(record: &BmcRecord) -> BTreeSet<Digest> {
    record.digests().collect()
}

/// Returns whether a record belongs to an undeclared BMC, whose name is the origin of a URL.
fn is_undeclared(name: &str) -> bool {
    name.contains("://")
}

impl Uses {
    /// Adds the uses of a record.
    pub(super) fn add(&mut self, record: &BmcRecord) {
        for digest in named(record) {
            *self.counts.entry(digest).or_default() += 1;
        }
        if is_undeclared(&record.bmc) {
            self.undeclared.insert(record.bmc.clone(), record.tried);
        }
    }

    /// Removes the uses of a record that named these sets.
    pub(super) fn remove(&mut self, name: &str, named: &BTreeSet<Digest>) {
        for digest in named {
            if let Some(count) = self.counts.get_mut(digest) {
                *count = count.saturating_sub(1);
            }
        }
        self.undeclared.remove(name);
    }

    /// Returns whether any record names a set.
    pub(super) fn names(&self, digest: Digest) -> bool {
        self.counts.get(&digest).is_some_and(|count| *count > 0)
    }

    /// Removes and returns the sets that no record names any more.
    pub(super) fn take_unnamed(&mut self) -> Vec<Digest> {
        self.counts.extract_if(.., |_, count| *count == 0).map(|(digest, _)| digest).collect()
    }
}
