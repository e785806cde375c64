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

#[test]
fn a_claim_is_an_index() {
    let snapshot = snapshot();
    let roll = Roll::call(&snapshot, &[claim("n2", "b2", &[3, 4]), claim("n1", "b1", &[1])]);
    assert_eq!(name(&snapshot, roll.by_mac(mac(1))), Some("n1"));
    assert_eq!(name(&snapshot, roll.by_mac(mac(4))), Some("n2"));
    assert_eq!(roll.by_mac(mac(2)), None);
    assert!(roll.held().is_empty() && !roll.is_held(mac(2)));
    assert_eq!(roll.claim_of(1).map(|claim| &*claim.node), Some("n2"));
    assert_eq!(roll.macs_of(1).collect::<Vec<_>>(), [mac(3), mac(4)]);
    assert_eq!(roll.claim_of(2), None);
}

#[test]
fn two_claims_hold_the_one_address_and_only_it() {
    let snapshot = snapshot();
    let both = [claim("n1", "b1", &[1, 9]), claim("n2", "b2", &[2, 9])];
    let roll = Roll::call(&snapshot, &both);
    assert_eq!(
        told(&roll),
        [
            "MAC 02:00:00:00:00:09 boots nobody: the surveys of n1 and n2 report it; declare it in git for the node that has it"
        ]
    );
    assert!(roll.is_held(mac(9)) && !roll.is_held(mac(1)));
    assert_eq!(name(&snapshot, roll.by_mac(mac(1))), Some("n1"));
    assert_eq!(roll.macs_of(1).collect::<Vec<_>>(), [mac(2)]);
    let freed = Roll::call(&snapshot, &both[1..]);
    assert_eq!(name(&snapshot, freed.by_mac(mac(9))), Some("n2"));
}

#[test]
fn what_git_declares_is_not_contested() {
    let snapshot = snapshot();
    let roll = Roll::call(&snapshot, &[claim("n1", "b1", &[1, 0x0b, 0x0d])]);
    assert_eq!((roll.by_mac(mac(0x0b)), roll.by_mac(mac(0x0d))), (None, None));
    assert_eq!(
        told(&roll),
        [
            "MAC 02:00:00:00:00:0b boots nobody: git declares it for the BMC late, though the surveys of n1 report it",
            "MAC 02:00:00:00:00:0d boots told, for which git declares it, though the surveys of n1 report it",
        ]
    );
    assert_eq!(name(&snapshot, roll.by_mac(mac(1))), Some("n1"));
}

#[test]
fn a_claim_rests_where_git_states_the_address_that_boots() {
    let of = |nics: &str| {
        let own = format!("//- nodes/n.toml\n[[node]]\nname = \"n1\"\nbmc = \"b1\"\nnics = [{nics}]\n");
        let snapshot = snapshot_of(&own);
        let roll = Roll::call(&snapshot, &[claim("n1", "b1", &[1, 2])]);
        assert!(roll.held().is_empty());
        (snapshot.by_mac(mac(1)), roll.by_mac(mac(2)))
    };
    let first = r#"{ name = "eth0", mac = "02:00:00:00:00:01" }"#;
    assert_eq!(of(first), (Some(0), None));
    let other = r#"{ name = "eth0", boot = true }, { name = "eth1", mac = "02:00:00:00:00:01" }"#;
    assert_eq!(of(other), (Some(0), Some(0)), "it stands beside the node's other addresses");
}

#[test]
fn a_claim_counts_for_the_bmc_and_system_of_its_node_only() {
    let snapshot = snapshot();
    let half = |system: &str| Claim { system: system.into(), ..claim("half1", "b4", &[5]) };
    let retired = Roll::call(&snapshot, &[claim("old", "late", &[6])]);
    assert_eq!(name(&snapshot, retired.by_mac(mac(6))), Some("old"));
    assert_eq!(name(&snapshot, Roll::call(&snapshot, &[half("node0")]).by_mac(mac(5))), Some("half1"));
    let void = [claim("n1", "b2", &[1]), claim("gone", "b1", &[2]), half("Node1")];
    assert_eq!(Roll::call(&snapshot, &void), Roll::default());
    assert_eq!(super::void(&snapshot, &void), ["gone".into(), "half1".into(), "n1".into()] as [Box<str>; 3]);
    // One that declares its addresses now keeps the claim, which counts for nothing.
    let resting = [claim("n1", "b1", &[1])];
    let declared = snapshot_of("//- nodes/n.toml\n[[node]]\nname = \"n1\"\nbmc = \"b1\"\nmacs = \"declared\"\n");
    assert_eq!(Roll::call(&declared, &resting), Roll::default());
    assert!(super::void(&declared, &resting).is_empty());
    // The claim on the new BMC outlives that on the old one.
    let moved = [claim("n1", "b2", &[1]), claim("n1", "b1", &[2])];
    assert!(super::void(&snapshot, &moved).is_empty());
    assert_eq!(name(&snapshot, Roll::call(&snapshot, &moved).by_mac(mac(2))), Some("n1"));
}

