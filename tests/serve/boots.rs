//! Which node runs what: boots that can be believed, over real sockets and real pushes, and what is told of them.

use super::*;
use std::net::IpAddr;

/// Asks for the script of a node as iPXE does, from an address.
fn boot_from(served: &Served, from: u8, mac: u8) {
    let target = format!("/boot/v1/bootscript?mac=02:00:00:00:00:0{mac}&arch=x86_64");
    let agent = [("User-Agent", "iPXE/1.21.1")];
    let answer = http::request_from(ip(from), served.boot(), "GET", &target, &agent, b"").expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Says as cloud-init does that it is done, from an address.
fn done(served: &Served, from: u8, node: &str) {
    let target = format!("/cloud-init/node/{node}/phone-home");
    let answer =
        http::request_from(ip(from), served.boot(), "POST", &target, &[], b"instance_id=small").expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn ip(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

/// Waits until so many nodes are current, stale and unknown beside a commit.
#[track_caller]
fn until_runs(served: &Served, commit: &str, counts: [u64; 3]) -> Value {
    let wanted = |status: &Value| {
        let runs = &status["runs"];
        runs["revision"] == commit
            && [&runs["current"], &runs["stale"], &runs["unknown"]] == counts.map(Value::from).each_ref()
    };
    until(served, &format!("{counts:?} nodes current, stale, unknown beside {commit}"), wanted)
}

fn page(served: &Served, query: &str) -> Value {
    let answer = served.get_api(&format!("/api/v1/boots{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(answer.text()).expect("a page is JSON")
}

/// Returns the row of a node.
fn row(served: &Served, name: &str) -> Value {
    page(served, &format!("?nodes={name}"))["nodes"][0].clone()
}

/// Runs a command; returns its exit code and what it printed.
fn said(wishes: &Wishes, args: &[&str]) -> (Option<i32>, String, String) {
    let output = ends(&wishes.clone_dir(), args, &[]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, talk) = (text(&output.stdout), text(&output.stderr));
    assert!(!talk.contains("panicked"), "{talk}");
    (output.status.code(), out, talk)
}

#[test]
fn only_boots_that_can_be_believed_count_and_a_restart_forgets_none() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_runs(&served, &first, [0, 0, 3]);
    assert_eq!(row(&served, "n1")["why"], "never");

    boot_from(&served, 1, 1);
    // Somebody at the address of another node, somebody at nobody's, and somebody who only looks.
    boot_from(&served, 1, 2);
    boot_from(&served, 77, 3);
    served.get("/boot/v1/bootscript?name=n3");
    let status = until_runs(&served, &first, [1, 0, 2]);
    assert_eq!(status["runs"]["revisions"][0], serde_json::json!({ "id": first, "nodes": 1 }));
    let deadline = Instant::now() + PATIENCE;
    while row(&served, "n3")["why"] != "unconfirmed" || row(&served, "n2")["why"] != "unconfirmed" {
        assert!(Instant::now() < deadline, "{:#}", page(&served, ""));
        thread::sleep(Duration::from_millis(20));
    }
    let n3 = row(&served, "n3");
    assert_eq!((&n3["state"], &n3["boot"]["address"]), (&"unknown".into(), &"127.0.0.77".into()));
    // Another node's address speaks for that node alone, and one that git gives nobody for no node that has an address:
    // whoever fetched the script could confirm it, too. The node's own address confirms what it fetched from a pool's.
    done(&served, 1, "n2");
    done(&served, 77, "n3");
    done(&served, 77, "n2");
    until_runs(&served, &first, [1, 0, 2]);
    assert!(row(&served, "n3")["boot"]["confirmed"].is_null(), "{:#}", row(&served, "n3"));
    done(&served, 3, "n3");
    until_runs(&served, &first, [2, 0, 1]);
    assert!(row(&served, "n3")["boot"]["confirmed"].is_string());
    assert_eq!(row(&served, "n2")["why"], "unconfirmed");
    boot_from(&served, 2, 2);
    until_runs(&served, &first, [3, 0, 0]);
    // What a stranger fetches takes nothing away.
    boot_from(&served, 78, 1);
    let scraped = served.get_api("/metrics");
    assert!(scraped.text().contains("muster_node_runs{state=\"current\"} 3\n"), "{}", scraped.text());

    let second = publish_image(&wishes, "two");
    until_runs(&served, &second, [0, 3, 0]);
    // An address that is nobody's fetches today's script: the node is no less stale for it.
    boot_from(&served, 78, 1);
    boot_from(&served, 2, 2);
    until_runs(&served, &second, [1, 2, 0]);
    until_stored(&served, &second);
    let (ended, log) = served.stop();
    assert!(ended.success(), "{}", log.join("\n"));

    std::fs::rename(wishes.bare(), wishes.root().join("away.git")).expect("it can be moved");
    let served = serve(&wishes, &[]);
    until_runs(&served, &second, [1, 2, 0]);
    let n1 = row(&served, "n1");
    assert_eq!((&n1["state"], &n1["boot"]["revision"]), (&"stale".into(), &first.as_str().into()));
    assert_eq!(n1["uncounted"]["address"], "127.0.0.78");
    // The word that it waits for is that of its own boot, after the restart too.
    done(&served, 1, "n1");
    let deadline = Instant::now() + PATIENCE;
    while row(&served, "n1")["boot"]["confirmed"].is_null() {
        assert!(Instant::now() < deadline, "{:#}", row(&served, "n1"));
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(row(&served, "n1")["boot"]["revision"], *first);
}

#[test]
fn a_store_that_was_lost_knows_nothing_and_says_so() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_runs(&served, &first, [0, 0, 3]);
    boot_from(&served, 1, 1);
    until_runs(&served, &first, [1, 0, 2]);
    served.stop();
    std::fs::remove_file(store(&wishes)).expect("it is there");
    let served = serve(&wishes, &[]);
    until_runs(&served, &first, [0, 0, 3]);
    assert_eq!(row(&served, "n1")["why"], "never");
}

#[test]
fn a_node_that_was_renamed_and_a_machine_that_moved_are_told() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_runs(&served, &first, [0, 0, 3]);
    boot_from(&served, 1, 1);
    boot_from(&served, 2, 2);
    boot_from(&served, 3, 3);
    until_runs(&served, &first, [3, 0, 0]);
    // n1 is called m1 from now on; n2 and n3 have changed places, and a fourth is new.
    let tables: Vec<String> = [("m1", 1, 1), ("n2", 2, 3), ("n3", 3, 4)]
        .iter()
        .map(|(name, nid, mac)| {
            format!(
                "[[node]]\nname = \"{name}\"\nnid = {nid}\nnics = [{{ name = \"eth0\", network = \"node\", \
                 mac = \"02:00:00:00:00:0{mac}\", ip = \"127.0.0.{nid}\" }}]\n\
                 cloud_init = {{ user_data = \"user.yaml.j2\" }}\n"
            )
        })
        .collect();
    wishes.write("nodes/a.toml", tables.concat());
    let second = wishes.publish("other machines");
    until(&served, "the other machines", |status| status["runs"]["revision"] == *second);
    let m1 = row(&served, "m1");
    assert_eq!(m1["booted_as"], "n1", "{m1:#}");
    assert_eq!(row(&served, "n2")["booted_as"], "n3", "its machine booted as n3");
    let n3 = row(&served, "n3");
    assert_eq!((&n3["state"], &n3["why"]), (&"unknown".into(), &"other_machine".into()), "{n3:#}");
    // Both ways come to the same: what is kept boot by boot, and the store beside the wishes.
    let told = page(&served, "")["nodes"].clone();
    served.stop();
    let file = store(&wishes).display().to_string();
    let (_, out, talk) = said(&wishes, &["boots", "--store", &file, "--rev", "HEAD", "--format", "json"]);
    let view: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{talk}"));
    for row in told.as_array().expect("a list") {
        let has = |fold: &&Value| fold["names"].as_array().expect("a list").contains(&row["name"]);
        let fold = view["folds"].as_array().expect("a list").iter().find(has).expect("every node is in a fold");
        assert_eq!((&fold["state"], &fold["why"]), (&row["state"], &row["why"]), "{row:#}");
    }
}

#[test]
fn boots_and_drift_tell_the_same_of_a_server_and_of_its_store() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_runs(&served, &first, [0, 0, 3]);
    let file = store(&wishes).display().to_string();
    let boots = |more: &[&str]| said(&wishes, &[&["boots", "--store", &file], more].concat());
    let (code, out, _) = boots(&[]);
    assert!(
        code == Some(3) && out.contains("unknown: what 3 nodes run cannot be told") && out.contains("n[1-3]"),
        "{out}"
    );
    boot_from(&served, 1, 1);
    boot_from(&served, 2, 2);
    boot_from(&served, 3, 3);
    until_runs(&served, &first, [3, 0, 0]);
    assert_eq!(boots(&[]).0, Some(0));
    let second = publish_image(&wishes, "two");
    boot_from(&served, 3, 3);
    until(&served, "the second commit", |status| status["runs"]["revision"] == *second);
    boot_from(&served, 3, 3);
    until_runs(&served, &second, [1, 2, 0]);
    until_stored(&served, &second);

    let check = |is_served: bool| {
        let (code, out, talk) = boots(&[]);
        assert_eq!(code, Some(1), "{out}{talk}");
        assert!(out.contains("stale: 2 nodes run another script than today's") && out.contains("n[1-2]"), "{out}");
        assert!(
            out.contains("differs: script") && out.contains("- http://images.example/one/vmlinuz"),
            "{is_served}: {out}"
        );
        assert!(out.ends_with(&format!("3 nodes beside {}: 2 stale, 1 current\n", name(&second, is_served))), "{out}");
        assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
        let (code, out, _) = boots(&["--nodes", "n3"]);
        assert!(code == Some(0) && !out.contains("n[1-2]"), "{out}");
        let (code, out, _) = boots(&["--stale", "--stat"]);
        assert!(code == Some(1) && !out.contains("current:") && !out.contains("differs"), "{out}");
        let (code, _, talk) = boots(&["--nodes", "n7"]);
        assert!(code == Some(2) && talk.contains("no node is called") && talk.contains("n7"), "{talk}");
        let (code, _, talk) = boots(&["--nodes", "n[1-"]);
        assert!(code == Some(2) && talk.contains("error: "), "{talk}");
        let (code, out, _) = said(&wishes, &["drift", "--store", &file, "--format", "json"]);
        let drift: Value = serde_json::from_str(&out).expect("the report is JSON");
        assert_eq!(code, Some(1), "{drift:#}");
        let stale =
            drift["findings"].as_array().expect("a list").iter().find(|finding| finding["class"] == "stale_boot");
        let stale = stale.unwrap_or_else(|| panic!("{drift:#}"));
        assert_eq!((&stale["set"], &stale["verdict"]), (&"n[1-2]".into(), &"drifted".into()));
        assert_eq!(stale["seen"], format!("that of {}", &first[..12]));
        for format in ["text", "markdown", "junit", "sarif", "github"] {
            let (code, out, _) = said(&wishes, &["drift", "--store", &file, "--format", format]);
            assert!(code == Some(1) && out.contains(&first[..12]), "{format}: {out}");
        }
    };
    check(true);
    let (_, out, _) = boots(&["--format", "json"]);
    let view: Value = serde_json::from_str(&out).expect("the view is JSON");
    let committed = include_str!("../../schemas/boots.schema.json");
    assert_eq!(said(&wishes, &["schema", "boots"]).1, committed, "muster schema --write . makes it anew");
    let schema = serde_json::from_str(committed).expect("a schema is JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema is a schema");
    assert!(validator.is_valid(&view), "{view:#}");
    let change = &view["folds"][0]["how"]["changes"][0];
    assert_eq!((&change["set"], &change["parts"]), (&"n[1-2]".into(), &serde_json::json!(["script"])));
    // A repository that has not the commit tells digests only, and says so.
    let elsewhere = Wishes::of(CLUSTER);
    elsewhere.git(&["commit", "-q", "--amend", "-m", "another history"]);
    let other = elsewhere.clone_dir().display().to_string();
    let (_, out, _) = boots(&["--repo", &other]);
    assert!(out.contains("how it differs cannot be told") && out.contains("--repo"), "{out}");
    let (code, _, talk) = boots(&["--rev", "HEAD"]);
    assert!(code == Some(2) && talk.contains("leave --rev out"), "{talk}");
    let (code, out, _) = said(&wishes, &["status", "--store", &file]);
    assert!(code == Some(0) && out.contains("scripts   1 of 3 nodes run today's, 2 an older one, 0 unknown"), "{out}");
    let (ended, log) = served.stop();
    assert!(ended.success(), "{}", log.join("\n"));
    check(false);
}

/// What a commit is called: offline the files as they stand are what nodes are compared with.
fn name(commit: &str, is_served: bool) -> &str {
    if is_served { &commit[..12] } else { "worktree" }
}

#[test]
fn pages_are_bounded_and_go_on_where_the_last_ended() {
    let wishes = cluster();
    let nodes = "[[node]]\nname = \"r[001-250]\"\n";
    wishes.write("nodes/more.toml", nodes);
    let second = wishes.publish("more nodes");
    let served = serve(&wishes, &[]);
    until_runs(&served, &second, [0, 0, 253]);
    let (mut names, mut query) = (Vec::new(), String::from("?limit=100"));
    loop {
        let page = page(&served, &query);
        let rows = page["nodes"].as_array().expect("a list");
        assert!(rows.len() <= 100);
        names.extend(rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()));
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=100&after={next}"),
            None => break,
        }
    }
    assert!(names.len() == 253 && names.is_sorted(), "{names:?}");
    assert_eq!(page(&served, "?stale=true")["nodes"], serde_json::json!([]));
    assert_eq!(page(&served, "?nodes=r%5B001-003%5D&limit=2")["next"], "r002");
    for (query, code) in
        [("?limit=0", 400), ("?limit=10001", 400), ("?limit=x", 400), ("?nodes=%5B", 400), ("?nodes=x9", 404)]
    {
        assert_eq!(served.get_api(&format!("/api/v1/boots{query}")).status, code, "{query}");
    }
}

