//! Guard rails as a reviewer and a CI job meet them: `muster diff` tells, `muster check --base` enforces.

use crate::support::muster::run;
use crate::support::wishes::Wishes;
use muster::view::DiffView;
use std::path::Path;

fn example() -> Wishes {
    Wishes::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster-example"))
}

fn muster(wishes: &Wishes, args: &[&str]) -> (i32, String, String) {
    let output = run(&wishes.clone_dir(), args);
    let text = |bytes| String::from_utf8(bytes).expect("we write UTF-8");
    (output.status.code().expect("it ends"), text(output.stdout), text(output.stderr))
}

fn check(wishes: &Wishes) -> (i32, String) {
    let (code, out, err) = muster(wishes, &["check", "--base", "origin/main"]);
    (code, out + &err)
}

fn diff(wishes: &Wishes, args: &[&str]) -> DiffView {
    let (_, out, err) = muster(wishes, &[&["diff", "--format", "json"], args].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

fn to_allow(wishes: &Wishes) -> Vec<String> {
    diff(wishes, &["origin/main"]).guard.expect("all nodes were compared").to_allow
}

/// Edits all compute nodes on a branch that brings the rail for it along.
fn edited(wishes: &Wishes) {
    wishes.git(&["fetch", "-q"]);
    wishes.git(&["checkout", "-q", "-b", "work"]);
    wishes.edit(
        "policy.toml",
        "# max_nodes = 100, max_percent = 10: the number of nodes that one commit may change",
        "max_nodes = 20",
    );
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
}

#[test]
fn a_breach_is_an_error_with_its_place_until_its_digest_is_allowed() {
    let wishes = example();
    edited(&wishes);
    let (code, out) = check(&wishes);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("error[guard-rail]") && out.contains("--> policy.toml:"), "{out}");
    assert!(out.contains("`max_nodes` is 20") && out.contains("1 error, 0 warnings"), "{out}");
    let digests = to_allow(&wishes);
    assert!(!digests.is_empty() && digests.iter().all(|digest| out.contains(digest)), "{out}");
    let (code, github, _) = muster(&wishes, &["check", "--base", "origin/main", "--format", "github"]);
    assert!(code == 1 && github.contains("::error file=policy.toml,line=") && github.contains(&digests[0]), "{github}");
    let (code, text, _) = muster(&wishes, &["diff", "--stat"]);
    assert!(code == 1 && text.contains("GUARD RAIL:") && text.contains(&format!("\"{}\", #", digests[0])), "{text}");
    // Without a base nothing is judged, and some nodes are no change.
    assert_eq!(muster(&wishes, &["check"]).0, 0);
    assert_eq!(diff(&wishes, &["--nodes", "nid0001"]).guard, None);

    wishes.edit("policy.toml", "allow = []", &format!("allow = {digests:?}"));
    assert_eq!(check(&wishes).0, 0, "{}", check(&wishes).1);
    // A squash and a rebase keep the change, and so its digests; another change has others.
    wishes.commit("one of two");
    wishes.edit("groups/login.toml", "secure_boot = true", "secure_boot = false");
    wishes.commit("two of two");
    wishes.edit("groups/login.toml", "secure_boot = false", "secure_boot = true");
    wishes.commit("and back");
    wishes.git(&["checkout", "-q", "main"]);
    wishes.edit("cluster.toml", "retry_delay = 20", "retry_delay = 30");
    wishes.publish("patience");
    wishes.git(&["checkout", "-q", "work"]);
    wishes.git(&["rebase", "-q", "main"]);
    let (code, out) = check(&wishes);
    assert!(code == 0 && !out.contains("stale-allow"), "{out}");
    wishes.git(&["reset", "-q", "--soft", "main"]);
    wishes.commit("squashed");
    assert_eq!(check(&wishes).0, 0);
    wishes.edit("groups/compute.toml", "\"selinux=0\"", "\"selinux=2\"");
    let (code, out) = check(&wishes);
    assert!(code == 1 && out.contains("warning[stale-allow]") && out.contains("error[guard-rail]"), "{out}");
}

#[test]
fn what_was_allowed_once_is_stale_once_it_is_merged() {
    let wishes = example();
    edited(&wishes);
    wishes.edit("policy.toml", "allow = []", &format!("allow = {:?}", to_allow(&wishes)));
    wishes.commit("allowed");
    wishes.git(&["push", "-q", "origin", "HEAD:main"]);
    wishes.git(&["fetch", "-q"]);
    let (code, out) = check(&wishes);
    assert!(code == 0 && out.contains("warning[stale-allow]"), "{out}");
    assert_eq!(muster(&wishes, &["check", "--base", "origin/main", "--strict"]).0, 1);
}

#[test]
fn a_base_that_does_not_check_judges_nothing_and_says_so() {
    let wishes = example();
    let before = wishes.read("groups/login.toml");
    wishes.write("groups/login.toml", "paramz = []\n");
    wishes.publish("broken");
    wishes.git(&["fetch", "-q"]);
    wishes.write("groups/login.toml", &before);
    let (code, out) = check(&wishes);
    assert!(code == 3 && out.contains("no guard rail is judged"), "{code} {out}");
    let (code, out, err) = muster(&wishes, &["check", "--base", "nowhere"]);
    assert!(code == 2 && err.contains("nowhere"), "{out}{err}");
}
