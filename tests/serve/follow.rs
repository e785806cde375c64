//! Which repositories are followed, and how a change is seen.

use super::*;
use std::fs;
use std::process::Command;
use support::parts;

/// Publishes images until one is seen by a wake-up, and all of them are served.
///
/// A look that nobody woke may come first by chance, but not each time.
fn sees_changes_at_once(served: &Served, publish: impl Fn(&str) -> String) {
    let woken = (0..5).any(|n| {
        let image = format!("next{n}");
        let commit = publish(&image);
        until_serving(served, &commit);
        assert_serves(served, &image, &commit);
        seen_by(served, &commit) == "woken by a change"
    });
    assert!(woken, "no change woke the server:\n{}", served.log().join("\n"));
}

/// Returns what made the server look when it found a commit.
fn seen_by(served: &Served, commit: &str) -> &'static str {
    let log = served.log();
    let at = log.iter().position(|line| line.contains("commit accepted") && line.contains(commit));
    let before = &log[..at.expect("the log tells of each commit")];
    let ways = ["woken by a change", "looking unasked"];
    let found = before.iter().rev().find_map(|line| ways.into_iter().find(|way| line.contains(way)));
    found.expect("the first look finds an older commit")
}

fn debug(wishes: &Wishes, repo: &Path) -> Command {
    let mut command = muster::command(wishes.root());
    command.env("MUSTER_LOG", "debug").arg("serve").arg("--repo").arg(repo);
    command.arg("--store").arg(store(wishes)).args(["--listen", "127.0.0.1:0"]);
    command
}

#[test]
fn a_push_to_a_bare_repository_is_seen_at_once() {
    let wishes = cluster();
    let served = Served::spawn(debug(&wishes, &wishes.bare()));
    sees_changes_at_once(&served, |image| publish_image(&wishes, image));
}

#[test]
fn a_commit_in_a_work_tree_is_seen_at_once_and_an_edit_is_not_served() {
    let wishes = cluster();
    let served = Served::spawn(debug(&wishes, &wishes.clone_dir()));
    let first = until(&served, "serving", |status| status["state"] == "serving");
    wishes.write("cluster.toml", "not committed");
    sees_changes_at_once(&served, |image| {
        wishes.write("cluster.toml", CLUSTER[0].1.replace("one", image));
        wishes.commit(image)
    });
    assert_ne!(status(&served)["served"], first["served"]);
}

#[test]
fn a_linked_work_tree_is_followed_on_its_own_branch() {
    let wishes = cluster();
    let linked = wishes.root().join("linked");
    wishes.git(&["worktree", "add", "-q", "-b", "west", "../linked"]);
    let served = Served::spawn(debug(&wishes, &linked));
    assert_eq!(until(&served, "serving", |status| status["state"] == "serving")["source"]["branch"], "west");
    sees_changes_at_once(&served, |image| {
        fs::write(linked.join("cluster.toml"), CLUSTER[0].1.replace("one", image)).expect("it can be written");
        wishes.git_in(&linked, &["commit", "-qam", image]);
        wishes.git_in(&linked, &["rev-parse", "HEAD"])
    });
}

#[test]
fn a_change_is_seen_where_the_system_grants_no_watch() {
    const NAME: &str = "a_change_is_seen_where_the_system_grants_no_watch";
    let nothing = "echo 0 > /proc/sys/user/max_inotify_instances";
    let works = Command::new("unshare").args(["-r", "sh", "-c", nothing]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        return parts::skip(NAME, "user-namespace", "needs `unshare -r`, to take the right to watch away");
    }
    let wishes = cluster();
    let inner = debug(&wishes, &wishes.bare());
    let script = format!("{nothing}; exec \"$0\" \"$@\"");
    let mut unshare = Command::new("unshare");
    unshare.args(["-r", "sh", "-c", &script]).arg(inner.get_program()).args(inner.get_args());
    unshare.env("MUSTER_LOG", "debug").env("HOME", wishes.root()).current_dir(wishes.root()).stdin(Stdio::null());
    let served = Served::spawn(unshare);
    served.wait_for("that it only looks", |fields| {
        fields["message"].as_str().is_some_and(|text| text.contains("by looking every 2s only"))
    });
    for image in ["two", "three"] {
        let commit = publish_image(&wishes, image);
        until_serving(&served, &commit);
        assert_eq!(seen_by(&served, &commit), "looking unasked");
    }
}

