//! `muster show --blame` and `muster why`: every value with its place, and nothing that a layer states is lost.

use super::laws::build;
use super::site::{edits, sites};
use crate::support::muster::run;
use crate::support::wishes::Wishes;
use muster::cloudinit::{self, Document};
use muster::desired::{At, Source};
use muster::model::{FileId, Layer, Origin, Tree};
use muster::resolve;
use muster::snapshot::Snapshot;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn example() -> Wishes {
    Wishes::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster-example"))
}

fn muster(wishes: &Wishes, args: &[&str]) -> (i32, String, String) {
    let output = run(&wishes.clone_dir(), args);
    let text = |bytes| String::from_utf8(bytes).expect("we write UTF-8");
    (output.status.code().expect("it ends"), text(output.stdout), text(output.stderr))
}

fn why(wishes: &Wishes, node: &str, param: &str) -> (i32, String) {
    let (code, out, err) = muster(wishes, &["why", node, param]);
    (code, if code == 2 { err } else { out })
}

#[test]
fn a_value_is_told_in_one_line() {
    let wishes = example();
    let told = [
        (
            "selinux",
            0,
            "selinux=1: groups/compute.toml:5:5 (group compute), overrides selinux=0 at cluster.toml:22:5 (defaults)\n",
        ),
        (
            "image",
            0,
            "image = \"rocky9-2026.12\": groups/canary.toml:4:18 (group canary), overrides \"rocky9-2026.11\" at cluster.toml:25:18 (defaults)\n",
        ),
        ("mac", 0, "02:1a:10:00:00:01: nodes/x1000/nodes.facts.csv:3:9 (facts)\n"),
        ("eth0.mac", 0, "02:1a:10:00:00:01: nodes/x1000/nodes.facts.csv:3:9 (facts)\n"),
        ("boot", 0, "rocky9: cluster.toml:24:8 (defaults)\n"),
        ("write_files", 0, "write_files: cloud-init/compute.yaml.j2:2 (vendor-data)\n"),
        ("ip", 0, "10.64.0.1: groups/compute.toml:10:27 (group compute)\n"),
        ("param:ip", 0, "ip=dhcp: boot/rocky9.toml:10:5 (boot configuration)\n"),
        ("nics.eth0.mac", 0, "02:1a:10:00:00:01: nodes/x1000/nodes.facts.csv:3:9 (facts)\n"),
        ("eth0.ip", 0, "10.64.0.1: groups/compute.toml:10:27 (group compute)\n"),
        ("rd.live-overlay", 1, "nid0001 has no rd.live-overlay; did you mean `rd.live.overlay.overlayfs`?\n"),
        (
            "quiet",
            1,
            "nid0001 has no quiet: quiet at boot/rocky9.toml:11:5 (boot configuration) is taken back at groups/canary.toml:5:11 (group canary)\n",
        ),
        ("selinx", 1, "nid0001 has no selinx; did you mean `selinux`?\n"),
    ];
    for (param, code, text) in told {
        let (got, said) = why(&wishes, "nid0001", param);
        if param == "image" {
            // The variable, and the key of meta-data that is made from it.
            assert!(got == 0 && said.lines().count() == 2 && said.starts_with(text), "{said}");
        } else {
            assert_eq!((got, said.as_str()), (code, text), "{param}");
        }
    }
    // The image is in the kernel's URL, and the URL is nowhere but in the boot configuration.
    let (code, said) = why(&wishes, "nid0001", "kernel");
    let with = ", with vars.image = \"rocky9-2026.12\" at groups/canary.toml:4:18 (group canary)";
    assert!(code == 0 && said.contains("boot/rocky9.toml:") && said.contains(with), "{said}");
    let (_, _, note) = muster(&wishes, &["why", "nid0001", "ip"]);
    assert_eq!(note, "note: the kernel parameter `ip=dhcp` is another value: muster why nid0001 param:ip\n");
    assert_eq!(why(&wishes, "x1000c0s0b0n0", "nid"), why(&wishes, "nid0001", "nid"));
    let (code, said) = why(&wishes, "nid001", "nid");
    assert!(code == 2 && said.contains("did you mean `nid0001`?"), "{said}");
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=2\"");
    let (_, then, _) = muster(&wishes, &["why", "nid0001", "selinux", "--rev", "HEAD"]);
    assert!(why(&wishes, "nid0001", "selinux").1.starts_with("selinux=2") && then.starts_with("selinux=1"));
}

