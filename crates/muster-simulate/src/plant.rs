//! Planted differences between the machines and the desired state, by number and seed, and the list
//! of them.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::boot;
use super::build::{Build, Parts};
use super::chance;
use super::machine::{Machine, Phase};
use super::world::{Bmc, World, hides};
use muster_core::model::{BOOT_TARGETS, MacAddr, Quirk};

/// One planted difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planted {
    pub node: Box<str>,
    /// `memory_gib`, `bios.attributes.NAME`, `nics.NAME.mac`, `serial`, …
    pub attribute: Box<str>,
    pub bmc: Box<str>,
    pub wished: Value,
    pub planted: Value,
}

impl World {
    /// Plants differences in declared attributes of machines, each in another attribute or another
    /// node, and returns them sorted. There are fewer than `count` if fewer attributes can differ.
    pub fn plant(&mut self, count: usize, seed: u64) -> Vec<Planted> {
        let mut places = Vec::new();
        for (bmc, of) in self.bmcs.iter().enumerate() {
            for (machine, found) in of.machines.iter().enumerate() {
                for path in managed(of, found) {
                    let order = chance::number(seed, &["plant", &found.node, &path]);
                    places.push((order, bmc, machine, path));
                }
            }
        }

        places.sort_unstable();
        let mut planted = Vec::new();
        for (order, bmc, machine, path) in places {
            if planted.len() == count {
                break;
            }
            if let Some((wished, seen)) = change(&mut self.bmcs[bmc], machine, &path, order) {
                let (bmc, node) = (&self.bmcs[bmc], &self.bmcs[bmc].machines[machine].node);
                planted.push(Planted {
                    node: node.clone(),
                    attribute: path,
                    bmc: bmc.name.clone(),
                    wished,
                    planted: seen,
                });
            }
        }

        planted.sort_by(|a, b| (&a.node, &a.attribute).cmp(&(&b.node, &b.attribute)));
        planted
    }
}

/// Plants a difference in one attribute of one machine; `None` if it is not managed or cannot
/// differ.
pub fn one(bmc: &mut Bmc, at: usize, attribute: &str, seed: u64) -> Option<Planted> {
    let node = bmc.machines[at].node.clone();
    managed(bmc, &bmc.machines[at]).into_iter().find(|path| **path == *attribute)?;
    let (wished, planted) = change(bmc, at, attribute, chance::number(seed, &[&node, attribute]))?;
    Some(Planted { node, attribute: attribute.into(), bmc: bmc.name.clone(), wished, planted })
}

/// Lists the attributes of a machine that are declared and that a survey can observe.
fn managed(bmc: &Bmc, machine: &Machine) -> Vec<Box<str>> {
    let wished = &machine.wished;
    let mut all: Vec<Box<str>> = wished.expect.keys().map(|path| path.as_str().into()).collect();
    all.extend(wished.serial.then(|| "serial".into()));
    all.extend(wished.uuid.then(|| "uuid".into()));
    let declared = machine.nics.iter().filter(|nic| nic.declared);
    all.extend(declared.filter_map(|nic| Some(format!("nics.{}.mac", nic.name.as_ref()?).into())));
    all.retain(|path| !bmc.quirks.iter().any(|quirk| hides(quirk, path)));
    // One row of firmware is visible for every node of its BMC.
    let alone = |path: &str| bmc.machines.iter().filter(|other| other.wished.expect.contains_key(path)).count() == 1;
    all.retain(|path| !path.starts_with("firmware.") || alone(path));
    all
}

/// Changes one attribute to an unmistakably different value; returns the declared and the new
/// value.
fn change(bmc: &mut Bmc, at: usize, path: &str, chance: u64) -> Option<(Value, Value)> {
    if let Some(name) = path.strip_prefix("firmware.") {
        let version = Arc::make_mut(&mut bmc.firmware).get_mut(name)?;
        return Some(retext(version));
    }

    let machine = &mut bmc.machines[at];
    if let Some(name) = path.strip_prefix("bios.attributes.") {
        let was = machine.build.bios.get(name)?.clone();
        let now = other_setting(&was)?;
        machine.set_bios(name, now.clone());
        return Some((was, now));
    }

    if let Some(name) = path.strip_prefix("nics.").and_then(|rest| rest.strip_suffix(".mac")) {
        let nic = machine.nics.iter_mut().find(|nic| nic.name.as_deref() == Some(name))?;
        let was = nic.mac?;
        let [_, _, c, d, e, f, ..] = chance.to_be_bytes();
        // Outside the addresses that the world assigns itself.
        let now = MacAddr([0x0a, 0x5d, c, d, e, f]);
        nic.mac = Some(now);
        return Some((was.to_string().into(), now.to_string().into()));
    }

    match path {
        "serial" if bmc.quirks.has(Quirk::TagInSku) => return Some(retag(&mut machine.serial)),
        "serial" => return Some(retext(&mut machine.serial)),
        "uuid" => {
            let was = machine.uuid;
            machine.uuid = uuid::Builder::from_random_bytes(
                ((u128::from(chance) << 64) | u128::from(super::chance::both(chance, 2))).to_be_bytes(),
            )
            .into_uuid();
            return Some((was.to_string().into(), machine.uuid.to_string().into()));
        }
        "secure_boot" => {
            machine.secure_boot = !machine.secure_boot;
            return Some(((!machine.secure_boot).into(), machine.secure_boot.into()));
        }
        "power" => {
            let was_on = machine.phase.is_on();
            machine.phase = if was_on { Phase::Off } else { Phase::On };
            let word = |on: bool| Value::from(if on { "on" } else { "off" });
            return Some((word(was_on), word(!was_on)));
        }
        _ => {}
    }

    if path.starts_with("boot.") { change_boot(machine, path) } else { change_build(machine, path) }
}

