//! Two servers of one repository: they answer the same, and one may go at any time.

use super::balancer::Balancer;
use super::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn replica(wishes: &Wishes, name: &str, more: &[&str]) -> Served {
    Served::start(&wishes.bare(), &wishes.root().join(format!("{name}.redb")), more)
}

/// A target with what it is answered: status, body, and the headers that tell of the content.
type Told = (String, u16, Vec<u8>, [Option<String>; 3]);

/// All that a boot listener tells of a cluster, with the headers that tell of the content.
fn everything(served: &Served) -> Vec<Told> {
    let nodes = (1..=NODES).flat_map(|node| {
        let documents = DOCUMENTS.iter().map(move |document| document_of(node, document));
        documents.chain([script_of(node), format!("/boot/v1/bootscript?nid={node}&json=1")])
    });
    let others = ["/boot.ipxe", "/readyz", "/boot/v1/bootscript?mac=02:dd:00:00:00:01&arch=x86_64", "/nowhere"];
    let all = nodes.chain(others.map(str::to_owned));
    let ask = |target: String| {
        let answer = served.get(&target);
        let headers = ["etag", "x-muster-revision", "content-type"].map(|name| answer.header(name).map(str::to_owned));
        (target, answer.status, answer.body, headers)
    };
    all.map(ask).collect()
}

#[test]
fn two_replicas_of_one_repository_answer_the_same_bytes() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let one = replica(&wishes, "one", &ADVERTISE);
    let two = replica(&wishes, "two", &[&ADVERTISE[..], &["--boot-only"]].concat());
    let other = replica(&wishes, "other", &["--advertise", "http://10.0.0.2:8270"]);
    for served in [&one, &two, &other] {
        until_serving(served, &first);
    }
    let (first, second, third) = (everything(&one), everything(&two), everything(&other));
    assert!(first.iter().filter(|(_, status, ..)| *status == 200).count() > NODES * 5, "{first:?}");
    for (one, two) in first.iter().zip(&second) {
        assert_eq!(one, two);
    }
    // Another address of its own is all that a replica may differ by.
    for ((target, status, body, _), (_, other_status, other_body, _)) in first.iter().zip(&third) {
        assert_eq!(status, other_status, "{target}");
        let text = String::from_utf8_lossy(other_body).replace("http://10.0.0.2:8270", "http://10.0.0.1:8270");
        assert_eq!(String::from_utf8_lossy(body), text, "{target}");
    }
    // The same from the store alone, with git away.
    let away = wishes.root().join("away.git");
    std::fs::rename(wishes.bare(), &away).expect("it can be moved");
    until_stored(&one, &wishes.git(&["rev-parse", "HEAD"]));
    one.kill();
    let again = replica(&wishes, "one", &ADVERTISE);
    // Until then it serves what was rendered, which is all but what machines are told that have no script.
    again.wait_for("that all is built", |fields| fields["message"] == "serving the last good commit from the store");
    assert_eq!(everything(&again), first);
}

#[test]
fn a_server_that_only_boots_keeps_boots_and_what_it_starts_from_and_no_more() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let flags = ["--boot-only", "--advertise", ADVERTISE[1]];
    let served = replica(&wishes, "muster", &flags);
    let status = until_serving(&served, &first);
    assert_eq!(status["boot_only"], true);
    until_stored(&served, &first);
    assert_eq!(ipxe(served.boot(), &script_of(1)).expect("an answer").status, 200);
    assert_eq!(ipxe(served.boot(), "/boot/v1/bootscript?mac=02:dd:00:00:00:01").expect("an answer").status, 200);
    until(&served, "the stranger", |status| status["unknown_macs"] == 1);
    let answer = post(&served, "/api/v1/logins/retry", "{}");
    assert!(answer.starts_with("HTTP/1.1 409 ") && answer.contains("only boots"), "{answer}");
    let observations = "{\"api_version\":\"v1\",\"observations\":[]}";
    let answer = post(&served, "/api/v1/observations", observations);
    assert!(answer.starts_with("HTTP/1.1 409 ") && answer.contains("only boots"), "{answer}");
    assert_eq!(served.get_api("/api/v1/observed").status, 409);
    let text = muster::run(wishes.root(), &["status", "--store", "muster.redb"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("this server only boots"), "{text}");
    // The listener ends before what was seen is written for the last time.
    let (ended, log) = served.stop();
    assert!(ended.success(), "{}", log.join("\n"));
    let (stored, _) = open(&wishes);
    let observed = stored.observed().expect("it can be read");
    assert!(observed.bmcs.is_empty() && observed.claims.is_empty() && stored.unknown().unwrap().is_empty());
    assert_eq!(stored.fetches().unwrap().len(), 1);
    assert_eq!(stored.last_accepted().unwrap().map(|last| last.revision.to_string()), Some(first.clone()));
    drop(stored);

    let bmc = "bmc = { url = \"https://10.9.0.[1-24]\", credentials = \"c\" }\nmacs = \"from-bmc\"\nnics";
    let nodes = wishes.read("nodes/a.toml").replace("mac = \"02:00:00:00:00:[01-24]\", ", "").replace("nics", bmc);
    wishes.write("nodes/a.toml", nodes);
    wishes.write("cluster.toml", CLUSTER.replace("\n\n", "\ncredentials = [\"c\"]\n\n"));
    wishes.publish("by what BMCs report");
    let served = replica(&wishes, "muster", &flags);
    let status = until(&served, "nobody is known", |status| {
        status["held"].to_string().contains("24 nodes boot by the addresses that BMCs report")
    });
    assert_eq!((&status["state"], &status["refused"]), (&"degraded".into(), &Value::Null), "{status:#}");
}

