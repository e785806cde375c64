//! The example: without a finding, as large as it says, and to the byte what a reader of it expects.

use super::tree::{built, example, files_below, root};
use crate::support::netns::isolated;
use crate::vm::{self, interpret};
use muster::cloudinit::Document;
use muster::desired::{BmcKind, Exception, Free, MAX_CONFIRM, MacSource, NodeState, Protocol, Unknown};
use muster::ipxe::{Ask, Script};
use muster::model::{MacAddr, Origin, Severity, Tree};
use muster::observed::MAX_RUNS;
use muster::snapshot::{Answer, Snapshot, UnknownAnswer};
use std::collections::BTreeMap;
use std::time::Duration;
use std::{env, fs};

/// Builds the example.
pub fn snapshot() -> Snapshot {
    built(&example())
}

fn node(snapshot: &Snapshot, name: &str) -> usize {
    snapshot.by_name(name).unwrap_or_else(|| panic!("there is no node {name}"))
}

fn script(snapshot: &Snapshot, name: &str) -> String {
    match snapshot.answer(node(snapshot, name)) {
        Answer::Script(prepared) => prepared.script.shown(),
        other => panic!("{name} has no script: {other:?}"),
    }
}

#[test]
fn it_has_no_finding_and_the_shape_that_it_says() {
    let snapshot = snapshot();
    let desired = snapshot.desired();
    assert_eq!(snapshot.nodes().len(), 123);
    let count = |name: &str| desired.group(name).unwrap_or_else(|| panic!("no group {name}")).members.len();
    let groups: Vec<(&str, usize)> = desired.groups.iter().map(|group| (&*group.name, count(&group.name))).collect();
    let expected =
        [("arm", 32), ("batch", 101), ("canary", 8), ("compute", 112), ("gpu", 16), ("login", 3), ("storage", 6)];
    assert_eq!(groups, expected);
    let mut states: BTreeMap<NodeState, usize> = BTreeMap::new();
    snapshot.nodes().iter().for_each(|node| *states.entry(node.state.value).or_default() += 1);
    let expected =
        [(NodeState::Active, 120), (NodeState::Maintenance, 1), (NodeState::Spare, 1), (NodeState::Retired, 1)];
    assert_eq!(states, BTreeMap::from(expected));
    let kinds = [BmcKind::Node, BmcKind::Chassis, BmcKind::Switch, BmcKind::Pdu];
    let bmcs = kinds.map(|kind| desired.bmcs.iter().filter(|bmc| bmc.kind == kind).count());
    assert_eq!(bmcs, [40 + 32 + 3 + 6 + 2, 3, 3, 2]);
    assert_eq!(desired.bmcs.iter().filter(|bmc| bmc.protocol == Protocol::None).count(), 2);
    let networks: Vec<(&str, bool)> =
        desired.networks.iter().map(|network| (&*network.name, network.advertise.is_some())).collect();
    assert_eq!(networks, [("bmc", false), ("node", true), ("storage", false)]);
    let cabinets = ["x1000", "x3000"].map(|cabinet| {
        let xnames = snapshot.nodes().iter().filter_map(|node| node.xname.as_ref());
        xnames.filter(|xname| xname.value.as_str().starts_with(cabinet)).count()
    });
    assert_eq!(cabinets, [80, 41]);
}

/// Hardware addresses of an example must be nobody's: locally administered ones, each once.
#[test]
fn its_addresses_are_made_up() {
    let snapshot = snapshot();
    let of_nodes = snapshot.nodes().iter().flat_map(|node| node.nics.iter().filter_map(|nic| nic.mac));
    let of_bmcs = snapshot.desired().bmcs.iter().filter_map(|bmc| bmc.mac);
    let mut macs: Vec<MacAddr> = of_nodes.chain(of_bmcs).map(|mac| mac.value).collect();
    let all = macs.len();
    assert!(macs.iter().all(|mac| mac.0[0] & 2 == 2), "{macs:?}");
    macs.sort_unstable();
    macs.dedup();
    assert_eq!((macs.len(), all), (222, 222));
}

