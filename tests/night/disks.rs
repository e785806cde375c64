//! Disks: a store that somebody deletes under a running server, and a mirror that finds no room.

use super::*;
use ::muster::store::Opened;
use std::fs;
use std::process::Stdio;
use support::parts;

#[test]
fn a_store_that_is_deleted_under_a_running_server_is_written_anew() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    assert_eq!(ipxe(served.boot(), &script_of(3)).expect("an answer").status, 200);
    served.wait_for("a boot is written", |_| true);
    fs::remove_file(store(&wishes)).expect("it is there");
    served.wait_for("it is written anew", |fields| {
        fields["message"].as_str().is_some_and(|message| message.contains("written anew"))
    });
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    until_stored(&served, &second);
    assert_eq!(revisions(&served), [second.as_str(), &first]);
    let (ended, log) = served.stop();
    assert!(ended.success(), "{}", log.join("\n"));
    let (kept, opened) = open(&wishes);
    assert_eq!(opened, Opened::Existing);
    let ids: Vec<String> = kept.accepted(9).unwrap().iter().map(|one| one.revision.to_string()).collect();
    assert_eq!(ids, [second, first]);
    assert_eq!(kept.fetches().unwrap().len(), 1);
}

#[test]
fn another_file_in_the_stores_place_is_told_and_left_alone() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    let other = wishes.root().join("other");
    fs::write(&other, "of somebody").expect("it can be written");
    fs::rename(&other, store(&wishes)).expect("it can be moved");
    let status = until(&served, "the other file", |status| status["store"]["state"] == "failing");
    assert!(status["store"]["error"].as_str().unwrap().contains("another file"), "{status:#}");
    assert_eq!(served.get(&script_of(1)).status, 200);
    assert_eq!(fs::read_to_string(store(&wishes)).unwrap(), "of somebody");
    fs::remove_file(store(&wishes)).expect("it is there");
    until_serving(&served, &first);
    until_stored(&served, &first);
    drop(served);
    let (kept, opened) = open(&wishes);
    assert_eq!(opened, Opened::Existing);
    assert_eq!(kept.last_accepted().unwrap().map(|last| last.revision.to_string()), Some(first));
}

#[test]
fn what_a_killed_server_left_in_its_mirror_keeps_no_later_one_from_following() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    served.kill();
    let mirror = wishes.root().join("muster.mirror.git");
    let left =
        ["refs/heads/followed.lock", "packed-refs.lock", "objects/pack/pack_git2_4711abc", "objects/pack/tmp_pack_x"];
    for name in left {
        fs::write(mirror.join(name), "cut short").expect("it can be written");
    }
    let second = publish_image(&wishes, "two");
    let served = serve(&wishes, &[]);
    until_serving(&served, &second);
    until_stored(&served, &second);
    assert!(left.iter().all(|name| !mirror.join(name).exists()), "they are gone");
}

/// Mounts a small file system in a mount namespace of its own, and becomes the program.
const SMALL: &str = r#"mount -t tmpfs -o size=12m,mode=0755 tmpfs "$0" && exec "$@""#;

/// Binds a folder to itself read-only, in a mount namespace of its own, and becomes the program.
const READ_ONLY: &str = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;

/// Finds how `unshare` gives a mount namespace here.
fn namespace() -> Option<&'static str> {
    let script = "mount -t tmpfs -o size=1m tmpfs /tmp";
    let works = |flag: &&str| {
        Command::new("unshare").args([*flag, "sh", "-c", script]).output().is_ok_and(|output| output.status.success())
    };
    ["-m", "-rm"].into_iter().find(works)
}

