//! Whether the machine behind a BMC is the one that is declared there: serial number, UUID, hardware addresses.

use std::collections::HashMap;

use uuid::Uuid;

use super::canonical;
use super::look::View;
use crate::desired::{Desired, Node};
use crate::model::{MacAddr, NodeSet, Origin, Quirk};
use crate::observed::{BmcRecord, Claim, Failure, Observed, Reading, System};

/// What one declared fact of identity comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub attribute: Box<str>,
    pub wished: Box<str>,
    pub origin: Origin,
    pub answer: Answer,
}

/// How a declared fact compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Same,
    /// What is there in its place, if anything.
    Differs(Option<Box<str>>),
    Unknown(Box<str>),
}

/// Where machines are, by what they say of themselves; none where several say the same.
#[derive(Debug, Default)]
pub struct Whereabouts<'o> {
    by_key: HashMap<Key<'o>, Option<Place<'o>>>,
}

/// Which nodes are declared, by what identifies them.
#[derive(Debug, Default)]
pub struct Roster<'d> {
    by_key: HashMap<Key<'d>, Option<u32>>,
}

/// How many keys a machine has as a rule: serial number, UUID, and two addresses.
const KEYS: usize = 4;

/// A BMC's name and a System's id.
pub type Place<'o> = (&'o str, &'o str);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key<'a> {
    Serial(&'a str),
    Uuid(Uuid),
    Mac(MacAddr),
}

impl<'o> Whereabouts<'o> {
    /// Notes every System of every BMC that was seen.
    pub fn of(observed: &'o Observed) -> Self {
        let mut by_key = HashMap::with_capacity(observed.bmcs.len() * KEYS);
        for record in observed.bmcs.values() {
            let systems = record.service().and_then(|service| service.systems.seen());
            for system in systems.into_iter().flatten() {
                let place: Place<'o> = (&record.bmc, &system.id);
                for key in keys_of(system) {
                    by_key
                        .entry(key)
                        .and_modify(|known: &mut Option<Place<'o>>| *known = known.filter(|known| *known == place))
                        .or_insert(Some(place));
                }
            }
        }
        Self { by_key }
    }

    /// Finds where the machine of a node is, if it is in one place that is not this one.
    pub fn elsewhere(&self, node: &'o Node, here: Place<'_>) -> Option<Place<'o>> {
        let places = declared_keys(node).filter_map(|key| self.by_key.get(&key).copied().flatten());
        agreed(places).filter(|place| *place != here)
    }
}

impl<'d> Roster<'d> {
    /// Notes every node that is declared.
    pub fn of(desired: &'d Desired) -> Self {
        let mut by_key = HashMap::with_capacity(desired.nodes.len() * KEYS);
        for (node, at) in desired.nodes.iter().zip(0_u32..) {
            for key in declared_keys(node) {
                by_key
                    .entry(key)
                    .and_modify(|known: &mut Option<u32>| *known = known.filter(|known| *known == at))
                    .or_insert(Some(at));
            }
        }
        Self { by_key }
    }

    /// Finds the one node whose machine a System is.
    pub fn owner(&self, system: &System) -> Option<usize> {
        agreed(keys_of(system).filter_map(|key| self.by_key.get(&key).copied().flatten())).map(|at| at as usize)
    }
}

fn agreed<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

fn keys_of(system: &System) -> impl Iterator<Item = Key<'_>> {
    let facts = &system.facts;
    let serials = [facts.serial.as_deref(), facts.sku.as_deref()].into_iter().flatten().map(Key::Serial);
    let uuid = facts.uuid.map(Key::Uuid);
    let nics = system.nics.seen().into_iter().flatten();
    let macs = nics.flat_map(|nic| [nic.mac, nic.permanent]).flatten().map(Key::Mac);
    serials.chain(uuid).chain(macs)
}

fn declared_keys<'d>(node: &'d Node) -> impl Iterator<Item = Key<'d>> {
    let serial = node.serial.as_ref().map(|serial| Key::Serial(&serial.value));
    let uuid = node.uuid.map(|uuid| Key::Uuid(uuid.value));
    let macs = node.nics.iter().filter_map(|nic| nic.mac.map(|mac| Key::Mac(mac.value)));
    serial.into_iter().chain(uuid).chain(macs)
}

