//! `macs=`: a machine is the node of whichever of its ports is declared, and unknown only once none of them is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use muster::http::Serving;
use muster::model::{MacAddr, Revision, Tree};
use muster::observed::Claim;
use muster::snapshot;
use proptest::prelude::*;

use super::{ADVERTISE, COMMIT, Server};

const WISHES: &str = r#"
//- cluster.toml
name = "test"
[unknown]
action = "boot"
boot = "discovery"
//- boot/live.toml
kind = "live"
kernel = "http://images.example/vmlinuz"
//- boot/discovery.toml
kind = "live"
sealed = true
kernel = "http://images.example/discovery"
//- nodes/a.toml
[[bmc]]
name = "b[1-2]"
url = "https://10.1.0.[1-2]"
tls = "insecure"

[[node]]
name = "n1"
nid  = 1
boot = "live"
nics = [{ name = "eth0", mac = "02:1b:00:00:00:01" }, { name = "eth1", mac = "02:1b:00:00:01:01" }]

[[node]]
name = "n2"
nid  = 2
boot = "live"
nics = [{ name = "eth0", mac = "02:1b:00:00:00:02" }]

[[node]]
name  = "gone"
state = "retired"
boot  = "live"
nics  = [{ name = "eth0", mac = "02:1b:00:00:00:03" }]

[[node]]
name = "claimed[1-2]"
nid  = "[11-12]"
boot = "live"
bmc  = "b[1-2]"
macs = "from-bmc"
"#;

/// Ports that no node declares.
const STRANGERS: [&str; 3] = ["02:ff:00:00:00:01", "02:ff:00:00:00:02", "02:ff:00:00:00:03"];
const FIRST: &str = "02:1b:00:00:00:01";
const SECOND: &str = "02:1b:00:00:00:02";
const RETIRED: &str = "02:1b:00:00:00:03";
const HELD: &str = "02:1b:00:00:00:11";

fn serve() -> Server {
    let server = Server::empty();
    let (snapshot, findings) = snapshot::build(&Tree::from_fixture(WISHES), Revision::commit(COMMIT));
    server.publish(snapshot.map(Arc::new).unwrap_or_else(|| panic!("the fixture has errors: {findings:#?}")));
    server
}

/// Returns the path of the question of a machine that booted by the first of these ports, as `/boot.ipxe` writes it.
fn question(ports: &[&str]) -> String {
    let listed = format!("{}{}", ports.join(","), ",".repeat(16 - ports.len()));
    format!("/boot/v1/bootscript?mac={}&arch=x86_64&uuid=&serial=&macs={listed}", ports[0])
}

#[test]
fn a_declared_machine_is_found_whichever_of_its_ports_came_up() {
    let server = serve();
    for declared in [FIRST, "02:1b:00:00:01:01"] {
        let expected = server.get(&format!("/boot/v1/bootscript?mac={declared}")).text().to_owned();
        assert!(expected.contains(" nid=1 "), "{expected}");
        for place in 0..4 {
            let mut ports = STRANGERS.to_vec();
            ports.insert(place, declared);
            let answer = server.boot(&question(&ports));
            assert_eq!((answer.status, answer.text()), (200, &*expected), "{ports:?}");
        }
    }
    assert_eq!(server.next_unknown(), None, "it is no unknown machine");
}

#[test]
fn a_machine_is_unknown_once_none_of_its_ports_is_declared() {
    let server = serve();
    let answer = server.boot(&question(&STRANGERS));
    assert!(answer.text().contains("http://images.example/discovery"), "{}", answer.text());
    let unknown = server.next_unknown().expect("it is told of");
    assert_eq!(unknown.mac.to_string(), STRANGERS[0], "by the port that it booted by");
    assert_eq!(server.next_unknown(), None, "one machine is one unknown machine");
    // It may be declared by any of them before it asks again.
    let again = format!("{ADVERTISE}/boot/v1/bootscript?mac={}&macs={}&arch=$", STRANGERS[0], STRANGERS.join(","));
    assert!(answer.text().contains(&again), "{}", answer.text());
}

