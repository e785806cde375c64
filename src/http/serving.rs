//! What http shares with the rest of the house: the Snapshot that is served, the roll that was called for it, one slot per
//! node for what its last boot was, and the status. It is replaced as a whole, so that a roll's indices are always those of
//! the Snapshot beside it; slots and counters go over from one to the next.

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

/// The longest instance id that is kept, in characters.
pub(super) const MAX_INSTANCE_ID: usize = 256;

/// What is served at one time; reading it is a load of one pointer.
pub struct Serving {
    /// What follows from the commit that is served; nothing before the first one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// What the claims come to under the Snapshot.
    pub roll: Arc<Roll>,
    /// All claims, whether they count or not.
    pub claims: Arc<[Claim]>,
    /// In the order of [`Snapshot::nodes`].
    pub slots: Arc<[Arc<Slot>]>,
    pub status: Arc<Status>,
    /// Accepted commits, newest first.
    pub revisions: Arc<[RevisionView]>,
    pub counters: Arc<Counters>,
    /// What was served before, newest first, each commit once; bounded by [`HELD`](super::HELD) and
    /// [`HELD_NODES`](super::HELD_NODES).
    pub held: Arc<[Arc<HeldCommit>]>,
    /// Which node runs what.
    pub board: Arc<Board>,
    /// The slots of nodes that the commit before had, which a request in flight may still write to.
    departed: Arc<[Arc<Slot>]>,
    /// The full id of the commit, ready to send.
    revision: Option<HeaderValue>,
}

impl Serving {
    /// Serves nothing yet.
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

    /// Follows the previous one with another commit; nodes of the same name keep their slots, and the roll is called anew.
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

    /// Serves the same with another status.
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

    /// Serves the same with another list of accepted commits, newest first.
    #[must_use]
    pub fn with_revisions(self, revisions: Arc<[RevisionView]>) -> Self {
        Self { revisions, ..self }
    }

    /// Serves the same with other claims.
    #[must_use]
    pub fn with_claims(&self, claims: Arc<[Claim]>) -> Self {
        let roll = self.snapshot.as_ref().map(|snapshot| Roll::call(snapshot, &claims)).unwrap_or_default();
        Self { roll: Arc::new(roll), claims, ..self.with_status(Arc::clone(&self.status)) }
    }

    /// Replaces the claims of what is served, and calls the roll anew; whatever else is published meanwhile stays.
    pub fn publish_claims(shared: &ArcSwap<Self>, claims: &Arc<[Claim]>) {
        shared.rcu(|serving| serving.with_claims(Arc::clone(claims)));
    }

    /// Finds the index of the node that boots by a MAC address: the one that declares it, else the one that claims it.
    #[must_use]
    pub fn by_mac(&self, mac: MacAddr) -> Option<usize> {
        self.snapshot.as_ref()?.by_mac(mac).or_else(|| self.roll.by_mac(mac))
    }

    /// Returns the MAC address that stands for a node where a request named none: a declared one, else the first claimed.
    #[must_use]
    pub fn first_mac(&self, node: usize) -> Option<MacAddr> {
        let declared = self.snapshot.as_ref()?.first_mac(node);
        declared.or_else(|| self.roll.macs_of(node).next())
    }

    /// Puts back what was seen before the server started, where nothing newer was seen; nodes that are gone are left out.
    pub fn restore(&self, fetches: &[BootFetch]) {
        let known: HashMap<&str, &Arc<Slot>> = self.slots.iter().map(|slot| (&*slot.node, slot)).collect();
        for fetch in fetches {
            if let Some(slot) = known.get(&*fetch.node) {
                slot.lock().fetch.get_or_insert_with(|| fetch.clone());
            }
        }
    }

    /// Puts back what nodes booted before the server started, where nothing newer was seen.
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

    /// Takes what changed of boots since the last call.
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

/// What the last boot of one node was: overwritten, never dropped.
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
    /// A fingerprint of what the client of the last fetch said of itself, so that the texts are not read to be compared.
    said: u64,
    confirmed: Option<Confirmed>,
}

/// What changed of one node's boots.
#[derive(Debug, Clone)]
pub struct Dirty {
    pub node: Box<str>,
    pub fetch: Option<BootFetch>,
    pub booted: Booted,
}

/// One word from cloud-init on a node that it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// When, in unix milliseconds.
    pub at: i64,
    /// The address that told.
    pub address: IpAddr,
    /// What cloud-init was told it is, cut to a bound.
    pub instance_id: Box<str>,
}

/// What a request that boots a node says of it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// When, in unix milliseconds.
    pub at: i64,
    pub address: IpAddr,
    pub user_agent: &'a str,
    pub mac: Option<MacAddr>,
    /// Whether that address is what the node was found by.
    pub by_mac: bool,
    pub arch: Option<&'a str>,
    /// Whose the address is that asks.
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

    /// Returns what is known of the node's boots.
    #[must_use]
    pub fn booted(&self) -> Booted {
        self.lock().booted.clone()
    }

    /// Returns the last word from cloud-init.
    #[must_use]
    pub fn confirmed(&self) -> Option<Confirmed> {
        self.lock().confirmed.clone()
    }

    /// Remembers a fetch in place of the last one.
    pub(super) fn record(&self, seen: &Seen<'_>, revision: &Revision, digest: [u8; 32]) {
        let said = fingerprint(&[seen.user_agent, seen.arch.unwrap_or_default()]);
        let mut locked = self.lock();
        let last = &mut *locked;
        let found_by = seen.mac.filter(|_| seen.by_mac);
        // The architecture is named by the first question of a machine only, and its attempts after that are the same machine's.
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

    /// Remembers that cloud-init on the node said it was done.
    pub(super) fn confirm(&self, at: i64, address: IpAddr, teller: Teller, instance_id: &str) {
        let mut last = self.lock();
        last.confirmed = Some(Confirmed { at, address, instance_id: bounded(instance_id, MAX_INSTANCE_ID) });
        if last.booted.confirmed(at, address, teller) {
            self.dirty.store(true, Ordering::Release);
        }
    }

    /// Remembers that the machine was seen off or starting, at a time in unix milliseconds.
    pub fn reset(&self, at: i64) {
        let mut last = self.lock();
        if last.booted.reset(at) {
            self.dirty.store(true, Ordering::Release);
        }
    }

    /// Tells whether this is the first time that a machine's keys contradict each other here.
    pub(super) fn is_first_contradiction(&self) -> bool {
        !self.contradicted.swap(true, Ordering::Relaxed)
    }

    /// Takes in whether the machine names another architecture than its node's; true if it did not the last time.
    pub(super) fn is_newly_other_arch(&self, is_other: bool) -> bool {
        !self.other_arch.swap(is_other, Ordering::Relaxed) && is_other
    }

    fn take_dirty(&self) -> Option<Dirty> {
        if !self.dirty.load(Ordering::Acquire) {
            return None;
        }
        let last = self.lock();
        // Under the lock: a fetch that is recorded after this sets the flag again.
        self.dirty.store(false, Ordering::Release);
        Some(Dirty { node: self.node.clone(), fetch: last.fetch.clone(), booted: last.booted.clone() })
    }

    /// What the lock guards is whole after every statement, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
