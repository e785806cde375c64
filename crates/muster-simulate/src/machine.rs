//! One machine: its own state, and the effects of power changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::build::{BiosSettings, Build};
use super::fleet::Timing;
use muster_core::desired::Free;
use muster_core::model::{Guid, MacAddr};

/// One server behind a BMC.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// The name of its node.
    pub node: Box<str>,
    /// The Id of its System.
    pub id: Box<str>,
    pub serial: Box<str>,
    pub uuid: Uuid,
    pub nics: Vec<Nic>,
    pub build: Arc<Build>,
    /// Its declared properties.
    pub(super) wished: Wished,
    pub phase: Phase,
    pub secure_boot: bool,
    pub boot: Boot,
    pub(super) staged: Staged,
}

/// The declared properties of a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Wished {
    pub serial: bool,
    pub uuid: bool,
    /// The expectations of its class, by attribute path.
    pub expect: Arc<BTreeMap<String, Free>>,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// The declared name, if there is one.
    pub name: Option<Box<str>>,
    pub mac: Option<MacAddr>,
    /// The GUID of an InfiniBand port.
    pub guid: Option<Guid>,
    /// Whether the MAC address is declared.
    pub declared: bool,
}

/// The power state of a machine. Times are milliseconds since the start of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Off,
    PoweringOn { until: u64 },
    Post { until: u64 },
    On,
    PoweringOff { until: u64, and_on_again: bool },
}

/// The boot settings of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// `Disabled`, `Once` or `Continuous`.
    pub enabled: Box<str>,
    pub target: Box<str>,
    /// `UEFI` or `Legacy`.
    pub mode: Box<str>,
    pub http_uri: Box<str>,
    /// Reference and name of every entry of the menu, by number.
    pub options: Arc<[(Box<str>, Box<str>)]>,
    /// References in boot order.
    pub order: Vec<Box<str>>,
}

/// The settings that apply at the next reset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Staged {
    pub bios: BiosSettings,
    pub boot: Option<Box<Boot>>,
    pub secure_boot: Option<bool>,
}

impl Phase {
    /// Returns whether the machine draws power.
    #[must_use]
    pub const fn is_on(self) -> bool {
        !matches!(self, Self::Off)
    }
}

impl Machine {
    /// Advances the state to a time: phases end, and staged settings apply when POST ends.
    pub(super) fn settle(&mut self, now: u64, timing: &Timing) {
        loop {
            match self.phase {
                Phase::PoweringOn { until } if until <= now => self.phase = Phase::Post { until: until + timing.post },
                Phase::Post { until } if until <= now => {
                    self.phase = Phase::On;
                    self.apply_staged();
                }
                Phase::PoweringOff { until, and_on_again } if until <= now => {
                    self.phase =
                        if and_on_again { Phase::PoweringOn { until: until + timing.power } } else { Phase::Off };
                }
                Phase::Off | Phase::On => return,
                Phase::PoweringOn { .. } | Phase::Post { .. } | Phase::PoweringOff { .. } => return,
            }
        }
    }

    fn apply_staged(&mut self) {
        let staged = std::mem::take(&mut self.staged);
        if !staged.bios.is_empty() {
            Arc::make_mut(&mut Arc::make_mut(&mut self.build).bios).extend(staged.bios);
        }
        if let Some(boot) = staged.boot {
            self.boot = *boot;
        }

        if let Some(on) = staged.secure_boot {
            self.secure_boot = on;
        }
        if &*self.boot.enabled == "Once" {
            self.boot.enabled = "Disabled".into();
            self.boot.target = "None".into();
        }
    }

    /// Sets one BIOS setting, as from the console.
    pub fn set_bios(&mut self, name: &str, value: impl Into<Value>) {
        let bios = &mut Arc::make_mut(&mut self.build).bios;
        Arc::make_mut(bios).insert(name.to_owned(), value.into());
    }
}
