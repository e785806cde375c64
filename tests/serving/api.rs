//! The api's JSON, read back as the types that are promised.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use muster::http::ApiListener;
use muster::model::ApiAddress;
use muster::view::{NodeList, NodeView, RevisionList, RevisionView, State, Status};
use tokio_util::sync::CancellationToken;

use super::{COMMIT, Server, snapshot};
use crate::support::http::{self, Answer};

/// The api beside a boot server, on loopback.
struct Api {
    addr: SocketAddr,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Api {
    fn of(server: &Server) -> Self {
        let (shared, shutdown) = (Arc::clone(&server.shared), CancellationToken::new());
        let (sender, bound) = std::sync::mpsc::channel();
        let token = shutdown.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = ApiListener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
                sender.send(listener.local_addr()).unwrap();
                listener.serve(shared, tokio::sync::mpsc::channel(1).0, token).await;
            });
        });
        let ApiAddress::Tcp(addr) = bound.recv().unwrap() else { panic!("it is TCP") };
        Self { addr, shutdown, thread: Some(thread) }
    }

    fn get(&self, target: &str) -> Answer {
        http::get(self.addr, target)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn status_tells_what_is_served() {
    let server = Server::empty();
    let api = Api::of(&server);
    let answer = api.get("/api/v1/status");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json; charset=UTF-8")));
    let status: Status = serde_json::from_str(answer.text()).unwrap();
    assert_eq!((status.state, status.api_version.as_str(), status.boots), (State::Starting, "v1", 0));
    server.publish(snapshot("", COMMIT));
    server.boot("/boot/v1/bootscript?nid=1");
    let status: Status = serde_json::from_str(api.get("/api/v1/status").text()).unwrap();
    assert_eq!(status.boots, 1);
}

#[test]
fn nodes_tell_what_they_are_and_what_they_booted() {
    let server = Server::empty();
    let api = Api::of(&server);
    let none: NodeList = serde_json::from_str(api.get("/api/v1/nodes").text()).unwrap();
    assert_eq!((none.revision, none.nodes.len()), (None, 0));
    assert_eq!(api.get("/api/v1/nodes/nid0001").status, 503);
    server.publish(snapshot("", COMMIT));
    server.boot("/boot/v1/bootscript?mac=02:1b:00:00:00:01&arch=i386");
    server.send("POST", "/cloud-init/node/nid0001/phone-home", &[], b"instance_id=test-nid0001");

    let list: NodeList = serde_json::from_str(api.get("/api/v1/nodes").text()).unwrap();
    assert_eq!(list.revision.as_deref(), Some(COMMIT));
    let names: Vec<_> = list.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["nid0001", "nid0002", "far1", "disk1", "old1", "spare1", "bare1", "bare2"]);
    let node: NodeView = serde_json::from_str(api.get("/api/v1/nodes/x1000c0s0b0n0").text()).unwrap();
    assert_eq!(node, list.nodes[0]);
    assert_eq!((node.state.as_str(), node.arch.as_str(), node.nid), ("active", "x86_64", Some(1)));
    assert_eq!((node.macs, node.ips), (vec!["02:1b:00:00:00:01".into()], vec!["127.0.0.1".to_owned()]));
    assert_eq!(node.boot_configuration.as_deref(), Some("live"));
    let boot = node.last_boot.unwrap();
    assert!(boot.current && boot.at.ends_with('Z') && boot.revision == COMMIT, "{boot:?}");
    assert_eq!(Some(boot.script_digest), node.script_digest);
    assert_eq!(node.cloud_init.unwrap().instance_id, "test-nid0001");
    let old: NodeView = serde_json::from_str(api.get("/api/v1/nodes/old1").text()).unwrap();
    assert_eq!((old.state.as_str(), old.script_digest), ("retired", None));

    // Another script makes the last boot a stale one.
    server.publish(snapshot("retry_delay = 5", &"2".repeat(40)));
    let node: NodeView = serde_json::from_str(api.get("/api/v1/nodes/nid0001").text()).unwrap();
    assert!(!node.last_boot.unwrap().current);

    let missing = api.get("/api/v1/nodes/nobody%22");
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("no node is called nobody\\\""), "{}", missing.text());
}

#[test]
fn revisions_are_listed_and_nothing_else_is_there() {
    let server = Server::start("");
    let api = Api::of(&server);
    let revision = RevisionView {
        id: COMMIT.into(),
        short: COMMIT[..12].into(),
        subject: "the first wishes".into(),
        at: "2026-11-23T10:00:00Z".into(),
    };
    let serving = server.shared.load().with_status(super::status()).with_revisions([revision.clone()].into());
    server.shared.store(Arc::new(serving));
    let list: RevisionList = serde_json::from_str(api.get("/api/v1/revisions").text()).unwrap();
    assert_eq!(list.revisions, [revision]);
    let nothing = api.get("/boot/v1/bootscript?nid=1");
    assert_eq!((nothing.status, nothing.text()), (404, "404 page not found\n"));
    let posted = http::request(api.addr, "POST", "/api/v1/status", &[], b"{}").unwrap();
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET,HEAD")));
}
