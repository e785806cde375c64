//! The state that the listeners serve: the snapshot, the roll computed for it, one slot per node
//! for its last boot, and the status.
//!
//! It is replaced as a whole, so that a roll's indices always belong to the snapshot next to it;
//! slots and counters pass from one to the next.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use axum::http::HeaderValue;

use super::answer::fingerprint;
use super::board::Board;
use super::counters::Counters;
use super::held::{HeldCommit, held};
use crate::model::{MacAddr, Revision};
use crate::observed::{Boot, BootFetch, Booted, Claim, MAX_ARCH, MAX_USER_AGENT, Teller, bounded};
use crate::roll::Roll;
use crate::snapshot::Snapshot;
use crate::view::{RevisionView, Status};

/// The maximum length of a stored instance id, in characters.
pub(super) const MAX_INSTANCE_ID: usize = 256;

/// The state served at one time; reading it is a load of one pointer.
pub struct Serving {
    /// The snapshot of the served commit; `None` before the first one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The roll of the claims under the snapshot.
    pub roll: Arc<Roll>,
    /// All claims, effective or not.
    pub claims: Arc<[Claim]>,
    /// In the order of [`Snapshot::nodes`].
    pub slots: Arc<[Arc<Slot>]>,
    pub status: Arc<Status>,
    /// Accepted commits, newest first.
    pub revisions: Arc<[RevisionView]>,
    pub counters: Arc<Counters>,
    /// Commits served before, newest first, each once; bounded by [`HELD`](super::HELD) and
    /// [`HELD_NODES`](super::HELD_NODES).
    pub held: Arc<[Arc<HeldCommit>]>,
    /// The boot status of nodes.
    pub board: Arc<Board>,
    /// The slots of nodes that only the previous commit had, which a request in flight may still
    /// write to.
    departed: Arc<[Arc<Slot>]>,
    /// The full id of the commit, as a header value.
    revision: Option<HeaderValue>,
}

impl Serving {
    /// Creates a state that serves nothing yet.
    #[must_use]
    pub fn starting(status: Arc<Status>) -> Self {
        Self {
            snapshot: None,
            roll: Arc::default(),
            claims: Arc::default(),
            slots: Arc::default(),
            status,
            revisions: Arc::default(),
            counters: Arc::default(),
            held: Arc::default(),
            board: Arc::default(),
            departed: Arc::default(),
            revision: None,
        }
    }

    /// Returns the successor with another commit; nodes of the same name keep their slots, and the
    /// roll is computed again.
    #[must_use]
    pub fn next(previous: &Self, snapshot: Arc<Snapshot>, status: Arc<Status>) -> Self {
        let mut known: HashMap<&str, &Arc<Slot>> = previous.slots.iter().map(|slot| (&*slot.node, slot)).collect();
        let slots: Arc<[Arc<Slot>]> = snapshot
            .nodes()
            .iter()
            .map(|node| known.remove(&*node.name).map_or_else(|| Arc::new(Slot::new(&node.name)), Arc::clone))
            .collect();

        let gone = previous.slots.iter().filter(|slot| known.contains_key(&*slot.node));
        let before = previous.departed.iter().filter(|slot| slot.dirty.load(Ordering::Acquire));
        Self {
            departed: gone.chain(before).map(Arc::clone).collect(),
            held: held(previous, &snapshot),
            revision: HeaderValue::from_str(snapshot.revision().as_str()).ok(),
            roll: Arc::new(Roll::call(&snapshot, &previous.claims)),
            claims: Arc::clone(&previous.claims),
            snapshot: Some(snapshot),
            slots,
            status,
            revisions: Arc::clone(&previous.revisions),
            counters: Arc::clone(&previous.counters),
            board: Arc::clone(&previous.board),
        }
    }

    /// Returns the same state with another status.
    #[must_use]
    pub fn with_status(&self, status: Arc<Status>) -> Self {
        Self {
            snapshot: self.snapshot.clone(),
            roll: Arc::clone(&self.roll),
            claims: Arc::clone(&self.claims),
            slots: Arc::clone(&self.slots),
            status,
            revisions: Arc::clone(&self.revisions),
            counters: Arc::clone(&self.counters),
            held: Arc::clone(&self.held),
            board: Arc::clone(&self.board),
            departed: Arc::clone(&self.departed),
            revision: self.revision.clone(),
        }
    }

