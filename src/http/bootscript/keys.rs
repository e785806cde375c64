//! Which node a request means, by all the keys that it names a machine by.
//!
//! `mac=`, `name=` and `nid=` come first, as in BSS: the first of them that is given decides, and a node that it finds is
//! the answer. `uuid=` and `serial=` are asked only where a MAC address, or nothing, was given and found no node, and
//! match what git declares, never claims. A boot never guesses:
//!
//! - A MAC address outranks what firmware says of itself. DHCP gave the machine its address by it, and a column of serial
//!   numbers that slipped by a row must not boot a thousand machines as their neighbours. The contradiction is told.
//! - A UUID and a serial number that find two nodes find neither ([`Found::Contradiction`]).
//! - A serial number alone is weak: all machines of a chassis may report the chassis's. So it counts only where nothing
//!   that the machine says speaks against it: not for a node whose MAC addresses are known, if the machine said one and it
//!   is another, nor for a node that declares another UUID than the machine's.
//! - An address that is held, since several nodes claim it, is held whatever else is said.
//!
//! `macs=` lists the addresses of all the machine's interfaces, which [`/boot.ipxe`](crate::http::loader) sends. A machine that
//! came up by another port than the declared one is found by its list ([`Keys::settled`]), so that an address counts as
//! unknown only once all of them are.

use std::fmt::Write as _;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::http::query::{Query, encode_into};
use crate::http::serving::Serving;
use crate::model::{MacAddr, Xname, is_placeholder_uuid, uuid_key};
use crate::snapshot::{Answer, Snapshot};

/// The most addresses of a list that are read; a machine that has more is found by these.
const MAX_LISTED: usize = 16;

/// How a machine names itself in BSS's words.
#[derive(Debug, Clone, Copy)]
pub enum Identity<'q> {
    Mac(&'q str),
    Name(&'q str),
    Nid(u32),
}

/// All that a machine names itself by; at least one thing.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'q> {
    pub identity: Option<Identity<'q>>,
    /// The address of [`Identity::Mac`], where it is one.
    pub mac: Option<MacAddr>,
    /// The addresses of all interfaces, as the machine listed them; empty if it listed none.
    pub macs: &'q str,
    /// A node that another address of the list finds than [`Self::mac`].
    pub other: Option<usize>,
    pub uuid: Option<&'q str>,
    pub serial: Option<&'q str>,
}

/// What the keys of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A node, by its MAC address, name or nid; `other` is one that another key of the machine would have found.
    Named {
        node: usize,
        other: Option<usize>,
    },
    /// A node, by its UUID or serial number.
    Machine(usize),
    /// Several nodes claim the MAC address.
    Held,
    /// The UUID is one node's and the serial number another's.
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
    /// Gathers what a query names a machine by; nothing where it names none.
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

    /// Puts the address of the list that decides in the place of the one that the machine booted by.
    ///
    /// That is the first that finds a node with something to boot, else the first that finds any node, else one that is held:
    /// none of them makes an unknown machine. The address that it booted by comes before the list, and what is not an address of
    /// Ethernet (InfiniBand's has 20 bytes) after all that are.
    #[must_use]
    pub fn settled(mut self, serving: &Serving, snapshot: &Snapshot) -> Self {
        let own = match self.identity {
            Some(Identity::Mac(text)) => Some((text, self.mac)),
            // A machine is called by its name or nid only on purpose.
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

    /// Finds the node that the keys mean.
    pub fn find(&self, serving: &Serving, snapshot: &Snapshot) -> Found {
        let named = self.identity.and_then(|identity| identity.find(self.mac, serving, snapshot));
        let uuid = self.uuid.and_then(|text| Uuid::try_parse(text.trim()).ok());
        let by_uuid = uuid.and_then(|uuid| snapshot.by_uuid(uuid));
        // Bytes that are no text are a serial number that cannot be compared.
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
            // A name is no hardware that may have been replaced: nobody else is meant by it.
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

    /// Tells whether nothing else that the machine says speaks against a node with its serial number.
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
        // Only what was read as addresses: a stranger's text makes no script longer than these.
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

    /// Says who is meant, for a person.
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

/// Reads the first addresses of a list; what is not an address is left out, as that of an interface that is not there.
fn listed(macs: &str) -> impl Iterator<Item = (&str, MacAddr)> {
    macs.split(',').take(MAX_LISTED).filter_map(|text| Some((text, MacAddr::parse(text).ok()?)))
}
