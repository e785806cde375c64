//! The builder of worlds.

use crate::drift::{Drift, Options, compare};
use crate::model::{MacAddr, Revision, Tree};
use crate::observed::{
    BootOption, BootSettings, Depth, Drive, Facts, Failure, Firmware, Inventory, Manager, Memory, NicKind, Observation,
    Observed, Outcome, PartSummary, PowerState, Processor, Reading, Root, SecureBoot, SeenNic, Service, Shared,
    SharedSet, System, Trust,
};
use crate::snapshot::{self, Snapshot};

/// Two nodes with a BMC of their own, and two that share one.
pub const WISHES: &str = r#"
//- cluster.toml
name = "t"
layers = ["g"]
[defaults]
boot = "b"
//- boot/b.toml
kind = "live"
kernel = "http://x.example/k"
//- groups/g.toml
[expect]
memory_gib = 512
power = "on"
secure_boot = true
processors = { count = 2, model = "EPYC 7763" }
bios.version = "2.1"
bios.attributes = { LogicalProc = "Disabled", Sriov = true }
firmware = { NIC = "22.31" }
boot = { override = "Disabled", order = ["PXE one"] }
//- nodes/n.toml
[[bmc]]
name = "b[1-3]"
url = "https://10.1.0.[1-3]"
[[node]]
name = "n[1-2]"
bmc = "b[1-2]"
arch = "x86_64"
groups = ["g"]
serial = "SN[1-2]"
nics = [{ name = "eth0", mac = "02:00:00:00:00:0[1-2]" }]
[[node]]
name = "n[3-4]"
bmc = "b[3,3]"
system = "Node[0-1]"
arch = "x86_64"
groups = ["g"]
serial = "SN[3-4]"
nics = [{ name = "eth0", mac = "02:00:00:00:00:0[3-4]" }]
"#;

/// Eight hours of a day in 2026, in unix milliseconds: when a world's first survey is made.
pub const T0: i64 = 1_780_300_800_000;

pub struct World {
    pub wishes: String,
    pub observed: Observed,
    now: i64,
}

impl World {
    pub fn new() -> Self {
        let mut world = Self { wishes: WISHES.into(), observed: Observed::default(), now: T0 };
        for bmc in 1..=3 {
            world.survey(&format!("b{bmc}"), |_, _| ());
        }
        world
    }

    /// Adds files to the wishes.
    pub fn wish(mut self, files: &str) -> Self {
        self.wishes.push_str(files);
        self
    }

    /// Replaces text in the wishes.
    pub fn edit(mut self, from: &str, to: &str) -> Self {
        assert!(self.wishes.contains(from), "{from}");
        self.wishes = self.wishes.replace(from, to);
        self
    }

    /// Surveys a BMC that shows what it should, but for what is changed.
    pub fn survey(&mut self, bmc: &str, change: impl FnOnce(&mut Service, &mut Shared)) {
        self.survey_as(bmc, Depth::Deep, change);
    }

    pub fn survey_as(&mut self, bmc: &str, depth: Depth, change: impl FnOnce(&mut Service, &mut Shared)) {
        self.now += 60_000;
        let mut shared = Shared::default();
        let mut service = service(bmc, &mut shared);
        change(&mut service, &mut shared);
        let outcome = Outcome::Seen(Box::new(service));
        self.observed.take(&self.observation(bmc, depth, outcome, shared));
    }

    pub fn fail(&mut self, bmc: &str, failure: &Failure) {
        self.now += 60_000;
        let outcome = Outcome::Failed(failure.clone());
        self.observed.take(&self.observation(bmc, Depth::Deep, outcome, Shared::default()));
    }

    fn observation(&self, bmc: &str, depth: Depth, outcome: Outcome, shared: Shared) -> Observation {
        Observation {
            bmc: bmc.into(),
            url: format!("https://10.1.0.{}", &bmc[1..]).into(),
            at: self.now,
            depth,
            trust: Trust::Verified,
            authenticated: true,
            outcome,
            shared,
        }
    }

    pub fn snapshot(&self) -> Snapshot {
        let (snapshot, findings) = snapshot::build(&Tree::from_fixture(&self.wishes), Revision::commit("abc"));
        snapshot.unwrap_or_else(|| panic!("{findings:?}"))
    }

    /// Compares an hour after the last survey.
    pub fn drift(&self) -> Drift {
        self.drift_at(self.now + 3_600_000)
    }

    pub fn drift_at(&self, at: i64) -> Drift {
        compare(&self.snapshot(), &self.observed, at, &Options::default())
    }
}

fn service(bmc: &str, shared: &mut Shared) -> Service {
    let systems = match bmc {
        "b3" => vec![system("Node0", 3, shared), system("Node1", 4, shared)],
        name => vec![system("1", name[1..].parse().unwrap(), shared)],
    };
    let firmware = Firmware([("NIC".into(), "22.31".into()), ("BMC".into(), "1.0".into())].into());
    Service {
        root: Root { vendor: Some("Acme".into()), ..Root::default() },
        systems: Reading::Seen(systems),
        not_servers: Vec::new(),
        managers: Reading::Seen(vec![Manager { id: "BMC".into(), ..Manager::default() }]),
        chassis: Reading::Absent,
        firmware: Reading::Seen(shared.keep(SharedSet::Firmware(firmware))),
        firmware_unread: None,
        quirks: Vec::new(),
        unread: Vec::new(),
    }
}

fn system(id: &str, number: u8, shared: &mut Shared) -> System {
    let processor = |id: &str| Processor { id: id.into(), model: Some("EPYC 7763".into()), ..Processor::default() };
    let inventory = Inventory {
        processors: vec![processor("CPU1"), processor("CPU2")],
        memory: vec![Memory { id: "A1".into(), mib: Some(524_288), part_number: None }],
        drives: vec![Drive { id: "D1".into(), ..Drive::default() }],
        ..Inventory::default()
    };
    let bios = [("LogicalProc".into(), "Disabled".into()), ("Sriov".into(), "Enabled".into())].into();
    let nic = SeenNic {
        mac: Some(mac(number)),
        permanent: None,
        guid: None,
        kind: NicKind::Ethernet,
        id: "eth".into(),
        uri: "/redfish/v1/x".into(),
    };
    let option = BootOption { reference: "Boot0001".into(), name: Some("PXE one".into()), mac: None };
    System {
        id: id.into(),
        uri: format!("/redfish/v1/Systems/{id}").into(),
        facts: Facts { serial: Some(format!("SN{number}").into()), ..Facts::default() },
        power: Reading::Seen(PowerState::On),
        in_post: Some(false),
        bios_version: Some("2.1".into()),
        nics: Reading::Seen(vec![nic]),
        summary: PartSummary { memory_gib: Some(512), processors: Some(2), processor_model: None },
        inventory: Reading::Seen(shared.keep(SharedSet::Inventory(inventory))),
        bios: Reading::Seen(shared.keep(SharedSet::Bios(bios))),
        boot: Reading::Seen(BootSettings {
            enabled: Some("Disabled".into()),
            order: vec!["Boot0001".into(), "Boot0002".into()],
            options: vec![option],
            ..BootSettings::default()
        }),
        secure_boot: Reading::Seen(SecureBoot { enable: Some(true), current: Some(true) }),
        ..System::default()
    }
}

pub fn mac(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, number])
}

/// Returns a System of a service.
pub fn of(service: &mut Service, at: usize) -> &mut System {
    let Reading::Seen(systems) = &mut service.systems else { panic!("systems are seen") };
    &mut systems[at]
}
