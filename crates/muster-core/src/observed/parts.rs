//! The parts of a machine: interfaces, boot settings, and the inventory that equal machines share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Guid, MacAddr};

/// The kind of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NicKind {
    Ethernet,
    Infiniband,
    /// A link between host and BMC (Redfish host interface, USB-LAN): no network can be booted from it.
    HostToBmc,
    /// A VLAN, a bond or a bridge above another interface.
    Virtual,
}

/// One interface of a machine, as reported by its BMC. The interfaces of a machine are sorted by MAC address, each
/// once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SeenNic {
    /// The address in use, which the machine boots by.
    pub mac: Option<MacAddr>,
    /// The factory's address, if another one is in use.
    #[serde(default)]
    pub permanent: Option<MacAddr>,
    pub guid: Option<Guid>,
    pub kind: NicKind,
    /// Its name in the BMC, such as `NIC.Embedded.1-1-1`.
    pub id: Box<str>,
    /// The resource that reported it, below the origin.
    pub uri: Box<str>,
}

/// The summary of a System's parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PartSummary {
    /// In GiB, rounded to the nearest.
    pub memory_gib: Option<u64>,
    pub processors: Option<u32>,
    pub processor_model: Option<Box<str>>,
}

/// The parts of a machine, without individual values (serial numbers, addresses).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// CPUs, sorted.
    pub processors: Vec<Processor>,
    /// GPUs and other accelerators, sorted.
    pub accelerators: Vec<Processor>,
    /// Memory modules that are fitted, sorted.
    pub memory: Vec<Memory>,
    /// Drives, sorted.
    pub drives: Vec<Drive>,
    /// Which of the four could not be read in full: their names, sorted.
    pub partial: Vec<Box<str>>,
    /// Which of the four the BMC does not report: their names, sorted. An empty list is no count of zero then.
    #[serde(default)]
    pub untold: Vec<Box<str>>,
}

impl Inventory {
    /// Tells whether the list of one of the four parts is all there is.
    #[must_use]
    pub fn is_whole(&self, part: &str) -> bool {
        !self.partial.iter().chain(&self.untold).any(|name| **name == *part)
    }
}

/// One processor or accelerator.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Processor {
    pub id: Box<str>,
    pub manufacturer: Option<Box<str>>,
    pub model: Option<Box<str>>,
    pub cores: Option<u32>,
    pub threads: Option<u32>,
    /// The architecture, by the kernel's name if muster boots it, otherwise as reported by the BMC.
    #[serde(default)]
    pub arch: Option<Box<str>>,
}

/// One memory module.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    pub id: Box<str>,
    pub mib: Option<u64>,
    pub part_number: Option<Box<str>>,
}

/// One drive.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Drive {
    pub id: Box<str>,
    pub model: Option<Box<str>>,
    pub bytes: Option<u64>,
    /// `SSD`, `HDD`, …, as reported.
    pub media: Option<Box<str>>,
}

/// The boot settings reported by the BMC (DSP0268, ComputerSystem Boot).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct BootSettings {
    /// `Disabled`, `Once` or `Continuous`, as reported.
    pub enabled: Option<Box<str>>,
    /// `None`, `Pxe`, `UefiHttp`, …, as reported.
    pub target: Option<Box<str>>,
    /// `UEFI` or `Legacy`, as reported.
    pub mode: Option<Box<str>>,
    pub http_uri: Option<Box<str>>,
    /// References of boot options, first tried first.
    pub order: Vec<Box<str>>,
    /// Empty if a sweep did not read it, or the service has none.
    pub options: Vec<BootOption>,
    /// The override settings that are staged in a settings object and differ from those above.
    pub pending: Option<Box<PendingBoot>>,
}

/// Boot settings that are staged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PendingBoot {
    pub enabled: Option<Box<str>>,
    pub target: Option<Box<str>>,
    pub mode: Option<Box<str>>,
    pub order: Option<Vec<Box<str>>>,
}

/// One entry of the boot menu.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct BootOption {
    /// The reference used in `order`, such as `Boot0003`.
    pub reference: Box<str>,
    pub name: Option<Box<str>>,
    /// The address in its UEFI device path, if it has one.
    pub mac: Option<MacAddr>,
}

/// Whether the firmware checks signatures (DSP0268, SecureBoot).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SecureBoot {
    /// Whether it is to be on from the next boot.
    pub enable: Option<bool>,
    /// Whether it is on now.
    pub current: Option<bool>,
}
