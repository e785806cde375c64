//! Clients that are slow, silent, broken or hostile, and the nodes that boot beside them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use muster::http::IDLE_BYTES;
use rustix::net::sockopt::set_socket_linger;

use super::crowd::{Crowd, connect_from};
use super::support::http;
use super::support::muster::Served;
use super::{cluster, sample, serve, until};

const READY: &str = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(served.boot()).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Sends bytes, ends the sending side where `end` says so, and returns all that comes back.
fn talk(served: &Served, bytes: &[u8], end: bool) -> String {
    let mut stream = connect(served);
    // The server may have enough of it before all is sent.
    let _ = stream.write_all(bytes);
    if end {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Boots a node as iPXE and cloud-init do, and checks every answer.
fn boot(address: SocketAddr) {
    for (target, says) in [
        ("/boot.ipxe", "#!ipxe"),
        ("/boot/v1/bootscript?mac=02:00:00:00:00:02", "vmlinuz"),
        ("/cloud-init/node/n2/meta-data", "n2"),
        ("/cloud-init/node/n2/user-data", "hostname: n2"),
        ("/cloud-init/node/n2/network-config", "02:00:00:00:00:02"),
    ] {
        let answer = http::get(address, target);
        assert!(answer.status == 200 && answer.text().contains(says), "{target}: {} {}", answer.status, answer.text());
    }
    let form = http::request(address, "POST", "/cloud-init/node/n2/phone-home", &[], b"instance_id=i-1");
    assert_eq!(form.expect("it answers").status, 200);
}

/// Boots over and over while `harm` goes on, and until as many boots again are answered beside what it leaves open.
///
/// # Panics
/// If a boot is answered wrongly, or not at all until the client's own time-out.
fn boots_beside<T>(served: &Served, harm: impl FnOnce() -> T) -> T {
    const BOOTS: usize = 3;
    let (address, done, boots) = (served.boot(), AtomicBool::new(false), AtomicUsize::new(0));

    thread::scope(|scope| {
        let node = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                boot(address);
                boots.fetch_add(1, Ordering::Relaxed);
            }
        });

        let harmed = harm();
        let enough = boots.load(Ordering::Relaxed) + BOOTS;
        while boots.load(Ordering::Relaxed) < enough && !node.is_finished() {
            thread::sleep(Duration::from_millis(20));
        }

        done.store(true, Ordering::Relaxed);
        node.join().expect("every boot is answered right");
        harmed
    })
}

fn resident(served: &Served) -> f64 {
    sample(served, "process_resident_memory_bytes")
}

#[test]
fn twenty_thousand_idle_connections_keep_no_node_waiting() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    boot(served.boot());
    let before = resident(&served);
    let count = std::env::var("MUSTER_TEST_IDLE").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let crowd = boots_beside(&served, || {
        let silent = Crowd::gather(served.boot(), count / 2, "", false);
        let asked = Crowd::gather(served.boot(), count / 2, READY, true);
        thread::sleep(Duration::from_secs(1));
        (silent, asked)
    });
    let places = sample(&served, "muster_connections_max{listener=\"boot\"}");
    let open = sample(&served, "muster_connections{listener=\"boot\"}");
    assert!(open <= places, "{open} are open, of {places}");
    assert!(sample(&served, "muster_connections_dropped_total{listener=\"boot\",reason=\"room\"}") > 0.0);
    let grown = resident(&served) - before;
    assert!(grown <= places * IDLE_BYTES as f64 + 16e6, "{grown} bytes for {places} connections");
    drop(crowd);
    until("all are gone", || sample(&served, "muster_connections{listener=\"boot\"}") == 0.0);
}

#[test]
fn idle_connections_have_a_bound() {
    const COUNT: usize = 4000;
    let wishes = cluster();
    let served = serve(&wishes, &["--connections", "5000"]);
    boot(served.boot());
    let before = resident(&served);
    let open = || sample(&served, "muster_connections{listener=\"boot\"}");
    // Those who asked once have buffers that those who never spoke have not.
    let crowd = Crowd::gather(served.boot(), COUNT, READY, true);
    assert!(open() >= COUNT as f64, "all of them must be open for the figure to mean anything: {}", open());
    let each = (resident(&served) - before) / COUNT as f64;
    eprintln!("{COUNT} idle connections: {each} bytes each");
    assert!(each <= IDLE_BYTES as f64, "{each} bytes for an idle connection");
    drop(crowd);
}

