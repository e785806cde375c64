//! What was seen of a machine, as what is wished of it from now on.

use super::World;
use super::found::Machine;
use super::tables::quoted;
use crate::observed::attributes;

/// The attributes that are wished: what a machine is made of, and no state that changes.
const WISHED: [&str; 9] = [
    "accelerators.count",
    "accelerators.model",
    "bios.version",
    "drives.count",
    "manufacturer",
    "memory_gib",
    "model",
    "processors.count",
    "processors.model",
];

/// The parts that are told whole or not at all.
const PARTS: [&str; 3] = ["accelerators", "drives", "processors"];

/// Lists what is wished of a machine: paths with values that are TOML.
pub fn wishes(world: &World<'_>, machine: &Machine<'_>) -> Vec<(String, String)> {
    let shared = &world.observed.shared;
    let inventory = machine.system.inventory.seen().and_then(|digest| shared.inventory(*digest));
    let is_whole = inventory.is_some_and(|inventory| inventory.partial.is_empty());
    let seen = attributes(machine.service, machine.system, shared);
    let mut all = Vec::new();
    for path in WISHED {
        let is_part = path.split_once('.').is_some_and(|(kind, _)| PARTS.contains(&kind));
        let Some(value) = seen.get(path).filter(|_| is_whole || !is_part) else { continue };
        let is_number = path.ends_with(".count") || path == "memory_gib";
        if is_number {
            all.push((path.to_owned(), value.clone()));
        } else if !value.contains(['{', '}', '[', ']']) && !value.trim().is_empty() {
            // What templates and patterns mean something by cannot be wished as it is.
            all.push((path.to_owned(), quoted(value)));
        }
    }
    all
}
