//! Tracks unreadable survey records: they are skipped, and reported until they are written again.

use std::sync::PoisonError;

use super::Store;

/// The reason for which a record is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Another version of muster wrote it.
    OtherVersion,
    Corrupt,
}

/// The tables whose records may be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Bmcs,
    Sets,
    Claims,
}

/// A record, by its table and key.
pub(super) type What = (Table, Box<str>);

impl Table {
    const fn one(self) -> &'static str {
        match self {
            Self::Bmcs => "the record of BMC",
            Self::Sets => "the shared set",
            Self::Claims => "the claim of",
        }
    }
}

impl Store {
    /// Replaces the unreadable records of some tables with the result of a full read.
    pub(super) fn all_unreadable(&self, tables: &[Table], found: Vec<(What, Lost)>) {
        let mut told = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(table, _), _| !tables.contains(table));
        told.extend(found);
    }

    /// Adds one unreadable record.
    pub(super) fn one_unreadable(&self, what: What, lost: Lost) {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).insert(what, lost);
    }

    /// Removes records that were written again or deleted.
    pub(super) fn rewritten<'n>(&self, table: Table, names: impl Iterator<Item = &'n str>) {
        let mut told = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.is_empty() {
            for name in names {
                told.remove(&(table, name.into()));
            }
        }
    }

    pub(super) fn told_unreadable(&self) -> Option<String> {
        let told = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        let ((table, name), _) = told.first_key_value()?;
        let versions = told.values().filter(|lost| **lost == Lost::OtherVersion).count();
        let corrupt = told.len() - versions;
        let first = format!("the first is {} {name}", table.one());
        Some(format!("skipped {versions} records of another version of muster and {corrupt} corrupt ones; {first}"))
    }
}
