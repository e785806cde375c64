//! The ways to find a node.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use uuid::Uuid;

use crate::desired::Node;
use crate::model::{MacAddr, is_placeholder, is_placeholder_uuid, serial_key, uuid_key};

/// Indices of nodes by what machines and people call them.
pub struct Index {
    macs: HashMap<MacAddr, u32>,
    nids: HashMap<u32, u32>,
    ips: HashMap<IpAddr, Option<u32>>,
    xnames: HashMap<Box<str>, u32>,
    /// Indices of all nodes, sorted by name.
    names: Vec<u32>,
    /// Indices by the hash of a name: of the few that share one, one is here. Every boot is looked up by name when it is
    /// recorded, and each step of a search is a cache miss.
    hashes: HashMap<u64, u32>,
    hasher: RandomState,
    /// Indices of the nodes whose UUID no other has in either byte order, sorted by it; 4 bytes each.
    uuids: Box<[u32]>,
    /// Indices of the nodes whose serial number no other has, sorted by it.
    serials: Box<[u32]>,
}

impl Index {
    /// Indexes nodes whose identities are unique.
    pub fn new(nodes: &[Node]) -> Self {
        let mut macs = HashMap::with_capacity(nodes.len());
        let mut nids = HashMap::with_capacity(nodes.len());
        let mut ips = HashMap::with_capacity(nodes.len());
        let mut xnames = HashMap::with_capacity(nodes.len());
        let mut names: Vec<u32> = (0..nodes.len() as u32).collect();
        names.sort_unstable_by(|a, b| nodes[*a as usize].name.cmp(&nodes[*b as usize].name));
        let (mut hashes, hasher) = (HashMap::with_capacity(nodes.len()), RandomState::new());
        for (node, at) in nodes.iter().zip(0..) {
            hashes.insert(hasher.hash_one(&*node.name), at);
            nids.extend(node.nid.map(|nid| (nid.value, at)));
            xnames.extend(node.xname.as_ref().map(|xname| (xname.value.as_str().into(), at)));
            for nic in &node.nics {
                macs.extend(nic.mac.map(|mac| (mac.value, at)));
                for ip in &nic.ips {
                    let one = |known: &mut Option<u32>| *known = known.filter(|known| *known == at);
                    ips.entry(ip.value).and_modify(one).or_insert(Some(at));
                }
            }
        }
        let has_uuid = |node: &Node| uuid_of(node).is_some_and(|uuid| !is_placeholder_uuid(uuid));
        let has_serial = |node: &Node| serial_of(node).is_some_and(|serial| !is_placeholder(serial));
        let uuids = sole(nodes, has_uuid, |a, b| uuid_of(a).cmp(&uuid_of(b)));
        let serials = sole(nodes, has_serial, |a, b| by_serial(serial_of(a), serial_of(b)));
        Self { macs, nids, ips, xnames, names, hashes, hasher, uuids, serials }
    }

    pub fn by_mac(&self, mac: MacAddr) -> Option<usize> {
        self.macs.get(&mac).map(|at| *at as usize)
    }

    pub fn by_nid(&self, nid: u32) -> Option<usize> {
        self.nids.get(&nid).map(|at| *at as usize)
    }

    pub fn by_ip(&self, ip: IpAddr) -> Option<usize> {
        self.ips.get(&ip).copied().flatten().map(|at| at as usize)
    }

    pub fn by_name(&self, nodes: &[Node], name: &str) -> Option<usize> {
        let hashed = self.hashes.get(&self.hasher.hash_one(name)).map(|at| *at as usize);
        let sorted = || {
            let found = self.names.binary_search_by(|at| (*nodes[*at as usize].name).cmp(name));
            found.ok().map(|at| self.names[at] as usize)
        };
        let own = hashed.filter(|at| *nodes[*at].name == *name).or_else(|| hashed.and_then(|_| sorted()));
        own.or_else(|| self.xnames.get(name).map(|at| *at as usize))
    }

    /// Iterates over the nodes in the order of their names' bytes, from the first after a name.
    pub fn after<'i>(&'i self, nodes: &[Node], name: Option<&str>) -> impl Iterator<Item = usize> + use<'i> {
        let is_before = |at: &u32| name.is_some_and(|name| *nodes[*at as usize].name <= *name);
        let from = self.names.partition_point(is_before);
        self.names[from..].iter().map(|at| *at as usize)
    }

    pub fn by_uuid(&self, nodes: &[Node], uuid: Uuid) -> Option<usize> {
        let key = Some(uuid_key(uuid));
        let found = self.uuids.binary_search_by(|at| uuid_of(&nodes[*at as usize]).cmp(&key));
        found.ok().map(|at| self.uuids[at] as usize)
    }

    pub fn by_serial(&self, nodes: &[Node], serial: &str) -> Option<usize> {
        let found = self.serials.binary_search_by(|at| by_serial(serial_of(&nodes[*at as usize]), Some(serial)));
        found.ok().map(|at| self.serials[at] as usize)
    }
}

/// Returns what a node's UUID is compared by.
fn uuid_of(node: &Node) -> Option<Uuid> {
    node.uuid.map(|uuid| uuid_key(uuid.value))
}

fn serial_of(node: &Node) -> Option<&str> {
    node.serial.as_ref().map(|serial| &*serial.value)
}

fn by_serial(one: Option<&str>, other: Option<&str>) -> Ordering {
    one.into_iter().flat_map(serial_key).cmp(other.into_iter().flat_map(serial_key))
}

/// Returns the indices of the nodes that have a key, sorted by it, without those that share theirs.
fn sole(nodes: &[Node], has_key: impl Fn(&Node) -> bool, order: impl Fn(&Node, &Node) -> Ordering) -> Box<[u32]> {
    let order = |a: &u32, b: &u32| order(&nodes[*a as usize], &nodes[*b as usize]);
    let mut all: Vec<u32> = (0..nodes.len() as u32).filter(|at| has_key(&nodes[*at as usize])).collect();
    all.sort_unstable_by(order);
    let runs = all.chunk_by(|a, b| order(a, b).is_eq());
    runs.filter(|run| run.len() == 1).flatten().copied().collect()
}
