//! `muster diff` as a reviewer runs it, on real repositories.

use crate::support::muster::run;
use crate::support::wishes::Wishes;
use muster::view::DiffView;
use serde_json::Value;
use std::path::Path;
use std::process::Output;

fn example() -> Wishes {
    Wishes::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster-example"))
}

fn diff(wishes: &Wishes, args: &[&str]) -> (i32, String, String) {
    let args: Vec<&str> = [&["diff"], args].concat();
    let Output { status, stdout, stderr } = run(&wishes.clone_dir(), &args);
    let text = |bytes| String::from_utf8(bytes).expect("we write UTF-8");
    (status.code().expect("it ends"), text(stdout), text(stderr))
}

#[test]
fn a_refactoring_proves_itself() {
    let wishes = example();
    wishes.git(&["mv", "nodes/x3000.toml", "nodes/cabinet.toml"]);
    wishes.edit("groups/compute.toml", "# no screens", "# no screen");
    let (code, out, err) = diff(&wishes, &[]);
    assert_eq!((code, out.lines().last(), &*err), (0, Some("123 nodes: no machine changes"), ""), "{out}");
}

/// What is not committed, what is, and what the target gained since come together.
#[test]
fn the_head_is_what_merging_yields() {
    let wishes = example();
    wishes.git(&["checkout", "-q", "-b", "work"]);
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.commit("no SELinux");
    wishes.git(&["checkout", "-q", "main"]);
    wishes.edit("cluster.toml", "retry_delay = 20", "retry_delay = 30");
    wishes.publish("patience");
    wishes.git(&["checkout", "-q", "work"]);
    wishes.edit("groups/login.toml", "secure_boot = true", "secure_boot = false");
    let objects = wishes.git(&["count-objects", "-v"]);
    let (code, out, _) = diff(&wishes, &["main", "--stat"]);
    assert_eq!(code, 1, "{out}");
    // The target's own change is on both sides.
    assert!(!out.contains("another script"), "{out}");
    assert!(out.contains("login[01-03]") && out.contains("with other parameters"), "{out}");
    assert_eq!(objects, wishes.git(&["count-objects", "-v"]), "nothing is written to the repository");
    let (_, exact, _) = diff(&wishes, &["main", "work", "--stat"]);
    assert!(exact.contains("another script") && !exact.contains("login"), "{exact}");
    let from_bare = run(&wishes.bare(), &["diff", "main"]);
    assert_eq!(from_bare.status.code(), Some(0), "{from_bare:?}");
}

#[test]
fn a_conflict_names_its_files() {
    let wishes = example();
    wishes.git(&["checkout", "-q", "-b", "work"]);
    wishes.edit("cluster.toml", "retry_delay = 20", "retry_delay = 40");
    wishes.commit("more patience");
    wishes.git(&["checkout", "-q", "main"]);
    wishes.edit("cluster.toml", "retry_delay = 20", "retry_delay = 30");
    wishes.publish("patience");
    wishes.git(&["checkout", "-q", "work"]);
    let (code, out, err) = diff(&wishes, &[]);
    assert_eq!((code, &*out), (2, ""));
    assert!(err.contains("both sides changed cluster.toml"), "{err}");
}

#[test]
fn a_side_that_does_not_check_has_no_diff() {
    let wishes = example();
    wishes.edit("groups/login.toml", "boot = \"disk\"", "boot = \"disc\"");
    let (code, out, err) = diff(&wishes, &[]);
    assert_eq!((code, &*out), (2, ""));
    assert!(err.contains("groups/login.toml") && err.contains("do not check: the files as they stand"), "{err}");
    wishes.commit("a mistake");
    wishes.edit("groups/login.toml", "boot = \"disc\"", "boot = \"disk\"");
    let (code, _, err) = diff(&wishes, &["HEAD"]);
    assert!(code == 2 && err.contains("do not check: HEAD ("), "{err}");
    assert_eq!(diff(&wishes, &["nothing-like-it"]).0, 2);
}

#[test]
fn nodes_of_either_side_are_named() {
    let wishes = example();
    wishes.edit("nodes/x3000.toml", "name = \"login[01-03]\"", "name = \"front[01-03]\"");
    let facts = wishes.read("nodes/x3000.facts.csv").replace("login0", "front0");
    wishes.write("nodes/x3000.facts.csv", facts);
    let (code, out, err) = diff(&wishes, &["--nodes", "login01"]);
    assert!(code == 1 && out.contains("front01") && !out.contains("front02"), "{out}{err}");
    assert!(out.contains("1 node is renamed"), "{out}");
    let (code, _, err) = diff(&wishes, &["--nodes", "login04"]);
    assert!(code == 2 && err.contains("no node of either side is called `login04`"), "{err}");
}

#[test]
fn json_is_what_our_schema_says() {
    let (name, text) = DiffView::schema();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let committed = std::fs::read_to_string(committed).expect("the schema can be read");
    assert!(committed == text, "schemas/{name} is stale: muster schema --write .");
    let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema is a schema");
    let wishes = example();
    wishes.edit("nodes/x1000/bmcs.toml", "10.65.0.[1-32]", "10.65.0.[201-232]");
    wishes.edit("cluster.toml", "vars = { image = \"rocky9-2026.11\"", "vars = { image = \"rocky9-2026.13\"");
    let (code, out, _) = diff(&wishes, &["--format", "json"]);
    assert_eq!(code, 1);
    let value: Value = serde_json::from_str(&out).expect("it is JSON");
    let faults: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(faults, [""; 0]);
    let view: DiffView = serde_json::from_value(value).expect("what is written is read again");
    let bmcs = view.folds.iter().find(|fold| fold.set.contains("nid[0009")).expect("they change");
    assert_eq!(bmcs.machines[0].holes["new bmc.url"], "https://10.65.0.205");
    assert!(view.summary.kernel > 0 && view.summary.cloud_init > view.summary.kernel);
}
