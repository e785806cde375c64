//! Requests to the real server.

use super::*;

#[test]
fn machines_are_put_off_before_there_is_a_commit() {
    let wishes = Wishes::new();
    let served = serve(&wishes, &[]);
    for target in ["/boot/v1/bootscript?mac=02:00:00:00:00:01", "/readyz", "/cloud-init/node/n1/meta-data"] {
        let answer = served.get(target);
        assert_eq!(answer.status, 503, "{target}");
        assert_eq!(answer.header("retry-after"), Some("5"), "{target}");
    }
    assert_eq!(served.get("/healthz").status, 200);
    assert_eq!(served.get("/boot.ipxe").status, 200);
    assert_eq!(served.get_api("/api/v1/nodes/n1").status, 503);
    let status = until(&served, "why", |status| status["source"]["error"].is_string());
    assert_eq!(status["state"], "starting");
    let output = ends(wishes.root(), &["status"], &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && said.contains("serves    nothing"), "{said}");

    for (path, text) in CLUSTER {
        wishes.write(path, text);
    }
    wishes.write("nodes/a.toml", broken());
    let bad = wishes.publish("the first is refused");
    let status = until(&served, "the refusal", |status| status["refused"]["revision"]["id"] == *bad);
    assert_eq!((&status["state"], &status["served"]), (&"starting".into(), &Value::Null));
    assert_eq!(served.get("/readyz").status, 503);

    wishes.write("nodes/a.toml", NODES);
    let first = wishes.publish("the first good one");
    until_serving(&served, &first);
    assert_eq!(served.get("/readyz").status, 200);
    assert_serves(&served, "one", &first);
    let output = ends(wishes.root(), &["status"], &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(0) && said.contains("3 active"), "{said}");
    assert!(said.contains(&format!("serves    {} the first good one", &first[..12])), "{said}");
    drop(served);
    let output = ends(wishes.root(), &["status"], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("is `muster serve` running?"), "{said}");
}

#[test]
fn a_machine_that_names_itself_badly_is_told_so() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    until(&served, "serving", |status| status["state"] == "serving");
    let long = "x".repeat(5000);
    let ask = |query: &str| served.get(&format!("/boot/v1/bootscript{query}"));
    for query in ["", "?", "?mac=", "?nid=x", "?uuid=&serial="] {
        let answer = ask(query);
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains("Need a mac=, name=, or nid= parameter"), "{query}: {}", answer.text());
    }
    for key in ["mac", "name"] {
        let answer = ask(&format!("?{key}={long}"));
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("longer than 256 bytes") && !answer.text().contains(&long), "{}", answer.text());
    }
    let refused = ask(&format!("?nid={long}"));
    assert_eq!(refused.status, 400);
    // Two names: the MAC address counts, and of one key the first.
    let both = ask("?name=n2&mac=02:00:00:00:00:01");
    assert!(both.status == 200 && both.text().contains("mac=02:00:00:00:00:01"), "{}", both.text());
    let twice = ask("?mac=02:00:00:00:00:01&mac=02:00:00:00:00:02");
    assert!(twice.status == 200 && twice.text().contains("mac=02:00:00:00:00:01"), "{}", twice.text());
    let unknown = ask("?mac=02:ff:ff:ff:ff:ff&arch=x86_64");
    assert_eq!(unknown.status, 404);
    assert!(unknown.header("content-type").unwrap().contains("json"));
    let head = "y".repeat(40_000);
    let answer = http::request(served.boot(), "GET", "/readyz", &[("X-Long", &head)], b"");
    assert!(answer.map_or(true, |answer| answer.status == 431), "a head without end is not read");
    assert_eq!(served.get("/readyz").status, 200);
}

#[test]
fn cloud_init_is_found_by_path_and_by_address() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    let by_path = served.get("/cloud-init/node/n2/user-data");
    assert_eq!((by_path.status, by_path.text()), (200, "#cloud-config\nhostname: n2\n"));
    assert_eq!(by_path.header("x-muster-revision"), Some(&*first));
    // This test asks from 127.0.0.1, which is n1's.
    let by_address = served.get("/cloud-init/user-data");
    assert_eq!((by_address.status, by_address.text()), (200, "#cloud-config\nhostname: n1\n"));
    let meta = served.get("/cloud-init/meta-data");
    assert!(meta.text().contains("n1"), "{}", meta.text());
    assert_eq!(served.get("/cloud-init/node/n9/user-data").status, 404);
    assert_eq!(served.get("/cloud-init/node/n1/passwords").status, 404);

    wishes.write("nodes/a.toml", NODES.replace("127.0.0.[1-3]", "127.0.0.[11-13]"));
    let moved = wishes.publish("other addresses");
    until_serving(&served, &moved);
    let stranger = served.get("/cloud-init/user-data");
    assert_eq!(stranger.status, 404);
    assert!(stranger.text().contains("no one node has the address 127.0.0.1"), "{}", stranger.text());
}
