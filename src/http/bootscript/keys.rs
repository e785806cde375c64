//! Identifies the node of a request, by all the keys that name the machine.
//!
//! `mac=`, `name=` and `nid=` come first, as in BSS: the first of them that is given decides, and
//! the node that it finds is the answer. `uuid=` and `serial=` are used only if a MAC address, or
//! nothing, was given and found no node, and match the declared values, never claims. A boot never
//! guesses:
//!
//! - A MAC address takes precedence over the firmware's own data. DHCP gave the machine its address
//!   by it, and a column of serial numbers that slipped by a row must not boot a thousand machines
//!   as their neighbors. The contradiction is reported.
//! - A UUID and a serial number that find two nodes find neither ([`Found::Contradiction`]).
//! - A serial number alone is weak: all machines of a chassis may report the chassis's. So it counts
//!   only if no other key speaks against it: not for a node with known MAC addresses if the machine
//!   gave another one, nor for a node that declares another UUID than the machine's.
//! - An address that is contested, since several nodes claim it, is contested whatever the other
//!   keys.
//!
//! `macs=` lists the addresses of all the machine's interfaces, which
//! [`/boot.ipxe`](crate::http::loader) sends. A machine that came up by another port than the
//! declared one is found by its list ([`Keys::settled`]), so that an address counts as unknown only
//! if all of them do.

use std::fmt::Write as _;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::http::query::{Query, encode_into};
use crate::http::serving::Serving;
use crate::model::{MacAddr, Xname, is_placeholder_uuid, uuid_key};
use crate::snapshot::{Answer, Snapshot};

/// The number of addresses of a list that are read; a machine with more is found by these.
const MAX_LISTED: usize = 16;

/// The name of a machine in BSS's terms.
#[derive(Debug, Clone, Copy)]
pub enum Identity<'q> {
    Mac(&'q str),
    Name(&'q str),
    Nid(u32),
}

/// All keys that name a machine; at least one.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'q> {
    pub identity: Option<Identity<'q>>,
    /// The address of [`Identity::Mac`], if it is valid.
    pub mac: Option<MacAddr>,
    /// The addresses of all interfaces, as the machine listed them; empty without a list.
    pub macs: &'q str,
    /// The node of another address of the list than [`Self::mac`], if that is another node.
    pub other: Option<usize>,
    pub uuid: Option<&'q str>,
    pub serial: Option<&'q str>,
}

/// The result of the keys of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A node, by its MAC address, name or nid; `other` is the node of another key of the machine.
    Named {
        node: usize,
        other: Option<usize>,
    },
    /// A node, by its UUID or serial number.
    Machine(usize),
    /// Several nodes claim the MAC address.
    Held,
    /// The UUID belongs to one node and the serial number to another.
    Contradiction {
        uuid: usize,
        serial: usize,
    },
    Nobody,
}

impl<'q> Identity<'q> {
    fn of(query: &'q Query<'_>) -> Option<Self> {
        let mac = query.mac.as_deref().map(Self::Mac);
        mac.or_else(|| query.name.as_deref().map(Self::Name)).or_else(|| query.nid.map(Self::Nid))
    }

    fn find(self, mac: Option<MacAddr>, serving: &Serving, snapshot: &Snapshot) -> Option<usize> {
        match self {
            Self::Mac(_) => mac.and_then(|mac| serving.by_mac(mac)),
            Self::Name(name) => {
                let normalised = || Xname::parse(name).ok().and_then(|xname| snapshot.by_name(xname.as_str()));
                snapshot.by_name(name).or_else(normalised)
            }
            Self::Nid(nid) => snapshot.by_nid(nid),
        }
    }

    /// Appends the identity as the machine gave it.
    pub fn write(self, out: &mut String) {
        match self {
            Self::Mac(mac) => {
                out.push_str("mac=");
                encode_into(out, mac);
            }
            Self::Name(name) => {
                out.push_str("name=");
                encode_into(out, name);
            }
            Self::Nid(nid) => {
                let _ = write!(out, "nid={nid}");
            }
        }
    }
}

impl<'q> Keys<'q> {
    /// Collects the keys of a query, or returns `None` if it has none.
    pub fn of(query: &'q Query<'_>) -> Option<Self> {
        let identity = Identity::of(query);
        let mac = match identity {
            Some(Identity::Mac(text)) => MacAddr::parse(text).ok(),
            Some(Identity::Name(_) | Identity::Nid(_)) | None => None,
        };
        let (uuid, serial) = (query.uuid.as_deref(), query.serial.as_deref());
        let macs = query.macs.as_deref().unwrap_or_default();
        let names_one = identity.is_some() || uuid.is_some() || serial.is_some() || listed(macs).next().is_some();
        names_one.then_some(Self { identity, mac, macs, other: None, uuid, serial })
    }