#[test]
fn busy_connections_have_a_bound() {
    let wishes = cluster();
    let served = serve(&wishes, &["--connections", "1000"]);
    boot(served.boot());
    let before = resident(&served);
    // A head that never ends, and a body that never ends: all that one client can make us keep.
    let head = format!("GET /readyz HTTP/1.1\r\nHost: x\r\nX-Pad: {}", "a".repeat(15_000));
    let body = format!(
        "POST /cloud-init/node/n1/phone-home HTTP/1.1\r\nHost: x\r\nContent-Length: 65000\r\n\r\n{}",
        "a".repeat(64_000)
    );
    boots_beside(&served, || {
        for bytes in [&head, &body] {
            let crowd = Crowd::gather(served.boot(), 900, bytes, false);
            thread::sleep(Duration::from_millis(500));
            let grown = resident(&served) - before;
            eprintln!("900 with {} bytes sent: {} bytes each", bytes.len(), grown / 900.0);
            assert!(grown <= 1000.0 * (IDLE_BYTES + 16 * 1024 + 64 * 1024) as f64 + 16e6, "{grown} bytes");
            drop(crowd);
        }
    });
}

#[test]
fn whoever_reads_nothing_costs_little_and_harms_nobody() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    boot(served.boot());
    let before = resident(&served);
    let held = boots_beside(&served, || {
        let asked = "GET /boot/v1/bootscript?nid=1 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2_000);
        (0..200)
            .map(|_| {
                let mut stream = connect(&served);
                stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
                // More than the kernel keeps for both of us; one that is never read and never closed is a client that
                // vanished.
                while stream.write_all(asked.as_bytes()).is_ok() {}
                stream
            })
            .collect::<Vec<_>>()
    });
    let grown = resident(&served) - before;
    eprintln!("200 that read nothing: {} bytes each", grown / 200.0);
    assert!(grown < 200.0 * 64.0 * 1024.0 + 8e6, "{grown} bytes");
    // One byte a second is still an answer.
    let mut slow = connect(&served);
    slow.write_all(READY.replace("1.1\r\n", "1.1\r\nConnection: close\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    for _ in 0..3 {
        let mut byte = [0];
        slow.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
        thread::sleep(Duration::from_millis(300));
    }
    slow.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"ready\n"));
    drop(held);
}

#[test]
fn whoever_writes_a_byte_at_a_time_is_let_go() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let slow = "muster_connections_dropped_total{listener=\"boot\",reason=\"slow\"}";
    let streams = boots_beside(&served, || {
        let mut streams: Vec<_> = (0..300).map(|_| connect(&served)).collect();
        for byte in READY.as_bytes().iter().cycle().take(12) {
            for stream in &mut streams {
                let _ = stream.write_all(std::slice::from_ref(byte));
            }
            thread::sleep(Duration::from_secs(1));
        }
        streams
    });
    until("the slow are let go", || sample(&served, slow) >= 300.0);
    drop(streams);
}

#[test]
fn what_is_no_http_is_answered_as_such_or_not_at_all() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let hello = [&[0x16, 3, 1, 0, 0xa5, 1, 0, 0, 0xa1, 3, 3][..], &[7; 32], &[0; 120]].concat();
    let noise: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    let odd: &[&[u8]] = &[
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        &hello,
        &noise,
        b"GET /readyz\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /readyz HTTP/1.1\r\nHost: x\0y\r\n\r\n",
        b"GET /readyz HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /readyz HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /readyz HTTP/1.1\r\n Folded: x\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"POST /cloud-init/node/n1/phone-home HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        b"POST /cloud-init/node/n1/phone-home HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /cloud-init/node/n1/phone-home HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /cloud-init/node/n1/phone-home HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        b"POST /cloud-init/node/n1/phone-home HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"POST /cloud-init/node/n1/phone-home HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for bytes in odd {
        let answer = talk(&served, bytes, true);
        let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4");
        assert!(is_refused, "{:?}: {answer}", String::from_utf8_lossy(bytes));
        assert_eq!(answer.matches("HTTP/1.").count(), usize::from(!answer.is_empty()), "{answer}");
    }
    let large = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET /readyz HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(50_000));
    for bytes in [large, many] {
        let answer = talk(&served, bytes.as_bytes(), true);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert!(sample(&served, "muster_connections_dropped_total{listener=\"boot\",reason=\"malformed\"}") >= 10.0);
    boot(served.boot());
}