#[test]
fn layers_come_to_what_they_say() {
    let snapshot = snapshot();
    let class = |name: &str| snapshot.resolved().class(node(&snapshot, name));
    let image = |name: &str| {
        let vars = &class(name).vars;
        let (_, value) = vars.leaves().into_iter().find(|(path, _)| path == "image").expect("an image");
        (value.value.clone(), snapshot.desired().sources.describe(value.origin))
    };
    assert_eq!(image("nid0008"), (Free::Text("rocky9-2026.12".into()), "groups/canary.toml:4".into()));
    assert_eq!(image("nid0009"), (Free::Text("rocky9-2026.11".into()), "cluster.toml:25".into()));
    let limits: Vec<String> = class("nid0009").vars.leaves().into_iter().map(|(path, _)| path).collect();
    assert_eq!(limits, ["image", "limits.locked_memory", "limits.open_files", "time_servers"]);

    let memory = |name: &str| class(name).expect.get("memory_gib").map(|at| at.value.clone());
    let gib = |number| Some(Free::Integer(number));
    assert_eq!([memory("nid0001"), memory("nid0065"), memory("nid0080")], [gib(512), gib(1024), gib(960)]);
    assert_eq!(memory("login01"), None);

    assert_eq!(class("bench1").macs.value, MacSource::FromBmc);
    assert!(class("bench1").user_data.is_none() && class("login01").user_data.is_some());
    let parts = |name: &str| class(name).vendor_data.iter().map(|part| part.value.to_string()).collect::<Vec<_>>();
    assert_eq!(parts("nid0065"), ["compute.yaml.j2", "gpu.sh"]);
}

#[test]
fn every_parameter_knows_its_line() {
    let snapshot = snapshot();
    let told = |name: &str| -> Vec<String> {
        let boot = snapshot.resolved().boot(node(&snapshot, name)).expect("it resolves").expect("it boots");
        let describe = |origin: Origin| snapshot.desired().sources.describe(origin);
        boot.params.iter().map(|param| format!("{} {}", describe(param.origin), param.text)).collect()
    };
    assert_eq!(
        told("nid0065"),
        [
            "boot/rocky9.toml:7 root=live:http://images.example/rocky9-2026.11/x86_64/rootfs.squashfs",
            "boot/rocky9.toml:8 rd.live.overlay.overlayfs=1",
            "boot/rocky9.toml:9 rd.neednet=1",
            "boot/rocky9.toml:10 ip=dhcp",
            "boot/rocky9.toml:11 quiet",
            "boot/rocky9.toml:12 modprobe.blacklist=ast",
            "cluster.toml:21 console=ttyS0,115200",
            "groups/compute.toml:5 selinux=1",
            "groups/compute.toml:6 transparent_hugepage=madvise",
            "groups/gpu.toml:3 modprobe.blacklist=nouveau",
            "groups/gpu.toml:3 iommu=pt",
        ]
    );
    let arm = told("nid0101");
    assert!(!arm.iter().any(|line| line.contains("blacklist")), "{arm:#?}");
    assert_eq!(arm.iter().filter(|line| line.contains("console=")).count(), 1, "{arm:#?}");
    assert!(!told("nid0001").iter().any(|line| line.ends_with(" quiet")));
    assert_eq!(told("nid0080"), ["boot/memtest.toml:6 console=ttyS0,115200"]);
}

/// What a few nodes are served, whole. `UPDATE=1` writes it anew.
#[test]
fn what_is_served_is_as_ever() {
    let snapshot = snapshot();
    let folder = root("tests/wishes/golden");
    let document = |name: &str, document| {
        let text = snapshot.document(node(&snapshot, name), document).expect("it was written once at build");
        text.unwrap_or_default().replace('\u{1}', "<").replace('\u{2}', ">")
    };
    let scan = match snapshot.unknown(Some("arm64")) {
        UnknownAnswer::Boot(prepared) => prepared.script.shown(),
        other => panic!("unknown machines boot: {other:?}"),
    };
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for name in ["nid0001", "nid0065", "nid0080", "nid0101", "login01"] {
        all.insert(format!("{name}.ipxe"), script(&snapshot, name));
    }
    all.insert("unknown.aarch64.ipxe".into(), scan);
    for (name, kinds) in [
        ("nid0065", &Document::ALL[..]),
        ("storage01", &Document::ALL[..]),
        ("login01", &[Document::UserData][..]),
        ("bench1", &[Document::MetaData, Document::UserData][..]),
    ] {
        all.extend(kinds.iter().map(|kind| (format!("{name}.{}", kind.as_str()), document(name, *kind))));
    }
    if env::var_os("UPDATE").is_some() {
        all.iter().for_each(|(name, text)| fs::write(folder.join(name), text).expect("the text can be written"));
    }
    assert_eq!(files_below(&folder), all.keys().cloned().collect::<Vec<_>>());
    for (name, text) in all {
        let golden = fs::read_to_string(folder.join(&name)).expect("the text can be read");
        assert!(golden == text, "{name} was\n{golden}\nand is\n{text}");
    }
}

