//! `/boot.ipxe`: plain text that needs no Snapshot.

use super::{ADVERTISE, Server};

#[test]
fn the_loader_needs_no_commit() {
    let server = Server::empty();
    let before = server.get("/boot.ipxe");
    assert_eq!((before.status, before.header("content-type")), (200, Some("text/plain; charset=UTF-8")));
    assert!(before.text().starts_with("#!ipxe\n"), "{}", before.text());
    assert!(
        before.text().contains(&format!("chain {ADVERTISE}/boot/v1/bootscript?mac=${{netX/mac}}&arch=${{buildarch}} "))
    );
    let tag = before.header("etag").expect("a tag").to_owned();
    assert_eq!(server.send("GET", "/boot.ipxe", &[("If-None-Match", &tag)], b"").status, 304);

    server.publish(super::snapshot("", super::COMMIT));
    assert_eq!(server.get("/boot.ipxe").text(), before.text());
    server.publish(super::snapshot("advertise = \"http://cluster.example\"", super::COMMIT));
    let after = server.get("/boot.ipxe");
    assert_eq!(after.text(), before.text().replace(ADVERTISE, "http://cluster.example"));
}
