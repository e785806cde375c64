//! Scripts at a fixed rate, with and without a survey in progress: how long the slowest hundredth waits.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::fleet::Fleet;
use crate::observed::{committed, seen, with_surveys};
use crate::process::{Child, Muster, cpu};
use crate::support::fixture;
use crate::table::{Row, Spread};
use crate::{SLICE, client};

/// Scripts a second.
const RATE: usize = 2_000;

/// Connections that share the rate.
const CONNECTIONS: usize = 64;

/// BMCs that are surveyed over and over.
const BMCS: usize = 1_000;

/// How long one slice lasts.
pub const TIME: Duration = SLICE;

/// How many slices are measured of each.
const PAIRS: usize = 5;

/// What a slice came to; times are milliseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub errors: u64,
    pub rate: f64,
    pub median: f64,
    pub p99: f64,
    pub most: f64,
}

/// Measures a server that surveys all the while, in turns with a bare handler on the same busy machine.
pub fn measure(folder: &Path, rows: &mut Vec<Row>) {
    let fleet = Fleet::start(&folder.join("steady"), BMCS, &["--tls", "--latency", "20"]);
    let settings = with_surveys(&fleet, "sweep = \"1s\"\ndeep = \"10s\"\n");
    let repository = committed(&fleet);
    let flags = ["--config", &settings, "--api", "127.0.0.1:0"];
    let muster = Muster::start_with(&repository, &folder.join("steady.redb"), &flags);
    while seen(&muster).0 == 0 {
        std::thread::sleep(Duration::from_millis(200));
    }
    let sample = client::once(&muster.boot, &fixture::mac(1));
    let reference = Child::start("as-reference", &[&sample]);
    let (mut ours, mut theirs, mut medians, mut busy) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut errors = 0;
    for _ in 0..PAIRS {
        let before = cpu(muster.pid) + cpu(fleet.pid());
        let started = Instant::now();
        let a = run(&muster.boot);
        busy.push((cpu(muster.pid) + cpu(fleet.pid()) - before).as_secs_f64() / started.elapsed().as_secs_f64());
        let b = run(&reference.address);
        errors += a.errors + b.errors;
        ours.push(a.p99);
        medians.push(a.median);
        theirs.push(b.p99);
    }
    rows.push(Row { errors, ..Row::bounded("p99 of 2,000 scripts/s under a survey", Spread::of(ours), "ms", "<= 5") });
    rows.push(Row::plain("median of 2,000 scripts/s under a survey", Spread::of(medians), "ms"));
    rows.push(Row::plain("p99, bare axum beside the survey", Spread::of(theirs), "ms"));
    rows.push(Row::plain("cores that server and simulator kept busy", Spread::of(busy), ""));
}

/// Asks a server for as long as [`TIME`].
pub fn run(address: &str) -> Report {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["as-steady", address]).stderr(Stdio::inherit());
    let output = command.output().expect("the client starts");
    serde_json::from_slice(&output.stdout).expect("the client reports")
}

/// Is the client.
pub fn main(address: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(async {
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..CONNECTIONS {
            tasks.spawn(connection(address.to_owned(), number, began));
        }
        let (mut times, mut errors) = (Vec::new(), 0);
        for (some, failed) in tasks.join_all().await {
            times.extend(some);
            errors += failed;
        }
        let seconds = began.elapsed().as_secs_f64();
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
        Report { errors, rate: times.len() as f64 / seconds, median: at(50), p99: at(99), most: at(100) }
    });
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
}

/// Asks at its own even times. Where an answer keeps it from asking in time, the wait counts; where its own timer does, not.
async fn connection(address: String, number: usize, began: Instant) -> (Vec<Duration>, u64) {
    let step = Duration::from_secs(1) * CONNECTIONS as u32 / RATE as u32;
    let mut due = began + Duration::from_millis(50) + step * number as u32 / CONNECTIONS as u32;
    let mut times = Vec::new();
    let Ok(mut stream) = TcpStream::connect(&address).await else { return (times, 1) };
    let _ = stream.set_nodelay(true);
    let (mut buffer, mut nid) = (Vec::with_capacity(8192), number);
    while began.elapsed() < SLICE {
        let is_late = Instant::now() > due;
        if !is_late {
            tokio::time::sleep_until(due.into()).await;
        }
        let started = if is_late { due } else { Instant::now() };
        nid = (nid * 31 + 7) % BMCS;
        match client::ask(&mut stream, &client::request(&fixture::mac(nid + 1)), &mut buffer).await {
            Some(answer) if answer.status == 200 => times.push(started.elapsed()),
            _ => return (times, 1),
        }
        due += step;
    }
    (times, 0)
}
