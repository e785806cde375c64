//! Connections of every kind, and addresses that cannot be had.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use arc_swap::ArcSwap;
use muster::http::{ApiListener, BootListener, ListenError, Serving};
use muster::model::ApiAddress;
use tokio_util::sync::CancellationToken;

use super::{Server, read_one, status, talk};
use crate::support::http;

#[test]
fn there_is_nothing_to_serve_before_the_first_commit() {
    let server = Server::empty();
    for target in
        ["/boot/v1/bootscript?nid=1", "/cloud-init/node/nid0001/meta-data", "/cloud-init/meta-data", "/readyz"]
    {
        let answer = server.get(target);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{target}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(answer.header("x-muster-revision"), None);
    }
    assert_eq!(server.send("POST", "/cloud-init/node/nid0001/phone-home", &[], b"a=b").status, 503);
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/boot/v1/bootscript").status, 400);
    server.publish(super::snapshot("", super::COMMIT));
    let ready = server.get("/readyz");
    assert_eq!((ready.status, ready.text(), ready.header("x-muster-revision")), (200, "ready\n", Some(super::COMMIT)));
}

#[test]
fn the_boot_listener_serves_nothing_else() {
    let server = Server::start("");
    for target in [
        "/",
        "/api/v1/status",
        "/boot/v1/bootparameters",
        "/boot/v1/bootscript/x",
        "//healthz",
        "/boot/v1/bootscript%20",
        "*",
    ] {
        let answer = server.get(target);
        assert_eq!((answer.status, answer.text()), (404, "404 page not found\n"), "{target}");
    }
}

#[test]
fn one_connection_carries_a_whole_boot() {
    let server = Server::start("");
    let mut stream = server.connect();
    for target in ["/boot.ipxe", "/boot/v1/bootscript?nid=1", "/boot/v1/bootscript?nid=2", "/nothing"] {
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        let answer = read_one(&mut stream);
        assert!(answer.starts_with(if target == "/nothing" { "HTTP/1.1 404 " } else { "HTTP/1.1 200 " }), "{answer}");
    }
    // Several requests at once are answered in their order.
    let piped = "GET /boot/v1/bootscript?nid=1 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /readyz HTTP/1.1\r\nHost: x\r\n\r\n\
                 GET /boot/v1/bootscript?nid=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = talk(&server, piped.as_bytes());
    let places: Vec<_> =
        [" nid=1 ", "content-length: 6\r\n", " nid=2 "].iter().map(|part| answers.find(part)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3);
}

#[test]
fn old_clients_are_answered_and_let_go() {
    let server = Server::start("");
    let answer = talk(&server, b"GET /boot/v1/bootscript?nid=1 HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.contains("content-length: "), "{answer}");
    assert!(answer.ends_with("&retry=1\n\n") && !answer.contains("chunked"), "{answer}");
}

fn in_runtime<T>(inside: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    inside()
}

#[test]
fn an_address_that_cannot_be_had_says_what_to_do() {
    let server = Server::empty();
    let (boot, api) =
        in_runtime(|| (BootListener::bind(server.addr).err(), ApiListener::bind(&ApiAddress::Tcp(server.addr)).err()));
    for error in [boot.unwrap(), api.unwrap()] {
        let port = server.addr.port();
        assert!(matches!(error, ListenError::InUse { .. }), "{error}");
        assert!(error.to_string().contains(&format!("`ss -ltnp sport = :{port}`")), "{error}");
    }
    let elsewhere = in_runtime(|| BootListener::bind("192.0.2.1:0".parse().unwrap()).err()).unwrap();
    assert!(elsewhere.to_string().contains("no such address"), "{elsewhere}");
    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let error = in_runtime(|| ApiListener::bind(&open.parse().unwrap()).err()).unwrap();
        assert!(matches!(error, ListenError::NotLoopback { .. }), "{open}: {error}");
        assert!(error.to_string().contains("no authentication yet"), "{error}");
    }
    assert!(in_runtime(|| ApiListener::bind(&"127.0.0.1:0".parse().unwrap()).is_ok()));
}

#[test]
fn the_apis_socket_is_for_the_group_and_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let address = ApiAddress::Unix(path.clone());
    // A dead server's file.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let shared = Arc::new(ArcSwap::from_pointee(Serving::starting(status())));
    let shutdown = CancellationToken::new();
    let (token, bound) = (shutdown.clone(), std::sync::mpsc::channel());
    let thread = std::thread::spawn({
        let address = address.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = ApiListener::bind(&address).unwrap();
                bound.0.send(listener.local_addr()).unwrap();
                listener.serve(shared, tokio::sync::mpsc::channel(1).0, token).await;
            });
        }
    });
    assert_eq!(bound.1.recv().unwrap(), address);
    let there = fs::symlink_metadata(&path).unwrap();
    assert!(there.file_type().is_socket());
    assert_eq!(there.permissions().mode() & 0o7777, 0o660);
    assert_eq!(http::get_unix(&path, "/healthz").status, 200);
    // A living server's.
    let error = in_runtime(|| ApiListener::bind(&address).err()).unwrap();
    assert!(matches!(error, ListenError::SocketInUse { .. }), "{error}");
    assert_eq!(http::get_unix(&path, "/api/v1/status").status, 200);
    shutdown.cancel();
    thread.join().unwrap();
    assert!(!path.exists());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("precious");
    fs::write(&path, "data").unwrap();
    let error = in_runtime(|| ApiListener::bind(&ApiAddress::Unix(path.clone())).err()).unwrap();
    assert!(error.to_string().contains("is no socket and is left alone"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "data");
    let missing = dir.path().join("no/such/folder/api.sock");
    let error = in_runtime(|| ApiListener::bind(&ApiAddress::Unix(missing)).err()).unwrap();
    assert!(error.to_string().contains("its folder must exist"), "{error}");
    let long = dir.path().join("a".repeat(200));
    assert!(in_runtime(|| ApiListener::bind(&ApiAddress::Unix(long)).is_err()));
}