    /// Replaces the address that the machine booted by with the deciding address of its list.
    ///
    /// That is the first that finds a node with a script, otherwise the first that finds any node,
    /// otherwise a contested one: none of these makes an unknown machine. The address that it
    /// booted by comes before the list, and addresses other than Ethernet's (InfiniBand's has 20
    /// bytes) after all others.
    #[must_use]
    pub fn settled(mut self, serving: &Serving, snapshot: &Snapshot) -> Self {
        let own = match self.identity {
            Some(Identity::Mac(text)) => Some((text, self.mac)),
            // A name or nid is given only on purpose.
            Some(Identity::Name(_) | Identity::Nid(_)) => return self,
            None => None,
        };
        if self.macs.is_empty() {
            return self;
        }
        let listed = listed(self.macs).map(|(text, mac)| (text, Some(mac)));
        let all: SmallVec<[_; MAX_LISTED + 1]> = own.into_iter().chain(listed).collect();
        let found: SmallVec<[_; MAX_LISTED + 1]> =
            all.iter().filter_map(|(text, mac)| Some((*text, *mac, serving.by_mac((*mac)?)?))).collect();

        let boots = |node: usize| matches!(snapshot.answer(node), Answer::Script(_));
        let chosen = found.iter().find(|(_, _, node)| boots(*node)).or(found.first());
        if let Some((text, mac, node)) = chosen {
            (self.identity, self.mac) = (Some(Identity::Mac(text)), *mac);
            self.other = found.iter().map(|(_, _, other)| *other).find(|other| other != node);
            return self;
        }

        let is_held = |mac: &Option<MacAddr>| mac.is_some_and(|mac| serving.roll.is_held(mac));
        let held = all.iter().find(|(_, mac)| is_held(mac));
        if let Some((text, mac)) = held.or(all.iter().find(|(_, mac)| mac.is_some())).or(all.first()) {
            (self.identity, self.mac) = (Some(Identity::Mac(text)), *mac);
        }
        self
    }

    /// Finds the node of the keys.
    pub fn find(&self, serving: &Serving, snapshot: &Snapshot) -> Found {
        let named = self.identity.and_then(|identity| identity.find(self.mac, serving, snapshot));
        let uuid = self.uuid.and_then(|text| Uuid::try_parse(text.trim()).ok());
        let by_uuid = uuid.and_then(|uuid| snapshot.by_uuid(uuid));

        // Bytes that are not text are a serial number that cannot be compared.
        let serial = self.serial.filter(|serial| !serial.contains(char::REPLACEMENT_CHARACTER));
        let by_serial = serial.and_then(|serial| snapshot.by_serial(serial));
        let by_serial = by_serial.filter(|node| self.fits(*node, uuid, serving, snapshot));

        if let Some(node) = named {
            let others = self.other.into_iter().chain(by_uuid).chain(by_serial);
            let other = others.into_iter().find(|other| *other != node);
            return Found::Named { node, other };
        }

        match (self.identity, by_uuid, by_serial) {
            _ if self.mac.is_some_and(|mac| serving.roll.is_held(mac)) => Found::Held,
            // A name is not hardware that may have been replaced: it cannot mean another node.
            (Some(Identity::Name(_) | Identity::Nid(_)), _, _) => Found::Nobody,
            (Some(Identity::Mac(_)) | None, Some(uuid), Some(serial)) if uuid != serial => {
                Found::Contradiction { uuid, serial }
            }
            (Some(Identity::Mac(_)) | None, Some(node), _) | (Some(Identity::Mac(_)) | None, None, Some(node)) => {
                Found::Machine(node)
            }
            (Some(Identity::Mac(_)) | None, None, None) => Found::Nobody,
        }
    }

    /// Returns whether no other key of the machine speaks against a node with its serial number.
    fn fits(&self, node: usize, uuid: Option<Uuid>, serving: &Serving, snapshot: &Snapshot) -> bool {
        let own = &snapshot.nodes()[node];
        let knows_macs = || own.nics.iter().any(|nic| nic.mac.is_some()) || serving.roll.claim_of(node).is_some();
        let has_other_mac = match self.identity {
            Some(Identity::Mac(_)) => self.mac.and_then(|mac| serving.by_mac(mac)) != Some(node) && knows_macs(),
            Some(Identity::Name(_) | Identity::Nid(_)) | None => false,
        };
        let said = uuid.filter(|uuid| !is_placeholder_uuid(*uuid));
        let declared = own.uuid.map(|uuid| uuid.value).filter(|uuid| !is_placeholder_uuid(*uuid));
        let has_other_uuid = said.zip(declared).is_some_and(|(said, declared)| uuid_key(said) != uuid_key(declared));
        !has_other_mac && !has_other_uuid
    }

    /// Appends all keys as the machine gave them.
    pub fn write(&self, out: &mut String) {
        if let Some(identity) = self.identity {
            identity.write(out);
        }

        // Only parsed addresses: a stranger's text cannot make a script longer than these.
        for (number, (_, mac)) in listed(self.macs).enumerate() {
            let before = match (number, out.is_empty()) {
                (0, true) => "macs=",
                (0, false) => "&macs=",
                _ => ",",
            };
            let _ = write!(out, "{before}{mac}");
        }

        for (key, value) in [("uuid", self.uuid), ("serial", self.serial)] {
            let Some(value) = value else { continue };
            let _ = write!(out, "{}{key}=", if out.is_empty() { "" } else { "&" });
            encode_into(out, value);
        }
    }

    /// Describes the keys for a person.
    pub fn who(&self) -> String {
        match (self.identity, self.uuid, self.serial) {
            (Some(Identity::Mac(mac)), _, _) => format!("MAC {mac}"),
            (Some(Identity::Name(name)), _, _) => name.to_owned(),
            (Some(Identity::Nid(nid)), _, _) => format!("NID {nid}"),
            (None, Some(uuid), _) => format!("UUID {uuid}"),
            (None, None, serial) => format!("serial number {}", serial.unwrap_or_default()),
        }
    }
}

/// Parses the first addresses of a list, without invalid ones, such as those of missing interfaces.
fn listed(macs: &str) -> impl Iterator<Item = (&str, MacAddr)> {
    macs.split(',').take(MAX_LISTED).filter_map(|text| Some((text, MacAddr::parse(text).ok()?)))
}
