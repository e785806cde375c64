//! A machine room that gets its power back: so many nodes within ten seconds, each with the seven requests of a boot.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, TcpStream};

use crate::client::{self, Answer};
use crate::process::{Child, Muster};
use crate::support::fixture;
use crate::table::{Row, Spread};

/// Nodes that boot, and the time in which they come.
const NODES: usize = 10_000;
const WITHIN: Duration = Duration::from_secs(10);

/// How many boots of the whole room are measured of each.
const PAIRS: usize = 3;

/// What a run came to; times are milliseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub errors: u64,
    pub requests: u64,
    /// From the first node's first request to the last node's last answer.
    pub seconds: f64,
    pub median: f64,
    pub p99: f64,
    pub most: f64,
}

impl Report {
    /// Sums up what single requests took.
    pub fn of(mut times: Vec<Duration>, errors: u64, seconds: f64) -> Self {
        times.sort_unstable();
        let at = |share: usize| {
            let number = (times.len() * share / 100).min(times.len().saturating_sub(1));
            times.get(number).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        Self { errors, requests: times.len() as u64, seconds, median: at(50), p99: at(99), most: at(100) }
    }
}

/// Measures a server with as many nodes, in turns with a bare handler.
pub fn measure(folder: &Path, rows: &mut Vec<Row>) {
    let repository = crate::landing::repository(folder, NODES);
    let muster = Muster::start(&repository, &folder.join("boots.redb"));
    let reference = Child::start("as-reference", &[&client::once(&muster.boot, &fixture::mac(1))]);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        ours.push(run(&muster.boot));
        theirs.push(run(&reference.address));
    }
    let errors = ours.iter().map(|report| report.errors).sum();
    let spread = |of: fn(&Report) -> f64, all: &[Report]| Spread::of(all.iter().map(of).collect());
    let p99 = spread(|report| report.p99, &ours);
    rows.push(Row { errors, ..Row::bounded("p99, 10,000 nodes that boot within 10 s", p99, "ms", "< 100") });
    rows.push(Row::plain("median of those requests", spread(|report| report.median, &ours), "ms"));
    rows.push(Row::plain("slowest of those requests", spread(|report| report.most, &ours), "ms"));
    rows.push(Row::plain("requests of a run", spread(|report| report.requests as f64, &ours), ""));
    rows.push(Row::plain("from the first request to the last answer", spread(|report| report.seconds, &ours), "s"));
    rows.push(Row::plain("p99, bare axum", spread(|report| report.p99, &theirs), "ms"));
    rows.push(Row::plain("slowest, bare axum", spread(|report| report.most, &theirs), "ms"));
    rows.push(Row::plain("duration, bare axum", spread(|report| report.seconds, &theirs), "s"));
}

/// Boots all nodes once.
pub fn run(address: &str) -> Report {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    let output = command.args(["as-boots", address]).stderr(Stdio::inherit()).output().expect("the client starts");
    serde_json::from_slice(&output.stdout).expect("the client reports")
}

/// Is the client: all nodes in one process.
pub fn main(address: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(async {
        let began = Instant::now() + Duration::from_millis(50);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..NODES {
            tasks.spawn(node(address.to_owned(), number, began + WITHIN * number as u32 / NODES as u32));
        }
        let (mut times, mut errors) = (Vec::new(), 0);
        for (some, failure) in tasks.join_all().await {
            times.extend(some);
            if let Some(failure) = failure {
                if errors < 5 {
                    eprintln!("a node does not boot: {failure}");
                }
                errors += 1;
            }
        }
        Report::of(times, errors, began.elapsed().as_secs_f64())
    });
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
}

/// Boots one node: two requests of iPXE on one connection, then those of cloud-init with a connection each.
async fn node(address: String, number: usize, due: Instant) -> (Vec<Duration>, Option<io::Error>) {
    tokio::time::sleep_until(due.into()).await;
    let mut times = Vec::with_capacity(7);
    let failure = boot(&address, number, &mut times).await.err();
    (times, failure)
}

async fn boot(address: &str, number: usize, times: &mut Vec<Duration>) -> io::Result<()> {
    let script = client::request(&fixture::mac(number + 1));
    let loader = "GET /boot.ipxe HTTP/1.1\r\nHost: muster\r\nUser-Agent: iPXE/1.21.1\r\n\r\n".to_owned();
    let mut buffer = Vec::with_capacity(8192);
    let started = Instant::now();
    let mut stream = connect(address, number).await?;
    good(client::ask(&mut stream, &loader, &mut buffer).await)?;
    times.push(started.elapsed());
    let started = Instant::now();
    // A server with few places left closes a connection after its answer, and iPXE opens another.
    let mut answer = client::ask(&mut stream, &script, &mut buffer).await;
    if answer.is_none() {
        stream = connect(address, number).await?;
        answer = client::ask(&mut stream, &script, &mut buffer).await;
    }
    good(answer)?;
    times.push(started.elapsed());
    drop(stream);
    let path = format!("/cloud-init/node/nid{:05}", number + 1);
    let head = "HTTP/1.1\r\nHost: muster\r\nUser-Agent: Cloud-Init/24.4\r\nConnection: close\r\n";
    let documents = ["meta-data", "user-data", "vendor-data", "network-config"];
    let mut requests: Vec<String> =
        documents.iter().map(|document| format!("GET {path}/{document} {head}\r\n")).collect();
    let form = format!("instance_id=i-nid{number}&hostname=nid{number}");
    requests.push(format!("POST {path}/phone-home {head}Content-Length: {}\r\n\r\n{form}", form.len()));
    for request in requests {
        let started = Instant::now();
        let mut stream = connect(address, number).await?;
        good(client::ask(&mut stream, &request, &mut buffer).await)?;
        times.push(started.elapsed());
    }
    Ok(())
}

fn good(answer: Option<Answer>) -> io::Result<()> {
    match answer {
        Some(Answer { status: 200, .. }) => Ok(()),
        Some(Answer { status, .. }) => Err(io::Error::other(format!("status {status}"))),
        None => Err(io::Error::other("the connection ended")),
    }
}

/// Connects from an address of the node's own.
async fn connect(address: &str, number: usize) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let own = [127, 1 + (number / 62_500) as u8, (number / 250 % 250) as u8, (number % 250) as u8 + 1];
    socket.bind((own, 0).into())?;
    let stream = socket.connect(address.parse().map_err(io::Error::other)?).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