    /// Returns the same state with another list of accepted commits, newest first.
    #[must_use]
    pub fn with_revisions(self, revisions: Arc<[RevisionView]>) -> Self {
        Self { revisions, ..self }
    }

    /// Returns the same state with other claims.
    #[must_use]
    pub fn with_claims(&self, claims: Arc<[Claim]>) -> Self {
        let roll = self.snapshot.as_ref().map(|snapshot| Roll::call(snapshot, &claims)).unwrap_or_default();
        Self { roll: Arc::new(roll), claims, ..self.with_status(Arc::clone(&self.status)) }
    }

    /// Replaces the served claims and computes the roll again; concurrent updates of other parts
    /// are kept.
    pub fn publish_claims(shared: &ArcSwap<Self>, claims: &Arc<[Claim]>) {
        shared.rcu(|serving| serving.with_claims(Arc::clone(claims)));
    }

    /// Finds the index of the node that boots by a MAC address: the one that declares it, otherwise
    /// the one that claims it.
    #[must_use]
    pub fn by_mac(&self, mac: MacAddr) -> Option<usize> {
        self.snapshot.as_ref()?.by_mac(mac).or_else(|| self.roll.by_mac(mac))
    }

    /// Returns the MAC address of a node for requests without one: a declared one, otherwise the
    /// first claimed.
    #[must_use]
    pub fn first_mac(&self, node: usize) -> Option<MacAddr> {
        let declared = self.snapshot.as_ref()?.first_mac(node);
        declared.or_else(|| self.roll.macs_of(node).next())
    }

    /// Restores fetches from before the start, unless there are newer ones; removed nodes are left
    /// out.
    pub fn restore(&self, fetches: &[BootFetch]) {
        let known: HashMap<&str, &Arc<Slot>> = self.slots.iter().map(|slot| (&*slot.node, slot)).collect();
        for fetch in fetches {
            if let Some(slot) = known.get(&*fetch.node) {
                slot.lock().fetch.get_or_insert_with(|| fetch.clone());
            }
        }
    }

    /// Restores the boots from before the start, unless there are newer ones.
    pub fn restore_booted(&self, booted: &BTreeMap<Box<str>, Booted>) {
        for slot in &*self.slots {
            let Some(known) = booted.get(&slot.node) else { continue };
            let mut last = slot.lock();
            if last.booted.last.is_none() {
                last.booted.last.clone_from(&known.last);
                last.booted.uncounted = last.booted.uncounted.take().or_else(|| known.uncounted.clone());
            }
        }
    }

    /// Takes the boots that changed since the last call.
    #[must_use]
    pub fn take_dirty(&self) -> Vec<Dirty> {
        self.slots.iter().chain(&*self.departed).filter_map(|slot| slot.take_dirty()).collect()
    }

    /// Returns the full id of the commit as a header.
    #[must_use]
    pub fn revision_header(&self) -> Option<&HeaderValue> {
        self.revision.as_ref()
    }
}

/// The last boot of one node: overwritten, never dropped.
pub struct Slot {
    node: Box<str>,
    last: Mutex<Last>,
    dirty: AtomicBool,
    contradicted: AtomicBool,
    other_arch: AtomicBool,
}

#[derive(Default)]
struct Last {
    fetch: Option<BootFetch>,
    booted: Booted,
    /// A fingerprint of the last client's own description, so that the texts need not be compared.
    said: u64,
    confirmed: Option<Confirmed>,
}

/// The changes of one node's boots.
#[derive(Debug, Clone)]
pub struct Dirty {
    pub node: Box<str>,
    pub fetch: Option<BootFetch>,
    pub booted: Booted,
}

/// One report of cloud-init on a node that it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The time in unix milliseconds.
    pub at: i64,
    /// The address of the sender.
    pub address: IpAddr,
    /// The instance id that cloud-init was given, cut to a bound.
    pub instance_id: Box<str>,
}

/// The facts of a request that boots a node.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The time in unix milliseconds.
    pub at: i64,
    pub address: IpAddr,
    pub user_agent: &'a str,
    pub mac: Option<MacAddr>,
    /// Whether that address identified the node.
    pub by_mac: bool,
    pub arch: Option<&'a str>,
    /// The owner of the client address.
    pub teller: Teller,
}