#[test]
fn an_xname_is_no_name_for_a_claim() {
    let renamed = "//- nodes/n.toml\n[[node]]\nname = \"n1\"\nxname = \"x1000c0s0b0n0\"\nbmc = \"b1\"\n";
    let roll = Roll::call(&snapshot_of(renamed), &[claim("x1000c0s0b0n0", "b1", &[1])]);
    assert_eq!(roll, Roll::default());
}

#[test]
fn stored_scripts_are_found_by_claims_too() {
    let script = crate::ipxe::Script::from_marked("#!ipxe\nexit 0\n");
    let boot = |name: &str, macs: Vec<MacAddr>| StoredBoot {
        name: name.into(),
        macs,
        nid: None,
        xname: None,
        digest: script.digest(),
        script: script.clone(),
    };
    let boots = vec![boot("n1", vec![]), boot("n2", vec![mac(2)])];
    let snapshot = Snapshot::from_stored(Revision::commit("abc"), boots);
    let claims = [claim("n1", "b1", &[1]), claim("n2", "b2", &[3]), claim("gone", "b3", &[4])];
    let roll = Roll::call(&snapshot, &claims);
    assert_eq!([1, 2, 3, 4].map(|last| roll.by_mac(mac(last))), [Some(0), None, None, None]);
    assert!(void(&snapshot, &claims).is_empty());
    assert!(super::claims(&snapshot, &record("b1", service(vec![system("1", &[1])])), &[]).is_empty());
}

