//! What the documents of several groups come to on a node: cloud-init's own code consumes them, that of this release and a
//! newer one.

use super::tree::{build, built};
use crate::support::parts::{self, Part};
use muster::cloudinit::Document;
use muster::model::{Code, File, Tree};
use muster::snapshot::Snapshot;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{fs, io::Write as _};

const CONSUME: &str = include_str!("merging.py");

/// Finds the cloud-inits that are here: the machine's own, which has no folder, and a newer one.
pub fn versions(test: &str) -> Vec<Option<PathBuf>> {
    let own = parts::require(test, Part::CloudInit).map(|_| None);
    let newer = parts::require(test, Part::CloudInitNext).map(Some);
    own.into_iter().chain(newer).collect()
}

/// Lets one version of cloud-init consume the documents of nodes.
fn consumed(version: Option<&PathBuf>, documents: &[Value]) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let program = folder.path().join("consume.py");
    fs::write(&program, CONSUME).expect("the program can be written");
    let mut child = Command::new("/usr/bin/python3")
        .arg(&program)
        .arg(version.cloned().unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let input = serde_json::to_vec(documents).expect("documents are JSON");
    child.stdin.take().expect("it has an input").write_all(&input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{version:?}");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

fn documents(snapshot: &Snapshot, node: &str) -> Value {
    let node = snapshot.by_name(node).expect("the node is there");
    let text =
        |document| snapshot.document(node, document).expect("it was written at build").expect("all nodes have it");
    json!({ "user-data": text(Document::UserData), "vendor-data": text(Document::VendorData) })
}

/// Makes a cluster of one node in groups `a`, `b`, ... whose order of layers is that of the names, each with one file.
fn cluster(user: Option<&str>, files: &[(&str, &str)]) -> Tree {
    let names: Vec<String> = (0..files.len()).map(|at| format!("g{at}")).collect();
    let mut tree = Tree::default();
    let mut put = |path: String, text: String| tree.insert(path, File::Bytes(text.into_bytes().into()));
    let user_line = user.map(|_| "[defaults.cloud_init]\nuser_data = \"user.yaml\"\n").unwrap_or_default();
    put("cluster.toml".into(), format!("name = \"t\"\nlayers = {names:?}\n{user_line}"));
    put("boot/disk.toml".into(), "kind = \"local\"\n".into());
    let node = format!("[[node]]\nname = \"n1\"\nboot = \"disk\"\nserial = \"S1\"\ngroups = {names:?}\n");
    put("nodes/n.toml".into(), node);
    if let Some(text) = user {
        put("cloud-init/user.yaml".into(), text.into());
    }
    for (name, (file, text)) in names.iter().zip(files) {
        put(format!("groups/{name}.toml"), format!("[cloud_init]\nvendor_data = \"{file}\"\n"));
        put(format!("cloud-init/{file}"), (*text).into());
    }
    tree
}

#[test]
fn lists_of_all_groups_join_and_the_strongest_value_wins() {
    let tree = cluster(
        None,
        &[
            (
                "site.yaml",
                "#cloud-config\nruncmd:\n- [site]\ntimezone: UTC\npackage_update: false\napt:\n  conf: weak\n  keys: [1]\n",
            ),
            ("ceph.yaml", "## template: jinja\n#cloud-config\nruncmd:\n- [ceph, '{{ ds.meta_data.role }}']\n"),
            ("one/setup.sh", "#!/bin/sh\necho one\n"),
            ("two/setup.sh", "#!/bin/sh\necho two\n"),
            ("gpu.yaml", "#cloud-config\nruncmd:\n- [gpu]\npackage_update: true\napt:\n  conf: strong\n  keys: [2]\n"),
        ],
    );
    let documents = [documents(&built(&tree), "n1")];
    for version in versions("merging::lists_of_all_groups_join_and_the_strongest_value_wins") {
        let answer = &consumed(version.as_ref(), &documents)[0];
        let expected = json!({
            "runcmd": [["site"], ["ceph", "osd"], ["gpu"]],
            "timezone": "UTC",
            "package_update": true,
            "apt": { "conf": "strong", "keys": [1, 2] },
        });
        assert_eq!(answer["config"], expected, "{version:?}");
        let scripts = json!({ "one_setup.sh": "#!/bin/sh\necho one\n", "two_setup.sh": "#!/bin/sh\necho two\n" });
        assert_eq!(answer["scripts"], scripts, "{version:?}");
    }
}

/// A message of several parts that a group brings keeps its own head, or cloud-init would pass over all of it.
#[test]
fn a_message_inside_the_message_is_read() {
    let inner = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"in\"\n\n--in\nContent-Type: text/cloud-config\n\n\
                 #cloud-config\npackages: [inner]\n--in\nContent-Type: text/x-shellscript\n\
                 Content-Disposition: attachment; filename=\"i.sh\"\n\n#!/bin/sh\n--in--\n";
    let tree = cluster(None, &[("all.mime", inner), ("site.yaml", "#cloud-config\nruncmd: [[site]]\n")]);
    let documents = [documents(&built(&tree), "n1")];
    for version in versions("merging::a_message_inside_the_message_is_read") {
        let answer = &consumed(version.as_ref(), &documents)[0];
        assert_eq!(answer["config"], json!({ "packages": ["inner"], "runcmd": [["site"]] }), "{version:?}");
        assert_eq!(answer["scripts"], json!({ "i.sh": "#!/bin/sh" }), "{version:?}");
    }
}

/// What no order and no header can join is a finding, and cloud-init indeed leaves the list out.
#[test]
fn what_check_calls_hidden_reaches_no_node() {
    let packages = "#cloud-config\npackages: [mine]\n";
    let how = "#cloud-config\nmerge_how: list(append)+dict(no_replace,recurse_list)\npackages: [first]\n";
    let cases = [
        (Some("#cloud-config\npackages: [user]\nruncmd: [[user]]\n"), vec![("a.yaml", packages)], json!(["user"])),
        (None, vec![("how.yaml", how), ("a.yaml", packages)], json!(["mine"])),
        (
            None,
            vec![
                ("a.yaml", packages),
                ("set.yaml", "#cloud-config-archive\n- '#cloud-config'\n"),
                ("b.yaml", packages),
            ],
            json!(["mine"]),
        ),
    ];
    let mut all = Vec::new();
    for (user, files, _) in &cases {
        let (snapshot, findings) = build(&cluster(*user, files));
        let codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [Code::HiddenList], "{findings:#?}");
        all.push(documents(&snapshot.expect("a warning refuses nothing"), "n1"));
    }
    for version in versions("merging::what_check_calls_hidden_reaches_no_node") {
        let answers = consumed(version.as_ref(), &all);
        for (answer, (.., expected)) in answers.iter().zip(&cases) {
            assert_eq!(answer["config"]["packages"], *expected, "{version:?}");
        }
    }
}

/// Files that say how they are merged stay in the order of layers, and every list that they do not hide is there.
#[test]
fn a_site_that_states_its_own_rules_keeps_them() {
    let how = |item: &str| {
        format!(
            "#cloud-config\nmerge_how:\n- {{name: list, settings: [append]}}\n- {{name: dict, settings: [no_replace, recurse_list]}}\npackages: [{item}]\n"
        )
    };
    let (first, second) = (how("first"), how("second"));
    let documents = [documents(&built(&cluster(None, &[("a.yaml", &first), ("b.yaml", &second)])), "n1")];
    for version in versions("merging::a_site_that_states_its_own_rules_keeps_them") {
        let answer = &consumed(version.as_ref(), &documents)[0];
        assert_eq!(answer["config"]["packages"], json!(["first", "second"]), "{version:?}");
    }
}

/// A table as cloud-configs have them: few keys, so that layers meet, and each key of one kind.
fn table() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0..9i64).prop_map(Value::from),
        "[a-z]{1,3}".prop_map(Value::from)
    ];
    let list = prop::collection::vec(plain.clone(), 1..4).prop_map(Value::from);
    let flat =
        prop::collection::btree_map("[a-b]", plain.clone(), 1..3).prop_map(|map| Value::from(Map::from_iter(map)));
    flat.prop_recursive(3, 24, 4, move |inner| {
        let list = prop_oneof![list.clone(), prop::collection::vec(inner.clone(), 1..3).prop_map(Value::from)];
        let entry = prop_oneof![
            ("[a-b]", plain.clone()).prop_map(|(key, value)| (key, value)),
            ("[l-m]", list).prop_map(|(key, value)| (key, value)),
            ("[t-u]", inner).prop_map(|(key, value)| (key, value)),
        ];
        prop::collection::vec(entry, 1..5).prop_map(|entries| Value::from(Map::from_iter(entries)))
    })
}

