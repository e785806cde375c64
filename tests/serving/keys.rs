//! `uuid=` and `serial=`: which node a request means when it names itself by more than its MAC address.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use muster::http::Serving;
use muster::model::{MacAddr, Revision, Tree};
use muster::observed::Claim;
use muster::snapshot::{self, Snapshot};

use super::{ADVERTISE, COMMIT, Server};

const PLAIN: &str = "00112233-4455-6677-8899-aabbccddeeff";
/// The same, with the first three fields in the other byte order.
const TURNED: &str = "33221100-5544-7766-8899-aabbccddeeff";
const OTHER: &str = "4c4c4544-0042-3510-8052-b3c04f4b4e32";
const NOBODYS: &str = "4c4c4544-0042-3510-8052-000000000000";
/// The UUIDs of n2 and n5.
const SECOND: &str = "4c4c4544-0042-3510-8052-000000000002";
const FIFTH: &str = "4c4c4544-0042-3510-8052-000000000005";

const WISHES: &str = r#"
//- boot/live.toml
kind = "live"
kernel = "http://images.example/vmlinuz"
//- nodes/a.facts.csv
name,nics.eth0.mac,serial,uuid
n1,,,00112233-4455-6677-8899-aabbccddeeff
n2,,SN 2,4c4c4544-0042-3510-8052-000000000002
n3,02:1b:00:00:00:03,SN3,4c4c4544-0042-3510-8052-b3c04f4b4e32
n4,,SN4,
n5,,,4c4c4544-0042-3510-8052-000000000005
n6,,CH7,
n7,,ch7,
n8,,Default string,03000200-0400-0500-0006-000700080009
n9,,,10111213-1415-1617-1819-1a1b1c1d1e1f
n10,,,13121110-1514-1716-1819-1a1b1c1d1e1f
//- nodes/a.toml
[[bmc]]
name = "b1"
url = "https://10.1.0.1"
tls = "insecure"

[[node]]
name = "n[1-10]"
nid  = "[1-10]"
boot = "live"
nics = [{ name = "eth0" }]

[[node]]
name = "late"
nid = 11
boot = "live"
serial = "SN11"
bmc = "b1"
macs = "from-bmc"

[[node]]
name   = "gone"
state  = "retired"
boot   = "live"
uuid   = "4c4c4544-0042-3510-8052-00000000dead"
"#;

fn wishes(cluster: &str) -> Arc<Snapshot> {
    let tree = Tree::from_fixture(&format!("//- cluster.toml\nname = \"test\"\n{cluster}\n{WISHES}"));
    let (snapshot, findings) = snapshot::build(&tree, Revision::commit(COMMIT));
    snapshot.map(Arc::new).unwrap_or_else(|| panic!("the fixture has errors: {findings:#?}"))
}

fn serve(cluster: &str) -> Server {
    let server = Server::empty();
    server.publish(wishes(cluster));
    server
}

/// Returns the nid in the script for a query; the status where there is none.
fn nid(server: &Server, query: &str) -> Result<u32, u16> {
    let answer = server.get(&format!("/boot/v1/bootscript?arch=x86_64&{query}"));
    let script = answer.text();
    let nid = script.split(" nid=").nth(1).and_then(|rest| rest.split(' ').next());
    if answer.status == 200 { Ok(nid.expect(script).parse().unwrap()) } else { Err(answer.status) }
}

const STRANGER: &str = "mac=02:ff:00:00:00:01";