#[test]
fn a_key_of_a_network_leads_to_the_network() {
    let wishes = example();
    let (code, network) = why(&wishes, "nid0001", "network");
    assert_eq!((code, network.as_str()), (0, "node: cluster.toml:26:36 (defaults)\n"));
    assert_eq!(why(&wishes, "nid0001", "nics.eth0.network"), (0, network.clone()));
    for key in ["gateway", "dns", "nics.eth0.gateway", "cidr"] {
        let (code, said) = why(&wishes, "nid0001", key);
        let hint = "see networks/node.toml (`nics.eth0.network`)";
        assert!(code == 1 && said.starts_with("nid0001 has no ") && said.contains(hint), "{key}: {said}");
    }
    let (code, said) = why(&wishes, "nid0001", "nics.eth9.gateway");
    assert!(code == 1 && !said.contains("networks/"), "{said}");
}

#[test]
fn blame_fits_a_terminal() {
    let wishes = example();
    let (code, out, _) = muster(&wishes, &["show", "nid0001", "--blame"]);
    assert_eq!(code, 0);
    let wide: Vec<&str> = out.lines().filter(|line| line.chars().count() > 80 && !line.contains("http://")).collect();
    assert_eq!(wide, [""; 0]);
    let told = [
        "name         nid0001                        nodes/x1000/compute.toml:5:8 (node)\n",
        "param        selinux=1\n               groups/compute.toml:5:5 (group compute)\n               over selinux=0 at cluster.toml:22:5 (defaults)\n",
        "taken back   param console=tty0\n               cluster.toml:20:5 (defaults)\n               by groups/compute.toml:4:5 (group compute)\n",
    ];
    for text in told {
        assert!(out.contains(text), "{text}\n{out}");
    }
}

#[test]
fn json_has_places_and_what_is_overridden() {
    let wishes = example();
    let (_, out, _) = muster(&wishes, &["show", "nid0001", "--blame", "--cloud-init", "--format", "json"]);
    let all: Value = serde_json::from_str(&out).expect("it is JSON");
    let values = all[0]["values"].as_array().expect("a list");
    let param = values.iter().find(|value| value["value"] == "selinux=1").expect("it is there");
    assert_eq!(
        (&param["file"], &param["line"], &param["column"]),
        (&"groups/compute.toml".into(), &5.into(), &5.into())
    );
    assert_eq!(param["overrides"][0]["value"], "selinux=0");
    assert_eq!(param["overrides"][0]["line"], 22);
    assert!(all[0]["taken_back"].as_array().expect("a list").iter().any(|gone| gone["key"] == "params.quiet"));
    let lines = all[0]["cloud_init_lines"]["user-data"].as_array().expect("a list");
    let of = |text: &str| lines.iter().find(|line| line["text"] == text).expect("it is there");
    assert_eq!(of("ssh_pwauth: false")["line"], 12);
    // What is included comes from the line that includes it.
    assert_eq!((&of("bootcmd:")["line"], &of("bootcmd:")["file"]), (&13.into(), &"cloud-init/base.yaml.j2".into()));
    assert_eq!(of("    - 10.64.3.252")["line"], 10);
}

/// The parameters that the layers of a node state, but for those that only take back.
fn stated(snapshot: &Snapshot, node: usize) -> BTreeSet<(String, Origin)> {
    let desired = snapshot.desired();
    let class = desired.class(&desired.nodes[node]);
    let mut all = BTreeSet::new();
    let mut add = |list: &[At<String>], file: FileId, layer: Layer| {
        for element in list.iter().filter(|element| !element.value.starts_with('-')) {
            let text = element.value.trim_start_matches(['+', '=']).to_owned();
            all.insert((text, Origin { file, at: element.span.start as u32, layer }));
        }
    };
    let Some(boot) = snapshot.resolved().class(node).boot else { return all };
    let boot = &desired.boots[usize::from(boot.value)];
    add(&boot.base.params, boot.file, Layer::Boot);
    if let Some(image) = boot.for_arch(snapshot.resolved().class(node).arch.value) {
        add(&image.params, boot.file, Layer::BootArch);
    }
    let groups = class.groups.iter().map(|at| &desired.groups[usize::from(*at)].source);
    let layers = std::iter::once(&desired.defaults).chain(groups).chain([&desired.tables[class.table as usize]]);
    layers.filter(|_| !boot.sealed).for_each(|Source { file, layer, table }| add(&table.params, *file, *layer));
    all
}