#[test]
fn machines_that_may_not_boot_do_not() {
    let snapshot = snapshot();
    assert!(matches!(snapshot.answer(node(&snapshot, "nid0132")), Answer::Retired));
    assert!(matches!(snapshot.desired().cluster.unknown, Unknown::Boot(_)));
    assert!(matches!(snapshot.unknown(None), UnknownAnswer::Again(_)));
    assert!(matches!(snapshot.unknown(Some("riscv64")), UnknownAnswer::Refused));
    let nobody = "02:00:00:00:00:99".parse().expect("a MAC address");
    assert_eq!(snapshot.by_mac(nobody), None);
}

#[test]
fn one_small_file_makes_one_small_difference() {
    let before = snapshot();
    let canary = fs::read_to_string(root("cluster-example/groups/canary.toml")).expect("the group can be read");
    let mut tree = example();
    let text = canary.replace("nid[0001-0008]", "nid[0001-0009]");
    tree.insert("groups/canary.toml", muster::model::File::Bytes(text.as_bytes().into()));
    let after = built(&tree);
    let digest = |snapshot: &Snapshot, node: usize| match snapshot.answer(node) {
        Answer::Script(prepared) => Some(prepared.digest),
        Answer::Retired | Answer::Nothing => None,
    };
    let changed: Vec<&str> = (0..before.nodes().len())
        .filter(|at| digest(&before, *at) != digest(&after, *at))
        .map(|at| &*before.nodes()[at].name)
        .collect();
    assert_eq!(changed, ["nid0009"]);
}

/// The edit that the demonstration suggests gives every node that takes parameters one more.
#[test]
fn the_edit_of_the_demonstration_works() {
    let mut tree = example();
    let text = fs::read_to_string(root("cluster-example/cluster.toml")).expect("the file can be read");
    assert_eq!(text.matches("[defaults]\nparams = [").count(), 1);
    let text = text.replace("[defaults]\nparams = [", "[defaults]\nparams = [\"demo=1\", ");
    tree.insert("cluster.toml", muster::model::File::Bytes(text.as_bytes().into()));
    let snapshot = built(&tree);
    assert!(script(&snapshot, "nid0001").contains(" demo=1 "));
    tree.insert("boot/broken.toml", muster::model::File::Bytes(b"kernal = \"typo\"\n"[..].into()));
    let (none, findings) = super::tree::build(&tree);
    assert!(none.is_none() && findings.iter().all(|finding| finding.severity() == Severity::Error));
    let facts = fs::read_to_string(root("cluster-example/nodes/x1000/nodes.facts.csv")).expect("the facts can be read");
    assert!(facts.lines().any(|line| line.starts_with("name,nics.eth0.mac,")));
}

#[test]
fn real_ipxe_runs_every_script() {
    const NAME: &str = "example::real_ipxe_runs_every_script";
    isolated(NAME, || {
        if vm::can_interpret(NAME) {
            let scripts = all_scripts();
            let scripts: Vec<(&str, &str)> = scripts.iter().map(|(name, text)| (&**name, &**text)).collect();
            interpret::assert_sound(&scripts);
        }
    });
}