fn change_boot(machine: &mut Machine, path: &str) -> Option<(Value, Value)> {
    let boot = &mut machine.boot;
    let turn = |word: &mut Box<str>, words: &[&str]| {
        let next = words.iter().position(|other| **other == **word).map_or(0, |at| (at + 1) % words.len());
        let was = std::mem::replace(word, words[next].into());
        Some((Value::from(&*was), Value::from(&**word)))
    };

    match path {
        // Never to `Disabled`, because then target and mode would say nothing either.
        "boot.override" => turn(&mut boot.enabled, &boot::ENABLED[1..]),
        "boot.target" => turn(&mut boot.target, &BOOT_TARGETS[1..]),
        "boot.mode" => turn(&mut boot.mode, &boot::MODES),
        "boot.order" if boot.order.len() > 1 && boot.order[0] != boot.order[1] => {
            let text = |order: &[Box<str>]| order.iter().map(|item| Value::from(&**item)).collect();
            let was = text(&boot.order);
            boot.order.swap(0, 1);
            Some((was, text(&boot.order)))
        }
        _ => None,
    }
}

fn change_build(machine: &mut Machine, path: &str) -> Option<(Value, Value)> {
    let build: &mut Build = Arc::make_mut(&mut machine.build);
    match path {
        "manufacturer" => return Some(retext(&mut build.manufacturer)),
        "model" => return Some(retext(&mut build.model)),
        "bios.version" => return Some(retext(&mut build.bios_version)),
        "memory_gib" => {
            let was = build.memory_gib();
            // A failed module; a single one is replaced by another size.
            match build.memory.as_mut_slice() {
                [] => build.memory.push(8 * 1024),
                [only] => *only = only.saturating_mul(2),
                [_, ..] => drop(build.memory.pop()),
            }
            return Some((was.into(), build.memory_gib().into()));
        }
        _ => {}
    }

    let (kind, what) = path.split_once('.')?;
    let parts: &mut Parts = match kind {
        "processors" => &mut build.processors,
        "accelerators" => &mut build.accelerators,
        "drives" => &mut build.drives,
        _ => return None,
    };

    match what {
        // One part stays, so that its other attributes stay as they were.
        "count" => {
            let was = parts.count;
            parts.count = if was > 1 { was - 1 } else { was + 1 };
            Some((was.into(), parts.count.into()))
        }
        // Without a part, nothing is reported.
        "cores" if parts.count > 0 => {
            parts.cores += 1;
            Some(((parts.cores - 1).into(), parts.cores.into()))
        }
        "model" if parts.count > 0 => Some(retext(&mut parts.model)),
        _ => None,
    }
}

fn retext(text: &mut Box<str>) -> (Value, Value) {
    let was = std::mem::take(text);
    *text = format!("{was}-X9").into();
    (Value::from(&*was), Value::from(&**text))
}

/// Creates another service tag of the same length.
fn retag(tag: &mut Box<str>) -> (Value, Value) {
    let was = std::mem::take(tag);
    let letter = if was.starts_with('X') { "Y" } else { "X" };
    *tag = format!("{letter}{}", was.get(1..).unwrap_or_default()).into();
    (Value::from(&*was), Value::from(&**tag))
}

/// Returns another value that a BIOS setting could have.
fn other_setting(value: &Value) -> Option<Value> {
    const PAIRS: [(&str, &str); 5] =
        [("Enabled", "Disabled"), ("Enable", "Disable"), ("On", "Off"), ("Yes", "No"), ("True", "False")];
    match value {
        Value::Bool(on) => Some((!on).into()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Some((number + 1).into()),
            None => Some((number.as_f64()? + 1.0).into()),
        },
        Value::String(text) => {
            let pairs = PAIRS.iter().flat_map(|(a, b)| [(a, b), (b, a)]);
            let other = pairs.into_iter().find(|(one, _)| one.eq_ignore_ascii_case(text));
            Some(other.map_or_else(|| format!("{text}X9").into(), |(_, other)| (*other).into()))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