#[test]
fn no_request_hides_in_the_body_of_another() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let hidden = "GET /boot/v1/bootscript?nid=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    for headers in [
        "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 60\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 60\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let head = format!("POST /cloud-init/node/n1/phone-home HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let answer = talk(&served, format!("{head}0\r\n\r\n{hidden}").as_bytes(), false);
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{headers:?}: {answer}");
        assert!(!answer.contains("#!ipxe"), "{headers:?}: {answer}");
    }
}

#[test]
fn old_and_odd_clients_that_speak_http_are_answered() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let answer = talk(&served, b"GET /readyz HTTP/1.0\r\n\r\n", false);
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("ready\n"), "{answer}");
    let kept = "GET /readyz HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n";
    let answer = talk(&served, kept.as_bytes(), false);
    assert_eq!(answer.matches(" 200 OK").count(), 2, "{answer}");
    assert!(answer.contains("connection: keep-alive\r\n"), "{answer}");
    for line in [
        "GET http://elsewhere.example:80/readyz HTTP/1.1\r\nHost: y",
        "GET /readyz/ HTTP/1.1\r\nhost:x",
        "\r\nGET /readyz HTTP/1.1\r\nHost: x",
        "GET /readyz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue",
    ] {
        let answer = talk(&served, format!("{line}\r\nConnection: close\r\n\r\n").as_bytes(), false);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ready\n"), "{line}: {answer}");
    }
    // A client that ends its side after the question still wants the answer.
    let answer = talk(&served, READY.as_bytes(), true);
    assert!(answer.ends_with("ready\n"), "{answer}");
}

#[test]
fn a_deep_pipeline_is_answered_in_order() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let mut writer = connect(&served);
    let mut reader = writer.try_clone().unwrap();
    const DEEP: usize = 3_000;
    let sending = thread::spawn(move || {
        for number in 0..DEEP {
            let last = if number + 1 == DEEP { "Connection: close\r\n" } else { "" };
            let nid = number % 3 + 1;
            let asked = format!("GET /boot/v1/bootscript?nid={nid} HTTP/1.1\r\nHost: x\r\n{last}\r\n");
            writer.write_all(asked.as_bytes()).expect("the server reads on");
        }
    });
    let mut answers = String::new();
    reader.read_to_string(&mut answers).unwrap();
    sending.join().unwrap();
    let nids: Vec<_> = answers
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|answer| (1..=3).find(|nid| answer.contains(&format!("mac=02:00:00:00:00:0{nid}"))))
        .collect();
    assert_eq!(nids.len(), DEEP);
    assert!(nids.iter().enumerate().all(|(number, nid)| *nid == Some(number % 3 + 1)));
}

#[test]
fn fifty_thousand_that_come_and_go_leave_nothing() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    boot(served.boot());
    let (before, files) = (resident(&served), sample(&served, "process_open_fds"));
    let count = std::env::var("MUSTER_TEST_FLEETING").ok().and_then(|count| count.parse().ok()).unwrap_or(50_000);
    boots_beside(&served, || {
        for number in 0..count {
            let own = [127, 0, 8, (number % 200) as u8 + 1];
            let mut stream = connect_from(own, served.boot()).expect("it listens");
            // At once, in the middle of a request, or in the middle of its answer; by a reset, which keeps no port.
            if number % 3 > 0 {
                let _ = stream.write_all(&READY.as_bytes()[..if number % 3 == 1 { 10 } else { READY.len() }]);
            }
            set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        }
    });
    until("all are gone", || sample(&served, "muster_connections{listener=\"boot\"}") == 0.0);
    assert!(sample(&served, "process_open_fds") <= files + 8.0);
    let grown = resident(&served) - before;
    assert!(grown < 64e6, "{grown} bytes are left");
}
