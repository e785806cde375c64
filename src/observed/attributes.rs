//! A System as a flat list of attribute paths, the same that wishes have.

use std::collections::BTreeMap;

use super::service::{Service, System};
use super::{Change, Digest, NicKind, Reading, Shared};

/// Everything that was seen of a System, as text by attribute path. What could not be read is not in it.
#[must_use]
pub fn attributes(service: &Service, system: &System, shared: &Shared) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    brief(system, shared, &mut all);
    for (name, value) in set(&system.bios, |digest| shared.bios(digest)).into_iter().flatten() {
        all.insert(format!("bios.attributes.{name}"), value.to_string());
    }
    for (name, version) in set(&service.firmware, |digest| shared.firmware(digest)).into_iter().flat_map(|set| &set.0) {
        all.insert(format!("firmware.{name}"), version.to_string());
    }
    all
}

/// Everything but the long lists: settings of the BIOS, and firmware.
fn brief(system: &System, shared: &Shared, all: &mut BTreeMap<String, String>) {
    own(system, all);
    if let Some(settings) = system.boot.seen() {
        let told = [("override", &settings.enabled), ("target", &settings.target), ("mode", &settings.mode)];
        for (name, value) in told {
            put(all, &format!("boot.{name}"), value.as_deref());
        }
        if !settings.order.is_empty() {
            all.insert("boot.order".into(), settings.order.join(","));
        }
    }
    for nic in system.nics.seen().into_iter().flatten().filter(|nic| nic.kind != NicKind::HostToBmc) {
        if let Some(mac) = nic.mac {
            all.insert(format!("macs.{mac}"), nic.id.to_string());
        }
    }
    parts(system, shared, all);
}

impl Service {
    /// Counts what was seen of a System: as many as [`attributes`] lists, without listing them.
    #[must_use]
    pub fn count(&self, system: &System, shared: &Shared) -> u64 {
        let mut all = BTreeMap::new();
        brief(system, shared, &mut all);
        let bios = set(&system.bios, |digest| shared.bios(digest)).map_or(0, BTreeMap::len);
        let firmware = set(&self.firmware, |digest| shared.firmware(digest)).map_or(0, |set| set.0.len());
        (all.len() + bios + firmware) as u64
    }
}

fn set<'s, T>(reading: &Reading<Digest>, of: impl Fn(Digest) -> Option<&'s T>) -> Option<&'s T> {
    reading.seen().and_then(|digest| of(*digest))
}

fn put(all: &mut BTreeMap<String, String>, path: &str, value: Option<&str>) {
    if let Some(value) = value {
        all.insert(path.to_owned(), value.to_owned());
    }
}

fn own(system: &System, all: &mut BTreeMap<String, String>) {
    let facts = &system.facts;
    put(all, "manufacturer", facts.manufacturer.as_deref());
    put(all, "model", facts.model.as_deref());
    put(all, "serial", facts.serial.as_deref());
    put(all, "uuid", facts.uuid.map(|uuid| uuid.to_string()).as_deref());
    put(all, "power", system.power.seen().map(|power| power.as_str()));
    put(all, "bios.version", system.bios_version.as_deref());
    if let Some(secure_boot) = system.secure_boot.seen() {
        put(all, "secure_boot", secure_boot.current.or(secure_boot.enable).map(|on| on.to_string()).as_deref());
    }
    put(all, "memory_gib", system.summary.memory_gib.map(|gib| gib.to_string()).as_deref());
    put(all, "processors.count", system.summary.processors.map(|count| count.to_string()).as_deref());
}

/// The parts of which a wish can name the number and the model.
fn parts(system: &System, shared: &Shared, all: &mut BTreeMap<String, String>) {
    let Some(inventory) = set(&system.inventory, |digest| shared.inventory(digest)) else { return };
    let whole = |name: &str| !inventory.partial.iter().any(|part| &**part == name);
    let models = |parts: &[super::Processor]| common(parts.iter().map(|part| part.model.as_deref()));
    if whole("processors") {
        let cpus = &inventory.processors;
        if !cpus.is_empty() {
            all.insert("processors.count".into(), cpus.len().to_string());
        }
        put(all, "processors.model", models(cpus).as_deref());
        let cores = cpus.iter().map(|cpu| cpu.cores.map(|cores| cores.to_string()));
        put(all, "processors.cores", common(cores).as_deref());
        all.insert("accelerators.count".into(), inventory.accelerators.len().to_string());
        put(all, "accelerators.model", models(&inventory.accelerators).as_deref());
    }
    if whole("drives") {
        all.insert("drives.count".into(), inventory.drives.len().to_string());
        put(all, "drives.model", common(inventory.drives.iter().map(|drive| drive.model.as_deref())).as_deref());
    }
    let modules = inventory.memory.iter().map(|module| module.mib);
    if whole("memory")
        && !all.contains_key("memory_gib")
        && let Some(mib) = modules.sum::<Option<u64>>().filter(|mib| *mib > 0)
    {
        all.insert("memory_gib".into(), (mib / 1024).to_string());
    }
}

/// Joins what several parts say: one value where they agree, else each value once; nothing where one says nothing.
fn common<T: Into<String>>(values: impl Iterator<Item = Option<T>>) -> Option<String> {
    let mut values: Vec<String> = values.map(|value| value.map(Into::into)).collect::<Option<_>>()?;
    values.sort_unstable();
    values.dedup();
    (!values.is_empty()).then(|| values.join(" + "))
}

/// Lists what differs between two states of one BMC.
pub fn changes(at: i64, before: (&Service, &Shared), after: (&Service, &Shared)) -> Vec<Change> {
    let mut all = Vec::new();
    for system in after.0.systems.seen().into_iter().flatten() {
        let Some(older) = before.0.systems.seen().into_iter().flatten().find(|other| other.id == system.id) else {
            continue;
        };
        if older == system && before.0.firmware == after.0.firmware {
            continue;
        }
        // What the newer survey took over from the older one is found in the older one's sets.
        let mut shared = before.1.clone();
        shared.join(after.1.clone());
        let (old, new) = (attributes(before.0, older, &shared), attributes(after.0, system, &shared));
        let mut note = |path: &str, before: Option<&String>, after: Option<&String>| {
            if before != after {
                let text = |value: Option<&String>| value.map(|value| value.as_str().into());
                let (before, after) = (text(before), text(after));
                all.push(Change { at, system: system.id.clone(), path: path.into(), before, after });
            }
        };
        old.iter().for_each(|(path, value)| note(path, Some(value), new.get(path)));
        new.iter().filter(|(path, _)| !old.contains_key(*path)).for_each(|(path, value)| note(path, None, Some(value)));
    }
    all
}
