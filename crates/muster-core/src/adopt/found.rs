//! The machines that were seen and that nobody declares, with what of them identifies them and nobody else.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::World;
use super::edits::Draft;
use super::nics;
use crate::drift::{Class, Finding, Subject, Verdict};
use crate::model::{Arch, Guid, MacAddr};
use crate::observed::{BmcRecord, NicKind, Observed, Service, System};
use crate::roll;

/// One machine that nobody declares.
pub struct Machine<'a> {
    pub record: &'a BmcRecord,
    pub service: &'a Service,
    pub system: &'a System,
    /// What its BMC is to be called, where that is declared already.
    pub declared_bmc: Option<&'a str>,
    /// The System's id, where the BMC alone does not tell which it is.
    pub named_system: Option<&'a str>,
    pub serial: Option<&'a str>,
    pub uuid: Option<Uuid>,
    /// Addresses of Ethernet interfaces, the one that it boots from first.
    pub macs: Vec<MacAddr>,
    /// Whether anything tells that it boots from the first of them.
    pub boot_is_known: bool,
    pub guids: Vec<Guid>,
    pub arch: Option<Arch>,
}

/// What identifies a machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Serial(String),
    Uuid(Uuid),
    Mac(MacAddr),
    Guid(Guid),
}

/// A BMC's name and a System's id.
type Place<'a> = (&'a str, &'a str);

/// Who shows what, and who is declared to.
pub struct Keys<'a> {
    /// By key: the one System that shows it, or none where several do.
    seen: BTreeMap<Key, Option<Place<'a>>>,
    /// By key: the node or BMC that git gives it.
    owners: BTreeMap<Key, &'a str>,
}

impl<'a> Keys<'a> {
    /// Gathers all keys.
    pub fn of(world: &World<'a>) -> Self {
        Self { seen: seen(world.observed), owners: owners(world) }
    }

    /// Returns who is declared to have a key.
    pub fn owner(&self, key: &Key) -> Option<&'a str> {
        self.owners.get(key).copied()
    }

    /// Tells whether one System alone shows a key.
    pub fn is_own(&self, key: &Key) -> bool {
        self.seen.get(key).is_some_and(Option::is_some)
    }

    /// Tells whether a key may be declared for the one System that shows it.
    fn is_free(&self, key: &Key) -> bool {
        self.owner(key).is_none() && self.is_own(key)
    }
}

fn seen(observed: &Observed) -> BTreeMap<Key, Option<Place<'_>>> {
    let mut all: BTreeMap<Key, Option<Place<'_>>> = BTreeMap::new();
    for record in observed.bmcs.values() {
        let Some(service) = record.service() else { continue };
        for system in service.systems.seen().into_iter().flatten() {
            let place = (&*record.bmc, &*system.id);
            for key in keys_of(service, system) {
                let known = all.entry(key).or_insert(Some(place));
                *known = known.filter(|other| *other == place);
            }
        }
        // A BMC's own address is no machine's.
        let managers = service.managers.seen().into_iter().flatten();
        for mac in managers.filter_map(|manager| manager.macs.seen()).flatten() {
            let place = (&*record.bmc, "");
            let known = all.entry(Key::Mac(*mac)).or_insert(Some(place));
            *known = known.filter(|other| *other == place);
        }
    }
    all
}

fn keys_of(service: &Service, system: &System) -> Vec<Key> {
    let mut keys = Vec::new();
    // Of a machine with a service tag, the board has a serial number of its own.
    let serials = [system.facts.serial.as_deref(), service.serial_of(system)];
    keys.extend(serials.into_iter().flatten().map(serial_key));
    keys.extend(system.facts.uuid.map(Key::Uuid));
    for nic in system.nics.seen().into_iter().flatten() {
        keys.extend([nic.mac, nic.permanent].into_iter().flatten().map(Key::Mac));
        keys.extend(nic.guid.map(Key::Guid));
    }
    keys
}

fn serial_key(serial: &str) -> Key {
    Key::Serial(serial.to_ascii_lowercase())
}

fn owners<'a>(world: &World<'a>) -> BTreeMap<Key, &'a str> {
    let mut all = BTreeMap::new();
    for claim in &world.observed.claims {
        all.extend(claim.macs.iter().map(|mac| (Key::Mac(*mac), &*claim.node)));
    }
    let desired = world.snapshot.desired();
    for bmc in &desired.bmcs {
        all.extend(bmc.mac.map(|mac| (Key::Mac(mac.value), &*bmc.name)));
    }
    for node in &desired.nodes {
        all.extend(node.serial.as_ref().map(|serial| (serial_key(&serial.value), &*node.name)));
        if let Some(uuid) = node.uuid {
            let turned = Uuid::from_bytes_le(*uuid.value.as_bytes());
            all.extend([uuid.value, turned].map(|uuid| (Key::Uuid(uuid), &*node.name)));
        }
        for nic in &node.nics {
            all.extend(nic.mac.map(|mac| (Key::Mac(mac.value), &*node.name)));
            all.extend(nic.guid.map(|guid| (Key::Guid(guid.value), &*node.name)));
        }
    }
    all
}