impl Slot {
    fn new(node: &str) -> Self {
        Self {
            node: node.into(),
            last: Mutex::default(),
            dirty: AtomicBool::new(false),
            contradicted: AtomicBool::new(false),
            other_arch: AtomicBool::new(false),
        }
    }

    /// Returns the last fetch.
    #[must_use]
    pub fn fetch(&self) -> Option<BootFetch> {
        self.lock().fetch.clone()
    }

    /// Returns the known boots of the node.
    #[must_use]
    pub fn booted(&self) -> Booted {
        self.lock().booted.clone()
    }

    /// Returns the last report of cloud-init.
    #[must_use]
    pub fn confirmed(&self) -> Option<Confirmed> {
        self.lock().confirmed.clone()
    }

    /// Replaces the last fetch.
    pub(super) fn record(&self, seen: &Seen<'_>, revision: &Revision, digest: [u8; 32]) {
        let said = fingerprint(&[seen.user_agent, seen.arch.unwrap_or_default()]);
        let mut locked = self.lock();
        let last = &mut *locked;
        let found_by = seen.mac.filter(|_| seen.by_mac);

        // Only a machine's first request names the architecture; its retries come from the same
        // machine.
        let is_same = |fetch: &&BootFetch| fetch.address == seen.address && fetch.mac == seen.mac;

        let known = last.fetch.as_ref().filter(is_same).and_then(|fetch| fetch.arch.clone());
        let arch = seen.arch.map(|arch| bounded(arch, MAX_ARCH)).or(known);
        let boot = Boot::new(seen.at, seen.address, revision.clone(), digest, found_by);
        last.booted.fetched(Boot { arch: arch.clone(), ..boot }, seen.teller);

        match &mut last.fetch {
            Some(fetch) => {
                fetch.at = seen.at;
                fetch.address = seen.address;
                fetch.digest = digest;
                fetch.mac = seen.mac;
                if fetch.revision != *revision {
                    fetch.revision = revision.clone();
                }
                if last.said != said {
                    fetch.user_agent = bounded(seen.user_agent, MAX_USER_AGENT);
                    fetch.arch = arch;
                }
            }
            none => {
                *none = Some(BootFetch {
                    node: self.node.clone(),
                    at: seen.at,
                    address: seen.address,
                    user_agent: bounded(seen.user_agent, MAX_USER_AGENT),
                    revision: revision.clone(),
                    digest,
                    mac: seen.mac,
                    arch,
                });
            }
        }

        last.said = said;
        self.dirty.store(true, Ordering::Release);
    }

    /// Records that cloud-init on the node reported that it is done.
    pub(super) fn confirm(&self, at: i64, address: IpAddr, teller: Teller, instance_id: &str) {
        let mut last = self.lock();
        last.confirmed = Some(Confirmed { at, address, instance_id: bounded(instance_id, MAX_INSTANCE_ID) });
        if last.booted.confirmed(at, address, teller) {
            self.dirty.store(true, Ordering::Release);
        }
    }

    /// Records that the machine was off or starting at a time in unix milliseconds.
    pub fn reset(&self, at: i64) {
        let mut last = self.lock();
        if last.booted.reset(at) {
            self.dirty.store(true, Ordering::Release);
        }
    }

    /// Returns whether this is the first time that a machine's keys contradict each other here.
    pub(super) fn is_first_contradiction(&self) -> bool {
        !self.contradicted.swap(true, Ordering::Relaxed)
    }

    /// Records whether the machine names another architecture than its node's; returns true if it
    /// did not the last time.
    pub(super) fn is_newly_other_arch(&self, is_other: bool) -> bool {
        !self.other_arch.swap(is_other, Ordering::Relaxed) && is_other
    }

    fn take_dirty(&self) -> Option<Dirty> {
        if !self.dirty.load(Ordering::Acquire) {
            return None;
        }
        let last = self.lock();
        // Under the lock: a fetch recorded after this sets the flag again.
        self.dirty.store(false, Ordering::Release);
        Some(Dirty { node: self.node.clone(), fetch: last.fetch.clone(), booted: last.booted.clone() })
    }

    /// Locks the state. It is consistent after every statement, so a panic elsewhere does not spoil
    /// it.
    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
