//! By what a machine is found, and what each side finds by it.
//!
//! To a server a machine is what it asks by. So a node of which no byte changes may still be lost to its machine: its UUID
//! is another node's too, its address lies in a second network, its MAC address has slipped by a row.

use std::net::IpAddr;

use uuid::Uuid;

use super::values::{self, Value, ValueChange};
use crate::desired::Node;
use crate::model::{MacAddr, Origin, serial_key, uuid_key};
use crate::snapshot::Snapshot;

/// What a request may name a machine by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'n> {
    Mac(MacAddr),
    Uuid(Uuid),
    Serial(&'n str),
    Name(&'n str),
    Xname(&'n str),
    Nid(u32),
    /// Of a machine that asks for cloud-init documents and does not name itself.
    Address(IpAddr),
}

impl Key<'_> {
    /// Returns its name in values.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Mac(_) => "mac",
            Self::Uuid(_) => "uuid",
            Self::Serial(_) => "serial",
            Self::Name(_) => "name",
            Self::Xname(_) => "xname",
            Self::Nid(_) => "nid",
            Self::Address(_) => "address",
        }
    }

    /// Tells whether a machine can boot by it.
    pub const fn boots(self) -> bool {
        !matches!(self, Self::Address(_))
    }

    /// Writes it as people do.
    pub fn text(self) -> String {
        match self {
            Self::Mac(mac) => mac.to_string(),
            Self::Uuid(uuid) => uuid.to_string(),
            Self::Serial(text) | Self::Name(text) | Self::Xname(text) => text.to_owned(),
            Self::Nid(nid) => nid.to_string(),
            Self::Address(address) => address.to_string(),
        }
    }

    /// Tells whether two keys are looked up as one.
    fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Uuid(one), Self::Uuid(other)) => uuid_key(one) == uuid_key(other),
            (Self::Serial(one), Self::Serial(other)) => serial_key(one).eq(serial_key(other)),
            (one, other) => one == other,
        }
    }

    /// Finds the node that a side serves who asks by this key alone.
    pub fn find(self, snapshot: &Snapshot) -> Option<usize> {
        match self {
            Self::Mac(mac) => snapshot.by_mac(mac),
            Self::Uuid(uuid) => snapshot.by_uuid(uuid),
            Self::Serial(serial) => snapshot.by_serial(serial),
            Self::Name(name) | Self::Xname(name) => snapshot.by_name(name),
            Self::Nid(nid) => snapshot.by_nid(nid),
            Self::Address(address) => snapshot.by_ip(address),
        }
    }
}

/// A key by which one side finds a machine's node and the other does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// `mac`, `uuid`, `serial`, `name`, `xname`, `nid` or `address`.
    pub what: &'static str,
    pub text: Box<str>,
    /// Whether a machine can ask for its script by it, and not for documents alone.
    pub boots: bool,
    /// The node that each side finds by it.
    pub base: Option<usize>,
    pub head: Option<usize>,
}

/// A machine's node on the sides that have it.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    pub base: Option<usize>,
    pub head: Option<usize>,
}

/// Lists what a node declares that a request may name it by, and where.
pub fn keys_of(node: &Node) -> impl Iterator<Item = (Key<'_>, Origin)> {
    let macs = node.nics.iter().filter_map(|nic| nic.mac).map(|mac| (Key::Mac(mac.value), mac.origin));
    let uuid = node.uuid.map(|uuid| (Key::Uuid(uuid.value), uuid.origin));
    let serial = node.serial.as_ref().map(|serial| (Key::Serial(&serial.value), serial.origin));
    let xname = node.xname.as_ref().map(|xname| (Key::Xname(xname.value.as_str()), xname.origin));
    let nid = node.nid.map(|nid| (Key::Nid(nid.value), nid.origin));
    let addresses = node.nics.iter().flat_map(|nic| &nic.ips).map(|ip| (Key::Address(ip.value), ip.origin));
    let name = std::iter::once((Key::Name(&node.name), node.origin));
    macs.chain(uuid).chain(serial).chain(name).chain(xname).chain(nid).chain(addresses)
}

/// Returns where a node declares a key; nothing if it does not.
fn declared(node: &Node, key: Key<'_>) -> Option<Origin> {
    keys_of(node).find(|(own, _)| own.is_same(key)).map(|(_, origin)| origin)
}

/// What of a machine's keys differs.
#[derive(Debug, Default)]
pub struct KeyDifferences {
    /// Those of the base first.
    pub keys: Vec<KeyChange>,
    /// Those of them that the machine's own values do not explain: both sides declare them.
    pub values: Vec<ValueChange>,
}

/// Compares by which keys both sides find a machine.
pub fn differences(base: &Snapshot, head: &Snapshot, at: Places) -> KeyDifferences {
    let (old, new) = (at.base.map(|at| &base.nodes()[at]), at.head.map(|at| &head.nodes()[at]));
    let mut known: Vec<Key<'_>> = Vec::with_capacity(8);
    let mut all = KeyDifferences::default();

    for (key, _) in [old, new].into_iter().flatten().flat_map(keys_of) {
        if known.iter().any(|known| known.is_same(key)) {
            continue;
        }
        known.push(key);

        let found = Places { base: key.find(base), head: key.find(head) };
        let was_found = at.base.is_some() && found.base == at.base;
        let is_found = at.head.is_some() && found.head == at.head;
        if was_found == is_found {
            continue;
        }

        let text = key.text().into();
        all.keys.push(KeyChange { what: key.what(), text, boots: key.boots(), base: found.base, head: found.head });
        if let (Some(old), Some(new)) = (old, new)
            && let (Some(was_at), Some(is_at)) = (declared(old, key), declared(new, key))
        {
            let (own_base, own_head) = (Side { snapshot: base, own: at.base }, Side { snapshot: head, own: at.head });
            all.values.push(ValueChange {
                key: format!("found by {}", key.what()).into(),
                old: Some(own_base.value(key, was_at, was_found)),
                new: Some(own_head.value(key, is_at, is_found)),
            });
        }
    }
    all
}

/// One side of a machine whose keys are compared.
struct Side<'s> {
    snapshot: &'s Snapshot,
    own: Option<usize>,
}

impl Side<'_> {
    /// Writes a key that finds the machine; of one that does not, why.
    fn value(&self, key: Key<'_>, origin: Origin, is_found: bool) -> Value {
        if is_found {
            return Value { text: key.text().into(), spot: Some(values::spot(self.snapshot, origin)) };
        }
        let nodes = self.snapshot.nodes().iter().zip(0..).filter(|(_, at)| Some(*at) != self.own);
        let sharer = nodes.into_iter().find_map(|(node, _)| Some((&node.name, declared(node, key)?)));
        match sharer {
            Some((name, origin)) => Value {
                text: format!("{} is shared with {name} and finds neither", key.text()).into(),
                spot: Some(values::spot(self.snapshot, origin)),
            },
            None => Value {
                text: format!("{} finds no node", key.text()).into(),
                spot: Some(values::spot(self.snapshot, origin)),
            },
        }
    }
}