#[test]
fn a_machine_is_found_by_its_uuid_or_serial_number() {
    let server = serve("");
    for (query, expected) in [
        (format!("uuid={PLAIN}"), Ok(1)),
        (format!("uuid={TURNED}"), Ok(1)),
        (format!("uuid={}", PLAIN.to_uppercase()), Ok(1)),
        (format!("uuid=%20{}%20", PLAIN.replace('-', "")), Ok(1)),
        (format!("{STRANGER}&uuid={PLAIN}&serial="), Ok(1)),
        (format!("mac=banana&uuid={PLAIN}"), Ok(1)),
        ("serial=SN%202".into(), Ok(2)),
        ("serial=+sn+2++".into(), Ok(2)),
        (format!("{STRANGER}&uuid=&serial=SN4"), Ok(4)),
        (format!("{STRANGER}&uuid={NOBODYS}&serial=SN4"), Ok(4)),
        (format!("uuid={SECOND}&serial=SN%202"), Ok(2)),
        // A serial number that nobody has speaks against nothing.
        (format!("uuid={SECOND}&serial=SN99"), Ok(2)),
        // A NIC that was replaced.
        (format!("{STRANGER}&uuid={OTHER}&serial=SN3"), Ok(3)),
        // The second counts for nothing, as with every key.
        (format!("uuid={PLAIN}&uuid={SECOND}"), Ok(1)),
        // A retired node is known, and refused.
        ("uuid=4c4c4544-0042-3510-8052-00000000dead".into(), Err(403)),
        ("serial=SN%20%202".into(), Err(404)),
        ("serial=SN2".into(), Err(404)),
        ("serial=SN%FF".into(), Err(404)),
        (format!("uuid={NOBODYS}"), Err(404)),
        ("uuid=banana".into(), Err(404)),
        // Nothing is said.
        ("uuid=&serial=%20".into(), Err(400)),
        (format!("serial={}", "a".repeat(257)), Err(400)),
    ] {
        assert_eq!(nid(&server, &query), expected, "{query}");
    }
    assert_eq!(server.get("/boot-service/bootscript?serial=SN4").status, 200);
}

#[test]
fn placeholders_and_shared_values_find_nobody() {
    let server = serve("");
    for query in [
        "serial=CH7",
        "serial=Default%20string",
        "serial=To%20be%20filled%20by%20O.E.M.",
        "serial=0123456789",
        "uuid=03000200-0400-0500-0006-000700080009",
        "uuid=00020003-0004-0005-0006-000700080009",
        "uuid=00000000-0000-0000-0000-000000000000",
        "uuid=ffffffff-ffff-ffff-ffff-ffffffffffff",
        "uuid=10111213-1415-1617-1819-1a1b1c1d1e1f",
        "uuid=13121110-1514-1716-1819-1a1b1c1d1e1f",
    ] {
        assert_eq!(nid(&server, query), Err(404), "{query}");
        assert_eq!(nid(&server, &format!("{STRANGER}&{query}")), Err(404), "{query}");
        // Beside a key that tells, they take nothing away.
        assert_eq!(nid(&server, &format!("mac=02:1b:00:00:00:03&{query}")), Ok(3), "{query}");
    }
    // A placeholder for a UUID speaks against no serial number.
    assert_eq!(nid(&server, "uuid=00000000-0000-0000-0000-000000000000&serial=SN%202"), Ok(2));
}

#[test]
fn a_mac_address_outranks_what_firmware_says() {
    let server = serve("");
    assert_eq!(nid(&server, &format!("mac=02:1b:00:00:00:03&uuid={PLAIN}&serial=SN%202")), Ok(3));
    let contradictions = || server.shared.load().counters.contradictions.load(Ordering::Relaxed);
    assert_eq!(contradictions(), 0, "no client that boots has asked");
    let told = format!("/boot/v1/bootscript?mac=02:1b:00:00:00:03&uuid={PLAIN}");
    server.boot(&told);
    server.boot(&told);
    assert_eq!(contradictions(), 2);
    server.boot(&format!("/boot/v1/bootscript?mac=02:1b:00:00:00:03&uuid={OTHER}&serial=SN3"));
    server.boot(&format!("/boot/v1/bootscript?mac=02:1b:00:00:00:03&uuid={NOBODYS}&serial=CH7"));
    assert_eq!(contradictions(), 2, "these contradict nothing that is declared");
    // So do a name and a nid; and one that no node has is nobody's.
    assert_eq!(nid(&server, &format!("name=n4&uuid={PLAIN}")), Ok(4));
    assert_eq!(nid(&server, &format!("nid=4&uuid={PLAIN}")), Ok(4));
    assert_eq!(nid(&server, &format!("name=nobody&uuid={PLAIN}&serial=SN4")), Err(404));
}

