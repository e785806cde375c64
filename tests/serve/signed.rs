//! Commits that must be signed: which are taken, what is said of the others, and what a rewind comes to.

use super::*;
use std::fs;
use std::process::Command;

/// Makes a key, and has the clone sign each commit with it; returns the public line.
fn key(wishes: &Wishes, name: &str) -> String {
    let path = wishes.root().join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&path).status();
    assert!(made.expect("ssh-keygen is here").success());
    sign_with(wishes, name);
    fs::read_to_string(path.with_extension("pub")).expect("it was made").trim().to_owned()
}

fn sign_with(wishes: &Wishes, name: &str) {
    let public = wishes.root().join(name).with_extension("pub").display().to_string();
    for (setting, value) in [("gpg.format", "ssh"), ("user.signingkey", &public), ("commit.gpgsign", "true")] {
        wishes.git(&["config", setting, value]);
    }
}

fn sign_nothing(wishes: &Wishes) {
    wishes.git(&["config", "commit.gpgsign", "false"]);
}

fn allow(wishes: &Wishes, text: &str) -> String {
    let file = wishes.root().join("allowed");
    fs::write(&file, text).expect("it can be written");
    file.display().to_string()
}

/// A repository whose first commit Ada signed, and the file that lets her.
pub fn signed() -> (Wishes, String, String) {
    let wishes = cluster();
    let ada = key(&wishes, "ada");
    wishes.git(&["commit", "-q", "--amend", "--no-edit", "-S"]);
    wishes.push();
    let file = allow(&wishes, &format!("# who may\nada@site.example {ada}\n"));
    (wishes, file, ada)
}

/// Asks git itself.
fn git_trusts(wishes: &Wishes, file: &str) -> bool {
    let allowed = format!("gpg.ssh.allowedSignersFile={file}");
    let mut git = wishes.git_command(&wishes.clone_dir());
    git.args(["-c", &allowed, "verify-commit", "HEAD"]).output().expect("git is here").status.success()
}

fn until_refused(served: &Served, commit: &str, word: &str) -> String {
    let status = until(served, &format!("{commit} is refused for `{word}`"), |status| {
        let refused = &status["refused"];
        refused["revision"]["id"] == commit && refused["reason"].as_str().is_some_and(|why| why.contains(word))
    });
    assert_eq!(status["state"], if status["served"].is_null() { "starting" } else { "degraded" });
    status["refused"]["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_commit_that_nobody_signed_who_may_is_refused_with_who_and_why() {
    let (wishes, file, ada) = signed();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &["--require-signed", &file]);
    let status = until_serving(&served, &first);
    assert!(status["signed_by"].as_str().unwrap().starts_with("ada@site.example with SHA256:"), "{status:#}");
    assert!(git_trusts(&wishes, &file));

    sign_nothing(&wishes);
    let unsigned = publish_image(&wishes, "two");
    let why = until_refused(&served, &unsigned, "it is not signed");
    assert!(why.contains("committer Ada <ada@site.example>") && why.contains("commit --amend -S"), "{why}");
    assert!(!git_trusts(&wishes, &file));
    assert_serves(&served, "one", &first);

    let eve = key(&wishes, "eve");
    wishes.git(&["commit", "-q", "--amend", "-m", "by eve"]);
    wishes.push();
    let stranger = wishes.git(&["rev-parse", "HEAD"]);
    let why = until_refused(&served, &stranger, "not among the allowed signers: SHA256:");
    assert!(why.contains("(ssh-ed25519)"), "{why}");
    assert!(!git_trusts(&wishes, &file));
    assert_serves(&served, "one", &first);

    // No restart: the file is read again.
    allow(&wishes, &format!("ada@site.example {ada}\neve@site.example {eve}\n"));
    let status = until_serving(&served, &stranger);
    assert!(status["signed_by"].as_str().unwrap().starts_with("eve@site.example"), "{status:#}");
    assert_serves(&served, "two", &stranger);
    let refusals = served.log().iter().filter(|line| line.contains("commit refused")).count();
    assert_eq!(refusals, 2, "each is told once");
}

