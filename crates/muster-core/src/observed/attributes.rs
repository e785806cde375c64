//! A System as a flat list of attribute paths, the same that wishes have.

use std::collections::BTreeMap;

use super::service::{Service, System};
use super::{Change, Digest, Inventory, NicKind, Reading, Shared, SharedSet};

/// Everything that was seen of a System, as text by attribute path. What could not be read is not in it.
#[must_use]
pub fn attributes(service: &Service, system: &System, shared: &Shared) -> BTreeMap<String, String> {
    seen(service, system, Sets(&[shared]), (false, false))
}

impl Service {
    /// Counts what was seen of a System: as many as [`attributes`] lists, without listing the long sets.
    #[must_use]
    pub fn count(&self, system: &System, shared: &Shared) -> u64 {
        let own = seen(self, system, Sets(&[shared]), (true, true)).len();
        let bios = system.bios.seen().and_then(|digest| shared.bios(*digest)).map_or(0, BTreeMap::len);
        let firmware = self.firmware.seen().and_then(|digest| shared.firmware(*digest)).map_or(0, |set| set.0.len());
        (own + bios + firmware) as u64
    }
}

/// Where sets are looked up, the first first.
#[derive(Clone, Copy)]
struct Sets<'s>(&'s [&'s Shared]);

impl<'s> Sets<'s> {
    fn get(self, digest: Digest) -> Option<&'s SharedSet> {
        self.0.iter().find_map(|shared| shared.get(digest))
    }

    fn inventory(self, reading: &Reading<Digest>) -> Option<&'s Inventory> {
        reading.seen().and_then(|digest| self.0.iter().find_map(|shared| shared.inventory(*digest)))
    }
}

/// Lists what was seen, but for the BIOS settings and the firmware where these are to be left out.
fn seen(
    service: &Service,
    system: &System,
    sets: Sets<'_>,
    (no_bios, no_firmware): (bool, bool),
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    own(service, system, &mut all);
    if let Some(settings) = system.boot.seen() {
        let told = [("override", &settings.enabled), ("target", &settings.target), ("mode", &settings.mode)];
        for (name, value) in told {
            put(&mut all, &format!("boot.{name}"), value.as_deref());
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
    parts(system, sets, &mut all);
    let named = |reading: &Reading<Digest>| reading.seen().and_then(|digest| sets.get(*digest));
    if !no_bios && let Some(SharedSet::Bios(set)) = named(&system.bios) {
        all.extend(set.iter().map(|(name, value)| (format!("bios.attributes.{name}"), value.to_string())));
    }
    if !no_firmware && let Some(SharedSet::Firmware(set)) = named(&service.firmware) {
        let told = set.0.iter().filter(|(_, version)| !version.is_empty());
        all.extend(told.map(|(name, version)| (format!("firmware.{name}"), version.to_string())));
    }
    all
}

fn put(all: &mut BTreeMap<String, String>, path: &str, value: Option<&str>) {
    if let Some(value) = value {
        all.insert(path.to_owned(), value.to_owned());
    }
}

fn own(service: &Service, system: &System, all: &mut BTreeMap<String, String>) {
    let facts = &system.facts;
    put(all, "manufacturer", facts.manufacturer.as_deref());
    put(all, "model", facts.model.as_deref());
    put(all, "serial", service.serial_of(system));
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
fn parts(system: &System, sets: Sets<'_>, all: &mut BTreeMap<String, String>) {
    let Some(inventory) = sets.inventory(&system.inventory) else { return };
    let whole = |name: &str| inventory.is_whole(name);
    let models = |parts: &[super::Processor]| common(parts.iter().map(|part| part.model.as_deref()));
    if whole("processors") {
        let cpus = &inventory.processors;
        if !cpus.is_empty() {
            all.insert("processors.count".into(), cpus.len().to_string());
        }
        put(all, "processors.model", models(cpus).as_deref());
        let cores = cpus.iter().map(|cpu| cpu.cores.map(|cores| cores.to_string()));
        put(all, "processors.cores", common(cores).as_deref());
        put(all, "arch", common(cpus.iter().map(|cpu| cpu.arch.as_deref())).as_deref());
    }
    if whole("accelerators") {
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

/// Lists what differs between two states of one BMC. What one of them could not read, or did not ask for, is no change.
pub fn changes(at: i64, before: (&Service, &Shared), after: (&Service, &Shared)) -> Vec<Change> {
    let mut all = Vec::new();
    // What the newer survey took over from the older one is found in the older one's sets.
    let sets = Sets(&[after.1, before.1]);
    for system in after.0.systems.seen().into_iter().flatten() {
        let Some(older) = before.0.systems.seen().into_iter().flatten().find(|other| other.id == system.id) else {
            continue;
        };
        let is_shared = (older.bios == system.bios, before.0.firmware == after.0.firmware);
        if older == system && is_shared.1 {
            continue;
        }
        let (old, new) = (seen(before.0, older, sets, is_shared), seen(after.0, system, sets, is_shared));
        let mut unknown = unknown(before.0, older, sets);
        unknown.extend(self::unknown(after.0, system, sets));
        let mut note = |path: &str, before: Option<&String>, after: Option<&String>| {
            if before != after && !unknown.iter().any(|start| path.starts_with(start)) {
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

/// Lists how the paths begin that nothing is known of.
fn unknown(service: &Service, system: &System, sets: Sets<'_>) -> Vec<&'static str> {
    let mut all = Vec::new();
    let own = [
        ("power", system.power.is_known()),
        ("boot.", system.boot.is_known()),
        ("macs.", system.nics.is_known() && system.nics_unread.is_none()),
        ("secure_boot", system.secure_boot.is_known()),
        ("bios.attributes.", is_known(&system.bios, sets)),
        ("firmware.", is_known(&service.firmware, sets) && service.firmware_unread.is_none()),
    ];
    all.extend(own.into_iter().filter(|(_, known)| !known).map(|(start, _)| start));
    let inventory = sets.inventory(&system.inventory);
    let whole = is_known(&system.inventory, sets);
    let partial = |name: &str| !whole || inventory.is_some_and(|set| !set.is_whole(name));
    if partial("processors") {
        all.extend(["processors.", "arch"]);
    }
    if partial("accelerators") {
        all.push("accelerators.");
    }
    if partial("drives") {
        all.push("drives.");
    }
    if partial("memory") && system.summary.memory_gib.is_none() {
        all.push("memory_gib");
    }
    all
}

fn is_known(reading: &Reading<Digest>, sets: Sets<'_>) -> bool {
    reading.is_known() && reading.seen().is_none_or(|digest| sets.get(*digest).is_some())
}

#[cfg(test)]
mod tests;
