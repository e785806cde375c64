//! Real listeners on loopback, serving a Snapshot of a fixture, and connections by hand.

mod api;
mod dialect;
mod documents;
mod keys;
mod limits;
mod listeners;
mod loader;
mod macs;
mod notes;
mod proxies;
mod swaps;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use muster::http::{Boot, BootListener, Limits, Serving};
use muster::model::{Revision, Severity, Tree};
use muster::observed::UnknownMac;
use muster::snapshot::{self, Snapshot};
use muster::view::{SourceView, Status, StoreState, StoreView};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::http::{self, Answer};

/// The commit that [`Server::start`] serves.
pub const COMMIT: &str = "1111111111111111111111111111111111111111";

/// The URL that the host says it is reached by.
pub const ADVERTISE: &str = "http://10.9.9.9:8270";

const WISHES: &str = r#"
//- networks/near.toml
cidr = "127.0.0.0/24"
//- networks/far.toml
cidr = "10.5.0.0/24"
advertise = "http://far.example:8270"
//- boot/live.toml
kind = "live"
kernel = "http://images.example/vmlinuz"
initrd = ["http://images.example/initramfs.img"]
params = ["console=ttyS0,115200", "ip=dhcp"]
//- boot/bare.toml
kind = "live"
kernel = "http://images.example/memtest"
sealed = true
//- boot/disk.toml
kind = "local"
//- boot/discovery.toml
kind = "live"
kernel = "http://images.example/discovery"
initrd = ["http://images.example/discovery.img"]
params = ["discovery=1"]
sealed = true
//- cloud-init/login.yaml.j2
#cloud-config
phone_home: { url: "{{ server }}/cloud-init/node/{{ name }}/phone-home" }
//- nodes/all.toml
[[node]]
name  = "nid[0001-0002]"
xname = "x1000c0s[0-1]b0n0"
nid   = "[1-2]"
boot  = "live"
cloud_init = { user_data = "login.yaml.j2" }
nics  = [{ name = "eth0", network = "near", mac = "02:1b:00:00:00:0[1-2]", ip = "127.0.0.[1-2]" }]

[[node]]
name = "far1"
boot = "live"
nics = [{ name = "eth0", network = "far", mac = "02:1b:00:00:00:11" }]

[[node]]
name = "disk1"
boot = "disk"
nics = [{ name = "eth0", mac = "02:1b:00:00:00:21" }]

[[node]]
name  = "old1"
state = "retired"
boot  = "live"
nics  = [{ name = "eth0", mac = "02:1b:00:00:00:31" }]

[[node]]
name  = "spare1"
state = "spare"
nics  = [{ name = "eth0", mac = "02:1b:00:00:00:41" }]

[[node]]
name  = "bare[1-2]"
nid   = "[51-52]"
boot  = "bare"
"#;

/// Builds the Snapshot of the fixture, with `cluster` as more of cluster.toml.
pub fn snapshot(cluster: &str, revision: &str) -> Arc<Snapshot> {
    let files = format!("//- cluster.toml\nname = \"test\"\n{cluster}\n{WISHES}");
    let (snapshot, findings) = snapshot::build(&Tree::from_fixture(&files), Revision::commit(revision));
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity() == Severity::Error).collect();
    snapshot.map(Arc::new).unwrap_or_else(|| panic!("the fixture has errors: {errors:#?}"))
}

/// Returns a status that says nothing yet.
pub fn status() -> Arc<Status> {
    let source = SourceView {
        tag: None,
        warning: None,
        repository: "/srv/wishes.git".into(),
        branch: "main".into(),
        path: String::new(),
        last_check: None,
        error: None,
    };
    let store = StoreView { path: "/srv/store.redb".into(), state: StoreState::Ok, error: None };
    Arc::new(Status::starting(source, store, "2026-11-23T10:00:00Z".into()))
}

/// A runtime on a thread of its own, and what is to be served on it.
pub struct Server {
    pub addr: SocketAddr,
    pub shared: Arc<ArcSwap<Serving>>,
    pub shutdown: CancellationToken,
    unknown: Mutex<mpsc::Receiver<UnknownMac>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves nothing yet.
    pub fn empty() -> Self {
        Self::with_limits(Limits::boot())
    }

    /// Serves nothing yet, within these limits.
    pub fn with_limits(limits: Limits) -> Self {
        Self::behind(limits, &[])
    }

    /// Serves nothing yet, and believes these proxies.
    pub fn behind(limits: Limits, proxies: &[IpNet]) -> Self {
        let shared = Arc::new(ArcSwap::from_pointee(Serving::starting(status())));
        let shutdown = CancellationToken::new();
        let (sender, unknown) = mpsc::channel(4);
        let boot = Arc::new(Boot::new(Arc::clone(&shared), ADVERTISE, sender));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            BootListener::bind("127.0.0.1:0".parse().unwrap())
                .unwrap()
                .with_limits(limits)
                .with_trusted_proxies(proxies)
        };
        let addr = listener.local_addr();
        let token = shutdown.clone();
        let thread = std::thread::spawn(move || runtime.block_on(listener.serve(boot, token)));
        Self { addr, shared, shutdown, unknown: Mutex::new(unknown), thread: Some(thread) }
    }

    /// Serves the fixture; `cluster` is more of cluster.toml.
    pub fn start(cluster: &str) -> Self {
        let server = Self::empty();
        server.publish(snapshot(cluster, COMMIT));
        server
    }

    /// Serves another Snapshot.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.shared.store(Arc::new(Serving::next(&self.shared.load(), snapshot, status())));
    }

    /// Gets a target.
    pub fn get(&self, target: &str) -> Answer {
        http::get(self.addr, target)
    }

    /// Gets a target as iPXE does.
    pub fn boot(&self, target: &str) -> Answer {
        self.send("GET", target, &[("User-Agent", "iPXE/1.21.1")], b"")
    }

    /// Sends a request.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        http::request(self.addr, method, target, headers, body).unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// Connects, to speak by hand.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Takes the next unknown machine that was noted, if one was.
    pub fn next_unknown(&self) -> Option<UnknownMac> {
        self.unknown.lock().unwrap().try_recv().ok()
    }

    /// Tells the server to end and waits until it has.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends bytes on a new connection and returns all that comes back until its end.
pub fn talk(server: &Server, bytes: &[u8]) -> String {
    let mut stream = server.connect();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Reads one answer off a connection that stays open; it must have a Content-Length.
pub fn read_one(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head comes");
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("the body comes");
    head + std::str::from_utf8(&body).unwrap()
}
