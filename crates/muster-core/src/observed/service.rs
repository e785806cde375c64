//! What one BMC shows: its root, its Systems, its managers and chassis.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::parts::{BootSettings, PartSummary, SecureBoot, SeenNic};
use super::{Digest, Failure};
use crate::model::{MacAddr, Quirk};

/// How much of a BMC a survey reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// Power, boot settings and identity: the Systems themselves.
    Sweep,
    /// All of it.
    Deep,
}

/// The result of reading one part of a machine.
///
/// Unknown is not absent: a part that the service does not have is [`Reading::Absent`], one that could not be read is
/// [`Reading::Failed`], and one that a sweep did not read is [`Reading::Unasked`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reading<T> {
    Seen(T),
    /// The service says that there is none, or offers no such resource.
    Absent,
    Failed(Failure),
    #[default]
    Unasked,
}

/// One BMC's Redfish service, read once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    pub root: Root,
    /// The servers, by the order of their ids.
    pub systems: Reading<Vec<System>>,
    /// Systems that are not servers: GPU baseboards, switch trays.
    pub not_servers: Vec<NotServer>,
    pub managers: Reading<Vec<Manager>>,
    pub chassis: Reading<Vec<Chassis>>,
    /// Names a [`super::SharedSet::Firmware`].
    pub firmware: Reading<Digest>,
    /// Why some firmware may be missing from the set, if it may.
    #[serde(default)]
    pub firmware_unread: Option<Failure>,
    /// The quirks that were observed or are known for this product, ascending.
    pub quirks: Vec<Quirk>,
    /// The resources that could not be read; bounded by [`Service::MAX_UNREAD`].
    pub unread: Vec<Unread>,
}

impl Service {
    /// How many unread resources are kept by name; a broken BMC has hundreds, and the first tell the story.
    pub const MAX_UNREAD: usize = 20;
}

/// The contents of a service root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Root {
    pub vendor: Option<Box<str>>,
    pub product: Option<Box<str>>,
    pub redfish_version: Option<Box<str>>,
    pub uuid: Option<Uuid>,
    /// The service tag or name, if the vendor assigns one.
    pub name: Option<Box<str>>,
}

/// One server behind a BMC (Redfish ComputerSystem).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct System {
    /// The resource's Id, or the last part of its URI.
    pub id: Box<str>,
    /// The URI below the origin, such as `/redfish/v1/Systems/1`.
    pub uri: Box<str>,
    pub facts: Facts,
    pub power: Reading<PowerState>,
    /// Whether the machine is in POST (BootProgress, DSP0268 ComputerSystem), if reported.
    pub in_post: Option<bool>,
    /// How long ago the state of POST was entered, if the BMC dates it.
    #[serde(default)]
    pub post_age: Option<PostAge>,
    /// `OK`, `Warning` or `Critical`, as reported.
    pub health: Option<Box<str>>,
    pub bios_version: Option<Box<str>>,
    pub nics: Reading<Vec<SeenNic>>,
    /// Why some interfaces may be missing from the list, if they may.
    #[serde(default)]
    pub nics_unread: Option<Failure>,
    /// The System's own summary of memory and processors.
    pub summary: PartSummary,
    /// Names a [`super::SharedSet::Inventory`].
    pub inventory: Reading<Digest>,
    /// Names a [`super::SharedSet::Bios`].
    pub bios: Reading<Digest>,
    /// BIOS settings that the BMC names without a value, ascending.
    #[serde(default)]
    pub bios_untold: Vec<Box<str>>,
    /// BIOS settings that are staged, wait for a reset, and differ from those that apply.
    pub bios_pending: BTreeMap<Box<str>, Box<str>>,
    pub boot: Reading<BootSettings>,
    pub secure_boot: Reading<SecureBoot>,
}

/// Who a machine says it is, canonical: blanks trimmed, placeholders dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    pub manufacturer: Option<Box<str>>,
    pub model: Option<Box<str>>,
    pub serial: Option<Box<str>>,
    /// The SKU; on Dell's machines the service tag.
    pub sku: Option<Box<str>>,
    pub part_number: Option<Box<str>>,
    pub asset_tag: Option<Box<str>>,
    pub uuid: Option<Uuid>,
    pub host_name: Option<Box<str>>,
}

