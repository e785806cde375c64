//! `/boot.ipxe`: plain text that needs no Snapshot.

use super::{ADVERTISE, Server};
use crate::support::netns::isolated;
use crate::vm;
use crate::vm::interpret::{Ended, Pass, interpret};

#[test]
fn the_loader_needs_no_commit() {
    let server = Server::empty();
    let before = server.get("/boot.ipxe");
    assert_eq!((before.status, before.header("content-type")), (200, Some("text/plain; charset=UTF-8")));
    assert!(before.text().starts_with("#!ipxe\n"), "{}", before.text());
    let asked = "mac=${netX/mac}&arch=${buildarch}&uuid=${uuid}&serial=${serial:uristring} ";
    assert!(before.text().contains(&format!("chain {ADVERTISE}/boot/v1/bootscript?{asked}")), "{}", before.text());
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
    // The harness grants every image while chains are refused; so the wait for muster is a script of its own.
    let head = loader.lines().take_while(|line| !line.contains("chain ")).collect::<Vec<_>>().join("\n");
    let (_, tail) = loader.rsplit_once("&& exit ||\n").expect("the last interface");
    let waiting = format!("{head}\n{}", tail.replacen("sleep 15\ngoto try", "sleep 15\nexit 0", 1));
    let runs = interpret(&[("loader", loader), ("waiting", &waiting)]);
    let ends: Vec<_> = runs.iter().map(|run| (run.name.as_str(), run.pass, run.ended, run.fetched.len())).collect();
    let expected = [
        ("loader", Pass::Served, Ended::Well, 1),
        ("loader", Pass::Refused(0), Ended::Well, 1),
        // Two interfaces (netX is net0) and one look at muster, twice.
        ("loader", Pass::ChainsRefused, Ended::Failed, 6),
        ("waiting", Pass::Served, Ended::Failed, 2),
        ("waiting", Pass::Refused(0), Ended::Well, 1),
    ];
    assert_eq!(ends, expected, "{runs:#?}");
    let complaints: Vec<_> = runs.iter().filter(|run| run.name == "loader").flat_map(|run| run.complaints()).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
