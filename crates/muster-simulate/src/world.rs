//! The world that matches the desired state: one BMC for each declared one, without drift.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::{Builder, Uuid};

use super::build::{Build, Surplus};
use super::chance;
use super::machine::{Boot, Machine, Nic, Phase, Wished};
use super::model::{Mix, Model};
use super::quirks::Quirks;
use muster_core::desired::{self, BmcKind, Desired, Free, NicKind, Protocol};
use muster_core::model::{MacAddr, Quirk};
use muster_core::resolve::Resolved;

/// A fleet of BMCs and the machines behind them.
#[derive(Debug, Clone)]
pub struct World {
    pub bmcs: Vec<Bmc>,
    /// The names of credentials that cluster.toml lists.
    pub credentials: Vec<Box<str>>,
    pub seed: u64,
}

/// One management controller.
#[derive(Debug, Clone)]
pub struct Bmc {
    pub name: Box<str>,
    /// The declared URL.
    pub url: Box<str>,
    /// The name of its credential.
    pub credential: Option<Box<str>>,
    pub kind: BmcKind,
    pub model: Model,
    pub quirks: Quirks,
    pub mac: MacAddr,
    pub uuid: Uuid,
    pub serial: Box<str>,
    /// Versions by name.
    pub firmware: Arc<BTreeMap<Box<str>, Box<str>>>,
    /// In the order of nodes; empty if it controls no servers.
    pub machines: Vec<Machine>,
}

/// The options for creating a world.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    pub seed: u64,
    pub mix: Mix,
    /// The models of BMCs by name, which override the mix.
    pub models: BTreeMap<Box<str>, Model>,
    /// Quirks of every BMC, in addition to its model's.
    pub quirks: Quirks,
    pub surplus: Surplus,
}

/// Generates unused, locally administered MAC addresses.
struct Addresses {
    taken: BTreeSet<MacAddr>,
    next: u32,
}

impl Addresses {
    fn take(&mut self) -> MacAddr {
        loop {
            let [a, b, c, d] = self.next.to_be_bytes();
            self.next += 1;
            let mac = MacAddr([0x06, 0x5d, a, b, c, d]);
            if self.taken.insert(mac) {
                return mac;
            }
        }
    }
}

impl World {
    /// Builds the machines that a resolved desired state declares.
    #[must_use]
    pub fn new(resolved: &Resolved, choices: &Choices) -> Self {
        let desired = &*resolved.desired;
        let mut behind: Vec<Vec<usize>> = vec![Vec::new(); desired.bmcs.len()];
        for (at, node) in desired.nodes.iter().enumerate() {
            if let Some(bmc) = &node.bmc {
                behind[bmc.value as usize].push(at);
            }
        }
        let mut makes = Makes { resolved, choices, builds: BTreeMap::new(), addresses: declared(desired) };
        let observable = desired.bmcs.iter().zip(behind);
        let observable = observable.filter(|(bmc, _)| bmc.protocol == Protocol::Redfish && bmc.url.is_some());
        let bmcs = observable.map(|(bmc, nodes)| makes.bmc(bmc, &nodes)).collect();
        Self { bmcs, credentials: desired.cluster.credentials.clone(), seed: choices.seed }
    }

    /// Returns the number of servers.
    #[must_use]
    pub fn machines(&self) -> usize {
        self.bmcs.iter().map(|bmc| bmc.machines.len()).sum()
    }

    /// Finds a node's machine: the indices of its BMC and of the machine behind it.
    #[must_use]
    pub fn find(&self, node: &str) -> Option<(usize, usize)> {
        self.bmcs
            .iter()
            .enumerate()
            .find_map(|(bmc, found)| Some((bmc, found.machines.iter().position(|machine| &*machine.node == node)?)))
    }
}

fn declared(desired: &Desired) -> Addresses {
    let nics = desired.nodes.iter().flat_map(|node| &node.nics).filter_map(|nic| nic.mac.as_ref());
    let taken = nics.chain(desired.bmcs.iter().filter_map(|bmc| bmc.mac.as_ref())).map(|mac| mac.value).collect();
    Addresses { taken, next: 0 }
}

/// The shared build of machines of one class and model, and their expected values.
type Made = (Arc<Build>, Expected);

/// Values by attribute path.
type Expected = Arc<BTreeMap<String, Free>>;

/// The state for creating machines.
struct Makes<'r> {
    resolved: &'r Resolved,
    choices: &'r Choices,
    /// Builds by class and model.
    builds: BTreeMap<(u32, Model), Made>,
    addresses: Addresses,
}

