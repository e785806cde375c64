//! What machines tell by asking, gathered each second and written to the store in one go.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::pen::{self, Pen};
use super::running::Running;
use super::words::chain;
use crate::http::Serving;
use crate::model::MacAddr;
use crate::observed::{BootFetch, UnknownMac};
use crate::store::{MAX_UNKNOWN, Store, StoreError};

/// How often what was seen is written.
const EVERY: Duration = Duration::from_secs(1);

/// Unknown machines that asked, each once, with how often.
#[derive(Default)]
pub struct Unknown {
    all: HashMap<MacAddr, UnknownMac>,
    changed: Vec<MacAddr>,
    /// How many there are, for the status.
    count: Arc<AtomicU64>,
    /// Whether they are for the status alone, and not to be written.
    only_counted: bool,
}

impl Unknown {
    /// Knows nobody yet, and keeps a count for the status.
    pub fn new(count: Arc<AtomicU64>) -> Self {
        Self { count, ..Self::default() }
    }

    /// Says whether they are only counted, and not to be written.
    pub fn only_count(&mut self, only: bool) {
        self.only_counted = only;
    }

    /// Takes up what was remembered before the server started.
    pub fn restore(&mut self, machines: Vec<UnknownMac>) {
        self.all.extend(machines.into_iter().map(|machine| (machine.mac, machine)));
    }

    fn see(&mut self, seen: UnknownMac) {
        if !self.only_counted {
            self.changed.push(seen.mac);
        }
        match self.all.get_mut(&seen.mac) {
            Some(known) => {
                known.last = seen.last;
                known.count += seen.count;
                known.address = seen.address;
                known.user_agent = seen.user_agent;
            }
            None => {
                if self.all.len() >= MAX_UNKNOWN {
                    self.forget_the_oldest(seen.last);
                }
                self.all.insert(seen.mac, seen);
            }
        }
    }

    /// Forgets the one that was longest silent; a time that is yet to come was told by a wrong clock, and goes first.
    fn forget_the_oldest(&mut self, now: i64) {
        let age = |machine: &&UnknownMac| (machine.last <= now, machine.last, machine.mac);
        let oldest = self.all.values().min_by_key(age).map(|machine| machine.mac);
        if let Some(mac) = oldest {
            self.all.remove(&mac);
        }
    }

    /// Returns what was not written yet, those that were forgotten since left out.
    fn unwritten(&mut self) -> Vec<UnknownMac> {
        self.changed.sort_unstable();
        self.changed.dedup();
        self.changed.retain(|mac| self.all.contains_key(mac));
        self.changed.iter().map(|mac| self.all[mac].clone()).collect()
    }
}

/// Writes all of both or says why not; what was written twice is written alike.
fn write(store: &Store, fetches: &[BootFetch], machines: &[UnknownMac]) -> Result<(), StoreError> {
    store.record_fetches(fetches)?;
    store.record_unknown(machines)
}

/// What boots mean for the commit that is served.
struct Boots {
    running: Running,
    pen: Pen,
}

impl Boots {
    fn new(store: &Store, pen: Pen) -> Self {
        let mut running = Running::default();
        match store.fetches() {
            Ok(fetches) => running.restore(&fetches),
            Err(error) => warn!(error = %chain(&error), "which nodes run what cannot be read from the store"),
        }
        Self { running, pen }
    }

    /// Tells what the latest fetches mean, before they are written: a restart in between knows them by what was told.
    fn tell(&mut self, serving: &Serving, fetches: &[BootFetch]) {
        if let Some(snapshot) = serving.snapshot.as_deref() {
            self.pen.history().newest_first(|events| self.running.follow(snapshot, events));
            let served = serving.status.served.as_ref().filter(|served| served.id == snapshot.revision().as_str());
            for what in self.running.boots(snapshot, fetches) {
                let subject = served.map_or("", |served| &served.subject);
                self.pen.note(Some(pen::commit(snapshot.revision(), subject)), what);
            }
        }
        self.pen.write();
    }
}

/// Writes what is seen each second until nobody can ask any more, and once more then. What could not be written is kept and
/// written later.
pub async fn run(
    shared: Arc<ArcSwap<Serving>>,
    (store, pen): (Arc<Store>, Pen),
    mut unknown: Unknown,
    mut machines: mpsc::Receiver<UnknownMac>,
    stop: CancellationToken,
) {
    let mut failing = false;
    let reader = Arc::clone(&store);
    let boots = tokio::task::spawn_blocking(move || Boots::new(&reader, pen)).await;
    let boots = boots.ok().map(|boots| Arc::new(Mutex::new(boots)));
    // The last fetch of each node that is not written yet: bounded by how many nodes there are.
    let mut fetches: BTreeMap<Box<str>, BootFetch> = BTreeMap::new();
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        while let Ok(seen) = machines.try_recv() {
            unknown.see(seen);
        }
        let fresh = shared.load().take_dirty();
        fetches.extend(fresh.iter().map(|fetch| (fetch.node.clone(), fetch.clone())));
        // Loaded after them, so that none is of a later commit.
        let (serving, teller) = (shared.load_full(), boots.clone());
        unknown.count.store(unknown.all.len() as u64, Ordering::Relaxed);
        let (writer, batch, seen) =
            (Arc::clone(&store), fetches.values().cloned().collect::<Vec<_>>(), unknown.unwritten());
        let written = tokio::task::spawn_blocking(move || {
            if let Some(boots) = teller {
                boots.lock().unwrap_or_else(PoisonError::into_inner).tell(&serving, &fresh);
            }
            write(&writer, &batch, &seen)
        });
        let written = written.await;
        if matches!(written, Ok(Err(_))) {
            shared.load().counters.store_errors.fetch_add(1, Ordering::Relaxed);
        }
        match written {
            Ok(Ok(())) => {
                fetches.clear();
                unknown.changed.clear();
                if failing {
                    info!("what machines fetch is stored again");
                }
                failing = false;
            }
            Ok(Err(error)) if !failing => {
                failing = true;
                warn!(error = %chain(&error), "what machines fetch cannot be stored; it stays in memory");
            }
            Ok(Err(_)) => {}
            Err(error) => warn!(%error, "writing what machines fetch ended early"),
        }
        if stopping {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u32, last: i64) -> UnknownMac {
        let [a, b, c, d] = number.to_be_bytes();
        let address = std::net::IpAddr::from([10, 0, 0, 9]);
        UnknownMac { mac: MacAddr([2, 0, a, b, c, d]), first: last, last, count: 1, address, user_agent: "x".into() }
    }

    #[test]
    fn a_clock_that_goes_back_forgets_what_is_yet_to_come_and_not_what_is_new() {
        let mut unknown = Unknown::default();
        let most = MAX_UNKNOWN as u32;
        (0..most).for_each(|number| unknown.see(seen(number, 1_000_000 + i64::from(number))));
        unknown.see(seen(most, 10));
        unknown.see(seen(most + 1, 20));
        assert_eq!(unknown.all.len(), MAX_UNKNOWN);
        let has = |number: u32| unknown.all.contains_key(&seen(number, 0).mac);
        assert!(has(most) && has(most + 1) && !has(0) && !has(1) && has(2));
    }

    #[test]
    fn what_is_only_counted_is_not_written() {
        let mut unknown = Unknown::default();
        unknown.only_count(true);
        unknown.see(seen(1, 10));
        assert!(unknown.unwritten().is_empty() && unknown.all.len() == 1);
    }
}
