//! Events in memory, for the API: as many as the store keeps.
//!
//! Readers have a position by number and come for more; nothing is kept for a slow one. This module
//! knows neither the store nor how events are formatted.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::story::{Event, What};

/// The number of concurrent followers: a fourth of the places of the API listener.
pub const MAX_READERS: usize = 64;

/// The events, oldest first.
#[derive(Debug)]
pub struct History {
    kept: RwLock<VecDeque<Arc<Event>>>,
    /// The number of the newest event.
    newest: watch::Sender<u64>,
    readers: Arc<Semaphore>,
}

impl Default for History {
    fn default() -> Self {
        Self { kept: RwLock::default(), newest: watch::Sender::new(0), readers: Arc::new(Semaphore::new(MAX_READERS)) }
    }
}

/// A filter of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The first digits of a commit's id, in lower case.
    pub revision: Option<String>,
    /// Not before this time, in unix milliseconds.
    pub since: Option<i64>,
}

impl Wanted {
    fn takes(&self, event: &Event) -> bool {
        let commit = event.happening.commit.as_ref();
        let is_of = |digits: &String| commit.is_some_and(|commit| commit.id.starts_with(&**digits));
        self.since.is_none_or(|since| event.happening.at >= since) && self.revision.as_ref().is_none_or(is_of)
    }
}

/// Some events that follow a number.
pub(super) struct Part {
    pub events: Vec<Arc<Event>>,
    /// The number up to which all events were checked.
    pub seen: u64,
    /// Whether more may follow now.
    pub has_more: bool,
    /// The oldest event in memory, if some are missing before it, or the number is of another
    /// store.
    pub gap: Option<u64>,
    pub oldest: u64,
    pub newest: u64,
}

impl History {
    /// Adds events; those older than `oldest` are dropped.
    pub fn publish(&self, events: Vec<Event>, oldest: u64) {
        let newest = {
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            kept.extend(events.into_iter().map(Arc::new));
            while kept.front().is_some_and(|event| event.seq < oldest) {
                kept.pop_front();
            }
            kept.back().map_or(0, |event| event.seq)
        };
        self.newest.send_replace(newest);
    }

    /// Passes all events in memory, newest first, to `ask`.
    pub fn newest_first<T>(&self, ask: impl FnOnce(&mut dyn Iterator<Item = &Event>) -> T) -> T {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        ask(&mut kept.iter().rev().map(|event| &**event))
    }

    /// Returns the last known tip of the branch.
    pub fn tip(&self) -> Option<Box<str>> {
        self.newest_first(|events| {
            let mut seen = events.filter(|event| matches!(event.happening.what, What::Seen { .. }));
            seen.next().and_then(|event| event.happening.commit.as_ref().map(|commit| commit.id.clone()))
        })
    }

    /// Reads up to `most` wanted events after a number; from the oldest if the number is of another
    /// store.
    pub(super) fn after(&self, after: u64, wanted: &Wanted, most: usize) -> Part {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let oldest = kept.front().map_or(0, |event| event.seq);
        let newest = kept.back().map_or(0, |event| event.seq);
        let gap = Some(oldest).filter(|oldest| after > newest || after + 1 < *oldest);
        let from = if after > newest { 0 } else { kept.partition_point(|event| event.seq <= after) };
        let (mut events, mut seen, mut has_more) = (Vec::new(), after.min(newest), false);

        for event in kept.range(from..) {
            let is_wanted = wanted.takes(event);
            if is_wanted && events.len() == most {
                has_more = true;
                break;
            }
            if is_wanted {
                events.push(Arc::clone(event));
            }
            seen = event.seq;
        }

        Part { events, seen, has_more, gap, oldest, newest }
    }

    /// Returns the number after which the last `count` wanted events follow.
    pub(super) fn before_last(&self, count: usize, wanted: &Wanted) -> u64 {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let newest = kept.back().map_or(0, |event| event.seq);
        let mut last = kept.iter().rev().filter(|event| wanted.takes(event)).take(count);
        last.by_ref().last().map_or(newest, |event| event.seq - 1)
    }

    /// Watches the number of the newest event.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Gives one reader a place, if there is one.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.readers).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{Commit, Happening};
    use proptest::prelude::*;

    fn event(seq: u64) -> Event {
        let commit = Some(Commit::new(if seq.is_multiple_of(3) { "abcd" } else { "ef01" }, "s"));
        Event { seq, happening: Happening { at: seq as i64 * 10, commit, what: What::SourceBack } }
    }

    proptest! {
        #[test]
        fn paging_yields_each_wanted_event_once_and_says_what_is_missing(
            count in 0_u64..200, dropped in 0_u64..100, after in 0_u64..250, most in 1_usize..50,
            of_third in any::<bool>(), since in proptest::option::of(0_i64..2000),
        ) {
            let history = History::default();
            let oldest = dropped.min(count.saturating_sub(1)) + 1;
            history.publish((1..=count).map(event).collect(), oldest);
            let wanted = Wanted { revision: of_third.then(|| "abc".into()), since };
            let mut got = Vec::new();
            let mut cursor = after;
            let gap = history.after(after, &wanted, most).gap;
            loop {
                let part = history.after(cursor, &wanted, most);
                got.extend(part.events.iter().map(|event| event.seq));
                cursor = part.seen;
                if !part.has_more { break; }
            }
            let from = if after > count { 0 } else { after };
            let is_wanted = |seq: &u64| (!of_third || seq.is_multiple_of(3)) && since.is_none_or(|since| *seq as i64 * 10 >= since);
            let all: Vec<u64> = (oldest..=count).filter(|seq| *seq > from).filter(is_wanted).collect();
            prop_assert_eq!(&got, &all);
            prop_assert_eq!(cursor, count);
            prop_assert_eq!(gap.is_some(), after > count || (count > 0 && after + 1 < oldest));
            let last = history.after(history.before_last(most, &wanted), &wanted, usize::MAX).events.len();
            let kept = (oldest..=count).filter(is_wanted).count();
            prop_assert_eq!(last, kept.min(most));
        }
    }
}
