//! Requests of machines, collected and written to the store once per second.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::pen::{self, Pen};
use super::running::Running;
use super::unknown::Unknown;
use super::words::chain;
use super::{clock, memory};
use crate::drift::runs::{CLOCK_SLACK, Runs};
use crate::http::{Dirty, Serving};
use crate::observed::UnknownMac;
use crate::store::{Store, StoreError};

/// The interval between writes.
const EVERY: Duration = Duration::from_secs(1);

/// The number of unknown machines that may wait to be recorded; past it they are only counted.
pub const UNKNOWN_WAITING: usize = 4096;

/// The number of most recent unknown machines that the status lists.
const UNKNOWN_TOLD: usize = 10;

/// Writes both completely or fails; writing twice gives the same result.
fn write(store: &Store, boots: &BTreeMap<Box<str>, Dirty>, machines: &[UnknownMac]) -> Result<(), StoreError> {
    store.record_fetches(boots.values().filter_map(|dirty| dirty.fetch.as_ref()))?;
    store.record_booted(boots.iter().map(|(node, dirty)| (&**node, &dirty.booted)))?;
    store.record_unknown(machines)
}

/// Starts with the boots in the store, including those of names that no longer belong to a node.
async fn recall(shared: &ArcSwap<Serving>, store: &Arc<Store>) {
    let store = Arc::clone(store);
    match tokio::task::spawn_blocking(move || store.booted()).await {
        Ok(Ok(booted)) => shared.load().board.update(|runs| *runs = Runs::new(booted)),
        Ok(Err(error)) => warn!(error = %chain(&error), "what nodes booted cannot be read from the store"),
        Err(error) => warn!(%error, "reading what nodes booted ended early"),
    }
}

/// Updates the boot status of nodes. All of it is computed again only for another commit, other
/// claims, or a clock that went back or reached a time that was in the future.
fn post(serving: &Serving, boots: &[Dirty], was: i64, now: i64) {
    let Some(snapshot) = &serving.snapshot else { return };
    let has_jumped = now.saturating_add(CLOCK_SLACK) < was;
    let is_even = serving.board.read(|runs| runs.is_under(snapshot, &serving.roll) && !runs.is_due(now));
    if is_even && !has_jumped && boots.is_empty() {
        return;
    }

    serving.board.update(|runs| {
        boots.iter().for_each(|dirty| runs.see(&dirty.node, dirty.booted.clone(), now));
        if !is_even || has_jumped {
            runs.follow(snapshot, &serving.roll, now);
        }
    });

    // Until now the board referred to the previous commit.
    if !is_even {
        memory::give_back();
    }
}

/// Reports what boots mean for the served commit.
struct Teller {
    running: Running,
    pen: Pen,
}

impl Teller {
    /// Reports what the latest boots mean, before they are written: after a restart in between, the
    /// reported events identify them.
    fn tell(&mut self, serving: &Serving, boots: &[Dirty]) {
        let names = boots.iter().map(|dirty| &*dirty.node);
        let Self { running, pen } = self;
        let (of, means) = serving.board.read(|runs| {
            let means = pen.history().newest_first(|events| running.tell(runs, names, events));
            (runs.snapshot().map(|snapshot| snapshot.revision().clone()), means)
        });
        if let Some(revision) = of {
            let served = serving.status.served.as_ref().filter(|served| served.id == revision.as_str());
            let commit = pen::commit(&revision, served.map_or("", |served| &served.subject));
            means.into_iter().for_each(|what| pen.note(Some(commit.clone()), what));
        }
        pen.write();
    }
}

/// The boots that are not written yet.
#[derive(Default)]
struct Unwritten {
    /// The boots of this second, until they are evaluated: a fault there loses none.
    recent: Vec<Dirty>,
    /// The boots by node name, bounded by the number of nodes.
    all: BTreeMap<Box<str>, Dirty>,
}

impl Unwritten {
    fn keep_recent(&mut self) {
        self.all.extend(self.recent.drain(..).map(|dirty| (dirty.node.clone(), dirty)));
    }
}

/// Writes the collected requests each second until no sender is left, and once more then. Failed
/// writes are repeated later.
pub async fn run(
    shared: Arc<ArcSwap<Serving>>,
    (store, pen): (Arc<Store>, Pen),
    mut unknown: Unknown,
    mut machines: mpsc::Receiver<UnknownMac>,
    stop: CancellationToken,
) {
    let mut failing = false;
    let unwritten = Arc::new(Mutex::new(Unwritten::default()));
    let mut was = clock::now_ms();
    recall(&shared, &store).await;
    let teller = Arc::new(Mutex::new(Teller { running: Running::default(), pen }));
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        // Bounded by the channel: faster requests are only counted, and delay nothing here.
        for _ in 0..UNKNOWN_WAITING {
            let Ok(seen) = machines.try_recv() else { break };
            unknown.see(seen);
        }
        shared.load().board.note_unknown(unknown.newest(UNKNOWN_TOLD));
        unknown.publish_count();
        let (now, seen) = (clock::now_ms(), unknown.unwritten());
        let (shared_too, store, telling, unwritten) =
            (Arc::clone(&shared), Arc::clone(&store), Arc::clone(&teller), Arc::clone(&unwritten));
        let written = tokio::task::spawn_blocking(move || {
            let mut unwritten = unwritten.lock().unwrap_or_else(PoisonError::into_inner);
            let mut teller = telling.lock().unwrap_or_else(PoisonError::into_inner);
            unwritten.keep_recent();
            unwritten.recent = shared_too.load().take_dirty();
            // Loaded after the boots, so that none is of a later commit.
            let serving = shared_too.load_full();
            // A node that boots by a commit in the second in which it comes was behind when it
            // came.
            post(&serving, &[], was, now);
            teller.tell(&serving, &[]);
            post(&serving, &unwritten.recent, now, now);
            teller.tell(&serving, &unwritten.recent);
            drop(teller);

            unwritten.keep_recent();
            serving.board.read(|runs| {
                for (node, dirty) in &mut unwritten.all {
                    if let Some(known) = runs.booted(node) {
                        dirty.booted.clone_from(known);
                    }
                }
            });
            write(&store, &unwritten.all, &seen).inspect(|()| unwritten.all.clear())
        });
        was = now;
        let written = written.await;
        if matches!(written, Ok(Err(_))) {
            shared.load().counters.store_errors.fetch_add(1, Ordering::Relaxed);
        }
        match written {
            Ok(Ok(())) => {
                unknown.written();
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
