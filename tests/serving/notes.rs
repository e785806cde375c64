//! What the boot listener notes of the machines that ask.

use std::sync::atomic::Ordering;

use muster::http::Serving;
use muster::observed::BootFetch;

use super::{COMMIT, Server, snapshot, status};

fn fetched(server: &Server) -> Vec<BootFetch> {
    server.shared.load().take_dirty().into_iter().filter_map(|dirty| dirty.fetch).collect()
}

fn boots(server: &Server) -> u64 {
    server.shared.load().counters.boots()
}

#[test]
fn a_boot_is_noted_in_the_nodes_slot() {
    let server = Server::start("");
    server.boot("/boot/v1/bootscript?mac=02-1B-00-00-00-01&arch=i386");
    let fetches = fetched(&server);
    let [fetch] = &*fetches else { panic!("{fetches:?}") };
    assert_eq!((&*fetch.node, fetch.address.to_string().as_str()), ("nid0001", "127.0.0.1"));
    assert_eq!((&*fetch.user_agent, fetch.revision.as_str()), ("iPXE/1.21.1", COMMIT));
    assert_eq!(fetch.mac.map(|mac| mac.to_string()).as_deref(), Some("02:1b:00:00:00:01"));
    assert_eq!(fetch.arch.as_deref(), Some("i386"));
    assert!(fetch.at > 1_700_000_000_000, "{}", fetch.at);
    assert_eq!(fetched(&server), []);

    server.boot("/boot/v1/bootscript?nid=1&retry=4");
    let again = &fetched(&server)[0];
    assert_eq!((again.mac, again.arch.as_deref(), again.digest), (None, None, fetch.digest));
    assert!(again.at >= fetch.at);
    assert_eq!(boots(&server), 2);
}

#[test]
fn what_boots_nothing_is_no_boot() {
    let server = Server::start("");
    let ipxe = [("User-Agent", "iPXE/1.21.1")];
    let script = "/boot/v1/bootscript?mac=02:1b:00:00:00:01";
    server.get(script);
    server.send("GET", script, &[("User-Agent", "curl/8.0")], b"");
    server.send("GET", script, &[("User-Agent", "UefiHttpBoot/1.0")], b"");
    server.send("HEAD", script, &ipxe, b"");
    server.send("POST", script, &ipxe, b"");
    server.boot(&format!("{script}&json=1"));
    server.boot("/boot/v1/bootscript?name=old1");
    server.boot("/boot/v1/bootscript?name=spare1");
    server.boot("/boot/v1/bootscript?name=nobody");
    server.boot("/boot.ipxe");
    server.boot("/cloud-init/node/nid0001/meta-data");
    assert_eq!(fetched(&server), []);
    assert_eq!(boots(&server), 0);
    server.boot("/boot/v1/bootscript?name=disk1");
    assert_eq!(fetched(&server).len(), 1);
}

#[test]
fn strangers_words_are_cut() {
    let server = Server::start("");
    let agent = format!("iPXE/{}", "x".repeat(500));
    let target = format!("/boot/v1/bootscript?mac=02:1b:00:00:00:01&arch={}", "y".repeat(200));
    server.send("GET", &target, &[("User-Agent", &agent)], b"");
    let fetch = fetched(&server).remove(0);
    assert_eq!(fetch.user_agent.len(), 120);
    assert_eq!(fetch.arch.map(|arch| arch.len()), Some(16));
}

#[test]
fn slots_go_over_to_the_next_commit_by_name() {
    let server = Server::start("");
    server.boot("/boot/v1/bootscript?mac=02:1b:00:00:00:01");
    server.boot("/boot/v1/bootscript?mac=02:1b:00:00:00:21");
    let before = server.shared.load_full();
    let without = "//- cluster.toml\nname = \"t\"\n//- boot/disk.toml\nkind = \"local\"\n//- nodes/a.toml\n[[node]]\nname = \"disk1\"\nboot = \"disk\"\n";
    let tree = muster::model::Tree::from_fixture(without);
    let (small, _) = muster::snapshot::build(&tree, muster::model::Revision::commit(&"2".repeat(40)));
    server.publish(small.unwrap().into());
    // nid0001 is gone, and what it did is still told, once.
    let mut names: Vec<_> = fetched(&server).into_iter().map(|fetch| fetch.node.to_string()).collect();
    names.sort();
    assert_eq!(names, ["disk1", "nid0001"]);
    assert_eq!(fetched(&server), []);
    let after = server.shared.load();
    assert_eq!(after.slots.len(), 1);
    assert!(after.slots[0].fetch().is_some() && boots(&server) == 2);
    assert_eq!(before.slots.len(), before.snapshot.as_ref().unwrap().nodes().len());
}

#[test]
fn what_was_seen_before_the_start_comes_back_and_is_not_told_again() {
    let first = Server::start("");
    first.boot("/boot/v1/bootscript?mac=02:1b:00:00:00:01");
    first.boot("/boot/v1/bootscript?mac=02:1b:00:00:00:02");
    let stored = fetched(&first);
    let serving = Serving::next(&Serving::starting(status()), snapshot("", COMMIT), status());
    serving.restore(&stored);
    assert_eq!(serving.slots.iter().filter_map(|slot| slot.fetch()).collect::<Vec<_>>(), stored);
    assert!(serving.take_dirty().is_empty());
}

#[test]
fn unknown_machines_go_through_a_bounded_channel() {
    let server = Server::start("");
    server.boot("/boot/v1/bootscript?mac=02-FF-00-00-00-01");
    let seen = server.next_unknown().expect("it was noted");
    assert_eq!((seen.mac.to_string().as_str(), seen.count), ("02:ff:00:00:00:01", 1));
    assert_eq!((&*seen.user_agent, seen.address.to_string().as_str()), ("iPXE/1.21.1", "127.0.0.1"));
    assert!(seen.first == seen.last && seen.first > 1_700_000_000_000);
    for target in ["mac=banana", "name=x", "nid=77", "mac=ff:ff:ff:ff:ff:ff", "mac=02:ff:00:00:00:01&json=1"] {
        server.boot(&format!("/boot/v1/bootscript?{target}"));
    }
    server.send("HEAD", "/boot/v1/bootscript?mac=02:ff:00:00:00:01", &[], b"");
    server.boot("/boot/v1/bootscript?mac=02:1b:00:00:00:31");
    assert_eq!(server.next_unknown(), None);
    // The channel of these tests holds four.
    for last in 1..=7 {
        let answer = server.boot(&format!("/boot/v1/bootscript?mac=02:ff:00:00:00:0{last}&arch=x86_64"));
        assert_eq!(answer.status, 404);
    }
    assert_eq!(std::iter::from_fn(|| server.next_unknown()).count(), 4);
    assert_eq!(server.shared.load().counters.unknown_dropped.load(Ordering::Relaxed), 3);
}