/// Lays a stronger value over a weaker one, as the documentation says that groups' cloud-configs come together.
fn laid(weak: &Value, strong: &Value) -> Value {
    match (weak, strong) {
        (Value::Array(weak), Value::Array(strong)) => Value::from([weak.as_slice(), strong].concat()),
        (Value::Object(weak), Value::Object(strong)) => {
            let mut all = weak.clone();
            for (key, value) in strong {
                let joined = weak.get(key).map_or_else(|| value.clone(), |below| laid(below, value));
                all.insert(key.clone(), joined);
            }
            Value::from(all)
        }
        (_, strong) => strong.clone(),
    }
}

#[test]
fn random_groups_come_together_as_the_documentation_says() {
    let layer = table();
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(Default::default()),
    );
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        let layers = prop::collection::vec(&layer, 2..5).new_tree(&mut runner).expect("it makes layers").current();
        // JSON is YAML.
        let texts: Vec<String> = layers.iter().map(|layer| format!("#cloud-config\n{layer}\n")).collect();
        let names: Vec<String> = (0..texts.len()).map(|at| format!("{}.yaml", ["z", "a", "m", "b"][at])).collect();
        let files: Vec<(&str, &str)> =
            names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
        all.push(documents(&built(&cluster(None, &files)), "n1"));
        expected.push(layers.iter().skip(1).fold(layers[0].clone(), |below, layer| laid(&below, layer)));
    }
    for version in versions("merging::random_groups_come_together_as_the_documentation_says") {
        for (answer, (expected, documents)) in consumed(version.as_ref(), &all).iter().zip(expected.iter().zip(&all)) {
            assert_eq!(&answer["config"], expected, "{version:?} {documents:#}");
        }
    }
}
