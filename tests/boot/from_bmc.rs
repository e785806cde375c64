//! A node that declares its BMC and no MAC address: it boots by the address that its BMC reports, once a survey has asked.

use crate::site::Site;
use crate::support::http::Answer;
use crate::support::netns::isolated;
use crate::support::wishes::Wishes;
use crate::vm::qemu::End;
use crate::vm::{self, BootOptions};
use muster::git;
use muster::model::{MacAddr, Revision};
use muster::simulate::{self, Choices, Fleet, Options, Running, World};
use muster::snapshot;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use tokio::runtime::Runtime;

const NODE: &str = "found01";

/// All that git says of it.
const FOUND: &str = r#"[[node]]
name = "found01"
bmc = { url = "https://10.1.0.1", credentials = "rack", tls = "verify" }
macs = "from-bmc"
params = ["site.colour=found"]
"#;

const NO_SURVEYS: &str = "\n[survey]\nsweep = \"off\"\ndeep = \"off\"\n";

/// Often enough for a test.
const SURVEYS: &str = "\n[survey]\nsweep = \"1s\"\ndeep = \"3s\"\njitter = 0\n";

#[test]
fn a_node_of_which_only_the_bmc_is_declared_boots_after_one_survey() {
    const NAME: &str = "from_bmc::a_node_of_which_only_the_bmc_is_declared_boots_after_one_survey";
    isolated(NAME, || {
        if vm::can_boot(NAME) {
            let runtime = Runtime::new().expect("a runtime starts");
            let mut fleet = None;
            let site = Site::configured(|wishes| {
                declare(wishes);
                let running = fleet.insert(simulate(wishes, &runtime));
                Some(settings(wishes, running, NO_SURVEYS))
            });
            let fleet = fleet.expect("the site was prepared");
            let mac = mac(&fleet);
            is_unknown_before_a_survey(&site, &fleet, mac);
            settings(&site.wishes, &fleet, SURVEYS);
            let site = site.restarted();
            boots_after_a_survey(&site, mac);
            keeps_its_address_when_another_shows(&site, &fleet, mac);
            runtime.block_on(fleet.stop());
        }
    });
}

fn declare(wishes: &Wishes) {
    wishes.edit("cluster.toml", "retry_delay = 2", "retry_delay = 2\ncredentials = [\"rack\"]");
    wishes.write("nodes/found.toml", FOUND);
    wishes.publish("a node of which only the BMC is known");
}

/// Starts the BMCs that the wishes declare, over TLS.
fn simulate(wishes: &Wishes, runtime: &Runtime) -> Running {
    let tree = git::work_tree(&wishes.clone_dir(), "").expect("the clone can be read");
    let (snapshot, findings) = snapshot::build(&tree, Revision::work_tree());
    let snapshot = snapshot.unwrap_or_else(|| panic!("{findings:?}"));
    let world = World::new(snapshot.resolved(), &Choices::default());
    let _inside = runtime.enter();
    let options = Options { tls: true, ..Options::default() };
    Fleet::start(world, options).expect("in a network namespace every port is free")
}

/// Writes this host's settings, which lead to the fleet.
fn settings(wishes: &Wishes, fleet: &Running, survey: &str) -> PathBuf {
    let file = wishes.root().join("settings.toml");
    simulate::write_settings(&file, fleet, &["rack".into()]).expect("the settings can be written");
    let opened = OpenOptions::new().append(true).open(&file);
    opened.and_then(|mut text| text.write_all(survey.as_bytes())).expect("the settings can be written");
    file
}

/// Returns the address that the machine's one NIC has.
fn mac(fleet: &Running) -> MacAddr {
    let nics = fleet.machine(NODE, |machine| machine.nics.clone()).expect("the node has a machine");
    let [nic] = nics.as_slice() else { panic!("it has one NIC: {nics:?}") };
    assert!(!nic.declared, "git knows no address: {nic:?}");
    nic.mac.expect("it is an Ethernet NIC")
}

fn script(site: &Site, mac: MacAddr) -> Answer {
    site.muster.get(&format!("/boot/v1/bootscript?mac={mac}&arch=x86_64"))
}

/// Tells whether a machine with this address is sent into discovery.
fn is_unknown(site: &Site, mac: MacAddr) -> bool {
    script(site, mac).text().contains("discovery.arch=x86_64")
}

fn is_unknown_before_a_survey(site: &Site, fleet: &Running, mac: MacAddr) {
    assert!(is_unknown(site, mac), "{}", script(site, mac).text());
    assert!(site.api("/api/v1/nodes/found01")["claim"].is_null());
    assert_eq!(fleet.counts(0).connections, 0, "nobody has asked the BMC");
}

fn boots_after_a_survey(site: &Site, mac: MacAddr) {
    site.wait_until("the claim", || !site.api("/api/v1/nodes/found01")["claim"].is_null());

    let console = vm::boot(&BootOptions::new(&mac.to_string(), &site.bootfile()));

    println!("{mac}: {:?} after {:?}", console.end, console.took);
    assert_eq!(console.end, End::Off, "{}", console.text);
    let told: Vec<&str> = console.cmdline().split_whitespace().collect();
    assert!(told.contains(&"site.colour=found"), "{told:?}");
    let seed = "ds=nocloud-net;s=http://10.0.2.2:8270/cloud-init/node/found01/";
    assert!(told.contains(&seed), "{told:?}");
    let host = "local-hostname: \"found01\"";
    assert!(console.section("meta-data").is_some_and(|text| text.contains(host)), "{}", console.text);
    let node = site.api("/api/v1/nodes/found01");
    assert_eq!(node["macs"], serde_json::json!([]), "git still knows none: {node:#}");
    assert_eq!(node["claim"]["macs"], serde_json::json!([mac.to_string()]), "{node:#}");
    assert_eq!(node["claim"]["bmc"], NODE, "{node:#}");
    assert_eq!(node["last_boot"]["mac"], mac.to_string(), "{node:#}");
}

/// Whoever changes the NIC says so in git.
fn keeps_its_address_when_another_shows(site: &Site, fleet: &Running, mac: MacAddr) {
    let other: MacAddr = "52:54:00:dd:00:01".parse().expect("it is an address");
    fleet.machine(NODE, |machine| machine.nics[0].mac = Some(other)).expect("the node has a machine");
    // Each survey has a session of its own; of three in four seconds one is deep.
    let seen = fleet.counts(0).sessions_closed;
    site.wait_until("more surveys", || fleet.counts(0).sessions_closed > seen + 4);
    assert!(!is_unknown(site, mac), "the claim is kept");
    assert!(is_unknown(site, other), "the other address is nobody's");
    let node = site.api("/api/v1/nodes/found01");
    assert_eq!(node["claim"]["macs"], serde_json::json!([mac.to_string()]), "{node:#}");
}