/// Whether a machine is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PowerState {
    On,
    Off,
    PoweringOn,
    PoweringOff,
    Paused,
}

/// How long ago a machine entered the state of POST that its BMC reports.
///
/// A bound and not a time: BMCs date it by clocks of their own, and a time that moves would make every survey a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PostAge {
    /// No longer ago than a POST can take.
    Recent,
    /// Longer ago than any POST takes: the state is a leftover.
    Long,
}

impl PostAge {
    /// The longest that a POST takes, in milliseconds: machines with terabytes of memory train it for some 20 minutes.
    pub const LONGEST_POST: i64 = 30 * 60 * 1000;
}

/// A System that is not a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct NotServer {
    pub id: Box<str>,
    /// Why it is no server, in one sentence.
    pub why: Box<str>,
}

/// One management controller (Redfish Manager).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Manager {
    pub id: Box<str>,
    /// `BMC`, `EnclosureManager`, …, as reported.
    pub kind: Option<Box<str>>,
    pub model: Option<Box<str>>,
    pub firmware: Option<Box<str>>,
    pub uuid: Option<Uuid>,
    pub health: Option<Box<str>>,
    /// The MAC addresses of its own interfaces, ascending.
    pub macs: Reading<Vec<MacAddr>>,
    /// Those of the interfaces that it is reached by, ascending: the address asked, else those that are up.
    #[serde(default)]
    pub in_use: Vec<MacAddr>,
}

/// One chassis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Chassis {
    pub id: Box<str>,
    /// `RackMount`, `Blade`, …, as reported.
    pub kind: Option<Box<str>>,
    pub facts: Facts,
    /// The reported location in one line: row, rack, unit.
    pub location: Option<Box<str>>,
    pub health: Option<Box<str>>,
}

/// The firmware of a BMC's parts: version by name, empty if the BMC names the part and no version of it.
///
/// Parts of the same name are one entry with each version once, sorted, joined by ` + `.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Firmware(pub BTreeMap<Box<str>, Box<str>>);

/// A resource that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    pub uri: Box<str>,
    pub failure: Failure,
}

impl Service {
    /// Returns the serial number of a machine: on Dell's machines the service tag, which stands in the SKU.
    #[must_use]
    pub fn serial_of<'s>(&self, system: &'s System) -> Option<&'s str> {
        let facts = &system.facts;
        let tag = facts.sku.as_deref().filter(|_| self.quirks.contains(&Quirk::TagInSku));
        tag.or(facts.serial.as_deref())
    }
}

impl<T> Reading<T> {
    /// Returns what was seen, if it was.
    pub const fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Absent | Self::Failed(_) | Self::Unasked => None,
        }
    }

    /// Tells whether the service told of it, be it that there is none.
    pub const fn is_known(&self) -> bool {
        matches!(self, Self::Seen(_) | Self::Absent)
    }

    /// Applies a function to what was seen.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Seen(value) => Reading::Seen(f(value)),
            Self::Absent => Reading::Absent,
            Self::Failed(failure) => Reading::Failed(failure),
            Self::Unasked => Reading::Unasked,
        }
    }

    /// Returns what was told, or [`Reading::Absent`].
    pub fn told(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Seen)
    }

    /// Takes an older reading where nothing is known.
    pub(super) fn fill(&mut self, older: &Self)
    where
        T: Clone,
    {
        if !self.is_known() {
            self.clone_from(older);
        }
    }

    /// Returns this reading, or an older one where this survey did not ask.
    #[must_use]
    pub fn or_older(self, older: &Self) -> Self
    where
        T: Clone,
    {
        if matches!(self, Self::Unasked) { older.clone() } else { self }
    }
}

impl PowerState {
    /// Returns the name that wishes and reports use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::PoweringOn => "powering-on",
            Self::PoweringOff => "powering-off",
            Self::Paused => "paused",
        }
    }

    /// Tells whether the machine is between two states.
    #[must_use]
    pub const fn is_moving(self) -> bool {
        matches!(self, Self::PoweringOn | Self::PoweringOff)
    }
}
