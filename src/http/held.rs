//! Commits that were served before and are held whole, for whoever asks what was so then.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::serving::Serving;
use crate::snapshot::Snapshot;
use crate::view::RevisionView;

/// How many commits are held after they were served.
pub const HELD: usize = 8;

/// How many nodes they may have together: at about 4 kB each, some 80 MB.
pub const HELD_NODES: usize = 20_000;

/// Lists what is held once a Snapshot follows another: the newest that fit the bounds.
pub(super) fn held(previous: &Serving, next: &Snapshot) -> Arc<[Arc<Snapshot>]> {
    let mut room = HELD_NODES;
    let last = previous.snapshot.iter().filter(|snapshot| !snapshot.is_stored());
    let mut all: Vec<Arc<Snapshot>> = Vec::new();
    for snapshot in last.chain(&*previous.held).filter(|snapshot| snapshot.revision() != next.revision()) {
        let is_known = all.iter().any(|known| known.revision() == snapshot.revision());
        let Some(left) = room.checked_sub(snapshot.nodes().len()).filter(|_| !is_known && all.len() < HELD) else {
            continue;
        };
        room = left;
        all.push(Arc::clone(snapshot));
    }
    all.into()
}

/// A commit that was asked for by its id, or by the first digits of it.
pub(super) enum Asked<'s> {
    /// It is served now.
    Served,
    /// It was served before, and is held.
    Held(&'s Arc<Snapshot>),
    /// It was served once, and is held no more.
    Gone(&'s RevisionView),
    /// Nothing is known of it.
    Unknown,
    /// Several commits begin so.
    Several,
}

/// The fewest digits that an id may be cut to, as git has it.
const LEAST_DIGITS: usize = 4;

impl Serving {
    /// Finds a commit by its id among those that are served, held or were served once.
    #[must_use]
    pub(super) fn ask(&self, id: &str) -> Asked<'_> {
        let id = id.to_ascii_lowercase();
        let is_hex = id.len() >= LEAST_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let served = self.snapshot.iter().map(|snapshot| snapshot.revision().as_str());
        let known: BTreeSet<&str> = served
            .chain(self.held.iter().map(|snapshot| snapshot.revision().as_str()))
            .chain(self.revisions.iter().map(|revision| &*revision.id))
            .filter(|known| is_hex && known.starts_with(&id))
            .collect();
        let found = match (known.first(), known.len()) {
            (Some(found), 1) => *found,
            (Some(_), _) => return Asked::Several,
            (None, _) => return Asked::Unknown,
        };
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.revision().as_str() == found) {
            return Asked::Served;
        }
        let held = self.held.iter().find(|snapshot| snapshot.revision().as_str() == found).map(Asked::Held);
        let gone = || self.revisions.iter().find(|revision| revision.id == found).map(Asked::Gone);
        held.or_else(gone).unwrap_or(Asked::Unknown)
    }
}
