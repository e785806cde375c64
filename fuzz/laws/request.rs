//! Requests to the boot listener: whatever a client sends, a script is one of those that the wishes make, and what came from
//! the client is one percent-encoded word in it.

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Request, StatusCode};
use muster::http::{Boot, Client, Serving};
use muster::model::{Revision, Tree};
use muster::observed::UnknownMac;
use muster::snapshot;
use muster::view::{SourceView, Status, StoreState, StoreView};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

const WISHES: &str = r#"
//- cluster.toml
name = "test"
unknown = { action = "boot", boot = "discovery" }
//- networks/far.toml
cidr = "10.5.0.0/24"
advertise = "http://far.example:8270"
//- boot/live.toml
kind = "live"
kernel = "http://images.example/vmlinuz"
initrd = ["http://images.example/initramfs.img"]
params = ["console=ttyS0,115200", "ip=dhcp"]
//- boot/disk.toml
kind = "local"
//- boot/discovery.toml
kind = "live"
kernel = "http://images.example/discovery"
sealed = true
//- cloud-init/login.yaml.j2
#cloud-config
phone_home: { url: "{{ server }}/cloud-init/node/{{ name }}/phone-home" }
//- nodes/all.toml
[[node]]
name = "n1"
xname = "x1000c0s0b0n0"
nid = 1
boot = "live"
cloud_init = { user_data = "login.yaml.j2" }
nics = [{ name = "eth0", mac = "02:00:00:00:00:01", network = "far", ip = "10.5.0.1" }]
uuid = "4c4c4544-0042-3510-8052-b4c04f4e3332"
serial = "SN 0001"
[[node]]
name = "n2"
nid = 2
boot = "disk"
nics = [{ name = "eth0", mac = "02:00:00:00:00:02" }]
[[node]]
name = "n3"
nid = 3
state = "retired"
boot = "live"
nics = [{ name = "eth0", mac = "02:00:00:00:00:03" }]
[[node]]
name = "n4"
state = "spare"
nics = [{ name = "eth0", mac = "02:00:00:00:00:04" }]
"#;

/// A node's own address, one of nobody's, and a proxy that does not tell for whom it asks.
const CLIENTS: [Client; 3] = [
    Client::At(IpAddr::V4(Ipv4Addr::new(10, 5, 0, 1))),
    Client::At(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9))),
    Client::Behind(IpAddr::V4(Ipv4Addr::new(10, 5, 0, 254))),
];

/// Every way to ask that the laws know the answer of.
const CANONICAL: [&str; 7] = [
    "mac=02:00:00:00:00:01",
    "name=n1",
    "nid=1",
    "mac=02:00:00:00:00:02",
    "nid=2",
    "mac=02:00:00:00:00:77&arch=x86_64",
    "mac=02:00:00:00:00:77",
];

/// What a script asks again with, each at most once.
const KEYS: [&str; 9] = ["arch", "mac", "macs", "name", "nid", "retry", "serial", "ts", "uuid"];

struct Host {
    boot: Boot,
    runtime: Runtime,
    unknown: Mutex<mpsc::Receiver<UnknownMac>>,
}

/// Sends an input as a request: path and query on the first line, the user agent on the second, the body of a POST after
/// them.
pub fn holds(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let (target, agent) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let body = parts.next();
    for client in CLIENTS {
        let mut request = Request::builder().method(if body.is_some() { "POST" } else { "GET" }).uri(target);
        if !agent.is_empty() {
            request = request.header(USER_AGENT, agent);
        }
        // What is no request never comes here.
        let Ok(request) = request.body(Full::new(Bytes::copy_from_slice(body.unwrap_or_default()))) else { return };
        let (status, kind, text) = ask(request, client);
        let sent = String::from_utf8_lossy(input);
        assert!(status.as_u16() < 500, "{status} to {sent:?}: {text}");
        assert!(!kind.contains("html"), "{kind} to {sent:?}");
        if text.starts_with("#!ipxe") {
            assert!(shapes().contains(&shape(&text)), "{sent:?} made\n{text}");
        } else if kind.contains("json") {
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            assert!(parsed.is_ok(), "{sent:?} made {text}");
        }
    }
}

