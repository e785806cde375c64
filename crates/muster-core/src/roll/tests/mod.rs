//! Rolls and claims over one small cluster.

mod calls;
mod surveys;

use super::*;
use crate::model::{Quirk, Revision, Tree};
use crate::observed::{
    BmcRecord, Depth, Failure, FailureKind, NicKind, Observation, Observed, Outcome, PowerState, Reading, Root,
    SeenNic, Service, Shared, System, Trust, Unread,
};
use crate::snapshot::{self, StoredBoot};
use proptest::prelude::*;

const BMCS: &str = r#"
//- cluster.toml
name = "test"
credentials = ["all"]
[defaults]
boot = "disk"
macs = "from-bmc"
[defaults.bmc]
credentials = "all"
//- boot/disk.toml
kind = "local"
//- nodes/bmcs.toml
[[bmc]]
name = "b[1-4]"
url = "https://10.1.0.[1-4]"
[[bmc]]
name = "late"
url = "https://10.1.0.9"
mac = "02:00:00:00:00:0b"
"#;

const NODES: &str = r#"
//- nodes/nodes.toml
[[node]]
name = "n[1-3]"
bmc = "b[1-3]"
[[node]]
name = "half[1-2]"
bmc = "b4"
system = "Node[0-1]"
[[node]]
name = "told"
macs = "declared"
nics = [{ name = "eth0", mac = "02:00:00:00:00:0d" }]
[[node]]
name = "old"
state = "retired"
bmc = "late"
"#;

fn snapshot_of(nodes: &str) -> Snapshot {
    let (snapshot, findings) = snapshot::build(&Tree::from_fixture(&format!("{BMCS}{nodes}")), Revision::commit("abc"));
    snapshot.unwrap_or_else(|| panic!("{findings:#?}"))
}

fn snapshot() -> Snapshot {
    snapshot_of(NODES)
}

fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

fn claim(node: &str, bmc: &str, macs: &[u8]) -> Claim {
    let macs = macs.iter().map(|last| mac(*last)).collect();
    Claim { node: node.into(), bmc: bmc.into(), system: "1".into(), macs, at: 7 }
}

fn name(snapshot: &Snapshot, node: Option<usize>) -> Option<&str> {
    node.map(|at| &*snapshot.nodes()[at].name)
}

fn told(roll: &Roll) -> Vec<String> {
    roll.held().iter().map(ToString::to_string).collect()
}

fn nic(last: u8, kind: NicKind) -> SeenNic {
    SeenNic { mac: Some(mac(last)), permanent: None, guid: None, kind, id: "eth".into(), uri: "/redfish/v1/x".into() }
}

fn system(id: &str, macs: &[u8]) -> System {
    System {
        id: id.into(),
        uri: format!("/redfish/v1/Systems/{id}").into(),
        power: Reading::Seen(PowerState::On),
        nics: Reading::Seen(macs.iter().map(|last| nic(*last, NicKind::Ethernet)).collect()),
        ..System::default()
    }
}

fn service(systems: Vec<System>) -> Service {
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

fn observation(bmc: &str, service: Service) -> Observation {
    Observation {
        bmc: bmc.into(),
        url: "https://10.1.0.1".into(),
        at: 100,
        depth: Depth::Deep,
        trust: Trust::Verified,
        authenticated: true,
        outcome: Outcome::Seen(Box::new(service)),
        shared: Shared::default(),
    }
}

fn record_of(observation: &Observation) -> BmcRecord {
    let mut observed = Observed::default();
    observed.take(observation);
    observed.bmcs.remove(&observation.bmc).unwrap()
}

fn record(bmc: &str, service: Service) -> BmcRecord {
    record_of(&observation(bmc, service))
}