impl Makes<'_> {
    fn bmc(&mut self, bmc: &desired::Bmc, nodes: &[usize]) -> Bmc {
        let seed = self.choices.seed;
        let model = self.choices.models.get(&bmc.name).copied();
        let model = model.unwrap_or_else(|| self.choices.mix.choose(chance::number(seed, &["model", &bmc.name])));
        let several = nodes.len() > 1;
        let machines: Vec<Machine> = nodes.iter().map(|node| self.machine(*node, model, several)).collect();
        let mut quirks = model.quirks();
        for quirk in quirks.iter().filter(|quirk| machines.iter().any(|machine| hides_wish(machine, *quirk))) {
            quirks = quirks.without(quirk);
        }

        let mut firmware = machines.first().map_or_else(
            || Arc::new(super::catalog::firmware(self.choices.surplus.firmware_rows.min(4))),
            |first| Arc::clone(&first.build.firmware),
        );

        for machine in machines.iter().skip(1) {
            for (path, value) in &*machine.wished.expect {
                if let (Some(name), Free::Text(version)) = (path.strip_prefix("firmware."), value)
                    && firmware.get(name).is_none_or(|other| **other != **version)
                {
                    Arc::make_mut(&mut firmware).insert(name.into(), version.as_str().into());
                }
            }
        }

        Bmc {
            name: bmc.name.clone(),
            url: bmc.url.as_ref().map(|url| url.value.clone()).unwrap_or_default(),
            credential: bmc.credentials.as_ref().map(|name| name.value.clone()),
            kind: bmc.kind,
            model,
            quirks: quirks.and(self.choices.quirks),
            mac: bmc.mac.as_ref().map_or_else(|| self.addresses.take(), |mac| mac.value),
            uuid: uuid_of(seed, &["bmc", &bmc.name]),
            serial: serial_of(seed, &["bmc", &bmc.name]),
            firmware,
            machines,
        }
    }

    fn machine(&mut self, at: usize, model: Model, several: bool) -> Machine {
        let resolved = self.resolved;
        let desired = &resolved.desired;
        let node = &desired.nodes[at];
        let (build, shown, wished) = self.shown(at, model);
        let seed = self.choices.seed;
        let mut nics: Vec<Nic> = Vec::new();

        for (spec, nic) in desired.nics(node) {
            let of_port = match spec.kind {
                NicKind::Ethernet => Some(nic.mac.as_ref().map_or_else(|| self.addresses.take(), |mac| mac.value)),
                NicKind::Infiniband => nic.mac.as_ref().map(|mac| mac.value),
                NicKind::Bond | NicKind::Vlan | NicKind::Bridge => continue,
            };
            let guid = nic.guid.as_ref().map(|guid| guid.value);
            let declared = nic.mac.is_some();
            nics.push(Nic { name: Some(spec.name.clone()), mac: of_port, guid, declared });
        }

        if !nics.iter().any(|nic| nic.mac.is_some()) {
            nics.push(Nic { name: None, mac: Some(self.addresses.take()), guid: None, declared: false });
        }
        let text = |path: &str| match shown.get(path) {
            Some(Free::Text(text)) => Some(text.as_str()),
            Some(_) | None => None,
        };

        Machine {
            node: node.name.clone(),
            id: node.system.clone().unwrap_or_else(|| {
                let id = model.words().system;
                if several { format!("{id}-{}", node.name).into() } else { id.into() }
            }),
            serial: node
                .serial
                .as_ref()
                .map_or_else(|| serial_of(seed, &["node", &node.name]), |serial| serial.value.clone()),
            uuid: node.uuid.as_ref().map_or_else(|| uuid_of(seed, &["node", &node.name]), |uuid| uuid.value),
            boot: Boot::new(&nics, &shown),
            nics,
            build,
            phase: if text("power") == Some("off") { Phase::Off } else { Phase::On },
            secure_boot: matches!(shown.get("secure_boot"), Some(Free::Boolean(true))),
            wished: Wished { serial: node.serial.is_some(), uuid: node.uuid.is_some(), expect: wished },
            staged: super::machine::Staged::default(),
        }
    }

    /// Returns the build and the values of a node: those that its class expects, except for values
    /// that an exception accepts instead. The third value is the expectations that the node meets.
    fn shown(&mut self, at: usize, model: Model) -> (Arc<Build>, Expected, Expected) {
        let resolved = self.resolved;
        let class = resolved.desired.nodes[at].class;
        let (build, expect) = self.build(class, model);
        let excepted = resolved.desired.exceptions.iter().filter(|exception| exception.nodes.contains(&(at as u32)));
        let excepted: Vec<_> = excepted.filter(|exception| expect.contains_key(&*exception.attribute)).collect();
        if excepted.is_empty() {
            return (build, Arc::clone(&expect), expect);
        }

        let (of, mut stated) = (&resolved.classes[class as usize], resolved.classes[class as usize].expect.clone());
        let mut wished = (*expect).clone();
        for exception in &excepted {
            wished.remove(&*exception.attribute);
            match (&exception.seen, stated.get_mut(&*exception.attribute)) {
                (Some(seen), Some(stated)) => stated.value = seen.clone(),
                (None, _) | (_, None) => drop(stated.remove(&*exception.attribute)),
            }
        }

        let mut build = Build::new(model, of.arch.value, &stated, self.choices.surplus);
        for exception in excepted.iter().filter(|exception| exception.seen.is_none()) {
            build.lacks(&exception.attribute);
        }
        let shown = stated.into_iter().map(|(path, stated)| (path, stated.value)).collect();

        (Arc::new(build), Arc::new(shown), Arc::new(wished))
    }

    fn build(&mut self, class: u32, model: Model) -> Made {
        let of = &self.resolved.classes[class as usize];
        let made = self.builds.entry((class, model)).or_insert_with(|| {
            let build = Build::new(model, of.arch.value, &of.expect, self.choices.surplus);
            let expect = of.expect.iter().map(|(path, stated)| (path.clone(), stated.value.clone()));
            (Arc::new(build), Arc::new(expect.collect()))
        });
        (Arc::clone(&made.0), Arc::clone(&made.1))
    }
}

