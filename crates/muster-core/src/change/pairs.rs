//! Which node of one side is which of the other: by name, and renamed ones by who they are.

use std::collections::{BTreeMap, BTreeSet};

use super::Fate;
use crate::model::MacAddr;
use crate::snapshot::Snapshot;

/// A node on the sides that have it.
#[derive(Debug)]
pub struct Pair {
    pub base: Option<usize>,
    pub head: Option<usize>,
    pub fate: Fate,
}

/// Something that only one machine has.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// Of the boot interface.
    Mac(MacAddr),
    Serial(Box<str>),
    Uuid(uuid::Uuid),
}

/// Pairs the nodes of two Snapshots; those of equal names come as [`Fate::Changed`], whether or not anything is.
pub fn pairs(base: &Snapshot, head: &Snapshot) -> Vec<Pair> {
    let names = |snapshot: &Snapshot| -> BTreeMap<Box<str>, usize> {
        snapshot.nodes().iter().zip(0..).map(|(node, at)| (node.name.clone(), at)).collect()
    };
    let (mut old, new) = (names(base), names(head));
    let mut all = Vec::with_capacity(new.len());
    let mut added: Vec<usize> = Vec::new();
    for (name, at) in &new {
        match old.remove(name) {
            Some(from) => all.push(Pair { base: Some(from), head: Some(*at), fate: Fate::Changed }),
            None => added.push(*at),
        }
    }
    let removed: Vec<usize> = old.into_values().collect();
    let renamed = renamed(base, &removed, head, &added);
    let gone: BTreeSet<usize> = renamed.values().copied().collect();
    for at in added {
        all.push(match renamed.get(&at) {
            Some(from) => {
                let fate = Fate::Renamed { from: base.nodes()[*from].name.clone() };
                Pair { base: Some(*from), head: Some(at), fate }
            }
            None => Pair { base: None, head: Some(at), fate: Fate::Added },
        });
    }
    let removed = removed.into_iter().filter(|at| !gone.contains(at));
    all.extend(removed.map(|at| Pair { base: Some(at), head: None, fate: Fate::Removed }));
    all
}

/// Finds for each added node the one removed node that is the same machine, where exactly one is, and for no other.
fn renamed(base: &Snapshot, removed: &[usize], head: &Snapshot, added: &[usize]) -> BTreeMap<usize, usize> {
    let mut by_key: BTreeMap<Key, usize> = BTreeMap::new();
    for at in removed {
        by_key.extend(keys(base, *at).into_iter().map(|key| (key, *at)));
    }
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    let mut claims: BTreeMap<usize, usize> = BTreeMap::new();
    for at in added {
        let candidates: BTreeSet<usize> = keys(head, *at).iter().filter_map(|key| by_key.get(key).copied()).collect();
        candidates.iter().for_each(|from| *claims.entry(*from).or_default() += 1);
        if let (Some(from), 1) = (candidates.first(), candidates.len()) {
            found.insert(*at, *from);
        }
    }
    found.retain(|_, from| claims[from] == 1);
    found
}

fn keys(snapshot: &Snapshot, node: usize) -> Vec<Key> {
    let own = &snapshot.nodes()[node];
    let mac = snapshot.desired().boot_nic(own).and_then(|(_, nic)| nic.mac);
    let mut all: Vec<Key> = Vec::with_capacity(3);
    all.extend(mac.map(|mac| Key::Mac(mac.value)));
    all.extend(own.serial.as_ref().map(|serial| Key::Serial(serial.value.clone())));
    all.extend(own.uuid.map(|uuid| Key::Uuid(uuid.value)));
    all
}
