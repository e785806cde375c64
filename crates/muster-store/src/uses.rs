//! What is known of an open file without reading it: its scripts, and which shared sets its records name.

use std::collections::{BTreeMap, BTreeSet};

use super::publish;
use muster_core::observed::{BmcRecord, Digest};

/// What is known of an open file.
#[derive(Default)]
pub(super) struct Known {
    pub scripts: BTreeSet<publish::Digest>,
    /// None before the first write of surveys, and after one that failed: counted anew by the next.
    pub uses: Option<Uses>,
    /// How many bytes the events have. None before the first write of one.
    pub event_bytes: Option<u64>,
}

/// How many records name each shared set, and which records are of BMCs that no wishes declare.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    counts: BTreeMap<Digest, u32>,
    /// When each was last tried.
    pub undeclared: BTreeMap<Box<str>, i64>,
}

/// Lists the shared sets that a record names, each once.
pub(super) fn named(record: &BmcRecord) -> BTreeSet<Digest> {
    record.digests().collect()
}

/// Tells whether a record is of a BMC that no wishes declare: it bears the origin of a URL for a name.
fn is_undeclared(name: &str) -> bool {
    name.contains("://")
}

impl Uses {
    /// Counts a record in.
    pub(super) fn add(&mut self, record: &BmcRecord) {
        for digest in named(record) {
            *self.counts.entry(digest).or_default() += 1;
        }
        if is_undeclared(&record.bmc) {
            self.undeclared.insert(record.bmc.clone(), record.tried);
        }
    }

    /// Counts a record out that named these sets.
    pub(super) fn remove(&mut self, name: &str, named: &BTreeSet<Digest>) {
        for digest in named {
            if let Some(count) = self.counts.get_mut(digest) {
                *count = count.saturating_sub(1);
            }
        }
        self.undeclared.remove(name);
    }

    /// Tells whether any record names a set.
    pub(super) fn names(&self, digest: Digest) -> bool {
        self.counts.get(&digest).is_some_and(|count| *count > 0)
    }

    /// Takes out the sets that no record names any more.
    pub(super) fn take_unnamed(&mut self) -> Vec<Digest> {
        self.counts.extract_if(.., |_, count| *count == 0).map(|(digest, _)| digest).collect()
    }
}