#[test]
fn a_repository_that_was_made_anew_is_watched_again() {
    let wishes = cluster();
    let served = Served::spawn(debug(&wishes, &wishes.bare()));
    let first = wishes.git(&["rev-parse", "HEAD"]);
    until_serving(&served, &first);

    fs::remove_dir_all(wishes.bare()).expect("it can be removed");
    // A look may come while it is being removed, and find a broken repository.
    let is_gone = |error: &Value| error.as_str().is_some_and(|error| error.contains("no such folder"));
    let status = until(&served, "the repository is gone", |status| is_gone(&status["source"]["error"]));
    assert_eq!((&status["state"], &status["served"]["id"]), (&"degraded".into(), &first.as_str().into()));
    assert_serves(&served, "one", &first);

    wishes.git_in(wishes.root(), &["init", "-q", "--bare", "-b", "main", "wishes.git"]);
    sees_changes_at_once(&served, |image| publish_image(&wishes, image));

    // Only `.git` goes: the folder that is named stays the same one.
    drop(served);
    fs::remove_file(store(&wishes)).expect("it can be removed");
    let work = wishes.clone_dir();
    let served = Served::spawn(debug(&wishes, &work));
    until(&served, "serving", |status| status["state"] == "serving");
    fs::remove_dir_all(work.join(".git")).expect("it can be removed");
    until(&served, "the repository is gone", |status| status["source"]["error"].is_string());
    wishes.git(&["init", "-q", "-b", "main"]);
    sees_changes_at_once(&served, |image| {
        wishes.write("cluster.toml", CLUSTER[0].1.replace("one", image));
        wishes.commit(image)
    });
}

#[test]
fn path_roots_the_cluster_in_a_folder_and_a_commit_without_it_is_refused() {
    let wishes = Wishes::new();
    wishes.write("README", "two clusters\n");
    for (path, text) in CLUSTER {
        wishes.write(&format!("clusters/west/{path}"), text);
    }
    let first = wishes.publish("west");
    let served = serve(&wishes, &["--path", "clusters/west/"]);
    let status = until_serving(&served, &first);
    assert_eq!(status["source"]["path"], "clusters/west");
    assert_serves(&served, "one", &first);

    wishes.git(&["mv", "clusters/west", "clusters/east"]);
    let moved = wishes.publish("west is east");
    let status = until(&served, "it is refused", |status| status["refused"]["revision"]["id"] == *moved);
    let reason = status["refused"]["reason"].as_str().unwrap();
    assert!(reason.contains("there is no folder `clusters/west`"), "{reason}");
    assert_eq!(status["source"]["error"], Value::Null, "{status:#}");
    assert_serves(&served, "one", &first);

    wishes.git(&["mv", "clusters/east", "clusters/west"]);
    let back = wishes.publish("and back");
    until_serving(&served, &back);
    let told = served.log().iter().filter(|line| line.contains("commit refused")).count();
    assert_eq!(told, 1, "a refusal is told once:\n{}", served.log().join("\n"));
}

#[test]
fn branch_follows_that_branch_alone() {
    let wishes = cluster();
    wishes.git(&["push", "-q", "origin", "main:refs/heads/canary"]);
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &["--branch", "canary"]);
    assert_eq!(until_serving(&served, &first)["source"]["branch"], "canary");
    let main = publish_image(&wishes, "main");
    wishes.write("cluster.toml", CLUSTER[0].1.replace("one", "canary"));
    let canary = wishes.commit("canary");
    wishes.git(&["push", "-q", "origin", "main:refs/heads/canary"]);
    until_serving(&served, &canary);
    assert_serves(&served, "canary", &canary);
    assert!(!served.log().join("\n").contains(&main), "a commit of another branch was judged");
}

#[test]
fn a_branch_that_is_not_there_yet_is_waited_for_with_what_is_most_like_it() {
    let wishes = cluster();
    let served = serve(&wishes, &["--branch", "mian"]);
    let status = until(&served, "an error", |status| status["source"]["error"].is_string());
    assert_eq!(status["state"], "starting");
    assert!(status["source"]["error"].as_str().unwrap().contains("did you mean `main`?"), "{status:#}");
    wishes.git(&["push", "-q", "origin", "main:refs/heads/mian"]);
    until_serving(&served, &wishes.git(&["rev-parse", "HEAD"]));
}