#[test]
fn a_serial_number_alone_is_weak() {
    let server = serve("");
    // n3's address is known and is another: this may be its neighbour in the chassis.
    assert_eq!(nid(&server, "serial=SN3"), Ok(3));
    assert_eq!(nid(&server, &format!("{STRANGER}&serial=SN3")), Err(404));
    assert_eq!(nid(&server, "mac=banana&serial=SN3"), Err(404));
    // n2 declares another UUID.
    assert_eq!(nid(&server, &format!("uuid={NOBODYS}&serial=SN%202")), Err(404));
    // The addresses that a BMC reported are known, too.
    assert_eq!(nid(&server, &format!("{STRANGER}&serial=SN11")), Ok(11));
    let mac = MacAddr::parse("02:1b:00:00:00:11").unwrap();
    let claim = Claim { node: "late".into(), bmc: "b1".into(), system: "1".into(), macs: vec![mac], at: 1 };
    Serving::publish_claims(&server.shared, &Arc::from([claim]));
    assert_eq!(nid(&server, "mac=02:1b:00:00:00:11&serial=SN11"), Ok(11));
    assert_eq!(nid(&server, &format!("{STRANGER}&serial=SN11")), Err(404));
    // A claimed address is an address: it outranks a UUID.
    assert_eq!(nid(&server, &format!("mac=02:1b:00:00:00:11&uuid={PLAIN}")), Ok(11));
}

#[test]
fn keys_of_two_nodes_boot_neither() {
    let query = format!("{STRANGER}&uuid={FIFTH}&serial=SN4");
    for cluster in ["", "[unknown]\naction = \"boot\"\nboot = \"live\""] {
        let server = serve(cluster);
        let answer = server.get(&format!("/boot/v1/bootscript?arch=x86_64&{query}"));
        let words = "this UUID is that of n5, and this serial number that of n4: nothing is booted until";
        assert_eq!(answer.status, 409, "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
        assert_eq!(server.next_unknown(), None, "it is no unknown machine");
        // Nobody's keys are an unknown machine's.
        let unknown = if cluster.is_empty() { 404 } else { 200 };
        let target = format!("/boot/v1/bootscript?arch=x86_64&{STRANGER}&uuid={NOBODYS}&serial=SN99");
        assert_eq!(server.boot(&target).status, unknown);
        assert!(server.next_unknown().is_some());
    }
    let server = serve("[unknown]\naction = \"retry\"");
    let waits = server.get(&format!("/boot/v1/bootscript?arch=x86_64&{query}"));
    assert!(waits.text().starts_with("#!ipxe\nimgfree\nsleep 10\nchain --replace --autofree "), "{}", waits.text());
}

#[test]
fn the_way_back_says_all_that_was_said() {
    let server = serve("");
    let asked = format!("{STRANGER}&uuid={PLAIN}&serial=SN%20%26%22");
    let text = server.get(&format!("/boot/v1/bootscript?{asked}&arch=i386")).text().to_owned();
    assert!(text.contains(" BOOTIF=01-02-ff-00-00-00-01 "), "{text}");
    assert!(
        text.ends_with(&format!("chain --replace --autofree {ADVERTISE}/boot/v1/bootscript?{asked}&retry=1\n\n")),
        "{text}"
    );
    let unknown = server.get(&format!("/boot/v1/bootscript?uuid={NOBODYS}&serial=SN99")).text().to_owned();
    let expected = format!("/boot/v1/bootscript?uuid={NOBODYS}&serial=SN99&arch=${{buildarch}}&ts=");
    assert!(unknown.contains(&expected), "{unknown}");
    let refused = server.get("/boot/v1/bootscript?serial=SN99&arch=x86_64");
    assert!(refused.text().contains("Unknown serial number SN99 architecture x86_64: "), "{}", refused.text());
    // Found by its address, a node is asked for by its address.
    let known = server.get(&format!("/boot/v1/bootscript?mac=02:1b:00:00:00:03&uuid={OTHER}&serial=SN3"));
    assert_eq!(known.text(), server.get("/boot/v1/bootscript?mac=02:1b:00:00:00:03").text());
}
