//! Guard rails at the server: what breaks one waits, and what is served stays, until somebody allows it by its digest.

use super::*;
use std::fs;

use super::events::{all, told, until_told};

const RAILS: &str = "[guard]\nmax_removals = 0\n";

fn guarded() -> Wishes {
    Wishes::of(&[CLUSTER, &[("policy.toml", RAILS)]].concat())
}

/// Takes the third node out of the wishes.
fn two_nodes() -> String {
    NODES.replace("[1-3]", "[1-2]")
}

fn until_held(served: &Served, commit: &str) -> Value {
    let status = until(served, &format!("{commit} is held"), |status| status["refused"]["revision"]["id"] == *commit);
    assert_eq!(status["refused"]["held_by"], "guard-rail", "{status:#}");
    assert_eq!(status["state"], "degraded");
    status
}

fn gets_a_script(served: &Served, node: u8) -> bool {
    served.get(&format!("/boot/v1/bootscript?mac=02:00:00:00:00:0{node}&arch=x86_64")).status == 200
}

/// Asks `muster diff` which digests must be allowed.
fn to_allow(wishes: &Wishes, base: &str, head: &str) -> Vec<String> {
    let output = ends(&wishes.clone_dir(), &["diff", base, head, "--format", "json"], &[]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    serde_json::from_value(json["guard"]["to_allow"].clone()).expect("a list of texts")
}

fn order(wishes: &Wishes, args: &[&str]) -> (Option<i32>, String) {
    let output = ends(wishes.root(), &[args, &["--store", "muster.redb"]].concat(), &[]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_breach_waits_over_restarts_until_it_is_reverted_or_allowed_by_its_digest() {
    let wishes = guarded();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_told(&served, "no-baseline", &first);
    until_serving(&served, &first);

    wishes.write("nodes/a.toml", two_nodes());
    let second = wishes.publish("one less");
    let status = until_held(&served, &second);
    assert_eq!(status["served"]["id"], first);
    assert!(gets_a_script(&served, 3), "what is served stays");
    let digests = to_allow(&wishes, &first, &second);
    let reason = status["refused"]["reason"].as_str().unwrap();
    assert_eq!(digests.len(), 1);
    assert!(reason.contains("1 node is removed") && reason.contains(&format!("\"{}\"", digests[0])), "{reason}");
    let finding = &status["refused"]["diagnostics"][0];
    assert_eq!(
        (&finding["code"], &finding["path"], &finding["line"]),
        (&"guard-rail".into(), &"policy.toml".into(), &2.into())
    );
    let held = status["held"][0].as_str().unwrap();
    assert!(held.contains("is held: guard rail: 1 node is removed"), "{held}");
    let (code, said) = order(&wishes, &["status"]);
    assert!(code == Some(1) && said.contains("guard rail: 1 node") && said.contains(&digests[0]), "{said}");
    let events = until_told(&served, "held", &second);
    assert_eq!(events.last().unwrap()["by"], "guard-rail");

    served.kill();
    let served = serve(&wishes, &[]);
    until_held(&served, &second);
    assert!(gets_a_script(&served, 3));
    assert_eq!(told(&all(&served)).iter().filter(|(kind, _)| *kind == "held").count(), 1, "a restart repeats nothing");

    wishes.git(&["revert", "--no-edit", "HEAD"]);
    wishes.git(&["push", "-q", "origin", "HEAD:main"]);
    let third = wishes.git(&["rev-parse", "HEAD"]);
    assert_eq!(until_serving(&served, &third)["refused"], Value::Null);

    // Whoever takes the rail away with it is judged by it still.
    wishes.write("nodes/a.toml", two_nodes());
    fs::remove_file(wishes.clone_dir().join("policy.toml")).expect("it is there");
    let fourth = wishes.publish("one less, and no rail");
    let status = until_held(&served, &fourth);
    let message = status["refused"]["diagnostics"][0]["message"].as_str().unwrap();
    assert!(message.contains("policy.toml:2 before this change"), "{message}");
    assert_eq!(to_allow(&wishes, &third, &fourth), digests, "it is the same change");

    wishes.write("policy.toml", format!("{RAILS}allow = [\"{}\"]\n", digests[0]));
    let fifth = wishes.publish("it is meant");
    assert_eq!(until_serving(&served, &fifth)["refused"], Value::Null);
    assert!(!gets_a_script(&served, 3));
    assert!(!served.log().iter().any(|line| line.contains("stale-allow")), "it was needed");
    let sixth = publish_image(&wishes, "two");
    until_serving(&served, &sixth);
    served.wait_for("that the allowance is stale", |fields| fields["code"] == "stale-allow");
}

#[test]
fn a_pin_serves_what_is_held_and_takes_nothing_for_good() {
    let wishes = guarded();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    wishes.write("nodes/a.toml", two_nodes());
    let second = wishes.publish("one less");
    until_held(&served, &second);

    let (code, said) = order(&wishes, &["pin", "main", "--reason", "n3 burns"]);
    assert!(code == Some(0), "{said}");
    assert!(!gets_a_script(&served, 3));
    let status = until_held(&served, &second);
    assert_eq!(
        (&status["served"]["id"], &status["pinned"]["revision"]["id"]),
        (&second.clone().into(), &second.clone().into())
    );
    until_stored(&served, &second);
    served.kill();
    let served = serve(&wishes, &[]);
    let status = until_held(&served, &second);
    assert_eq!(status["served"]["id"], second);

    // The newest is judged against what was taken, not against what is pinned.
    let third = publish_image(&wishes, "two");
    let status = until_held(&served, &third);
    assert!(status["pinned"]["waits"].is_null(), "{status:#}");
    wishes.git(&["reset", "-q", "--hard", &second]);
    wishes.git(&["push", "-q", "--force", "origin", "HEAD:main"]);
    until_held(&served, &second);

    let (code, said) = order(&wishes, &["unpin"]);
    assert_eq!(code, Some(0), "{said}");
    let status = until(&served, "the one that was taken is served", |status| status["served"]["id"] == first);
    assert_eq!(status["refused"]["held_by"], "guard-rail");
    assert!(gets_a_script(&served, 3));

    let digests = to_allow(&wishes, &first, &second);
    wishes.write("policy.toml", format!("{RAILS}allow = [\"{}\"]\n", digests[0]));
    let fourth = wishes.publish("it is meant");
    until_serving(&served, &fourth);
}

#[test]
fn without_a_baseline_a_commit_is_taken_aloud() {
    let wishes = guarded();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    wishes.write("nodes/a.toml", two_nodes());
    let second = wishes.publish("one less");
    until_held(&served, &second);
    served.kill();

    fs::remove_file(store(&wishes)).expect("it is there");
    let served = serve(&wishes, &[]);
    until_serving(&served, &second);
    assert_eq!(told(&until_told(&served, "no-baseline", &second)).len(), 3);
    served.wait_for("that no rail judged it", |fields| {
        let message = fields["message"].as_str().unwrap_or_default();
        fields["revision"] == second && message.contains("no guard rail judges this commit")
    });
}

#[test]
fn the_baseline_is_the_stores_own_with_the_mirror_gone() {
    let wishes = guarded();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    served.kill();

    fs::remove_dir_all(wishes.root().join("muster.mirror.git")).expect("the mirror is there");
    wishes.write("nodes/a.toml", two_nodes());
    let second = wishes.publish("one less");
    let served = serve(&wishes, &[]);
    let status = until_held(&served, &second);
    assert_eq!(status["served"]["id"], first);
    assert!(gets_a_script(&served, 3), "what was taken is served from the store");
}