#[test]
fn a_store_that_no_server_wrote_is_no_source_of_boots() {
    let wishes = cluster();
    let file = store(&wishes);
    drop(::muster::store::Store::open(&file, &identity(&wishes), 0).expect("it can be made"));
    let file = file.display().to_string();
    let (code, _, talk) = said(&wishes, &["boots", "--store", &file]);
    assert!(code == Some(2) && talk.contains("no server has written this store") && talk.contains("hint: "), "{talk}");
    let (code, out, talk) = said(&wishes, &["drift", "--store", &file]);
    assert!(code == Some(0) && !out.contains("script"), "{out}{talk}");
}

/// A machine of the wrong kind under a right address is served what git says, and told of in log, status and `boots`.
#[test]
fn another_architecture_than_the_nodes_is_told() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let head = wishes.git(&["rev-parse", "HEAD"]);
    until_runs(&served, &head, [0, 0, 3]);
    let ask = |mac: u8, arch: &str| {
        let target = format!("/boot/v1/bootscript?mac=02:00:00:00:00:0{mac}{arch}");
        let agent = [("User-Agent", "iPXE/1.21.1")];
        http::request_from(ip(mac), served.boot(), "GET", &target, &agent, b"").expect("it answers").text().to_owned()
    };
    // A BIOS iPXE has 32 bits on a machine of 64; and one that says nothing is not another.
    assert_eq!(ask(1, "&arch=i386"), ask(1, ""));
    assert_eq!(ask(2, "&arch=x86_64"), ask(2, "&arch=arm64"), "the node's script, whoever asks");
    // Its next attempt names none, and is the same machine's.
    ask(2, "&retry=1");
    ask(2, "&arch=arm64");
    ask(3, "&arch=riscv64");

    until_runs(&served, &head, [3, 0, 0]);
    let told = |name: &str| (row(&served, name)["other_arch"].clone(), row(&served, name)["boot"]["arch"].clone());
    assert_eq!(told("n1"), (Value::Null, "i386".into()));
    assert_eq!(told("n2"), ("x86_64".into(), "arm64".into()));
    assert_eq!(told("n3"), ("x86_64".into(), "riscv64".into()));
    let status = served.get_api("/api/v1/status").text().to_owned();
    assert!(status.contains("3 boots since the start were of machines that named another architecture"), "{status}");
    let is_told = |line: &&String| line.contains("a machine names another architecture than git declares");
    let log = served.log();
    let warned: Vec<_> = log.iter().filter(is_told).collect();
    assert_eq!(warned.len(), 2, "each node once: {warned:#?}");
    assert!(warned[0].contains("\"n2\"") && warned[0].contains("arm64") && warned[0].contains("x86_64"), "{warned:#?}");

    let (code, text, talk) = said(&wishes, &["boots", "--server", served.api()]);
    assert_eq!(code, Some(0), "{text}{talk}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("2 of another architecture than git declares"), "{text}");

    // What was told outlives the server.
    let (_, _) = served.stop();
    let served = serve(&wishes, &[]);
    until_runs(&served, &head, [3, 0, 0]);
    assert_eq!(row(&served, "n2")["other_arch"], "x86_64");
}

/// A machine that git gives no address is known by none but its pool's.
#[test]
fn a_node_without_an_address_is_confirmed_from_where_it_fetched() {
    let files: Vec<(&str, &str)> = CLUSTER.iter().map(|(path, text)| (*path, *text)).collect();
    let wishes = Wishes::of(&files);
    let nodes = "[[node]]\nname = \"n[1-2]\"\nnics = [{ name = \"eth0\", mac = \"02:00:00:00:00:0[1-2]\" }]\n";
    std::fs::write(wishes.clone_dir().join("nodes/a.toml"), nodes).expect("it can be written");
    wishes.git(&["commit", "-qam", "addresses are the pool's"]);
    wishes.git(&["push", "-q", "origin", "main"]);
    let commit = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_runs(&served, &commit, [0, 0, 2]);
    boot_from(&served, 77, 1);
    done(&served, 78, "n1");
    done(&served, 78, "n2");
    until_runs(&served, &commit, [0, 0, 2]);
    done(&served, 77, "n1");
    until_runs(&served, &commit, [1, 0, 1]);
}