/// Returns the script of every node and of unknown machines, as it goes over the wire.
fn all_scripts() -> Vec<(String, String)> {
    let snapshot = snapshot();
    let fill = |script: &Script, who: &str| {
        let server = "http://10.9.9.9:8270";
        let (path, again) = ("/boot/v1/bootscript", "retry=1");
        let ask = Ask { server, path, who, again, boot_if: Some("02-1a-10-00-00-01") };
        let mut text = String::new();
        script.fill(&ask, &mut text);
        text
    };
    let mut all: Vec<(String, String)> = Vec::new();
    for (at, node) in snapshot.nodes().iter().enumerate() {
        if let Answer::Script(prepared) = snapshot.answer(at) {
            let text = fill(&prepared.script, "mac=02:1a:10:00:00:01");
            all.push((node.name.to_string(), text));
        }
    }
    for arch in ["x86_64", "arm64"] {
        let UnknownAnswer::Boot(prepared) = snapshot.unknown(Some(arch)) else { panic!("unknown machines boot") };
        all.push((format!("unknown {arch}"), fill(&prepared.script, "mac=02:1a:10:00:00:99")));
    }
    for arch in [None, Some("i386")] {
        if let UnknownAnswer::Again(script) = snapshot.unknown(arch) {
            all.push((format!("again {arch:?}"), fill(script, "mac=02:1a:10:00:00:99")));
        }
    }
    assert!(all.len() > 10, "{all:#?}");
    all
}

#[test]
fn its_files_are_all_wishes_but_for_its_pipelines() {
    let tree = example();
    let pipelines = [".github/", ".gitlab/", ".gitlab-ci.yml"];
    let (ours, strays): (Vec<&str>, Vec<&str>) = tree
        .iter()
        .map(|(path, _)| path)
        .filter(|path| !Tree::is_wish(path))
        .partition(|path| pipelines.iter().any(|forge| path.starts_with(forge)));
    assert!(strays.is_empty(), "{strays:#?}");
    assert!(ours.contains(&".gitlab-ci.yml") && ours.contains(&".github/workflows/review.yml"), "{ours:#?}");
}

#[test]
fn its_policy_and_its_exceptions_are_read() {
    let snapshot = snapshot();
    let desired = snapshot.desired();
    assert_eq!(usize::from(MAX_CONFIRM), MAX_RUNS, "a difference can be asked to stand as long as it is remembered");
    assert_eq!((desired.policy.confirm, desired.policy.stale_after), (1, Some(Duration::from_secs(43_200))));
    let fail_on: Vec<String> = desired.policy.fail_on.iter().map(ToString::to_string).collect();
    assert_eq!(fail_on, ["drift", "unknown>5%", "stale>1d"]);
    let told: Vec<String> = desired
        .exceptions
        .iter()
        .map(|exception| {
            let nodes: Vec<&str> = exception.nodes.iter().map(|at| &*desired.nodes[*at as usize].name).collect();
            let place = desired.sources.describe(exception.origin);
            let Exception { attribute, seen, expires, owner, .. } = exception;
            format!("{place} {} {attribute} {seen:?} {expires} {owner}", nodes.join(","))
        })
        .collect();
    assert_eq!(
        told,
        [
            "exceptions/hardware.toml:6 nid0017 memory_gib Some(Integer(480)) 2027-06-30 hardware@larch.example",
            "exceptions/hardware.toml:14 nid0033,nid0035,nid0034,nid0036 bios.attributes.SriovGlobalEnable None \
             2027-06-30 firmware@larch.example",
        ]
    );
}

#[test]
fn one_broken_file_is_one_mistake() {
    let tree = example();
    let paths: Vec<String> =
        tree.iter().map(|(path, _)| path.to_owned()).filter(|path| path.ends_with(".toml")).collect();
    assert!(paths.len() > 10, "{paths:?}");
    let mut echoes = Vec::new();
    for path in &paths {
        for mistake in ["x = \n", "no_such_key = 1\n"] {
            let mut broken = tree.clone();
            let text = fs::read_to_string(root("cluster-example").join(path)).expect("the file can be read");
            broken.insert(path.as_str(), muster::model::File::Bytes(format!("{mistake}{text}").into_bytes().into()));
            let (_, findings) = super::tree::build(&broken);
            assert!(!findings.is_empty(), "{path}");
            let others = findings.into_iter().filter(|finding| *finding.place.file != **path);
            echoes.extend(others.map(|finding| format!("{path}: {finding:?}")));
        }
    }
    assert_eq!(echoes, [""; 0]);
}
