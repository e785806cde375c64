//! What one client, or all of them, may take of a listener; and how it ends.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use muster::http::{Boot, Client, Limits, Serving};

use super::{COMMIT, Server, read_one, snapshot, status, talk};

const READY: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";

fn serving(limits: Limits) -> Server {
    let server = Server::with_limits(limits);
    server.publish(snapshot("", COMMIT));
    server
}

fn to_end(stream: &mut impl Read) -> String {
    let mut rest = Vec::new();
    // The other side may have closed with bytes of ours unread, which resets the connection.
    let _ = stream.read_to_end(&mut rest);
    String::from_utf8(rest).unwrap()
}

#[test]
fn a_slow_client_is_let_go() {
    // Long enough for the one that asks at once, and all three wait side by side.
    let server = serving(Limits { head: Duration::from_secs(3), ..Limits::boot() });
    let (mut idle, mut stream, mut silent) = (server.connect(), server.connect(), server.connect());
    idle.write_all(READY).unwrap();
    stream.write_all(b"GET /readyz HTT").unwrap();
    assert!(read_one(&mut idle).starts_with("HTTP/1.1 200 "));
    for slow in [&mut stream, &mut silent, &mut idle] {
        assert_eq!(to_end(slow), "");
    }
}

#[test]
fn a_head_has_a_bound() {
    let server = serving(Limits::boot());
    let head = |bytes: usize| {
        format!("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Pad: {}\r\n\r\n", "a".repeat(bytes))
    };
    assert!(talk(&server, head(15_000).as_bytes()).starts_with("HTTP/1.1 200 "));
    let mut stream = server.connect();
    // The server may close before it has read all of this.
    let _ = stream.write_all(head(17_000).as_bytes());
    assert!(to_end(&mut stream).starts_with("HTTP/1.1 431 "));
    let many = format!("GET /readyz HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(200));
    assert!(talk(&server, many.as_bytes()).starts_with("HTTP/1.1 431 "));
    for broken in [
        "GET\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "\u{1}\u{2}\r\n\r\n",
        "GET /boot/v1/bootscript?mac=\u{7f} HTTP/1.1\r\n\r\n",
    ] {
        let answer = talk(&server, broken.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 4"), "{broken:?}: {answer}");
    }
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn connections_past_the_bound_wait_for_their_turn() {
    let server = serving(Limits { connections: 2, idle: Duration::from_secs(3600), ..Limits::boot() });
    let mut held = [server.connect(), server.connect()];
    for stream in &mut held {
        stream.write_all(READY).unwrap();
        assert!(read_one(stream).starts_with("HTTP/1.1 200 "));
    }
    let mut third = server.connect();
    third.write_all(READY).unwrap();
    third.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(third.read(&mut [0]).is_err(), "it is not answered while there is no room");
    third.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    drop(held);
    assert!(read_one(&mut third).starts_with("HTTP/1.1 200 "));
}

#[test]
fn the_longest_idle_connection_gives_way() {
    let server = serving(Limits { connections: 2, idle: Duration::from_millis(100), ..Limits::boot() });
    let mut old = server.connect();
    old.write_all(READY).unwrap();
    read_one(&mut old);
    std::thread::sleep(Duration::from_millis(150));
    let mut young = server.connect();
    young.write_all(READY).unwrap();
    read_one(&mut young);
    let mut third = server.connect();
    third.write_all(READY).unwrap();
    assert!(read_one(&mut third).starts_with("HTTP/1.1 200 "));
    assert_eq!(to_end(&mut old), "");
    young.write_all(READY).unwrap();
    assert!(read_one(&mut young).starts_with("HTTP/1.1 200 "));
}

#[test]
fn with_little_room_an_answer_is_the_last_of_its_connection() {
    let server = serving(Limits { connections: 16, ..Limits::boot() });
    // Fewer than two places of sixteen are few; waiting for a connection may take one, too.
    let mut held: Vec<_> = (0..13).map(|_| server.connect()).collect();
    for stream in &mut held {
        stream.write_all(READY).unwrap();
        assert!(!read_one(stream).contains("connection: close"));
    }
    let _silent = server.connect();
    let mut last = server.connect();
    last.write_all(READY).unwrap();
    assert!(read_one(&mut last).contains("connection: close\r\n"));
    assert_eq!(to_end(&mut last), "");
}

#[test]
fn a_client_that_takes_nothing_is_let_go() {
    let server = serving(Limits { stall: Duration::from_millis(300), connections: 1, ..Limits::boot() });
    let mut stream = server.connect();
    // Far more answers than the kernel buffers, none of them read.
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let asked = b"GET /boot/v1/bootscript?nid=1 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    while stream.write_all(&asked).is_ok() {}
    // The one place is free again.
    assert_eq!(server.get("/readyz").status, 200);
}

/// Begins a request with a body, and returns once the server has read its head and waits for the body.
fn phone_home(server: &Server) -> std::net::TcpStream {
    let mut running = server.connect();
    let head = "POST /cloud-init/node/nid0001/phone-home HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\nExpect: \
                100-continue\r\n\r\n";
    running.write_all(head.as_bytes()).unwrap();
    let mut goes_on = [0; 25];
    running.read_exact(&mut goes_on).unwrap();
    assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    running
}

#[test]
fn running_requests_are_answered_before_the_end() {
    let server = serving(Limits::boot());
    let mut idle = server.connect();
    idle.write_all(READY).unwrap();
    read_one(&mut idle);
    let fresh = server.connect();
    let mut running = phone_home(&server);
    running.write_all(b"instance_").unwrap();
    server.shutdown.cancel();
    assert_eq!(to_end(&mut idle), "");
    running.write_all(b"id=abc").unwrap();
    assert!(read_one(&mut running).starts_with("HTTP/1.1 200 "));
    let shared = server.shared.clone();
    let addr = server.addr;
    server.stop();
    drop(fresh);
    let serving = shared.load();
    let node = serving.snapshot.as_ref().unwrap().by_name("nid0001").unwrap();
    assert_eq!(serving.slots[node].confirmed().map(|it| it.instance_id.to_string()).as_deref(), Some("abc"));
    assert!(std::net::TcpStream::connect(addr).is_err(), "nobody listens any more");
}

/// A client on a busy host connects and writes its request a moment later; the end of the server may come in between.
#[test]
fn whoever_connected_before_the_end_is_answered_even_if_the_request_comes_later() {
    let server = serving(Limits { idle: Duration::from_secs(20), ..Limits::boot() });
    // More than tokio accepts in one turn of the task.
    let mut early: Vec<_> = (0..300).map(|_| server.connect()).collect();
    server.shutdown.cancel();
    while std::net::TcpStream::connect_timeout(&server.addr, Duration::from_millis(500)).is_ok() {
        // The listener is still open.
    }
    for stream in &mut early {
        stream.write_all(READY).unwrap();
        assert!(read_one(stream).starts_with("HTTP/1.1 200 "));
    }
    server.stop();
}

#[test]
fn a_request_that_never_ends_does_not_keep_the_server() {
    let server = serving(Limits { grace: Duration::from_millis(200), ..Limits::boot() });
    let mut running = phone_home(&server);
    server.stop();
    assert_eq!(to_end(&mut running), "");
}

#[test]
fn one_who_asks_in_vain_gives_way_after_each_answer() {
    const ASKED: usize = 100;
    let shared = Arc::new(ArcSwap::from_pointee(Serving::starting(status())));
    let (unknown, _kept) = tokio::sync::mpsc::channel(1);
    let boot = Boot::new(shared, "http://10.0.0.1:8270", unknown);
    let client = Client::At([127, 0, 0, 1].into());
    let turns = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        for _ in 0..ASKED {
            let request = axum::http::Request::get("/nothing").body(http_body_util::Empty::<bytes::Bytes>::new());
            assert_eq!(boot.answer(request.unwrap(), client).await.status(), 404);
        }
        other.abort();
    });
    let turns = turns.load(Ordering::Relaxed);
    assert!(turns >= ASKED, "another had {turns} turns beside {ASKED} answers");
}
