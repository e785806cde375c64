//! What interfaces come to on a node: cloud-init's own renderers for four kinds of system, of this release and a newer one,
//! and netplan's generator of what systemd-networkd reads.

use super::merging::versions;
use super::tree::{build, built};
use crate::support::parts::{self, Part};
use muster::cloudinit::{self, Document, LineSource};
use muster::model::{Code, File, Severity, Tree};
use muster::snapshot::Snapshot;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRng, TestRunner};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const RENDER: &str = include_str!("network.py");

/// The files that one renderer writes, by path.
type Files = BTreeMap<String, String>;

/// Renders network-configs by one version of cloud-init: for each, the files by renderer.
fn rendered(version: Option<&PathBuf>, configs: &[&str]) -> Vec<BTreeMap<String, Files>> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let program = folder.path().join("render.py");
    fs::write(&program, RENDER).expect("the program can be written");
    let mut child = Command::new("/usr/bin/python3")
        .arg(&program)
        .arg(version.cloned().unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let input = serde_json::to_vec(configs).expect("texts are JSON");
    child.stdin.take().expect("it has an input").write_all(&input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{version:?}: {}\n{configs:#?}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// Lets netplan make networkd's files of its own YAML; the names of the files with their text.
fn generated(program: &Path, yaml: &str) -> Files {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = root.path().join("etc/netplan");
    fs::create_dir_all(&folder).expect("a folder can be made");
    let file = folder.join("50-cloud-init.yaml");
    fs::write(&file, yaml).expect("the YAML can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let output = Command::new(program)
        .arg("--root-dir")
        .arg(root.path())
        .envs(parts::netplan_libraries())
        .output()
        .expect("netplan starts");
    let said = String::from_utf8_lossy(&output.stderr);
    // cloud-init 22.4 writes `gateway6`, which netplan still takes.
    let is_known =
        |line: &str| line.trim().is_empty() || line.contains("has been deprecated") || line.contains("Default routes");
    assert!(output.status.success() && said.lines().all(is_known), "{said}\n{yaml}");
    let made = root.path().join("run/systemd/network");
    let names = super::tree::files_below(&made);
    names.into_iter().map(|name| (name.clone(), fs::read_to_string(made.join(name)).expect("it can be read"))).collect()
}

/// Makes a cluster of one node with these interfaces and, beside them, lines for `[defaults.cloud_init]`.
fn cluster(nics: &str, cloud_init: &str) -> Tree {
    let mut tree = Tree::default();
    let mut put = |path: &str, text: &str| tree.insert(path, File::Bytes(text.as_bytes().into()));
    put("cluster.toml", &format!("name = \"t\"\n[defaults.cloud_init]\n{cloud_init}"));
    put("boot/disk.toml", "kind = \"local\"\n");
    put(
        "networks/node.toml",
        "cidr = [\"10.10.0.0/24\", \"fd00:10::/64\"]\ngateway = [\"10.10.0.254\", \"fd00:10::fe\"]\ndns = [\"10.10.0.253\"]\ndomain = \"oak.example\"\n",
    );
    put("networks/storage.toml", "cidr = [\"10.20.0.0/24\", \"fd00:20::/64\"]\nvlan = 120\nmtu = 9000\n");
    put("networks/six.toml", "cidr = \"fd00:30::/64\"\n");
    put("networks/public.toml", "cidr = \"192.0.2.0/24\"\ngateway = \"192.0.2.254\"\n");
    put("nodes/n.toml", &format!("[[node]]\nname = \"n1\"\nboot = \"disk\"\nserial = \"S1\"\nnics = [\n{nics}]\n"));
    tree
}

fn config(snapshot: &Snapshot) -> String {
    snapshot.document(0, Document::NetworkConfig).expect("it was written at build").unwrap_or_default()
}

const ETH0: &str =
    "{ name = \"eth0\", network = \"node\", boot = true, mac = \"02:00:00:00:00:01\", ip = \"10.10.0.1\" },\n";

/// The settings of a bond, its MAC address and InfiniBand arrive on every kind of system that cloud-init can bring them to.
#[test]
fn bonds_and_infiniband_arrive() {
    let nics = format!(
        "{ETH0}{{ name = \"eth1\" }}, {{ name = \"eth2\" }},
{{ name = \"bond0\", kind = \"bond\", members = [\"eth1\", \"eth2\"], mtu = 9000, mac = \"02:00:00:00:02:01\",
   bond = {{ mode = \"802.3ad\", lacp_rate = \"fast\", hash_policy = \"layer3+4\", mii_monitor = 50, up_delay = 100, min_links = 1 }} }},
{{ name = \"st\", kind = \"vlan\", link = \"bond0\", network = \"storage\", ip = \"10.20.0.1\" }},
{{ name = \"ib0\", kind = \"infiniband\", network = \"storage\", mtu = 4092, ip = \"10.20.0.101\" }},\n"
    );
    let text = config(&built(&cluster(&nics, "")));
    assert!(text.starts_with("version: 1\n"), "{text}");
    const TEST: &str = "network::bonds_and_infiniband_arrive";
    for version in versions(TEST) {
        let files = rendered(version.as_ref(), &[&text]).remove(0);
        let has = |kind: &str, file: &str, line: &str| {
            let text = files[kind].iter().find(|(path, _)| path.ends_with(file)).map_or("", |(_, text)| text);
            assert!(
                text.lines().any(|found| found.trim() == line),
                "{version:?} {kind} {file} lacks `{line}`:\n{text}"
            );
        };
        let options =
            "BONDING_OPTS=\"mode=802.3ad xmit_hash_policy=layer3+4 miimon=50 min_links=1 updelay=100 lacp_rate=fast\"";
        has("sysconfig", "ifcfg-bond0", options);
        has("sysconfig", "ifcfg-bond0", "MACADDR=02:00:00:00:02:01");
        has("sysconfig", "ifcfg-ib0", "TYPE=InfiniBand");
        has("sysconfig", "ifcfg-ib0", "IPADDR=10.20.0.101");
        has("eni", "50-cloud-init", "bond-lacp-rate fast");
        has("eni", "50-cloud-init", "hwaddress 02:00:00:00:02:01");
        has("network-manager", "cloud-init-ib0.nmconnection", "type=infiniband");
        has("network-manager", "cloud-init-ib0.nmconnection", "transport-mode=datagram");
        has("network-manager", "cloud-init-ib0.nmconnection", "mtu=4092");
        has("network-manager", "cloud-init-bond0.nmconnection", "mode=802.3ad");
        has("network-manager", "cloud-init-bond0.nmconnection", "xmit_hash_policy=layer3+4");
        if version.is_some() {
            has("network-manager", "cloud-init-bond0.nmconnection", "lacp_rate=fast");
            has("network-manager", "cloud-init-bond0.nmconnection", "min_links=1");
        }
        if let Some(netplan) = parts::require(TEST, Part::Netplan) {
            let made = generated(&netplan, &files["netplan"]["etc/netplan/50-cloud-init.yaml"]);
            let netdev = &made["10-netplan-bond0.netdev"];
            for line in
                ["Mode=802.3ad", "LACPTransmitRate=fast", "TransmitHashPolicy=layer3+4", "MACAddress=02:00:00:00:02:01"]
            {
                assert!(netdev.contains(line), "{netdev}");
            }
        }
    }
}

/// A site that runs netplan says so, and gets InfiniBand as netplan has it.
#[test]
fn netplan_gets_infiniband_by_version_2() {
    let nics = format!(
        "{ETH0}{{ name = \"ib0\", kind = \"infiniband\", network = \"storage\", ip = \"10.20.0.101\", ipoib = \"connected\", optional = true }},\n"
    );
    let refused = build(&cluster(&nics, "")).1;
    let told: Vec<&str> = refused.iter().map(|finding| finding.message.as_str()).collect();
    assert!(
        told.len() == 2
            && told
                .iter()
                .all(|told| told.contains("version 1 of network-config, which this node gets for the kind of `ib0`")),
        "{told:?}"
    );
    let text = config(&built(&cluster(&nics, "network_version = 2\n")));
    let Some(netplan) = parts::require("network::netplan_gets_infiniband_by_version_2", Part::Netplan) else { return };
    let made = generated(&netplan, &format!("network:\n{}", indented(&text)));
    let network = &made["10-netplan-ib0.network"];
    for line in ["Mode=connected", "Address=10.20.0.101/24", "RequiredForOnline=no"] {
        assert!(network.contains(line), "{network}");
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[test]
fn dhcp_is_asked_for_by_the_families_of_the_network() {
    for (nic, expected) in [
        ("network = \"six\"", "dhcp6: true\n"),
        ("network = \"node\"", "dhcp4: true\n    dhcp6: true\n"),
        ("network = \"public\"", "dhcp4: true\n"),
        ("network = \"node\", dhcp = \"ipv6\"", "dhcp6: true\n"),
        ("network = \"node\", dhcp = false", "dhcp4: false\n"),
        ("dhcp = false", "dhcp4: false\n"),
        ("dhcp = true", "dhcp4: true\n"),
        (
            "network = \"node\", dhcp = true, ip = \"10.10.0.9\"",
            "dhcp6: true\n    addresses: [\"10.10.0.9/24\"]\n    nameservers: {addresses: [\"10.10.0.253\"], search: [\"oak.example\"]}\n",
        ),
        ("network = \"public\", default_route = false", "dhcp4: true\n    dhcp4-overrides: {use-routes: false}\n"),
        ("network = \"six\", optional = true", "optional: true\n    dhcp6: true\n"),
    ] {
        let text = config(&built(&cluster(&format!("{ETH0}{{ name = \"eth1\", {nic} }},\n"), "")));
        assert!(text.ends_with(&format!("  \"eth1\":\n    {expected}")), "{nic}:\n{text}");
    }
}

#[test]
fn the_default_route_is_where_it_is_wanted() {
    let pub0 = "{ name = \"pub0\", network = \"public\", ip = \"192.0.2.1\", default_route = true },\n";
    let text = config(&built(&cluster(&format!("{ETH0}{pub0}"), "")));
    let (eth0, pub0) = text.split_once("  \"pub0\":\n").expect("both are there");
    assert!(
        !eth0.contains("routes:") && pub0.contains("routes: [{to: \"0.0.0.0/0\", via: \"192.0.2.254\"}]"),
        "{text}"
    );

    // The family that has no address has no route.
    let text = config(&built(&cluster(ETH0, "")));
    assert!(text.contains("routes: [{to: \"0.0.0.0/0\", via: \"10.10.0.254\"}]\n"), "{text}");

    // A boot interface in a bond in a bridge: the bridge has the address, and the route.
    let nics = "{ name = \"eth0\", boot = true, network = \"node\" }, { name = \"bond0\", kind = \"bond\", members = [\"eth0\"] },
{ name = \"br0\", kind = \"bridge\", members = [\"bond0\"], network = \"node\", ip = [\"10.10.0.1\", \"fd00:10::1\"] },\n";
    let text = config(&built(&cluster(nics, "")));
    assert!(text.starts_with("version: 1\n"), "{text}");
    for line in [
        "address: \"10.10.0.1/24\", routes: [{network: \"0.0.0.0/0\", gateway: \"10.10.0.254\"}]",
        "address: \"fd00:10::1/64\", gateway: \"fd00:10::fe\"",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let text = config(&built(&cluster(nics, "network_version = 2\n")));
    let routes = "routes: [{to: \"0.0.0.0/0\", via: \"10.10.0.254\"}, {to: \"::/0\", via: \"fd00:10::fe\"}]";
    assert!(text.contains(routes), "{text}");
    let bridge = "bridges:\n  \"br0\":\n    interfaces: [\"bond0\"]\n    parameters: {stp: false}\n";
    assert!(text.contains(bridge), "{text}");
}

#[test]
fn what_is_left_to_the_kernel_is_not_named() {
    let nics = "{ name = \"eth0\", network = \"node\", boot = true, ip = \"10.10.0.1\", manage = false },\n";
    assert_eq!(config(&built(&cluster(nics, ""))), "version: 2\nethernets: {}\n");
    let nics = format!("{nics}{{ name = \"eth1\", network = \"storage\", ip = \"10.20.0.1\" }},\n");
    let text = config(&built(&cluster(&nics, "")));
    assert!(!text.contains("eth0") && text.contains("eth1"), "{text}");
}

#[test]
fn a_file_of_the_site_takes_the_place_of_all() {
    let mut tree = cluster(ETH0, "network_config = \"net.yaml.j2\"\n");
    let body = "version: 2\nethernets:\n  eth0:\n    addresses: [{{ ip }}/24]\n    # {{ name }} at {{ server }}\n";
    tree.insert("cloud-init/net.yaml.j2", File::Bytes(body.as_bytes().into()));
    let snapshot = built(&tree);
    assert!(config(&snapshot).contains("    addresses: [10.10.0.1/24]\n    # n1 at "), "{}", config(&snapshot));
    let blamed = cloudinit::blamed(snapshot.resolved(), 0, Document::NetworkConfig).expect("it has one");
    assert_eq!(blamed[3].source, LineSource::File("net.yaml.j2".into(), Some(4)));

    tree.insert("cloud-init/net.yaml.j2", File::Bytes(b"ethernets: {}\n".as_slice().into()));
    let (_, findings) = build(&tree);
    assert!(findings.iter().any(|finding| finding.code == Code::CloudInit), "{findings:#?}");
}

#[test]
fn each_line_knows_its_statement() {
    let tree = cluster(
        &format!("{ETH0}{{ name = \"eth1\", network = \"storage\", ip = \"10.20.0.1\",\n optional = true }},\n"),
        "",
    );
    let snapshot = built(&tree);
    let blamed = cloudinit::blamed(snapshot.resolved(), 0, Document::NetworkConfig).expect("it has one");
    let line =
        |start: &str| blamed.iter().rfind(|line| line.text.trim_start().starts_with(start)).expect("it is there");
    let place = |start: &str| match &line(start).source {
        LineSource::Value(origin) => {
            let place = snapshot.desired().sources.place(*origin);
            let Some(File::Bytes(bytes)) = tree.get(&place.file) else { panic!("{place:?}") };
            let at = place.span.expect("it has a place").start;
            std::str::from_utf8(&bytes[at..])
                .expect("text")
                .split([',', ' ', '\n'])
                .next()
                .unwrap_or_default()
                .to_owned()
        }
        other => panic!("{start}: {other:?}"),
    };
    assert_eq!(place("addresses:"), "\"10.20.0.1\"");
    assert_eq!(place("optional:"), "true");
    assert_eq!(place("match:"), "\"02:00:00:00:00:01\"");
    assert_eq!(blamed[0].source, LineSource::Muster);
}

/// Every combination is right or refused; these are refused, each with a word that a reader can search for.
#[test]
fn what_cannot_be_is_refused() {
    let bond = "{ name = \"eth1\" }, { name = \"eth2\" }, { name = \"bond0\", kind = \"bond\", members = [\"eth1\", \"eth2\"], ";
    for (nics, told) in [
        (format!("{bond}bond = {{ lacp_rate = \"fast\" }} }}"), "has no effect in the mode `active-backup`"),
        (format!("{bond}bond = {{ mode = \"802.3ad\", primary = \"eth1\" }} }}"), "has no effect in the mode `802.3ad`"),
        (format!("{bond}bond = {{ primary = \"eth9\" }} }}"), "`eth9` is not a member of `bond0`"),
        (format!("{bond}bond = {{ up_delay = 150 }} }}"), "not a multiple of `mii_monitor`"),
        (format!("{bond}bridge = {{ stp = true }} }}"), "belongs to an interface of kind `bridge`"),
        (format!("{bond}}}, {{ name = \"b1\", kind = \"bond\", members = [\"eth1\"] }}"), "`eth1` is a member of `bond0` and of `b1`"),
        (format!("{bond}}}, {{ name = \"b1\", kind = \"bond\", members = [\"bond0\"] }}"), "a bond is made of adapters"),
        ("{ name = \"ib0\", kind = \"infiniband\" }, { name = \"b\", kind = \"bond\", members = [\"ib0\"], bond = { mode = \"802.3ad\" } }".into(), "can only be `active-backup`"),
        ("{ name = \"ib0\", kind = \"infiniband\" }, { name = \"b\", kind = \"bridge\", members = [\"ib0\"] }".into(), "cannot be bridged"),
        ("{ name = \"b\", kind = \"bridge\" }".into(), "a bridge needs `members`"),
        ("{ name = \"b\", kind = \"bridge\", members = [\"v\"] }, { name = \"v\", kind = \"vlan\", link = \"b\", network = \"storage\" }".into(), "is made on itself"),
        ("{ name = \"eth1\", network = \"node\", ip = \"10.10.0.9\" }, { name = \"b\", kind = \"bridge\", members = [\"eth1\"] }".into(), "is never set"),
        ("{ name = \"eth1\", dhcp = true }, { name = \"b\", kind = \"bridge\", members = [\"eth1\"] }".into(), "has no effect: it is a part of `b`"),
        ("{ name = \"eth1\", manage = false }, { name = \"v\", kind = \"vlan\", link = \"eth1\", network = \"storage\" }".into(), "left to the kernel"),
        ("{ name = \"eth1\", manage = false, optional = true }".into(), "has no effect on an interface with `manage = false`"),
        ("{ name = \"v\", kind = \"vlan\", link = \"eth0\", network = \"public\" }".into(), "which has no `vlan`"),
        ("{ name = \"eth1\", network = \"storage\", ip = \"10.20.0.1\", default_route = true }".into(), "has no `gateway`"),
        ("{ name = \"eth1\", network = \"public\", ip = \"192.0.2.1\", default_route = true }, { name = \"eth2\", network = \"public\", default_route = true }".into(), "a second interface with `default_route = true`"),
        ("{ name = \"eth1\", network = \"storage\", ip = \"10.20.0.1\", routes = [{ to = \"10.0.0.0/8\", via = \"10.21.0.1\" }] }".into(), "is not in network `storage`"),
        ("{ name = \"eth1\", network = \"storage\", ip = \"10.20.0.1\", routes = [{ to = \"fd00::/8\", via = \"fd00:20::fe\" }] }".into(), "has a route of IPv6 and no address of it"),
        ("{ name = \"eth1\", network = \"storage\", ip = \"10.20.0.1\", routes = [{ to = \"fd00::/8\", via = \"10.20.0.9\" }] }".into(), "one is IPv4 and the other IPv6"),
        ("{ name = \"eth1\", network = \"storage\", ip = \"10.20.0.1\", routes = [{ to = \"10.0.0.1/8\", via = \"10.20.0.9\" }] }".into(), "has bits beyond its prefix"),
        ("{ name = \"eth1\", network = \"public\", ip = \"192.0.2.1\", dhcp = true }".into(), "asks for IPv4 by DHCP as well"),
        ("{ name = \"enp193s0f0np0.120\" }".into(), "longer than the 15 bytes"),
    ] {
        let (snapshot, findings) = build(&cluster(&format!("{ETH0}{nics},\n"), ""));
        let errors: Vec<&str> = findings.iter().filter(|found| found.severity() == Severity::Error).map(|found| found.message.as_str()).collect();
        assert!(snapshot.is_none() && errors.iter().any(|error| error.contains(told)), "{nics}\nlacks `{told}`: {errors:#?}");
    }
}

/// What an interface must have on the node, by the test's own account.
#[derive(Debug, Clone, Default, PartialEq)]
struct Expected {
    addresses: BTreeSet<String>,
    /// Where to and by which router.
    routes: BTreeSet<(String, String)>,
    mac: Option<String>,
}

/// Interfaces as TOML, and what they must come to.
#[derive(Debug, Clone, Default)]
struct Scene {
    toml: String,
    interfaces: BTreeMap<String, Expected>,
    has_infiniband: bool,
}

/// The choices of one scene; each number is one choice among a few.
type Choices = [u8; 10];

fn scene(choices: Choices) -> Scene {
    let [boot, second, bond, mode, over, mac, routes, six, ib, own] = choices;
    let mut scene = Scene::default();
    let mut put = |name: &str, kind: &str, rest: &str, expected: Expected| {
        scene.toml.push_str(&format!("{{ name = \"{name}\", {kind}{rest} }},\n"));
        scene.interfaces.insert(name.into(), expected);
    };
    let set = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<BTreeSet<_>>();
    let eth0_mac = "02:00:00:00:00:01".to_owned();
    let has_default = boot % 3 != 2;
    let (ip, addresses) = match six % 2 {
        0 => ("\"10.10.0.1\"", set(&["10.10.0.1/24"])),
        _ => ("[\"10.10.0.1\", \"fd00:10::1\"]", set(&["10.10.0.1/24", "fd00:10::1/64"])),
    };
    let mut all_routes = BTreeSet::new();
    if has_default {
        all_routes.insert(("0.0.0.0/0".to_owned(), "10.10.0.254".to_owned()));
        if six % 2 == 1 {
            all_routes.insert(("::/0".to_owned(), "fd00:10::fe".to_owned()));
        }
    }
    let flag = if has_default { "" } else { ", default_route = false" };
    let expected = Expected { addresses, routes: all_routes, mac: Some(eth0_mac.clone()) };
    put("eth0", "", &format!("network = \"node\", boot = true, mac = \"{eth0_mac}\", ip = {ip}{flag}"), expected);

    let extra = match routes % 3 {
        0 => ("", BTreeSet::new()),
        1 => (
            ", routes = [{ to = \"10.0.0.0/8\", via = \"10.20.0.254\", metric = 50 }]",
            [("10.0.0.0/8", "10.20.0.254")].into(),
        ),
        _ => (
            ", routes = [{ to = \"10.0.0.0/8\", via = \"10.20.0.254\" }, { to = \"172.16.0.0/12\", via = \"10.20.0.253\" }]",
            BTreeSet::from([("10.0.0.0/8", "10.20.0.254"), ("172.16.0.0/12", "10.20.0.253")]),
        ),
    };
    let pairs: BTreeSet<(String, String)> =
        extra.1.into_iter().map(|(to, via)| (to.to_owned(), via.to_owned())).collect();
    let storage = format!("network = \"storage\", ip = \"10.20.0.1\"{}", extra.0);
    let of_storage = Expected { addresses: set(&["10.20.0.1/24"]), routes: pairs, mac: None };
    if bond % 3 == 0 {
        match second % 3 {
            0 => put("eth1", "", "network = \"storage\", dhcp = false", Expected::default()),
            1 => put("eth1", "", &format!("{storage}, optional = false"), of_storage.clone()),
            _ => put("eth1", "", "network = \"six\"", Expected::default()),
        }
    } else {
        let settings = [
            "",
            "bond = { mode = \"802.3ad\", lacp_rate = \"fast\", hash_policy = \"layer2+3\", min_links = 1 }",
            "bond = { mode = \"active-backup\", primary = \"eth1\", fail_over_mac = \"active\" }",
            "bond = { mode = \"balance-xor\", hash_policy = \"layer3+4\", mii_monitor = 200, up_delay = 400 }",
            "bond = { mode = \"balance-alb\", mii_monitor = 50 }",
        ][usize::from(mode % 5)];
        put(
            "eth1",
            "",
            "mac = \"02:00:00:00:01:01\"",
            Expected { mac: Some("02:00:00:00:01:01".into()), ..Expected::default() },
        );
        put("eth2", "", "optional = false", Expected::default());
        let given = (mac % 2 == 1).then(|| "02:00:00:00:02:01".to_owned());
        let given_text = given.as_ref().map(|mac| format!(", mac = \"{mac}\"")).unwrap_or_default();
        let settings = if settings.is_empty() { String::new() } else { format!(", {settings}") };
        let kind = "kind = \"bond\", members = [\"eth1\", \"eth2\"]";
        let on_top = over % 3;
        let bond_rest = if on_top == 0 {
            format!("{given_text}{settings}, {storage}")
        } else {
            format!("{given_text}{settings}, mtu = 9000")
        };
        let of_bond = if on_top == 0 { of_storage.clone() } else { Expected::default() };
        put("bond0", kind, &bond_rest, Expected { mac: given, ..of_bond });
        match on_top {
            1 => put("st", "kind = \"vlan\", link = \"bond0\", ", &storage, of_storage),
            2 => put("br0", "kind = \"bridge\", members = [\"bond0\"], ", &storage, of_storage),
            _ => {}
        }
    }
    let has_infiniband = ib % 3 == 0;
    if has_infiniband {
        let mtu = if own % 2 == 0 { ", mtu = 4092" } else { "" };
        let expected = Expected { addresses: set(&["10.20.0.101/24"]), ..Expected::default() };
        put("ib0", "kind = \"infiniband\", ", &format!("network = \"storage\", ip = \"10.20.0.101\"{mtu}"), expected);
    }
    scene.has_infiniband = has_infiniband;
    scene
}

/// Returns where a default route by a router leads.
fn everywhere(via: &str) -> String {
    if via.contains(':') { "::/0".into() } else { "0.0.0.0/0".into() }
}

/// Reads networkd's files, by the interface that each is for.
fn networkd(files: &Files) -> BTreeMap<String, Expected> {
    let mut all: BTreeMap<String, Expected> = BTreeMap::new();
    for (file, text) in files {
        let name = file.trim_start_matches("10-netplan-").rsplit_once('.').expect("a file has an ending").0;
        let found = all.entry(name.to_owned()).or_default();
        let mut to = String::new();
        for line in text.lines() {
            let Some((key, value)) = line.split_once('=') else {
                to.clear();
                continue;
            };
            match key {
                "Address" => {
                    found.addresses.insert(value.into());
                }
                "Destination" => to = value.into(),
                "Gateway" => {
                    let to = if to.is_empty() { everywhere(value) } else { to.clone() };
                    found.routes.insert((to, value.into()));
                }
                "PermanentMACAddress" | "MACAddress" => found.mac = Some(value.into()),
                _ => {}
            }
        }
    }
    all
}

/// Reads NetworkManager's files.
fn network_manager(files: &Files) -> BTreeMap<String, Expected> {
    let mut all = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".nmconnection")) {
        let file = path.rsplit('/').next().expect("a path has a name");
        let name = file.trim_start_matches("cloud-init-").trim_end_matches(".nmconnection");
        let mut found = Expected::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key.trim_end_matches(|c: char| c.is_ascii_digit()) {
                "address" => {
                    found.addresses.insert(value.into());
                }
                "route" => {
                    let mut parts = value.split(',');
                    let mut part = || parts.next().unwrap_or_default().to_owned();
                    found.routes.insert((part(), part()));
                }
                "gateway" => {
                    found.routes.insert((everywhere(value), value.into()));
                }
                "mac-address" => found.mac = Some(value.to_ascii_lowercase()),
                _ => {}
            }
        }
        all.insert(name.to_owned(), found);
    }
    all
}

/// Reads the addresses and MAC addresses of sysconfig's files.
fn sysconfig(files: &Files) -> BTreeMap<String, Expected> {
    let mut all = BTreeMap::new();
    for (path, text) in files {
        let Some(name) = path.rsplit('/').next().and_then(|file| file.strip_prefix("ifcfg-")) else { continue };
        let values: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let mut found = Expected {
            mac: ["HWADDR", "MACADDR"].iter().find_map(|key| values.get(key)).map(|mac| (*mac).into()),
            ..Expected::default()
        };
        if let (Some(ip), Some(mask)) = (values.get("IPADDR"), values.get("NETMASK")) {
            let bits = mask.parse::<std::net::Ipv4Addr>().expect("a netmask").to_bits().count_ones();
            found.addresses.insert(format!("{ip}/{bits}"));
        }
        found.addresses.extend(values.get("IPV6ADDR").map(|ip| (*ip).to_owned()));
        all.insert(name.to_owned(), found);
    }
    all
}

#[test]
fn what_is_declared_is_what_each_system_gets() {
    const TEST: &str = "network::what_is_declared_is_what_each_system_gets";
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(Default::default()));
    let choices = prop::array::uniform10(any::<u8>());
    let scenes: Vec<Scene> =
        (0..60).map(|_| scene(choices.new_tree(&mut runner).expect("it makes choices").current())).collect();
    let texts: Vec<String> = scenes.iter().map(|scene| config(&built(&cluster(&scene.toml, "")))).collect();
    let configs: Vec<&str> = texts.iter().map(String::as_str).collect();
    let netplan = parts::require(TEST, Part::Netplan);
    for version in versions(TEST) {
        for ((files, scene), text) in rendered(version.as_ref(), &configs).iter().zip(&scenes).zip(&texts) {
            let context = || format!("{version:?}\n{}\n{text}\n{files:#?}", scene.toml);
            if let Some(netplan) = &netplan {
                let found = networkd(&generated(netplan, &files["netplan"]["etc/netplan/50-cloud-init.yaml"]));
                // cloud-init passes InfiniBand over where it makes netplan's YAML of version 1.
                for (name, expected) in scene.interfaces.iter().filter(|(name, _)| *name != "ib0") {
                    assert_eq!(&found[name], expected, "netplan {name} {}", context());
                }
            }
            let found = network_manager(&files["network-manager"]);
            for (name, expected) in &scene.interfaces {
                let is_bond = name == "bond0";
                // It writes the MAC address of no bond.
                let expected = Expected { mac: expected.mac.clone().filter(|_| !is_bond), ..expected.clone() };
                assert_eq!(found[name], expected, "NetworkManager {name} {}", context());
            }
            let found = sysconfig(&files["sysconfig"]);
            for (name, expected) in &scene.interfaces {
                assert_eq!(found[name].addresses, expected.addresses, "sysconfig {name} {}", context());
                assert_eq!(found[name].mac, expected.mac, "sysconfig {name} {}", context());
            }
            let eni: String = files["eni"].values().map(String::as_str).collect();
            for address in scene.interfaces.values().flat_map(|expected| &expected.addresses) {
                assert!(eni.contains(&format!("address {address}\n")), "eni {address} {}", context());
            }
            // The choice of version is made for what this version of the format lacks, and for nothing else.
            let signs = ["802.3ad", "hash_policy", "fail_over_mac", "02:00:00:00:02:01"];
            let needs = scene.has_infiniband
                || scene.interfaces["eth0"].routes.len() == 2
                || signs.iter().any(|sign| scene.toml.contains(sign));
            assert_eq!(text.starts_with("version: 1\n"), needs, "{}", context());
        }
    }
}

/// Version 2, stated, is what netplan takes as it stands, InfiniBand and all.
#[test]
fn netplan_takes_version_2_as_it_stands() {
    const TEST: &str = "network::netplan_takes_version_2_as_it_stands";
    let Some(netplan) = parts::require(TEST, Part::Netplan) else { return };
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(Default::default()));
    let choices = prop::array::uniform10(any::<u8>());
    for _ in 0..60 {
        let scene = scene(choices.new_tree(&mut runner).expect("it makes choices").current());
        let text = config(&built(&cluster(&scene.toml, "network_version = 2\n")));
        let found = networkd(&generated(&netplan, &format!("network:\n{}", indented(&text))));
        for (name, expected) in &scene.interfaces {
            assert_eq!(&found[name], expected, "{name}\n{}\n{text}", scene.toml);
        }
    }
}

/// The words of the files are JSON's as far as quoting goes, so a YAML reader and we agree on them.
#[test]
fn a_yaml_reader_reads_what_is_written() {
    const READ: &str = "import json, sys, yaml\nprint(json.dumps(yaml.safe_load(sys.stdin.read())))";
    if parts::require("network::a_yaml_reader_reads_what_is_written", Part::CloudInit).is_none() {
        return;
    }
    let nics = format!(
        "{ETH0}{{ name = \"no\", network = \"storage\", ip = \"10.20.0.1\" }}, {{ name = \"1e3\", kind = \"vlan\", link = \"no\", network = \"storage\", dhcp = false }},\n"
    );
    let text = config(&built(&cluster(&nics, "")));
    let read: Value = serde_json::from_str(&super::cloud_init::python(READ, &text)).expect("it prints JSON");
    assert_eq!(read["ethernets"]["no"]["addresses"][0], "10.20.0.1/24", "{text}");
    assert_eq!(read["vlans"]["1e3"]["link"], "no", "{text}");
}