/// Returns whether a quirk would hide a declared property of a machine. No model has such a quirk;
/// a forced quirk may.
fn hides_wish(machine: &Machine, quirk: Quirk) -> bool {
    let wished = &machine.wished;
    wished.expect.keys().any(|path| hides(quirk, path))
        || (wished.serial && hides(quirk, "serial"))
        || (wished.serial && quirk == Quirk::TagInSku && !is_tag(&machine.serial))
        || (wished.uuid && hides(quirk, "uuid"))
}

/// Returns whether a serial number could be a Dell service tag: seven letters and digits.
fn is_tag(serial: &str) -> bool {
    serial.len() == 7 && serial.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns whether a quirk hides an attribute, so that a difference in it would not be observed, or
/// not alone.
pub(super) fn hides(quirk: Quirk, path: &str) -> bool {
    match quirk {
        Quirk::EmptyUuid => path == "uuid",
        Quirk::PlaceholderIdentity | Quirk::SharedSerial => path == "serial",
        Quirk::Unlicensed => path.starts_with("bios.attributes."),
        Quirk::NoBootOverride => ["boot.override", "boot.target", "boot.mode"].contains(&path),
        Quirk::WrongWhileOff => path == "power",
        Quirk::PasswordChange => true,
        Quirk::BootSettingsResource
        | Quirk::CompositeBootOrder
        | Quirk::NicsVanishInPost
        | Quirk::NoKeepAlive
        | Quirk::NoIdentityEncoding
        | Quirk::TrailingSlash
        | Quirk::WrongCase
        | Quirk::ExpandDropsFields
        | Quirk::FewSessions
        | Quirk::SessionDeleteRefused
        | Quirk::SessionDropped
        | Quirk::EnumDisplayNames
        | Quirk::SecureBootFails
        | Quirk::ResetByActionInfo
        | Quirk::EmptyMac
        | Quirk::NullMembers
        | Quirk::ObjectExtendedInfo
        | Quirk::OddDates
        | Quirk::TagInSku
        | Quirk::NoEthernetInterfaces
        | Quirk::MacsInBootOptions
        | Quirk::MacsUnderAdapters
        | Quirk::HostUsbNic
        | Quirk::DuplicateNics
        | Quirk::WrongOdataId
        | Quirk::DeadMembers
        | Quirk::BaseboardSystem
        | Quirk::SchemalessTargets
        | Quirk::NumbersAsText
        | Quirk::SlowFirstAnswer
        | Quirk::InvalidJson => false,
    }
}

pub(super) fn uuid_of(seed: u64, parts: &[&str]) -> Uuid {
    let high = chance::number(seed, parts);
    let low = chance::both(high, 1);
    Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes()).into_uuid()
}

fn serial_of(seed: u64, parts: &[&str]) -> Box<str> {
    format!("SIM{:010X}", chance::number(seed, parts) & 0xff_ffff_ffff).into()
}