/// Every parameter that a layer states counts, or is told to be overridden, once.
fn judge(snapshot: &Snapshot) {
    for node in 0..snapshot.nodes().len() {
        let mut told: BTreeSet<Origin> = BTreeSet::new();
        let overridden = resolve::overridden(snapshot.desired(), &snapshot.nodes()[node]);
        for gone in overridden.iter().filter(|gone| gone.key.starts_with("params.")) {
            assert!(told.insert(gone.origin), "{gone:?} is told twice");
        }
        let class = snapshot.resolved().class(node);
        for param in &class.params {
            assert!(told.insert(param.origin), "{:?} counts, and is told to be overridden", param.origin);
        }
        let want: BTreeSet<Origin> = stated(snapshot, node).into_iter().map(|(_, origin)| origin).collect();
        assert_eq!(told, want, "{}", snapshot.nodes()[node].name);
        for document in Document::ALL {
            let whole = snapshot.document(node, document).expect("it was written at build");
            let lines = cloudinit::blamed(snapshot.resolved(), node, document);
            let joined = lines.map(|lines| lines.into_iter().map(|line| line.text).collect::<String>());
            assert_eq!(joined, whole, "{} of {}", document.as_str(), snapshot.nodes()[node].name);
        }
    }
}

#[test]
fn nothing_that_the_example_states_is_lost() {
    let tree = muster::git::work_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster-example"), "");
    judge(&build(&tree.expect("it can be read")));
}

#[test]
fn every_way_to_override_is_told() {
    let text = "//- cluster.toml\nname = \"c\"\nlayers = [\"a\", \"b\"]\n[defaults]\nboot = \"x\"\nparams = [\"console=tty0\", \"console=ttyS0\", \"quiet\", \"rd-x=1\"]\n\
                //- boot/x.toml\nkind = \"live\"\nkernel = \"http://a/k\"\nparams = [\"root=x\"]\n[arch.aarch64]\nkernel = \"http://a/arm\"\nparams = [\"root=arm\"]\n\
                //- groups/a.toml\nparams = [\"-console=tty0\", \"console=ttyS1\", \"rd_x=2\", \"+quiet\"]\n\
                //- groups/b.toml\nparams = [\"=quiet\", \"-rd.none\", \"rd_x=3\"]\n\
                //- nodes/n.toml\n[[node]]\nname = \"n1\"\narch = \"aarch64\"\ngroups = [\"a\", \"b\"]\nnics = [{ name = \"e\", mac = \"02:00:00:00:00:01\", boot = true }]\n";
    // A parameter that nobody states cannot be taken back.
    let snapshot = build(&Tree::from_fixture(&text.replace(", \"-rd.none\"", "")));
    judge(&snapshot);
    let all = resolve::overridden(snapshot.desired(), &snapshot.nodes()[0]);
    let told: Vec<(&str, &str, bool)> = all.iter().map(|gone| (&*gone.key, &*gone.text, gone.is_taken_back)).collect();
    let want = [
        ("kernel", "http://a/k", false),
        ("params.root", "root=x", false),
        ("params.console", "console=tty0", true),
        ("params.console", "console=ttyS0", false),
        ("params.rd_x", "rd-x=1", false),
        ("params.quiet", "quiet", false),
        ("params.rd_x", "rd_x=2", false),
        ("params.quiet", "quiet", false),
    ];
    let sorted = |mut all: Vec<(&'static str, &'static str, bool)>| {
        all.sort_unstable();
        all
    };
    let told: Vec<(String, String, bool)> = {
        let mut told: Vec<_> =
            told.into_iter().map(|(key, text, gone)| (key.to_owned(), text.to_owned(), gone)).collect();
        told.sort_unstable();
        told
    };
    let want: Vec<(String, String, bool)> =
        sorted(want.to_vec()).into_iter().map(|(key, text, gone)| (key.to_owned(), text.to_owned(), gone)).collect();
    assert_eq!(told, want);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_stated_is_lost(site in sites(), edits in edits()) {
        judge(&build(&site.edited(&edits).tree()));
    }
}
