//! `/boot.ipxe`: plain text that needs no Snapshot.

use super::{ADVERTISE, Server};
use crate::support::netns::isolated;
use crate::vm;
use crate::vm::interpret::{Ended, Pass, Run, interpret};

#[test]
fn the_loader_needs_no_commit() {
    let server = Server::empty();
    let before = server.get("/boot.ipxe");
    assert_eq!((before.status, before.header("content-type")), (200, Some("text/plain; charset=UTF-8")));
    assert!(before.text().starts_with("#!ipxe\n"), "{}", before.text());
    let asked = "mac=${netX/mac}&arch=${buildarch}&uuid=${uuid}&serial=${serial:uristring}&macs=${net0/mac},";
    let asks = format!("imgfetch --name bootscript {ADVERTISE}/boot/v1/bootscript?{asked}");
    assert!(before.text().contains(&asks), "{}", before.text());
    let tag = before.header("etag").expect("a tag").to_owned();
    assert_eq!(server.send("GET", "/boot.ipxe", &[("If-None-Match", &tag)], b"").status, 304);

    server.publish(super::snapshot("", super::COMMIT));
    assert_eq!(server.get("/boot.ipxe").text(), before.text());
    server.publish(super::snapshot("advertise = \"http://cluster.example\"", super::COMMIT));
    let after = server.get("/boot.ipxe");
    assert_eq!(after.text(), before.text().replace(ADVERTISE, "http://cluster.example"));
}

#[test]
fn the_real_ipxe_finds_no_fault_with_the_loader() {
    const NAME: &str = "serving::loader::the_real_ipxe_finds_no_fault_with_the_loader";
    isolated(NAME, || {
        if vm::can_interpret(NAME) {
            judge(Server::empty().get("/boot.ipxe").text());
        }
    });
}

fn judge(loader: &str) {
    // A script whose question was refused already, for a pass in which muster itself does not answer either.
    let question = loader.lines().find(|line| line.starts_with("imgfetch --name bootscript ")).expect("it asks");
    let waiting = loader.replace(question, "goto refused_or_away");
    let runs = interpret(&[("loader", loader), ("waiting", &waiting)]);
    let ends: Vec<_> = runs.iter().map(|run| (run.name.as_str(), run.pass, run.ended, run.fetched.len())).collect();
    let expected = [
        ("loader", Pass::Served, Ended::Well, 1),
        // A question and a look at muster, twice.
        ("loader", Pass::Refused(0), Ended::Failed, 4),
        ("loader", Pass::Refused(1), Ended::Well, 1),
        ("waiting", Pass::Served, Ended::Failed, 2),
        // A look at muster, and the next loader.
        ("waiting", Pass::Refused(0), Ended::Well, 2),
    ];
    assert_eq!(ends, expected, "{runs:#?}");
    let goes_on = |run: &&Run| run.ended == Ended::Failed;
    let complaints: Vec<_> = runs.iter().filter(|run| !goes_on(run)).flat_map(Run::complaints).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    for run in runs.iter().filter(goes_on) {
        let is_own = |complaint: &String| {
            complaint.contains("ends in failure") || complaint.contains("Error 0x00000001 (http://ipxe.org/00000001)")
        };
        assert!(run.complaints().iter().all(is_own), "{run:#?}");
    }
    asks_by_its_one_interface(&runs[0].fetched[0]);
}

/// Of 16 interfaces one is there, and the others expand to nothing.
fn asks_by_its_one_interface(question: &str) {
    let question = question.replace("%3A", ":").replace("%2C", ",");
    let (_, macs) = question.split_once("&macs=").expect("it lists the addresses");
    assert_eq!(macs.trim_end_matches(','), "52:54:00:12:34:56", "{question}");
    assert!(question.contains("?mac=52:54:00:12:34:56&arch=i386&uuid="), "{question}");
}
