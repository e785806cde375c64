//! The builder of worlds.

use crate::adopt::{Adoption, Options, Scope, Unfit, adopt, proven};
use crate::drift::{self, Drift};
use crate::model::{MacAddr, Revision, Tree};
use crate::observed::{
    Depth, Facts, NicKind, Observation, Observed, Outcome, PartSummary, PowerState, Reading, Root, SeenNic, Service,
    Shared, System, Trust,
};
use crate::roll::declared;
use crate::snapshot::{self, Snapshot};

/// A cluster of two nodes with facts, whose BMCs answer.
pub const WISHES: &str = r#"
//- cluster.toml
name = "t"
layers = ["g"]
credentials = ["site"]
[defaults]
boot = "b"
[defaults.bmc]
credentials = "site"
//- boot/b.toml
kind = "live"
kernel = "http://x.example/k"
//- groups/g.toml
vars = { a = "b" }
//- nodes/n.toml
[[node]]
name = "nid[0001-0002]"
nid = "[1-2]"
bmc = { url = "https://10.1.0.[1-2]" }
groups = ["g"]
nics = [{ name = "eth0", boot = true }, { name = "eth1" }]
//- nodes/n.facts.csv
# rack 1
name,nics.eth0.mac,nics.eth1.mac, serial,uuid

nid0001,02:00:00:00:00:01,,SN1,
nid0002,02:00:00:00:00:02,02:00:00:00:01:02, SN2 ,
"#;

/// A time in 2026, in unix milliseconds.
const T0: i64 = 1_780_300_800_000;

#[derive(Clone)]
pub struct World {
    pub wishes: String,
    pub observed: Observed,
    pub now: i64,
}

impl World {
    /// Begins with the two declared nodes as they should be.
    pub fn new() -> Self {
        let mut world = Self { wishes: WISHES.into(), observed: Observed::default(), now: T0 };
        world.survey("nid0001", "https://10.1.0.1", vec![system("1", Some("SN1"), &[mac(1)])]);
        let two = [mac(2), MacAddr([2, 0, 0, 0, 1, 2])];
        world.survey("nid0002", "https://10.1.0.2", vec![system("1", Some("SN2"), &two)]);
        world
    }

    /// Replaces text in the wishes.
    pub fn edit(mut self, from: &str, to: &str) -> Self {
        assert!(self.wishes.contains(from), "{from}");
        self.wishes = self.wishes.replace(from, to);
        self
    }

    pub fn survey(&mut self, bmc: &str, url: &str, systems: Vec<System>) {
        self.survey_service(bmc, url, service(systems));
    }

    pub fn survey_service(&mut self, bmc: &str, url: &str, service: Service) {
        self.observe(bmc, url, Outcome::Seen(Box::new(service)));
    }

    pub fn observe(&mut self, bmc: &str, url: &str, outcome: Outcome) {
        self.now += 60_000;
        self.observed.take(&Observation {
            bmc: bmc.into(),
            url: url.into(),
            at: self.now,
            depth: Depth::Deep,
            trust: Trust::Verified,
            authenticated: true,
            outcome,
            shared: Shared::default(),
        });
    }

    /// Surveys a BMC that nobody declares.
    pub fn stranger(&mut self, url: &str, systems: Vec<System>) {
        self.survey(url, url, systems);
    }

    pub fn tree(&self) -> Tree {
        Tree::from_fixture(&self.wishes)
    }

    pub fn adopt(&self, options: &Options) -> Result<Adoption, Unfit> {
        let snapshot = build(&self.tree());
        let observed = declared(&snapshot, self.observed.clone());
        let drift = compare(&snapshot, &observed, self.now);
        adopt(&snapshot, &observed, &drift, &self.tree(), options)
    }

    /// Adopts, and holds what follows to the laws: it checks, drift finds nothing of it, and there is nothing more to adopt.
    pub fn adopted(&self, options: &Options) -> Adoption {
        let adoption = self.adopt(options).unwrap_or_else(|unfit| panic!("{unfit}"));
        let (before, after) = self.drifts(&adoption);
        if let Err(broken) = proven(&adoption, &before, &after) {
            panic!("{broken}\n{}", texts(&adoption));
        }
        let snapshot = build(&adoption.applied(&self.tree()));
        let observed = declared(&snapshot, self.observed.clone());
        let tree = adoption.applied(&self.tree());
        let again = adopt(&snapshot, &observed, &after, &tree, &Options { names: None, ..options.clone() });
        let again = again.unwrap_or_else(|unfit| panic!("{unfit}"));
        assert!(again.edits.is_empty(), "{}\n--- and again\n{}", texts(&adoption), texts(&again));
        adoption
    }

    /// Compares before and after an adoption.
    pub fn drifts(&self, adoption: &Adoption) -> (Drift, Drift) {
        let compared = |tree: &Tree| {
            let snapshot = build(tree);
            compare(&snapshot, &declared(&snapshot, self.observed.clone()), self.now)
        };
        (compared(&self.tree()), compared(&adoption.applied(&self.tree())))
    }
}

fn compare(snapshot: &Snapshot, observed: &Observed, at: i64) -> Drift {
    drift::compare(snapshot, observed, at, &drift::Options::default())
}

pub fn build(tree: &Tree) -> Snapshot {
    let (snapshot, findings) = snapshot::build(tree, Revision::work_tree());
    snapshot.unwrap_or_else(|| {
        let files: Vec<_> =
            tree.blobs().map(|(path, text)| format!("//- {path}\n{}", String::from_utf8_lossy(text))).collect();
        panic!("{findings:#?}\n{}", files.concat())
    })
}

/// What nobody asked otherwise.
pub fn options() -> Options {
    Options {
        names: None,
        ips: None,
        groups: Vec::new(),
        expect: false,
        into: "nodes/adopted.toml".into(),
        macs: false,
        scope: Scope::All,
        nics: Vec::new(),
    }
}

/// Returns every file that is edited, as a fixture.
pub fn texts(adoption: &Adoption) -> String {
    adoption.edits.iter().map(|edit| format!("//- {}\n{}", edit.path, edit.after)).collect()
}

pub fn mac(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, number])
}

pub fn service(systems: Vec<System>) -> Service {
    Service {
        root: Root::default(),
        systems: Reading::Seen(systems),
        not_servers: Vec::new(),
        managers: Reading::Absent,
        chassis: Reading::Absent,
        firmware: Reading::Absent,
        firmware_unread: None,
        quirks: Vec::new(),
        unread: Vec::new(),
    }
}

pub fn nic(id: &str, mac: MacAddr) -> SeenNic {
    SeenNic {
        mac: Some(mac),
        permanent: None,
        guid: None,
        kind: NicKind::Ethernet,
        id: id.into(),
        uri: "/redfish/v1/x".into(),
    }
}

pub fn system(id: &str, serial: Option<&str>, macs: &[MacAddr]) -> System {
    System {
        id: id.into(),
        uri: format!("/redfish/v1/Systems/{id}").into(),
        facts: Facts {
            manufacturer: Some("Acme".into()),
            model: Some("R1".into()),
            serial: serial.map(Into::into),
            ..Facts::default()
        },
        power: Reading::Seen(PowerState::On),
        nics: Reading::Seen(macs.iter().enumerate().map(|(at, mac)| nic(&format!("NIC.{at}"), *mac)).collect()),
        summary: PartSummary { memory_gib: Some(512), processors: Some(2), processor_model: Some("EPYC 7763".into()) },
        ..System::default()
    }
}