/// Compares everything that identifies a node.
pub fn compare(
    desired: &Desired,
    node: &Node,
    claim: Option<(&Claim, Origin)>,
    view: View<'_>,
    record: &BmcRecord,
) -> Vec<Told> {
    let mut all = Vec::new();
    let facts = &view.system.facts;
    if let Some(serial) = &node.serial {
        // Dell's service tag stands in the SKU; whoever else writes it there means it too.
        let tag = facts.sku.as_deref().filter(|_| view.service.quirks.contains(&Quirk::TagInSku));
        let seen = [facts.sku.as_deref(), facts.serial.as_deref()];
        let is_same = seen.iter().flatten().any(|seen| canonical::same_text(&serial.value, seen));
        let answer = answer(is_same, tag.or(facts.serial.as_deref()), "the BMC tells no serial number");
        all.push(Told { attribute: "serial".into(), wished: serial.value.clone(), origin: serial.origin, answer });
    }
    if let Some(uuid) = node.uuid {
        let is_same =
            facts.uuid.is_some_and(|seen| seen == uuid.value || Uuid::from_bytes_le(*seen.as_bytes()) == uuid.value);
        let seen = facts.uuid.map(|seen| seen.to_string());
        let answer = answer(is_same, seen.as_deref(), "the BMC tells no UUID");
        all.push(Told { attribute: "uuid".into(), wished: uuid.value.to_string().into(), origin: uuid.origin, answer });
    }
    let nics = Nics::of(node, view, record);
    for (spec, nic) in desired.nics(node) {
        if let Some(mac) = nic.mac {
            let attribute = format!("nics.{}.mac", spec.name).into();
            let wished = mac.value.to_string().into();
            all.push(Told { attribute, wished, origin: mac.origin, answer: nics.mac(mac.value) });
        }
        if let Some(guid) = nic.guid {
            let attribute = format!("nics.{}.guid", spec.name).into();
            let seen: Vec<_> = nics.seen.iter().filter_map(|nic| nic.guid).collect();
            let is_same = seen.contains(&guid.value);
            let others = seen.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let answer = match nics.partial() {
                Some(why) if !is_same => Answer::Unknown(why),
                _ => answer(is_same, (!seen.is_empty()).then_some(others.as_str()), "the BMC tells no GUIDs"),
            };
            all.push(Told { attribute, wished: guid.value.to_string().into(), origin: guid.origin, answer });
        }
    }
    if let Some((claim, origin)) = claim {
        all.push(Told {
            attribute: "macs".into(),
            wished: list(&claim.macs).into(),
            origin,
            answer: nics.claimed(claim),
        });
    }
    all
}

fn answer(is_same: bool, seen: Option<&str>, silent: &str) -> Answer {
    match seen {
        _ if is_same => Answer::Same,
        Some(seen) => Answer::Differs(Some(seen.into())),
        None => Answer::Unknown(silent.into()),
    }
}

/// A node's interfaces as its BMC shows them.
struct Nics<'o> {
    seen: &'o [crate::observed::SeenNic],
    /// Why they cannot be told, where they cannot.
    unknown: Option<Box<str>>,
    /// Why some may be missing, if they may.
    unread: Option<&'o Failure>,
    /// Ethernet addresses that the node does not declare.
    strange: Vec<MacAddr>,
    record: &'o BmcRecord,
    system: &'o str,
}

impl<'o> Nics<'o> {
    fn of(node: &Node, view: View<'o>, record: &'o BmcRecord) -> Self {
        use crate::observed::NicKind;
        let (seen, unknown): (&[_], Option<Box<str>>) = match &view.system.nics {
            Reading::Seen(nics) if nics.is_empty() => (&[], Some("the BMC tells of no interfaces".into())),
            Reading::Seen(nics) => (nics, None),
            Reading::Absent => (&[], Some("the BMC tells of no interfaces".into())),
            Reading::Failed(failure) => {
                (&[], Some(format!("the interfaces could not be read: {}", failure.why).into()))
            }
            Reading::Unasked => (&[], Some("no deep survey has read the interfaces yet".into())),
        };
        let declared = |mac: &MacAddr| node.nics.iter().any(|nic| nic.mac.is_some_and(|own| own.value == *mac));
        let ethernet = seen.iter().filter(|nic| nic.kind == NicKind::Ethernet);
        let mut strange: Vec<MacAddr> = ethernet.filter_map(|nic| nic.mac).filter(|mac| !declared(mac)).collect();
        strange.sort_unstable();
        strange.dedup();
        let unread = view.system.nics_unread.as_ref();
        Self { seen, unknown, unread, strange, record, system: &view.system.id }
    }

