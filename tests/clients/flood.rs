//! What strangers send without an end: made-up addresses, slow bodies, pages of browsers; and who is served beside them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::crowd::connect_from;
use super::support::http;
use super::support::muster::{self, Served};
use super::support::watched::status;
use super::{PATIENCE, cluster, sample, serve, store, until};

/// How many clients flood: each has an allowance of its own.
const CLIENTS: u8 = 48;

/// How many requests in vain a client is answered at once in each second.
const ALLOWANCE: f64 = 2000.0;

/// More made-up addresses than are remembered.
const MADE_UP: f64 = 25_000.0;

/// Asks by addresses that nothing declares, many in one write, until `done`; answers are read and thrown away.
fn flood(number: u8, server: SocketAddr, next: &AtomicU32, done: &AtomicBool) {
    let Ok(mut stream) = connect_from([127, 0, 8, number + 1], server) else { return };
    stream.set_nonblocking(true).expect("it can be");
    let (mut unsent, mut answers) = (Vec::new(), vec![0; 1 << 16]);
    while !done.load(Ordering::Relaxed) {
        if unsent.is_empty() {
            for _ in 0..100 {
                let [a, b, c, d] = next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                let mac = format!("06:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}");
                let head = format!("GET /boot/v1/bootscript?mac={mac}&arch=x86_64 HTTP/1.1\r\nHost: x\r\n\r\n");
                unsent.extend_from_slice(head.as_bytes());
            }
        }
        match stream.write(&unsent) {
            Ok(sent) => drop(unsent.drain(..sent)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
            Err(_) => return,
        }
        loop {
            match stream.read(&mut answers) {
                Ok(0) => return,
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}

fn boots(served: &Served) {
    let address = served.boot();
    let answer = http::get(address, "/boot/v1/bootscript?mac=02:00:00:00:00:02");
    assert!(answer.status == 200 && answer.text().contains("vmlinuz"), "{} {}", answer.status, answer.text());
}

fn resident(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn made_up_addresses_keep_from_nobody_what_is_theirs() {
    let wishes = cluster();
    let notify = UnixDatagram::bind(wishes.root().join("notify")).expect("a socket can be made");
    notify.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = muster::command(wishes.root());
    command.arg("serve").arg("--repo").arg(wishes.bare()).arg("--store").arg(store(&wishes));
    command.args(["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", wishes.root().join("notify")).env("WATCHDOG_USEC", "400000");
    let served = Served::spawn(command);
    until("ready", || served.get("/readyz").status == 200);

    let (next, done) = (AtomicU32::new(0), AtomicBool::new(false));
    let (server, next, flag) = (served.boot(), &next, &done);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || flood(number, server, next, flag));
        }

        // New connections are accepted and answered all the while, on every listener.
        let half = until_asked(&served, MADE_UP / 2.0);
        let before = resident(&served);
        let all = until_asked(&served, MADE_UP);
        assert!(half > 0 && all > 0, "no node booted beside the flood: {half}, {all}");
        let grown = resident(&served).saturating_sub(before);
        assert!(grown < 24 * 1024, "memory grew by {grown} kB while another {} addresses asked", MADE_UP / 2.0);

        // Whatever waits in the socket was sent before; what comes after it is sent in the flood.
        notify.set_nonblocking(true).unwrap();
        while notify.recv(&mut [0; 64]).is_ok() {}
        notify.set_nonblocking(false).unwrap();
        let mut beat = [0; 64];
        let length = notify.recv(&mut beat).expect("the watchdog beats");
        assert!(beat[..length].starts_with(b"WATCHDOG=1"), "{:?}", &beat[..length]);

        let known = status(&served)["unknown_macs"].as_u64().unwrap();
        assert!(known <= 10_000, "{known}");

        // It ends while the flood goes on.
        let (ended, log) = served.stop();
        done.store(true, Ordering::Relaxed);
        assert_eq!(ended.code(), Some(0), "{}", log.join("\n"));
    });
}

/// Boots a node over and over until so many unknown machines asked; returns how often.
fn until_asked(served: &Served, count: f64) -> usize {
    let mut booted = 0;
    while sample(served, "muster_unknown_requests_total") < count {
        boots(served);
        booted += 1;
        assert!(booted < 100_000, "nobody asks");
    }
    booted
}

#[test]
fn a_stranger_who_asks_without_end_waits_and_a_declared_node_beside_it_does_not() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let unknown = "GET /boot/v1/bootscript?mac=06:00:00:00:00:01 HTTP/1.1\r\nHost: x\r\n\r\n";
    let declared = "GET /boot/v1/bootscript?mac=02:00:00:00:00:02 HTTP/1.1\r\nHost: x\r\n\r\n";
    let count = |stream: &mut TcpStream, answers: usize| {
        let (mut seen, mut left, mut piece) = (Vec::new(), answers, [0; 4096]);
        while left > 0 {
            let length = stream.read(&mut piece).expect("it answers");
            assert!(length > 0, "it closed with {left} to come");
            seen.extend_from_slice(&piece[..length]);
            left = left.saturating_sub(seen.windows(9).filter(|part| part == b"HTTP/1.1 ").count());
            // One may begin at the end of what came.
            seen.drain(..seen.len().saturating_sub(8));
        }
    };

    // One connection that asks without end, and then a declared node on another, from the same address.
    let began = Instant::now();
    let stranger = connect_from([127, 0, 0, 1], served.boot()).unwrap();
    let (mut sending, mut reading) = (stranger.try_clone().unwrap(), stranger.try_clone().unwrap());
    let asking = thread::spawn(move || while sending.write_all(unknown.repeat(100).as_bytes()).is_ok() {});
    let taking = thread::spawn(move || while reading.read(&mut [0; 1 << 16]).is_ok_and(|length| length > 0) {});
    let asked = || sample(&served, "muster_unknown_requests_total");
    until("the stranger has used up what it may ask", || asked() >= ALLOWANCE);
    let node_began = Instant::now();
    let mut node = connect_from([127, 0, 0, 1], served.boot()).unwrap();
    for _ in 0..10 {
        node.write_all(declared.repeat(100).as_bytes()).unwrap();
        count(&mut node, 100);
    }
    let node_took = node_began.elapsed();
    // In each second that began, its allowance at once and ten more by and by.
    let most = (began.elapsed().as_secs() + 2) as f64 * (ALLOWANCE + 20.0);
    let answered = asked();
    assert!(answered <= most, "{answered} of the stranger's were answered, and {most} may be");
    // Each of the stranger's would have waited for a tenth of a second.
    assert!(node_took < Duration::from_secs(50), "1,000 of the node's took {node_took:?}");
    stranger.shutdown(std::net::Shutdown::Both).unwrap();
    asking.join().expect("it does not panic");
    taking.join().expect("it does not panic");
}

#[test]
fn slow_bodies_of_strangers_keep_nobody_from_status_and_orders() {
    let wishes = cluster();
    let secret = wishes.root().join("hook-secret");
    std::fs::write(&secret, "hush\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let served = serve(&wishes, &["--webhook-secret-file", &secret.display().to_string()]);
    let socket = served.socket();

    let heads = [
        // Without the claim to sign, and with it.
        "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nx",
        "POST /webhook HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=00\r\nContent-Length: 9999\r\n\r\nx",
        // Those whom the socket lets in may be slow, too.
        "POST /api/v1/pin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
        "POST /api/v1/observations HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n{",
        "GET /api/v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nx",
        "GET /api/v1/status HT",
    ];
    for head in heads {
        let open = || {
            let mut stream = UnixStream::connect(&socket).expect("it listens");
            // It may have refused it already.
            let _ = stream.write_all(head.as_bytes());
            stream
        };
        let held: Vec<UnixStream> = (0..600).map(|_| open()).collect();
        // It is pinned yet by the order before, or not.
        assert!(status(&served)["state"].is_string(), "{head:?}");
        let pin = ["pin", "main", "--reason", "beside strangers", "--until", "1h"];
        for order in [&pin[..], &["unpin"]] {
            let done = muster::run(wishes.root(), order);
            assert_eq!(done.status.code(), Some(0), "{head:?}: {done:?}");
        }
        drop(held);
    }
}

#[test]
fn a_path_that_takes_no_body_refuses_one_before_it_comes() {
    let wishes = cluster();
    let served = serve(&wishes, &["--api", "127.0.0.1:0"]);
    let api: SocketAddr = served.api().parse().unwrap();
    for (head, expected) in [
        ("GET /api/v1/status HTTP/1.1\r\nContent-Length: 9", "400"),
        ("POST /api/v1/status HTTP/1.1\r\nTransfer-Encoding: chunked", "405"),
        ("POST /api/v1/pin HTTP/1.1\r\nContent-Length: 9", "403"),
        ("POST /api/v1/logins/retry HTTP/1.1\r\nContent-Length: 65537", "413"),
        ("POST /api/v1/observations HTTP/1.1\r\nContent-Length: 67108865", "413"),
    ] {
        let mut stream = TcpStream::connect(api).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{head}\r\nHost: {api}\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        // Nothing of the body is ever sent, and the connection ends all the same.
        stream.read_to_string(&mut answer).expect("it answers and closes");
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{head}: {answer}");
    }
}

#[test]
fn no_web_page_uses_a_port_of_loopback() {
    let wishes = cluster();
    let served = serve(&wishes, &["--api", "127.0.0.1:0"]);
    let api: SocketAddr = served.api().parse().unwrap();
    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        http::request(api, method, path, headers, body).expect("it answers").status
    };
    let json = ("Content-Type", "application/json");
    let pages: [&[(&str, &str)]; 3] = [
        &[("Host", "evil.example:8271"), json],
        &[("Origin", "http://evil.example"), json],
        &[("Sec-Fetch-Site", "cross-site"), json],
    ];
    for headers in pages {
        assert_eq!(ask("GET", "/api/v1/nodes", headers, b""), 403, "{headers:?}");
        assert_eq!(ask("POST", "/api/v1/logins/retry", headers, b"{\"bmcs\":[]}"), 403, "{headers:?}");
        assert_eq!(ask("GET", "/metrics", headers, b""), 403, "{headers:?}");
    }
    for host in ["localhost:9000", "127.0.0.1", "[::1]:8271"] {
        assert_eq!(ask("GET", "/api/v1/nodes", &[("Host", host)], b""), 200, "{host}");
    }
    let done = muster::run(wishes.root(), &["status", "--api", served.api()]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
}

#[test]
fn the_status_names_the_unknown_machines_that_asked_last() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    for last in 1..=12 {
        served.get(&format!("/boot/v1/bootscript?mac=06:00:00:00:00:{last:02x}"));
        thread::sleep(Duration::from_millis(2));
    }
    until("all are noted", || status(&served)["newest_unknown"][0]["mac"] == "06:00:00:00:00:0c");
    let newest = status(&served)["newest_unknown"].clone();
    assert_eq!(newest.as_array().unwrap().len(), 10, "{newest:#}");
    assert_eq!((&newest[9]["mac"], &newest[0]["count"]), (&"06:00:00:00:00:03".into(), &1.into()));
    let text = muster::run(wishes.root(), &["status"]);
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.contains("unknown   06:00:00:00:00:0c asked from 127.0.0.1 at "), "{text}");
}