/// Lists the machines that a comparison found to be nobody's, by the addresses of their BMCs.
pub fn machines<'a>(world: &World<'a>, keys: &Keys<'a>, draft: &mut Draft) -> Vec<Machine<'a>> {
    let mut all = Vec::new();
    for (bmc, system) in world.drift.findings.iter().filter_map(undeclared) {
        let Some(record) = world.observed.bmcs.get(bmc) else { continue };
        let Some(service) = answering(record, draft) else { continue };
        let systems = service.systems.seen().into_iter().flatten();
        let Some(system) = systems.into_iter().find(|other| *other.id == *system) else { continue };
        match machine(world, keys, record, service, system) {
            Ok(machine) => all.push(machine),
            Err(note) => draft.note(note),
        }
    }
    all.sort_by_cached_key(|machine| {
        (super::columns::natural(&machine.record.url), super::columns::natural(&machine.system.id))
    });
    all
}

/// Returns what a BMC shows, where it was seen when it was last asked.
pub fn answering<'a>(record: &'a BmcRecord, draft: &mut Draft) -> Option<&'a Service> {
    if let Some(failure) = &record.failure {
        draft.note(format!(
            "BMC {}: not adopted, since it did not answer when it was last asked: {failure}",
            record.bmc
        ));
        return None;
    }
    record.service()
}

fn undeclared(finding: &Finding) -> Option<(&str, &str)> {
    let is_there = finding.class == Class::Presence && matches!(finding.verdict, Verdict::Drifted { .. });
    match &finding.subject {
        Subject::System { bmc, system } if is_there => Some((bmc, system)),
        Subject::System { .. } | Subject::Node(_) | Subject::Bmc(_) | Subject::Mac(_) => None,
    }
}

fn machine<'a>(
    world: &World<'a>,
    keys: &Keys<'a>,
    record: &'a BmcRecord,
    service: &'a Service,
    system: &'a System,
) -> Result<Machine<'a>, String> {
    let who = format!("System {} of BMC {}", system.id, record.bmc);
    if let Some(node) = owner(world, keys, service, system) {
        return Err(format!("{who}: not adopted, since it is the machine of {node}, which has moved"));
    }
    let desired = world.snapshot.desired();
    let declared = desired.bmcs.iter().position(|bmc| bmc.name == record.bmc);
    let has_nodes = desired.nodes.iter().any(|node| node.bmc.is_some_and(|bmc| Some(bmc.value as usize) == declared));
    let is_alone = !has_nodes && roll::system_of(None, service).is_ok();
    let is_told = roll::system_of(Some(&system.id), service).is_ok_and(|found| std::ptr::eq(found, system));
    let can_be_written = super::columns::pattern(&[&system.id]).is_some();
    let is_found = is_alone || (is_told && can_be_written);
    if !is_found {
        return Err(format!("{who}: not adopted, since its id does not tell it from the others"));
    }
    let nics = system.nics.seen().into_iter().flatten();
    let ethernet: Vec<MacAddr> =
        nics.clone().filter(|nic| nic.kind == NicKind::Ethernet).filter_map(|nic| nic.mac).collect();
    let infiniband = nics.filter(|nic| nic.kind == NicKind::Infiniband).filter_map(|nic| nic.guid);
    let serial = service.serial_of(system).filter(|serial| keys.is_free(&serial_key(serial)));
    let inventory = system.inventory.seen().and_then(|digest| world.observed.shared.inventory(*digest));
    let macs: Vec<MacAddr> = ethernet.into_iter().filter(|mac| keys.is_free(&Key::Mac(*mac))).collect();
    let (macs, boot_is_known) = nics::boot_first(world, system, macs);
    Ok(Machine {
        record,
        service,
        system,
        declared_bmc: declared.map(|at| &*desired.bmcs[at].name),
        named_system: (!is_alone).then_some(&*system.id),
        serial: serial.filter(|serial| super::facts::fits(serial)),
        uuid: system.facts.uuid.filter(|uuid| !uuid.is_nil() && keys.is_free(&Key::Uuid(*uuid))),
        macs,
        boot_is_known,
        guids: infiniband.filter(|guid| keys.is_free(&Key::Guid(*guid))).collect(),
        arch: super::arch::of(system, inventory),
    })
}

/// Finds the declared node whose machine a System is, where that node's own place does not show it too.
fn owner<'a>(world: &World<'a>, keys: &Keys<'a>, service: &Service, system: &System) -> Option<&'a str> {
    let nodes =
        || keys_of(service, system).into_iter().filter(|key| keys.is_own(key)).filter_map(|key| keys.owner(&key));
    nodes().find(|name| world.snapshot.by_name(name).is_some())
}