#[test]
fn a_rewind_is_refused_until_it_is_allowed_and_across_a_restart() {
    let (wishes, file, _) = signed();
    let served = serve(&wishes, &["--require-signed", &file]);
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    let third = publish_image(&wishes, "three");
    until_serving(&served, &third);
    until_stored(&served, &third);
    wishes.git(&["reset", "-q", "--hard", "HEAD~1"]);
    wishes.push();
    let why = until_refused(&served, &second, "does not come after");
    assert!(why.contains(&third[..12]) && why.contains("muster allow-rewind"), "{why}");
    assert_serves(&served, "three", &third);

    served.kill();
    let served = serve(&wishes, &["--require-signed", &file]);
    until_refused(&served, &second, "does not come after");
    assert_serves(&served, "three", &third);
    let rewritten = publish_image(&wishes, "other");
    until_refused(&served, &rewritten, "does not come after");
    let order = |rev: &str| ends(wishes.root(), &["allow-rewind", rev, "--store", "muster.redb"], &[]);
    let output = order("no-such-thing");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = order(&rewritten[..10]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    until_serving(&served, &rewritten);
    assert_serves(&served, "other", &rewritten);
    // What was newest is old now.
    wishes.git(&["reset", "-q", "--hard", &third]);
    wishes.push();
    until_refused(&served, &third, "does not come after");
}

#[test]
fn the_newest_commit_counts_and_a_merge_is_judged_by_its_own_signature() {
    let (wishes, file, _) = signed();
    let served = serve(&wishes, &["--require-signed", &file]);
    until_serving(&served, &wishes.git(&["rev-parse", "HEAD"]));
    wishes.git(&["checkout", "-q", "-b", "side"]);
    sign_nothing(&wishes);
    wishes.write("cluster.toml", CLUSTER[0].1.replace("one", "side"));
    wishes.commit("nobody signed this");
    wishes.git(&["checkout", "-q", "main"]);
    wishes.git(&["merge", "-q", "--no-ff", "--no-gpg-sign", "-m", "a merge by a forge", "side"]);
    wishes.push();
    until_refused(&served, &wishes.git(&["rev-parse", "HEAD"]), "it is not signed");
    wishes.git(&["commit", "-q", "--amend", "--no-edit", "-S"]);
    wishes.push();
    let merge = wishes.git(&["rev-parse", "HEAD"]);
    until_serving(&served, &merge);
    assert_serves(&served, "side", &merge);
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_line_and_the_last_good_commit_stays() {
    let (wishes, file, ada) = signed();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &["--require-signed", &file]);
    until_serving(&served, &first);
    allow(&wishes, &format!("ada@site.example {ada}\nbob@site.example\n"));
    let why = until_refused(&served, &first, "allowed:2: holds no key");
    assert!(why.contains("it is served on"), "{why}");
    let second = publish_image(&wishes, "two");
    until_refused(&served, &second, "allowed:2: holds no key");
    assert_serves(&served, "one", &first);
    fs::remove_file(&file).expect("it is there");
    until_refused(&served, &second, "cannot be read");
    allow(&wishes, &format!("ada@site.example {ada}\n"));
    until_serving(&served, &second);

    let revoked = wishes.root().join("revoked");
    fs::write(&revoked, "").expect("it can be written");
    drop(served);
    let served = serve(&wishes, &["--require-signed", &file, "--revoked-signers", &revoked.display().to_string()]);
    until_serving(&served, &second);
    fs::write(&revoked, format!("{ada}\n")).expect("it can be written");
    until_refused(&served, &second, "is revoked: SHA256:");
    assert_serves(&served, "two", &second);
}

#[test]
fn what_was_taken_before_a_signature_was_required_is_served_on_and_told() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_stored(&served, &first);
    drop(served);
    let ada = key(&wishes, "ada");
    let file = allow(&wishes, &format!("ada@site.example {ada}\n"));
    let served = serve(&wishes, &["--require-signed", &file]);
    let why = until_refused(&served, &first, "it is not signed");
    assert!(why.contains("it is served on, since it was taken before"), "{why}");
    assert_serves(&served, "one", &first);
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
}
