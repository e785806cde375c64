//! cloud-init's documents, and its word that it is done.

use std::io::Write as _;

use super::{ADVERTISE, COMMIT, Server, read_one};

#[test]
fn a_node_gets_its_documents_by_name_and_by_address() {
    let server = Server::start("");
    let meta = server.get("/cloud-init/node/nid0001/meta-data");
    assert_eq!((meta.status, meta.header("content-type")), (200, Some("text/yaml; charset=UTF-8")));
    assert!(meta.text().contains("instance-id: \"test-nid0001\"\nlocal-hostname: \"nid0001\"\n"), "{}", meta.text());
    assert_eq!(meta.header("x-muster-revision"), Some(COMMIT));
    // The tests' own address is declared for nid0001.
    assert_eq!(server.get("/cloud-init/meta-data").text(), meta.text());
    assert_eq!(server.get("/cloud-init/node/x1000c0s0b0n0/meta-data").text(), meta.text());

    let user = server.get("/cloud-init/node/nid0002/user-data");
    let expected =
        format!("#cloud-config\nphone_home: {{ url: \"{ADVERTISE}/cloud-init/node/nid0002/phone-home\" }}\n");
    assert_eq!((user.text(), user.header("content-type")), (expected.as_str(), Some("text/plain; charset=UTF-8")));
    assert_eq!(server.get("/cloud-init/node/nid0002/vendor-data").status, 200);
    assert_eq!(server.get("/cloud-init/user-data").text(), expected.replace("nid0002", "nid0001"));

    let tag = user.header("etag").expect("a tag").to_owned();
    let same = server.send("GET", "/cloud-init/node/nid0002/user-data", &[("If-None-Match", &tag)], b"");
    assert_eq!((same.status, same.body.len()), (304, 0));
    let head = server.send("HEAD", "/cloud-init/node/nid0002/user-data", &[], b"");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, user.header("content-length"), 0));
}

#[test]
fn whoever_has_no_documents_is_told_so() {
    let server = Server::start("");
    for (target, status, detail) in [
        ("/cloud-init/node/nobody/meta-data", 404, "no node is called nobody"),
        ("/cloud-init/node/%22/meta-data", 404, "no node is called \\\""),
        ("/cloud-init/node/old1/meta-data", 403, "old1 is retired"),
    ] {
        let answer = server.get(target);
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        assert!(answer.text().contains(&format!("\"detail\":\"{detail}\"")), "{target}: {}", answer.text());
        assert_eq!(answer.header("x-muster-revision"), Some(COMMIT));
    }
    for target in
        ["/cloud-init/node/nid0001/passwd", "/cloud-init/", "/cloud-init/a/b/c/d", "/cloud-init/node/nid0001/"]
    {
        let answer = server.get(target);
        assert_eq!((answer.status, answer.text()), (404, "404 page not found\n"), "{target}");
    }
    // An empty answer, not 404: cloud-init 25 and later would ask ten times, a second apart.
    let nothing = server.get("/cloud-init/node/spare1/network-config");
    assert_eq!((nothing.status, nothing.text(), nothing.header("x-muster-revision")), (200, "", Some(COMMIT)));
    let posted = server.send("POST", "/cloud-init/node/nid0001/meta-data", &[], b"x");
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET,HEAD")));
}

#[test]
fn an_address_that_several_or_no_nodes_have_names_none() {
    let server = Server::empty();
    let wishes = "//- cluster.toml\nname = \"t\"\n//- boot/disk.toml\nkind = \"local\"\n//- nodes/a.toml\n[[node]]\nname = \"a\"\nboot = \"disk\"\n";
    let tree = muster::model::Tree::from_fixture(wishes);
    let (snapshot, findings) = muster::snapshot::build(&tree, muster::model::Revision::commit(COMMIT));
    server.publish(snapshot.unwrap_or_else(|| panic!("{findings:#?}")).into());
    let answer = server.get("/cloud-init/meta-data");
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("no one node has the address 127.0.0.1"), "{}", answer.text());
}

#[test]
fn cloud_init_says_that_it_is_done() {
    let server = Server::start("");
    let form = b"pub_key_rsa=N%2FA&instance_id=test-nid0002&hostname=nid0002&fqdn=nid0002";
    let slot = |node: &str| {
        let serving = server.shared.load();
        let at = serving.snapshot.as_ref().unwrap().by_name(node).unwrap();
        serving.slots[at].confirmed().map(|confirmed| confirmed.instance_id.to_string())
    };
    assert_eq!(slot("nid0002"), None);
    let answer = server.send("POST", "/cloud-init/node/nid0002/phone-home", &[], form);
    assert_eq!((answer.status, answer.text(), answer.header("x-muster-revision")), (200, "", Some(COMMIT)));
    assert_eq!(slot("nid0002").as_deref(), Some("test-nid0002"));
    server.send("POST", "/cloud-init/phone-home/x1000c0s1b0n0", &[], b"instance_id=i-2%0A");
    assert_eq!(slot("nid0002").as_deref(), Some("i-2?"));
    // The id of OpenCHAMI's path may be one that only cloud-init knows: then the address counts.
    assert_eq!(server.send("POST", "/cloud-init/phone-home/i-abc", &[], form).status, 200);
    assert_eq!(slot("nid0001").as_deref(), Some("test-nid0002"));
    let long = format!("instance_id={}", "a".repeat(60_000));
    assert_eq!(server.send("POST", "/cloud-init/phone-home/nid0002", &[], long.as_bytes()).status, 200);
    assert_eq!(slot("nid0002").map(|id| id.len()), Some(256));

    let get = server.get("/cloud-init/node/nid0002/phone-home");
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
}

#[test]
fn a_word_from_cloud_init_is_bounded() {
    let server = Server::start("");
    let mut stream = server.connect();
    stream
        .write_all(b"POST /cloud-init/node/nid0001/phone-home HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n")
        .unwrap();
    stream.write_all(&[b'a'; 70000]).unwrap();
    assert!(read_one(&mut stream).starts_with("HTTP/1.1 413 "));
}
