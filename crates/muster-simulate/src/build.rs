//! The parts, BIOS settings and firmware that equal machines share, built to match the expectations
//! of a class of nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::catalog;
use super::model::Model;
use muster_core::desired::Free;
use muster_core::model::{Arch, Stated};

/// BIOS settings by name: strings, integers and booleans.
pub type BiosSettings = Map<String, Value>;

/// The numbers of unmanaged settings that a machine reports in addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surplus {
    pub bios_attributes: usize,
    pub firmware_rows: usize,
}

impl Default for Surplus {
    /// Returns the numbers of a common server: real machines have 200 to 860 BIOS attributes and
    /// some thirty firmware rows.
    fn default() -> Self {
        Self { bios_attributes: 450, firmware_rows: 30 }
    }
}

/// The parts of one class of machines, which share them until one of them changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    pub manufacturer: Box<str>,
    pub model: Box<str>,
    pub arch: Arch,
    pub processors: Parts,
    pub accelerators: Parts,
    pub drives: Parts,
    /// MiB of each module.
    pub memory: Vec<u32>,
    pub bios_version: Box<str>,
    pub bios: Arc<BiosSettings>,
    /// Versions by name.
    pub firmware: Arc<BTreeMap<Box<str>, Box<str>>>,
}

/// Parts of one kind, all of the same model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    pub count: u32,
    pub model: Box<str>,
    pub cores: u32,
}

/// Returns the sizes of memory modules that add up to `gib` GiB: sixteen if that divides evenly.
fn modules(gib: u64) -> Vec<u32> {
    let count = [16, 12, 8, 6, 4, 2].into_iter().find(|count| gib.is_multiple_of(*count)).unwrap_or(1);
    if gib == 0 {
        return Vec::new();
    }
    vec![u32::try_from(gib / count * 1024).unwrap_or(u32::MAX); count as usize]
}

impl Build {
    /// Creates the build that a class expects, on a model of machine; everything else is the
    /// model's own.
    pub(super) fn new(model: Model, arch: Arch, expect: &BTreeMap<String, Stated<Free>>, surplus: Surplus) -> Self {
        let words = model.words();
        let text = |path: &str| match &expect.get(path)?.value {
            Free::Text(text) => Some(Box::<str>::from(text.as_str())),
            Free::Integer(_) | Free::Float(_) | Free::Boolean(_) | Free::List(_) | Free::Table(_) => None,
        };

        let number = |path: &str| match expect.get(path)?.value {
            Free::Integer(number) => u64::try_from(number).ok(),
            Free::Text(_) | Free::Float(_) | Free::Boolean(_) | Free::List(_) | Free::Table(_) => None,
        };

        let parts = |name: &str, count: u32, model: &str, cores: u32| Parts {
            count: number(&format!("{name}.count")).map_or_else(
                || if count == 0 && text(&format!("{name}.model")).is_some() { 1 } else { count },
                |count| count as u32,
            ),
            model: text(&format!("{name}.model")).unwrap_or_else(|| model.into()),
            cores: number(&format!("{name}.cores")).map_or(cores, |cores| cores as u32),
        };

        let cpu = if arch == Arch::Aarch64 && model != Model::Gh200 { "Neoverse-V2" } else { words.cpu };
        let mut bios = catalog::bios(surplus.bios_attributes);
        let mut firmware = catalog::firmware(surplus.firmware_rows);

        for (path, stated) in expect {
            if let Some(name) = path.strip_prefix("bios.attributes.") {
                bios.insert(name.to_owned(), json_of(&stated.value));
            } else if let Some(name) = path.strip_prefix("firmware.")
                && let Free::Text(version) = &stated.value
            {
                firmware.insert(name.into(), version.as_str().into());
            }
        }

        Self {
            manufacturer: text("manufacturer").unwrap_or_else(|| words.manufacturer.into()),
            model: text("model").unwrap_or_else(|| words.model.into()),
            arch,
            processors: parts("processors", 2, cpu, 32),
            accelerators: parts("accelerators", u32::from(model == Model::Gh200), "H200", 0),
            drives: parts("drives", 1, "MZ1L2960HCJR-00A07", 0),
            memory: modules(number("memory_gib").unwrap_or(512)),
            bios_version: text("bios.version").unwrap_or_else(|| words.bios_version.into()),
            bios: Arc::new(bios),
            firmware: Arc::new(firmware),
        }
    }

    /// Removes a BIOS setting or a row of the firmware.
    pub(super) fn lacks(&mut self, path: &str) {
        if let Some(name) = path.strip_prefix("bios.attributes.") {
            Arc::make_mut(&mut self.bios).remove(name);
        } else if let Some(name) = path.strip_prefix("firmware.") {
            Arc::make_mut(&mut self.firmware).remove(name);
        }
    }

    /// Returns the memory in GiB.
    #[must_use]
    pub fn memory_gib(&self) -> u64 {
        self.memory.iter().map(|mib| u64::from(*mib)).sum::<u64>() / 1024
    }
}

/// Converts a declared BIOS value as a BMC would; lists and tables are not BIOS values and become
/// text.
fn json_of(value: &Free) -> Value {
    match value {
        Free::Text(text) => text.as_str().into(),
        Free::Integer(number) => (*number).into(),
        Free::Float(number) => (*number).into(),
        Free::Boolean(on) => (*on).into(),
        Free::List(_) | Free::Table(_) => "".into(),
    }
}
