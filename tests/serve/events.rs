//! A commit's whole story: what `muster events` and the api tell of it, over restarts, and while somebody follows.

use super::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use ::muster::store::{MAX_EVENTS, Store};
use ::muster::story::{Commit, Happening, What};

fn list(served: &Served, query: &str) -> Value {
    let answer = served.get_api(&format!("/api/v1/events{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(answer.text()).expect("the list is JSON")
}

pub fn all(served: &Served) -> Vec<Value> {
    let list = list(served, "?limit=1000");
    assert!(list["next"].is_null(), "{list:#}");
    list["events"].as_array().expect("a list").clone()
}

/// Names events and the commits that they are of.
pub fn told(events: &[Value]) -> Vec<(&str, &str)> {
    events
        .iter()
        .map(|event| (event["event"].as_str().unwrap_or("?"), event["revision"]["id"].as_str().unwrap_or("")))
        .collect()
}

/// Waits until the newest event is of a kind, and of a commit where one is named; returns all.
#[track_caller]
pub fn until_told(served: &Served, kind: &str, commit: &str) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let events = all(served);
        if told(&events).last() == Some(&(kind, commit)) {
            return events;
        }
        assert!(
            Instant::now() < deadline,
            "{kind} {commit} was not told: {:#?}\n{}",
            told(&events),
            served.log().join("\n")
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// Boots a node from its own address, as only then it is believed.
fn boot_from(served: &Served, node: u8) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("there are sockets");
    socket.bind(&SocketAddr::from(([127, 0, 0, node], 0)).into()).expect("all of 127/8 is ours");
    socket.connect(&served.boot().into()).expect("it listens");
    let mut stream = std::net::TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket has time-outs");
    let head = format!(
        "GET /boot/v1/bootscript?mac=02:00:00:00:00:0{node}&arch=x86_64 HTTP/1.1\r\nHost: x\r\nUser-Agent: \
         iPXE/1.21.1\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    let answer = read(&mut stream);
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

fn assert_numbered(events: &[Value]) {
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seqs:?}");
}

/// Follows what happens over the socket of the api.
struct Follower {
    lines: BufReader<UnixStream>,
}

impl Follower {
    fn new(served: &Served, query: &str, last: Option<u64>) -> Self {
        let mut stream = UnixStream::connect(served.socket()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has time-outs");
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        let head = format!("GET /api/v1/events{query} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n{last}\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).expect("it answers"), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
        Self { lines }
    }

    /// Returns the next event: its id, its name, its data. Nothing where the server ended it.
    fn next(&mut self) -> Option<(Option<u64>, String, Value)> {
        let (mut id, mut kind) = (None, String::new());
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("it goes on") == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(value) = line.strip_prefix("id: ") {
                id = value.parse().ok();
            } else if let Some(value) = line.strip_prefix("event: ") {
                kind = value.to_owned();
            } else if let Some(value) = line.strip_prefix("data: ") {
                return Some((id, kind, serde_json::from_str(value).expect("data is JSON")));
            }
        }
    }
}

fn schema() -> jsonschema::Validator {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/event.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(file).expect("there is a schema")).expect("it is JSON");
    jsonschema::draft7::new(&schema).expect("it is a schema")
}

#[test]
fn a_commit_is_told_of_from_the_push_to_the_last_node_and_a_restart_repeats_nothing() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_told(&served, "no-baseline", &first);
    boot_from(&served, 1);
    until_told(&served, "first-boot", &first);
    boot_from(&served, 2);
    until_on_disk(&wishes, &store(&wishes), "n2");

    let second = publish_image(&wishes, "two");
    let events = until_told(&served, "accepted", &second);
    let accepted = events.last().expect("there are some");
    assert_eq!(accepted["stat"], serde_json::json!({ "added": 0, "removed": 0, "scripts": 3 }));
    assert_eq!(accepted["message"], "3 nodes: 3 with another boot script");
    boot_from(&served, 1);
    until_told(&served, "first-boot", &second);

    wishes.write("nodes/a.toml", broken());
    let third = wishes.publish("broken");
    let events = until_told(&served, "refused", &third);
    let refused = events.last().expect("there are some");
    assert_eq!((&refused["errors"], &refused["findings"][0]["code"]), (&1.into(), &"unknown-key".into()));
    assert_eq!(refused["findings"][0]["path"], "nodes/a.toml");
    // Forced back, and on again: it is seen each time, and refused each time.
    wishes.git(&["push", "-q", "--force", "origin", &format!("{second}:main")]);
    until_told(&served, "seen", &second);
    wishes.git(&["push", "-q", "--force", "origin", &format!("{third}:main")]);
    let before = until_told(&served, "refused", &third);

    served.kill();
    let served = serve(&wishes, &[]);
    until(&served, "the broken one is refused", |status| status["refused"]["revision"]["id"] == third);
    assert_eq!(all(&served), before, "a restart tells nothing twice");
    boot_from(&served, 2);
    let events = until_told(&served, "last-moved", &second);
    assert_eq!(
        (&events.last().expect("some")["node"], &events.last().expect("some")["nodes"]),
        (&"n2".into(), &1.into())
    );
    assert_eq!(
        told(&events),
        [
            ("seen", &*first),
            ("accepted", &first),
            ("no-baseline", &first),
            ("first-boot", &first),
            ("seen", &second),
            ("accepted", &second),
            ("first-boot", &second),
            ("seen", &third),
            ("refused", &third),
            ("seen", &second),
            ("seen", &third),
            ("refused", &third),
            ("last-moved", &second),
        ]
    );
    assert_numbered(&events);
    let schema = schema();
    for event in &events {
        assert!(schema.is_valid(event), "{event:#}");
    }
    let of_second = list(&served, &format!("?revision={}", &second[..8]));
    assert_eq!(told(of_second["events"].as_array().expect("a list")).len(), 5);
    let page = list(&served, "?limit=3&after=2");
    assert_eq!((page["next"].as_u64(), page["events"].as_array().map(Vec::len)), (Some(5), Some(3)));
    for wrong in ["?revision=main", "?since=yesterday", "?after=x"] {
        assert_eq!(served.get_api(&format!("/api/v1/events{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn pins_signatures_and_an_absent_repository_are_told_once() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_told(&served, "no-baseline", &first);
    let output =
        ends(wishes.root(), &["pin", "main", "--store", "muster.redb", "--reason", "it\x1b[2J"], &[("USER", "ada")]);
    assert!(output.status.success(), "{output:?}");
    let second = publish_image(&wishes, "two");
    let events = until_told(&served, "held", &second);
    assert_eq!(events.last().expect("some")["by"], "pin");
    served.kill();

    let away = wishes.root().join("away.git");
    fs::rename(wishes.bare(), &away).expect("it is there");
    let served = serve(&wishes, &[]);
    until_told(&served, "source-away", "");
    // Several looks later it is not told again.
    for _ in 0..3 {
        let last = status(&served)["source"]["last_check"].clone();
        until(&served, "another look", |status| status["source"]["last_check"] != last);
    }
    let before = until_told(&served, "source-away", "");
    fs::rename(&away, wishes.bare()).expect("it is there");
    let events = until_told(&served, "source-back", "");
    assert_eq!(events.len(), before.len() + 1);
    let output = ends(wishes.root(), &["unpin", "--store", "muster.redb"], &[("USER", "ada")]);
    assert!(output.status.success(), "{output:?}");
    let events = until_told(&served, "accepted", &second);
    let kinds: Vec<&str> = told(&events).iter().map(|(kind, _)| *kind).collect();
    let expected = "seen accepted no-baseline pinned seen held source-away source-back unpinned accepted";
    assert_eq!(kinds.join(" "), expected);
    assert_eq!(events[3]["reason"], "it [2J");

    let (signed, file, _) = signed::signed();
    let first = signed.git(&["rev-parse", "HEAD"]);
    let served = serve(&signed, &["--require-signed", &file]);
    until_told(&served, "no-baseline", &first);
    signed.git(&["commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", "unsigned"]);
    signed.git(&["push", "-q", "origin", "HEAD:main"]);
    let unsigned = signed.git(&["rev-parse", "HEAD"]);
    let events = until_told(&served, "held", &unsigned);
    assert_eq!(events.last().expect("some")["by"], "signature");
}

#[test]
fn no_accepted_commit_is_without_its_event_however_often_the_power_goes() {
    let wishes = cluster();
    let mut seen: BTreeMap<u64, Value> = BTreeMap::new();
    for round in 0..6_u64 {
        let served = serve(&wishes, &[]);
        let mut last = String::new();
        for image in 0..3 {
            last = publish_image(&wishes, &format!("r{round}i{image}"));
            thread::sleep(Duration::from_millis(wait_of(round * 3 + image)));
        }
        // Every other time at least one commit is told, however slow the machine.
        if round % 2 == 1 {
            until_told(&served, "accepted", &last);
        }
        for event in all(&served) {
            let seq = event["seq"].as_u64().expect("a number");
            if let Some(known) = seen.insert(seq, event.clone()) {
                assert_eq!(known, event, "a number came twice");
            }
        }
        served.kill();
        let (store, _) = Store::open(&store(&wishes), &identity(&wishes), 0).expect("it opens");
        let events = store.events().expect("they are read");
        for accepted in store.accepted(100).expect("they are read") {
            let is_of =
                |what: &What, id: &str| matches!(what, What::Accepted { .. }) && id == accepted.revision.as_str();
            let has = events.iter().any(|event| {
                event.happening.commit.as_ref().is_some_and(|commit| is_of(&event.happening.what, &commit.id))
            });
            assert!(has, "{} has no event", accepted.revision);
        }
    }
    assert!(seen.len() > 6, "{seen:?}");
}

/// A wait that differs from round to round, in milliseconds: around the time that a commit takes to be stored.
fn wait_of(step: u64) -> u64 {
    (step * 7919) % 400
}

#[test]
fn who_follows_goes_on_where_it_was_and_is_told_what_it_missed() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    // A store that had more to remember than it may.
    let (filled, _) = Store::open(&store(&wishes), &identity(&wishes), 0).expect("it opens");
    let old = |n: u64| {
        let what = What::FirstBoot { node: format!("n{n}").into() };
        Happening { at: n as i64, commit: Some(Commit::new("00ff", "old")), what }
    };
    filled.append_events(&(1..=MAX_EVENTS + 5).map(old).collect::<Vec<_>>()).expect("there is room");
    drop(filled);
    let served = serve(&wishes, &[]);
    let mut follower = Follower::new(&served, "?last=0", None);
    let mut slow = Follower::new(&served, "?after=0", None);
    until_serving(&served, &first);
    let second = publish_image(&wishes, "two");
    let mut last = 0;
    loop {
        let (id, kind, data) = follower.next().expect("it goes on");
        assert!(last == 0 || id == Some(last + 1), "{id:?} after {last}");
        last = id.expect("an event has an id");
        assert_eq!(data["event"], *kind);
        if kind == "accepted" && data["revision"]["id"] == second {
            break;
        }
    }
    drop(follower);
    let third = publish_image(&wishes, "three");
    until_serving(&served, &third);
    let mut follower = Follower::new(&served, "", Some(last));
    let (id, kind, data) = follower.next().expect("it goes on");
    assert_eq!((id, &*kind, &data["revision"]["id"]), (Some(last + 1), "seen", &third.clone().into()));
    // Of other commits it is told nothing.
    let mut narrow = Follower::new(&served, &format!("?revision={second}"), None);
    assert_eq!(narrow.next().map(|(_, kind, _)| kind).as_deref(), Some("seen"));

    // Of what is dropped, everyone is told who had not read it; one that reads slowly holds nobody up.
    let (_, kind, gap) = slow.next().expect("it goes on");
    let (oldest, after) = (gap["oldest"].as_u64().expect("a number"), gap["after"].as_u64());
    assert!(kind == "gap" && oldest > 1 && after == Some(0), "{gap:#}");
    assert_eq!(list(&served, "?after=1&limit=1")["gap"]["after"], 1);
    let (id, ..) = slow.next().expect("it goes on");
    assert_eq!(id, Some(oldest));
    assert_eq!(
        list(&served, "?after=99999999")["gap"]["message"],
        "event 99999999 is not known here: the store is another one, and begins anew"
    );

    // Told to end, the server lets them go.
    let (status, log) = served.stop();
    assert!(status.success(), "{}", log.join("\n"));
    while follower.next().is_some() {}
}

#[test]
fn as_many_follow_as_may_and_places_come_free() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let first = wishes.git(&["rev-parse", "HEAD"]);
    until_told(&served, "no-baseline", &first);
    let most = ::muster::http::MAX_READERS;
    let mut followers: Vec<Follower> = (0..most).map(|_| Follower::new(&served, "?after=0", None)).collect();
    let answer = |served: &Served| {
        let mut stream = UnixStream::connect(served.socket()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has time-outs");
        stream
            .write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
            .expect("it reads");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("it answers");
        line
    };
    assert!(answer(&served).contains("503"), "one too many");
    assert_eq!(list(&served, "")["oldest"], 1, "pages go on");
    followers.truncate(most - 1);
    // The server notices with the next thing that it writes.
    publish_image(&wishes, "two");
    let deadline = Instant::now() + PATIENCE;
    while !answer(&served).contains("200") {
        assert!(Instant::now() < deadline, "no place came free");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(followers[0].next().map(|(id, ..)| id), Some(Some(1)));
}

#[test]
fn the_command_tells_them_and_follows_over_a_restart() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_told(&served, "no-baseline", &first);
    wishes.write("nodes/a.toml", broken());
    let second = wishes.publish(&"a very long subject ".repeat(20));
    until_told(&served, "refused", &second);
    let run = |args: &[&str]| {
        let output = ends(wishes.root(), &[&["events", "--store", "muster.redb"], args].concat(), &[]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = run(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("\n5 events\n") && said.contains("nodes/a.toml:4: "), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    let (_, said) = run(&["--revision", &second[..7], "--since", "1h", "--format", "json"]);
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert_eq!(told(&lines), [("seen", &*second), ("refused", &second)]);
    assert!(run(&["-n", "1"]).1.ends_with("1 event\n"));
    let (code, said) = run(&["--revision", "main"]);
    assert!(code == Some(2) && said.contains("by its id"), "{said}");

    let mut command = muster::command(wishes.root());
    command.args(["events", "--store", "muster.redb", "--follow", "-n", "1", "--format", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("muster starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next =
        || -> Value { serde_json::from_str(&lines.next().expect("it goes on").expect("text")).expect("JSON") };
    assert_eq!(next()["event"], "refused");
    served.kill();
    wishes.write("nodes/a.toml", NODES);
    let third = publish_image(&wishes, "three");
    let served = serve(&wishes, &[]);
    let (seen, accepted) = (next(), next());
    assert_eq!((&seen["event"], &accepted["event"]), (&"seen".into(), &"accepted".into()));
    assert_eq!(accepted["revision"]["id"], third);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    drop(served);
    let (code, said) = run(&["--follow"]);
    assert!(code == Some(2) && said.contains("is `muster serve` running?"), "{said}");
}