#[test]
fn a_port_that_is_known_is_never_an_unknown_machine() {
    let server = serve();
    assert_eq!(server.get(&question(&[STRANGERS[0], RETIRED])).status, 403, "a retired node boots nothing");
    let text = server.get(&question(&[RETIRED, FIRST])).text().to_owned();
    assert!(text.contains(" nid=1 "), "its port serves another node today: {text}");

    let mac = MacAddr::parse(HELD).expect("it is one");
    let claim = |number: u8| Claim {
        node: format!("claimed{number}").into(),
        bmc: format!("b{number}").into(),
        system: "1".into(),
        macs: vec![mac],
        at: 1,
    };
    Serving::publish_claims(&server.shared, &Arc::from([claim(1), claim(2)]));
    let held = server.get(&question(&[STRANGERS[0], HELD]));
    assert_eq!(held.status, 404, "two nodes claim the port: {}", held.text());
    assert!(server.get(&question(&[HELD, FIRST])).text().contains(" nid=1 "), "git declares the other");
}

#[test]
fn ports_of_two_nodes_boot_the_one_that_came_up_and_are_told() {
    let server = serve();
    let contradictions = || server.shared.load().counters.contradictions.load(Ordering::Relaxed);
    server.boot(&question(&[FIRST, "02:1b:00:00:01:01"]));
    assert_eq!(contradictions(), 0, "both are n1's");
    assert!(server.boot(&question(&[FIRST, SECOND])).text().contains(" nid=1 "));
    assert!(server.boot(&question(&[SECOND, FIRST])).text().contains(" nid=2 "));
    assert_eq!(contradictions(), 2);
}

#[test]
fn a_name_and_a_nid_ask_for_themselves() {
    let server = serve();
    for (query, expected) in [("name=n2", " nid=2 "), ("nid=2", " nid=2 ")] {
        let text = server.get(&format!("/boot/v1/bootscript?{query}&macs={FIRST}")).text().to_owned();
        assert!(text.contains(expected), "{query}: {text}");
    }
    let text = server.get(&format!("/boot/v1/bootscript?macs={FIRST}")).text().to_owned();
    assert!(text.contains(" nid=1 "), "a list alone is enough: {text}");
    assert_eq!(server.get("/boot/v1/bootscript?macs=,,banana").status, 400, "it names nothing");
}

#[test]
fn a_list_of_any_length_costs_the_same() {
    let server = serve();
    let many = (0..40).map(|port| format!("02:ff:00:00:01:{port:02x}")).collect::<Vec<_>>().join(",");
    for listed in [format!("{many},{FIRST}"), format!("{},{FIRST}", "banana,".repeat(15)), "x".repeat(6_000)] {
        let answer = server.get(&format!("/boot/v1/bootscript?mac={}&arch=x86_64&macs={listed}", STRANGERS[0]));
        assert!(answer.text().contains("http://images.example/discovery"), "{}", answer.text());
        let back = answer.text().lines().find(|line| line.starts_with("chain ")).expect("it asks again");
        assert!(back.len() < 500, "{back}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The order of a machine's ports, and how many it has, mean nothing.
    #[test]
    fn the_order_of_ports_means_nothing(
        ports in Just([&STRANGERS[..], &[FIRST]].concat()).prop_shuffle(),
        absent in 0..8usize,
    ) {
        let server = serve();
        let mut listed = ports.clone();
        listed.extend([""].repeat(absent));
        let text = server.get(&question(&listed)).text().to_owned();
        prop_assert!(text.contains(" nid=1 "), "{:?}: {}", listed, text);
        prop_assert!(text.contains(&format!("?mac={FIRST}&retry=1")), "{}", text);
    }
}