    fn has(&self, mac: MacAddr) -> bool {
        self.seen.iter().any(|nic| nic.mac == Some(mac))
    }

    /// Says why an address that is not in the list may be there all the same, if the list is known to lack some.
    fn partial(&self) -> Option<Box<str>> {
        let why = &self.unread?.why;
        Some(format!("not all interfaces could be read: {why}").into())
    }

    /// Finds the address that is in use in place of a factory's. The members of a bond share one, which says nothing.
    fn assigned(&self, permanent: MacAddr) -> Option<Answer> {
        let nic = self.seen.iter().find(|nic| nic.permanent == Some(permanent))?;
        let users = self.seen.iter().filter(|other| other.mac == nic.mac).count();
        let is_shared = users > 1;
        Some(match nic.mac.filter(|_| !is_shared) {
            Some(mac) => Answer::Differs(Some(mac.to_string().into())),
            None => Answer::Same,
        })
    }

    /// Compares one address. A BMC that never showed it, and shows no other in its place, may just not see that card.
    fn mac(&self, mac: MacAddr) -> Answer {
        if self.has(mac) {
            return Answer::Same;
        }
        if let Some(answer) = self.assigned(mac) {
            return answer;
        }
        if let Some(why) = self.unknown.clone().or_else(|| self.partial()) {
            return Answer::Unknown(why);
        }
        if !self.strange.is_empty() {
            return Answer::Differs(Some(list(&self.strange).into()));
        }
        let showed = |run: &crate::observed::Run<crate::observed::Service>| {
            let mut systems =
                run.state.systems.seen().into_iter().flatten().filter(|system| *system.id == *self.system);
            systems.any(|system| system.nics.seen().into_iter().flatten().any(|nic| nic.mac == Some(mac)))
        };
        if self.record.history.runs().iter().any(showed) {
            return Answer::Differs(None);
        }
        Answer::Unknown("the BMC has never shown it, nor another in its place".into())
    }

    fn claimed(&self, claim: &Claim) -> Answer {
        if let Some(why) = &self.unknown {
            return Answer::Unknown(why.clone());
        }
        let is_seen = claim.macs.iter().all(|mac| self.has(*mac));
        if is_seen && self.strange.iter().all(|mac| claim.macs.contains(mac)) {
            return Answer::Same;
        }
        if let Some(why) = self.partial().filter(|_| !is_seen) {
            return Answer::Unknown(why);
        }
        Answer::Differs((!self.strange.is_empty()).then(|| list(&self.strange).into()))
    }
}

fn list(macs: &[MacAddr]) -> String {
    macs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The nodes behind each BMC, by the BMC's name.
pub type Behind<'d> = HashMap<&'d str, Vec<&'d Node>>;

/// Notes behind which BMC each node is.
pub fn behind(desired: &Desired) -> Behind<'_> {
    let mut all = Behind::new();
    for node in &desired.nodes {
        if let Some(bmc) = node.bmc {
            all.entry(&desired.bmcs[bmc.value as usize].name).or_default().push(node);
        }
    }
    all
}

/// Says where a machine is.
pub fn place(place: Place<'_>, behind: &Behind<'_>) -> String {
    let nodes = behind.get(place.0).into_iter().flatten();
    let owners = nodes.filter(|node| node.system.as_deref().is_none_or(|system| system == place.1));
    let set = NodeSet::from_names(owners.map(|node| &*node.name));
    let whose = if set.is_empty() { String::new() } else { format!(", declared for {set}") };
    format!("System {} of BMC {}{whose}", place.1, place.0)
}