fn ask(request: Request<Full<Bytes>>, client: Client) -> (StatusCode, String, String) {
    let host = host();
    let answer = host.runtime.block_on(host.boot.answer(request, client));
    while host.unknown.lock().expect("no law is broken with the lock").try_recv().is_ok() {}
    let (head, body) = answer.into_parts();
    let body = host.runtime.block_on(body.collect()).expect("it is in memory").to_bytes();
    let kind = head.headers.get(CONTENT_TYPE).map(|kind| kind.to_str().expect("it is ours").to_owned());
    (head.status, kind.unwrap_or_default(), String::from_utf8(body.to_vec()).expect("every answer is text"))
}

fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| {
        let (snapshot, findings) = snapshot::build(&Tree::from_fixture(WISHES), Revision::commit(&"1".repeat(40)));
        let snapshot = Arc::new(snapshot.unwrap_or_else(|| panic!("{findings:#?}")));
        let serving = Serving::next(&Serving::starting(status()), snapshot, status());
        let (sender, unknown) = mpsc::channel(4);
        let boot = Boot::new(Arc::new(ArcSwap::from_pointee(serving)), "http://10.9.9.9:8270", sender);
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime starts");
        Host { boot, runtime, unknown: Mutex::new(unknown) }
    })
}

fn status() -> Arc<Status> {
    let source = SourceView {
        repository: "/srv/wishes.git".into(),
        branch: "main".into(),
        path: String::new(),
        tag: None,
        warning: None,
        last_check: None,
        error: None,
    };
    let store = StoreView { path: "/srv/store.redb".into(), state: StoreState::Ok, error: None };
    Arc::new(Status::starting(source, store, "2026-11-23T10:00:00Z".into()))
}

/// Returns the shapes of all scripts that there are.
fn shapes() -> &'static BTreeSet<String> {
    static SHAPES: OnceLock<BTreeSet<String>> = OnceLock::new();
    SHAPES.get_or_init(|| {
        let paths = ["/boot/v1/bootscript", "/boot-service/bootscript"];
        let scripts = paths.iter().flat_map(|path| CANONICAL.map(|query| format!("{path}?{query}")));
        let targets: Vec<String> = scripts.chain(["/boot.ipxe".to_owned()]).collect();
        let ask = |(target, client)| ask(Request::get(target).body(Full::default()).expect("it is one"), client);
        let all = targets.iter().flat_map(|target| CLIENTS.map(|client| (target.as_str(), client))).map(ask);
        all.map(|(status, _, text)| {
            assert_eq!(status, StatusCode::OK, "{text}");
            shape(&text)
        })
        .collect()
    })
}

/// Returns a script without the words that came from a client, each of which is judged.
fn shape(script: &str) -> String {
    let mut shape = String::new();
    for line in script.split('\n') {
        let (line, query) = match line.strip_prefix("chain --replace --autofree ").and_then(|url| url.split_once('?')) {
            Some((url, query)) => (format!("chain {url}"), query),
            None => (line.to_owned(), ""),
        };
        let query = query.replace("${buildarch}", "");
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b":._-%&=,".contains(&byte);
        assert!(query.bytes().all(harmless), "{script}");
        let mut keys = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        let known = |key: &str| KEYS.contains(&key) && query.matches(&format!("{key}=")).count() == 1;
        assert!(query.is_empty() || keys.all(known), "a client's word ends early: {script}");
        let words = line.split(' ').filter(|word| word.strip_prefix("BOOTIF=").is_none_or(|mac| !is_mac(mac)));
        shape.push_str(&words.collect::<Vec<_>>().join(" "));
        shape.push('\n');
    }
    shape
}

fn is_mac(text: &str) -> bool {
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.starts_with("01-") && text.split('-').count() == 7 && text.split('-').all(digits)
}