/// A disk with a fault is mounted read-only, and the server on it is started again: machines must boot all the same.
#[test]
fn a_server_starts_on_a_read_only_disk_and_stores_once_it_can_write() {
    const NAME: &str = "disks::a_server_starts_on_a_read_only_disk_and_stores_once_it_can_write";
    let Some(flag) = namespace() else {
        return parts::skip(NAME, "mount-namespace", "needs `unshare -m` or `unshare -rm`, and tmpfs");
    };
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let state = wishes.root().join("state");
    fs::create_dir(&state).expect("it can be made");
    let file = state.join("muster.redb");
    let served = Served::start(&wishes.bare(), &file, &ADVERTISE);
    until_stored(&served, &first);
    // A power cut, so that the file is not even closed.
    served.kill();

    let start = |more: &[&str]| {
        let inner = muster::command(wishes.root());
        let mut command = Command::new("unshare");
        command.args([flag, "sh", "-c", READ_ONLY]).arg(&state).arg(inner.get_program());
        command.arg("serve").arg("--repo").arg(wishes.bare()).arg("--store").arg(&file);
        command.args(["--listen", "127.0.0.1:0"]).args(ADVERTISE).args(more).env("HOME", wishes.root());
        Served::spawn(command)
    };
    // The api's socket would be beside the store. Without it boots go on.
    let served = start(&[]);
    served.wait_for("that the stored commit is built", |fields| {
        fields["message"] == "serving the last good commit from the store"
    });
    assert!((1..=NODES).all(|node| served.get(&script_of(node)).status == 200), "all nodes boot");
    let (ended, log) = served.stop();
    assert!(ended.success() && log.iter().any(|line| line.contains("do not work until a restart")), "{log:#?}");

    let served = start(&["--api", "127.0.0.1:0"]);
    let status = until(&served, "the stored commit", |status| status["served"]["id"] == *first);
    assert_eq!((&status["state"], &status["store"]["state"]), (&"degraded".into(), &"failing".into()), "{status:#}");
    assert!(status["store"]["error"].as_str().is_some_and(|why| why.contains("read-only")), "{status:#}");
    assert_eq!(ipxe(served.boot(), &script_of(3)).expect("an answer").status, 200);

    // No command ends well that could not write; and a server on another store says why it cannot start.
    let other = state.join("other.redb");
    fs::copy(&file, &other).expect("it can be copied");
    let other = other.display().to_string();
    let inner = muster::command(wishes.root());
    let mut refused = Command::new("unshare");
    refused.args([flag, "sh", "-c", READ_ONLY]).arg(&state).arg(inner.get_program()).current_dir(wishes.clone_dir());
    let refused = refused.args(["forget", "n01", "--store", &other]).output().expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("Read-only") && said.contains("hint: mount"), "{said}");

    let entering: &[&str] = if flag == "-m" { &["-m"] } else { &["-U", "-m", "--preserve-credentials"] };
    let mut entered = Command::new("nsenter");
    entered.args(["-t", &served.pid().to_string()]).args(entering).args(["mount", "-o", "remount,bind,rw"]).arg(&state);
    assert!(entered.status().expect("nsenter is part of util-linux, as unshare is").success());
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    until_stored(&served, &second);
    until(&served, "a sound store", |status| status["store"]["state"] == "ok");
    let (ended, log) = served.stop();
    assert!(ended.success(), "{}", log.join("\n"));
    let (kept, opened) = ::muster::store::Store::open(&file, &identity(&wishes), 0).expect("the store opens");
    assert_eq!(opened, Opened::Existing);
    let ids: Vec<String> = kept.accepted(9).unwrap().iter().map(|one| one.revision.to_string()).collect();
    assert_eq!(ids, [second, first]);
    assert_eq!(kept.fetches().unwrap().len(), 1, "a boot of while it was in memory");
}

#[test]
fn a_mirror_on_a_full_disk_follows_again_once_there_is_room() {
    const NAME: &str = "disks::a_mirror_on_a_full_disk_follows_again_once_there_is_room";
    let Some(flag) = namespace() else {
        return parts::skip(NAME, "mount-namespace", "needs `unshare -m` or `unshare -rm`, and tmpfs");
    };
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let state = wishes.root().join("state");
    fs::create_dir(&state).expect("it can be made");
    let inner = muster::command(wishes.root());
    let mut command = Command::new("unshare");
    command.args([flag, "sh", "-c", SMALL]).arg(&state).arg(inner.get_program());
    command.arg("serve").arg("--repo").arg(wishes.bare()).arg("--store").arg(state.join("muster.redb"));
    command.args(["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"]).args(ADVERTISE).env("HOME", wishes.root());
    command.stdin(Stdio::null());
    let served = Served::spawn(command);
    until_serving(&served, &first);
    until_stored(&served, &first);
    let inside = PathBuf::from(format!("/proc/{}/root{}", served.pid(), state.display()));
    let ballast = inside.join("ballast");
    let mut file = fs::File::create(&ballast).expect("it can be made");
    for size in [65_536, 4096, 1] {
        while io::Write::write(&mut file, &vec![b'x'; size]).is_ok_and(|written| written > 0) {}
    }
    // More than a page of news that no compression makes small.
    let noise: String = (0..200_000).map(|_| fastrand::alphanumeric()).collect();
    wishes.write("NOTES", noise);
    let second = publish_image(&wishes, "two");
    let status = until(&served, "no room", |status| status["source"]["error"].is_string());
    let error = status["source"]["error"].as_str().unwrap();
    assert!(error.contains("cannot be written") || error.contains("No space"), "{error}");
    assert_eq!(status["served"]["id"], *first, "{status:#}");
    assert!((1..=NODES).all(|node| served.get(&script_of(node)).status == 200), "boots go on");
    drop(file);
    fs::remove_file(&ballast).expect("it can be removed");
    until_serving(&served, &second);
    until_stored(&served, &second);
}