fn nic(last: u8, kind: NicKind) -> SeenNic {
    SeenNic { mac: Some(mac(last)), guid: None, kind, id: "eth".into(), uri: "/redfish/v1/x".into() }
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

#[test]
fn the_first_survey_that_can_be_believed_claims() {
    let snapshot = snapshot();
    let machine = || service(vec![system("Self", &[4, 1])]);
    let made = claims(&snapshot, &record("b1", machine()), &[]);
    let expected = Claim { system: "Self".into(), at: 100, ..claim("n1", "b1", &[1, 4]) };
    assert_eq!(made, std::slice::from_ref(&expected));
    assert_eq!(claims(&snapshot, &record("undeclared", machine()), &[]), []);
    // Sticky: another machine behind the BMC is for drift to tell.
    let other = record("b1", service(vec![system("Self", &[8])]));
    assert_eq!(claims(&snapshot, &other, &made), []);
    // A claim of a BMC that the node had before is none of this one's.
    let former = Claim { bmc: "b2".into(), ..expected };
    assert_eq!(claims(&snapshot, &other, &[former]).len(), 1);
}

#[test]
fn what_cannot_be_believed_claims_nothing() {
    type Change = fn(&mut Observation);
    let machine = || observation("b1", service(vec![system("1", &[1])]));
    let doubts: [(&str, Change); 5] = [
        ("plain", |o| o.trust = Trust::Plain),
        ("unverified", |o| o.trust = Trust::Unverified),
        ("anonymous", |o| o.authenticated = false),
        ("sweep", |o| o.depth = Depth::Sweep),
        ("failed", |o| o.outcome = Outcome::Failed(Failure::new(FailureKind::TimedOut, "no answer"))),
    ];
    let snapshot = snapshot();
    for (what, change) in doubts {
        let mut doubted = machine();
        change(&mut doubted);
        assert_eq!(claims(&snapshot, &record_of(&doubted), &[]), [], "{what}");
    }
    let mut pinned = machine();
    pinned.trust = Trust::Pinned;
    assert_eq!(claims(&snapshot, &record_of(&pinned), &[]).len(), 1);
    // A sweep after a deep survey does not lend it its trust, nor does a failure leave it standing.
    for later in [Depth::Sweep, Depth::Deep] {
        let mut observed = Observed::default();
        observed.take(&Observation { trust: Trust::Unverified, ..machine() });
        let failed = Outcome::Failed(Failure::new(FailureKind::TimedOut, "no answer"));
        let mut second = Observation { at: 200, depth: later, ..machine() };
        if later == Depth::Deep {
            second.outcome = failed;
        }
        observed.take(&second);
        assert_eq!(claims(&snapshot, &observed.bmcs["b1"], &[]), []);
    }
}

#[test]
fn only_a_whole_view_of_the_interfaces_claims() {
    type Change = fn(&mut Service);
    let unread = |uri: &str, kind| Unread { uri: uri.into(), failure: Failure::new(kind, "it failed") };
    let claims_with = |change: &dyn Fn(&mut Service)| {
        let mut service = service(vec![system("1", &[1])]);
        change(&mut service);
        claims(&snapshot(), &record("b1", service), &[]).len()
    };
    let own = |service: &mut Service, change: fn(&mut System)| {
        let Reading::Seen(systems) = &mut service.systems else { panic!("it was seen") };
        change(&mut systems[0]);
    };
    let misses = |uri: &'static str, kind| move |service: &mut Service| service.unread.push(unread(uri, kind));
    let ill = FailureKind::ServerError;
    for (uri, kind, made) in [
        ("/redfish/v1/Systems/1/EthernetInterfaces/2", ill, 0),
        ("/redfish/v1/systems/1/NetworkInterfaces/", ill, 0),
        ("/redfish/v1/Chassis/1/NetworkAdapters/1/NetworkDeviceFunctions/1", ill, 0),
        ("/redfish/v1/Systems/1/EthernetInterfaces/2", FailureKind::Missing, 1),
        ("/redfish/v1/Systems/12/EthernetInterfaces/2", ill, 1),
        ("/redfish/v1/Managers/1/EthernetInterfaces/2", ill, 1),
        ("/redfish/v1/Systems/1/Memory/2", ill, 1),
        ("/redfish/v1/Systems/1/BootOptions/2", ill, 1),
    ] {
        assert_eq!(claims_with(&misses(uri, kind)), made, "{uri}");
    }
    let boots = |service: &mut Service| {
        service.quirks.push(Quirk::MacsInBootOptions);
        misses("/redfish/v1/Systems/1/BootOptions/2", ill)(service);
    };
    assert_eq!(claims_with(&boots), 0);
    let many = |service: &mut Service| {
        service.unread = vec![unread("/redfish/v1/Systems/1/Memory/2", ill); Service::MAX_UNREAD];
    };
    assert_eq!(claims_with(&many), 0);
    type OfSystem = fn(&mut System);
    let states: [(Option<Quirk>, OfSystem, usize); 6] = [
        (Some(Quirk::NicsVanishInPost), |s| s.in_post = Some(true), 0),
        (None, |s| s.in_post = Some(true), 1),
        (Some(Quirk::NicsVanishInPost), |s| s.power = Reading::Seen(PowerState::PoweringOn), 0),
        (Some(Quirk::NicsVanishInPost), |s| s.in_post = Some(false), 1),
        (Some(Quirk::WrongWhileOff), |s| s.power = Reading::Seen(PowerState::Off), 0),
        (None, |s| s.nics = Reading::Failed(Failure::new(FailureKind::TimedOut, "no answer")), 0),
    ];
    for (quirk, change, made) in states {
        let all = |service: &mut Service| {
            service.quirks.extend(quirk);
            own(service, change);
        };
        assert_eq!(claims_with(&all), made, "{quirk:?}");
    }
    let chassis: Change = |service| {
        service.quirks.push(Quirk::MacsUnderAdapters);
        service.chassis = Reading::Failed(Failure::new(FailureKind::TimedOut, "no answer"));
    };
    assert_eq!(claims_with(&chassis), 0);
}

#[test]
fn only_what_can_boot_is_claimed() {
    let mut machine = system("1", &[]);
    let kinds = [NicKind::Infiniband, NicKind::HostToBmc, NicKind::Virtual];
    let no_boot = |from| (from..).zip(kinds).map(|(last, kind)| nic(last, kind));
    machine.nics = Reading::Seen(no_boot(1).collect());
    assert_eq!(claims(&snapshot(), &record("b1", service(vec![machine.clone()])), &[]), []);
    let silent = SeenNic { mac: None, ..nic(9, NicKind::Ethernet) };
    machine.nics = Reading::Seen(no_boot(1).chain([silent, nic(8, NicKind::Ethernet)]).collect());
    let made = claims(&snapshot(), &record("b1", service(vec![machine])), &[]);
    assert_eq!(made[0].macs, [mac(8)]);
}

#[test]
fn a_system_found_by_its_uri_counts_under_its_wanted_name() {
    let snapshot = snapshot();
    let ids = [("a", "Node0", 1), ("b", "NODE1", 2)];
    let systems = ids
        .map(|(id, part, last)| System { uri: format!("/redfish/v1/Systems/{part}/").into(), ..system(id, &[last]) });
    let made = claims(&snapshot, &record("b4", service(systems.to_vec())), &[]);
    assert_eq!(made.iter().map(|claim| &*claim.system).collect::<Vec<_>>(), ["Node0", "Node1"]);
    let roll = Roll::call(&snapshot, &made);
    assert_eq!(name(&snapshot, roll.by_mac(mac(2))), Some("half2"));
    assert_eq!(claims(&snapshot, &record("b4", service(systems.to_vec())), &made), []);
}

#[test]
fn a_system_is_found_or_it_is_said_why_not() {
    let id = |wanted: Option<&str>, service: &Service| system_of(wanted, service).map(|found| found.id.to_string());
    let many = service(vec![system("1", &[]), system("System.A", &[]), system("system.a", &[])]);
    assert_eq!(id(Some("1"), &many), Ok("1".into()));
    assert_eq!(id(Some("system.a"), &many), Ok("system.a".into()));
    assert_eq!(id(Some("SYSTEM.A"), &many), Err(Unfound::Several));
    assert_eq!(id(Some("2"), &many), Err(Unfound::None));
    assert_eq!(id(None, &many), Err(Unfound::Several));
    assert_eq!(id(None, &service(vec![])), Err(Unfound::None));
    let mut one = service(vec![system("1", &[])]);
    assert_eq!(id(None, &one), Ok("1".into()));
    let failure = Failure::new(FailureKind::ServerError, "it failed");
    one.unread.push(Unread { uri: "/redfish/v1/Systems/1/Memory/3".into(), failure: failure.clone() });
    assert_eq!((id(None, &one), id(Some("2"), &one)), (Ok("1".into()), Err(Unfound::None)));
    one.unread.push(Unread { uri: "/redfish/v1/Systems/2/".into(), failure: failure.clone() });
    let unread = Err(Unfound::Unread(failure.clone()));
    assert_eq!(
        (id(None, &one), id(Some("2"), &one), id(Some("1"), &one)),
        (unread.clone(), unread.clone(), Ok("1".into()))
    );
    let mut listed = service(vec![system("1", &[]), system("Capabilities", &[])]);
    let dead =
        |kind| Unread { uri: "/redfish/v1/Systems/Capabilities".into(), failure: Failure::new(kind, "it failed") };
    listed.unread = vec![dead(FailureKind::Missing)];
    assert_eq!((id(None, &listed), id(Some("1"), &listed)), (Ok("1".into()), Ok("1".into())));
    listed.unread = vec![dead(FailureKind::ServerError)];
    assert_eq!(id(None, &listed), unread);
    let with = |systems| Service { systems, ..service(vec![]) };
    assert_eq!(id(None, &with(Reading::Failed(failure))), unread);
    assert_eq!(id(Some("1"), &with(Reading::Absent)), Err(Unfound::None));
    assert!(matches!(id(None, &with(Reading::Unasked)), Err(Unfound::Unread(_))));
}

fn any_claims() -> impl Strategy<Value = Vec<Claim>> {
    let node = prop::sample::select(vec!["n1", "n2", "n3", "half1", "half2", "told", "old", "gone"]);
    let bmc = prop::sample::select(vec!["b1", "b2", "b3", "b4", "late"]);
    let system = prop::sample::select(vec!["1", "Node0", "node1"]);
    let macs = prop::collection::btree_set(8_u8..0x10, 0..4);
    let claim = (node, bmc, system, macs, 0_i64..3).prop_map(|(node, bmc, system, macs, at)| Claim {
        node: node.into(),
        bmc: bmc.into(),
        system: system.into(),
        macs: macs.into_iter().map(mac).collect(),
        at,
    });
    prop::collection::vec(claim, 0..12)
}

/// Claims most of which count.
fn good_claims() -> impl Strategy<Value = Vec<Claim>> {
    let of = |(node, bmc, system): (&'static str, &'static str, &'static str)| {
        prop::collection::btree_set(8_u8..0x10, 0..4).prop_map(move |macs| Claim {
            system: system.into(),
            ..claim(node, bmc, &macs.into_iter().collect::<Vec<_>>())
        })
    };
    let all =
        [("n1", "b1", "1"), ("n2", "b2", "1"), ("n3", "b3", "1"), ("half1", "b4", "Node0"), ("half2", "b4", "Node1")];
    all.map(of).to_vec()
}

proptest! {
    #[test]
    fn the_order_of_claims_never_matters(
        (claims, shuffled) in any_claims().prop_flat_map(|claims| (Just(claims.clone()), Just(claims).prop_shuffle())),
    ) {
        let snapshot = snapshot();
        prop_assert_eq!(Roll::call(&snapshot, &claims), Roll::call(&snapshot, &shuffled));
    }

    /// An address boots the one node that counts as its claimant, and nobody where git declares it or several claim it.
    #[test]
    fn an_address_boots_one_node_or_none(claims in prop_oneof![any_claims(), good_claims()]) {
        let snapshot = snapshot();
        let roll = Roll::call(&snapshot, &claims);
        for mac in (0..0x20).map(mac) {
            let all = 0..snapshot.nodes().len();
            let claimants: Vec<usize> =
                all.filter(|node| roll.claim_of(*node).is_some_and(|claim| claim.macs.contains(&mac))).collect();
            let is_declared = snapshot.by_mac(mac).is_some() || mac == super::tests::mac(0x0b);
            let expected = match &*claimants {
                [one] if !is_declared => Some(*one),
                _ => None,
            };
            prop_assert_eq!(roll.by_mac(mac), expected);
            prop_assert_eq!(roll.is_held(mac), !claimants.is_empty() && expected.is_none());
            prop_assert_eq!(roll.held().iter().any(|held| held.mac == mac), roll.is_held(mac));
        }
        for node in 0..snapshot.nodes().len() {
            let own = roll.claim_of(node);
            prop_assert!(own.is_none_or(|claim| claim.node == snapshot.nodes()[node].name));
            prop_assert!(own.is_none_or(|claim| claims.contains(claim)));
        }
    }

    /// Taking one claim away frees what only it stood against, and changes nothing else.
    #[test]
    fn a_claim_that_goes_frees_what_it_held(claims in good_claims(), at in any::<prop::sample::Index>()) {
        let snapshot = snapshot();
        let before = Roll::call(&snapshot, &claims);
        let mut rest = claims.clone();
        let gone = rest.remove(at.index(claims.len()));
        let after = Roll::call(&snapshot, &rest);
        for held in before.held() {
            let others: Vec<_> = held.nodes.iter().filter(|node| **node != gone.node).collect();
            if held.why == Why::Several && others.len() == 1 {
                prop_assert_eq!(name(&snapshot, after.by_mac(held.mac)), Some(&**others[0]));
            }
        }
        for mac in (0..0x20).map(mac).filter(|mac| !gone.macs.contains(mac)) {
            prop_assert_eq!(before.by_mac(mac), after.by_mac(mac));
        }
    }

    /// Whatever later surveys say, what was claimed stays, and what survey claims counts or is held.
    #[test]
    fn a_claim_is_sticky(surveys in prop::collection::vec(prop::collection::vec(1_u8..0x10, 0..4), 1..5)) {
        let snapshot = snapshot();
        let mut all: Vec<Claim> = Vec::new();
        for macs in &surveys {
            let before = all.clone();
            all.extend(claims(&snapshot, &record("b1", service(vec![system("1", macs)])), &before));
            prop_assert!(all.starts_with(&before) && all.len() <= 1);
        }
        let first = surveys.iter().find(|macs| !macs.is_empty());
        let mut expected: Vec<MacAddr> = first.into_iter().flatten().map(|last| mac(*last)).collect();
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(all.first().map(|claim| claim.macs.clone()).unwrap_or_default(), expected.clone());
        let roll = Roll::call(&snapshot, &all);
        prop_assert!(expected.iter().all(|mac| roll.by_mac(*mac) == Some(0) || roll.is_held(*mac)));
    }
}