/// Posts JSON to the api's socket; returns the answer as it came.
fn post(served: &Served, target: &str, json: &str) -> String {
    let mut stream = UnixStream::connect(served.socket()).expect("the api listens");
    let head = "Host: m\r\nConnection: close\r\nContent-Type: application/json";
    write!(stream, "POST {target} HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{json}", json.len())
        .expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// How one boot of a machine went.
enum Boot {
    /// With how many passes over its interfaces, and how many single requests that failed.
    Done { failed: u64 },
    /// The loader gave up, or had to wait for a server.
    Failed(String),
}

/// Boots as a machine does: the loader's loop (`boot.ipxe`: two interfaces, a second pass where the first found a server that
/// answers and no script), then the documents as cloud-init fetches them, each up to ten times.
fn boots(address: SocketAddr, node: usize) -> Boot {
    let mut failed = 0;
    let mut ask = |target: &str| match ipxe(address, target) {
        Ok(answer) if answer.status == 200 => Some(answer),
        Ok(answer) => panic!("{target}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)),
        Err(_) => {
            failed += 1;
            None
        }
    };
    let mut script = None;
    for _pass in 0..2 {
        // netX and net0 are the same interface.
        script = ask(&script_of(node)).or_else(|| ask(&script_of(node)));
        if script.is_some() {
            break;
        }
        if ask("/readyz").is_none() {
            return Boot::Failed(format!("n{node:02}: the loader waits 15 s"));
        }
    }
    let Some(script) = script else { return Boot::Failed(format!("n{node:02}: the loader gives up")) };
    assert!(script.text().starts_with("#!ipxe") && script.text().contains("vmlinuz"), "{}", script.text());
    for document in DOCUMENTS {
        let target = document_of(node, document);
        let found = (0..10).find_map(|_| {
            ask(&target).or_else(|| {
                thread::sleep(Duration::from_millis(50));
                None
            })
        });
        if found.is_none() {
            return Boot::Failed(format!("n{node:02}: no {document}"));
        }
    }
    Boot::Done { failed }
}

/// Boots machines without end through two replicas, of which `end` ends the first; returns how many boots and how many single
/// requests failed, after as many boots before as after.
fn under_load(end: impl FnOnce(Served)) -> (Vec<String>, u64, u64) {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let one = replica(&wishes, "one", &ADVERTISE);
    let two = replica(&wishes, "two", &ADVERTISE);
    for served in [&one, &two] {
        until_serving(served, &first);
    }
    let balancer = Balancer::before(vec![one.boot(), two.boot()]);
    let address = balancer.address();
    let (stop, done, requests) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let machines = (0..8).map(|machine| {
        let (stop, done, requests) = (Arc::clone(&stop), Arc::clone(&done), Arc::clone(&requests));
        thread::spawn(move || {
            let mut failures = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                let node = machine * 3 + done.load(Ordering::SeqCst) as usize % 3 + 1;
                match boots(address, node) {
                    Boot::Done { failed } => drop(requests.fetch_add(failed, Ordering::SeqCst)),
                    Boot::Failed(why) => failures.push(why),
                }
                done.fetch_add(1, Ordering::SeqCst);
            }
            failures
        })
    });
    let machines: Vec<_> = machines.collect();
    let wait = |more: u64| {
        let (from, deadline) = (done.load(Ordering::SeqCst), Instant::now() + PATIENCE);
        while done.load(Ordering::SeqCst) < from + more && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    };
    wait(100);
    end(one);
    wait(200);
    stop.store(true, Ordering::SeqCst);
    let failures = machines.into_iter().flat_map(|machine| machine.join().expect("no machine panics")).collect();
    (failures, requests.load(Ordering::SeqCst), done.load(Ordering::SeqCst))
}

#[test]
fn a_replica_that_is_killed_under_load_fails_no_boot() {
    let (failures, requests, boots) = under_load(Served::kill);
    eprintln!("{boots} boots, {requests} requests were cut and made again");
    assert!(failures.is_empty(), "of {boots} boots: {failures:#?}");
    assert!(boots >= 300, "{boots}");
}

#[test]
fn a_replica_that_is_told_to_end_fails_no_boot_and_ends_well() {
    let (failures, requests, boots) = under_load(|served| {
        let (ended, log) = served.stop();
        assert!(ended.success(), "{}", log.join("\n"));
    });
    eprintln!("{boots} boots, {requests} requests were cut and made again");
    assert!(failures.is_empty(), "of {boots} boots: {failures:#?}");
    assert_eq!(requests, 0, "a server that is told to end answers all that it took");
}
