//! What a BMC answers: whatever it says, a survey ends in bounded work, and what it saw can be stored and compared.
//!
//! An input is a list of answers: `PATH`, a line break, a body, and a line of `--` between two of them. What is not in it is
//! answered with 404.

use muster::drift::{Options as Compare, compare};
use muster::model::{Revision, Tree};
use muster::observed::{Depth, Observation, Observed};
use muster::redfish::{Client, Endpoint, Grounds, Options, TlsRule, survey};
use muster::snapshot;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::runtime::{Builder, Runtime};

const WISHES: &str = r#"
//- cluster.toml
name = "test"
[defaults]
boot = "b"
//- boot/b.toml
kind = "local"
//- nodes/n.toml
[[bmc]]
name = "b1"
url = "http://127.0.0.1"
mac = "02:00:00:00:0b:01"
[[node]]
name = "n1"
bmc = "b1"
serial = "SN1"
nics = [{ name = "eth0", mac = "02:00:00:00:00:01" }]
expect = { memory_gib = 64, processors = { count = 2 }, drives = { count = 1 }, accelerators = { count = 0 }, firmware = { BMC = "1" } }
"#;

/// More requests than the most resources that one survey reads, with each tried in two forms.
const MOST_REQUESTS: usize = 10_000;

type Answers = HashMap<String, Vec<u8>>;

/// The one BMC: its port, what it answers now, and how often it was asked for this input.
struct Bmc {
    port: u16,
    answers: Mutex<Arc<Answers>>,
    asked: AtomicUsize,
}

/// Surveys a BMC that answers as an input says.
pub fn holds(input: &[u8]) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let bmc = bmc();
    *bmc.answers.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(answers(input));
    for depth in [Depth::Sweep, Depth::Deep] {
        bmc.asked.store(0, Ordering::Relaxed);
        let Some(observation) = runtime().block_on(look(bmc.port, depth)) else { continue };
        assert!(bmc.asked.load(Ordering::Relaxed) < MOST_REQUESTS);
        judge(&observation, input.len());
    }
}

fn judge(observation: &Observation, input: usize) {
    let text = serde_json::to_vec(observation).expect("an observation is JSON");
    assert!(text.len() < (1 << 20) + 64 * input, "{} bytes of {input}", text.len());
    let again: Observation = serde_json::from_slice(&text).expect("what was written is read");
    assert_eq!(again, *observation);
    let mut observed = Observed::default();
    observed.take(observation);
    observed.take(observation);
    let (snapshot, _) = snapshot::build(&Tree::from_fixture(WISHES), Revision::work_tree());
    let snapshot = snapshot.expect("the wishes are sound");
    let drift = compare(&snapshot, &observed, observation.at + 1_000, &Compare::default());
    assert!(drift.nodes.len() == 1 && drift.findings.len() < 10_000);
}

async fn look(port: u16, depth: Depth) -> Option<Observation> {
    let grounds = Grounds::new(Options { system_roots: false, ..Options::default() }).expect("there is no CA file");
    let origin = format!("http://127.0.0.1:{port}").parse().expect("it is a URL");
    let endpoint = Endpoint { name: "b1".into(), origin, connect: None, tls: TlsRule::Verify };
    let client = Client::open(&grounds, endpoint, None).await.ok()?;
    let observation = survey(&client, "b1", "http://127.0.0.1", depth, || 1_780_300_800_000).await;
    client.close().await;
    Some(observation)
}

fn answers(input: &[u8]) -> Answers {
    let mut all = Answers::new();
    let mut add = |block: &[&[u8]]| {
        if let Some((path, body)) = block.split_first() {
            let path = String::from_utf8_lossy(path).trim_end_matches('/').to_owned();
            all.entry(path).or_insert_with(|| body.join(&b'\n'));
        }
    };
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    lines.split(|line| *line == b"--").for_each(&mut add);
    // Without a root there is nothing to look at.
    all.entry("/redfish/v1".into()).or_insert_with(|| br#"{"Systems":{"@odata.id":"/redfish/v1/Systems"}}"#.to_vec());
    all
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().enable_all().build().expect("a runtime"))
}

fn bmc() -> &'static Bmc {
    static BMC: OnceLock<Bmc> = OnceLock::new();
    static LISTENER: OnceLock<TcpListener> = OnceLock::new();
    BMC.get_or_init(|| {
        let listener = LISTENER.get_or_init(|| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
        std::thread::spawn(|| {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that goes away ends its connection.
                std::thread::spawn(move || drop(converse(stream)));
            }
        });
        let port = listener.local_addr().expect("a bound socket has an address").port();
        Bmc { port, answers: Mutex::default(), asked: AtomicUsize::new(0) }
    })
}

/// Answers the requests of one connection, one after another.
fn converse(mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(line) = lines.next() {
        let line = line?;
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
        let bmc = bmc();
        bmc.asked.fetch_add(1, Ordering::Relaxed);
        let all = Arc::clone(&bmc.answers.lock().unwrap_or_else(PoisonError::into_inner));
        let whole = all.get(target.trim_end_matches('/'));
        let found = whole.or_else(|| all.get(target.split('?').next().unwrap_or_default().trim_end_matches('/')));
        let (status, body) = found.map_or(("404 Not Found", &b"{}"[..]), |body| ("200 OK", body.as_slice()));
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat())?;
    }
    Ok(())
}
