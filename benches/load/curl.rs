//! Scripts over new connections, as `curl` fetches them, while a large commit lands.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::boots::Report;
use crate::process::{Child, Muster};
use crate::support::fixture;
use crate::table::{Row, Spread};
use crate::{client, landing};

const NODES: usize = 100_000;

/// Time between two fetches: some hundred of a second at most are of people and programs that look.
const EVERY: Duration = Duration::from_millis(4);

/// How many landings are measured of each.
const PAIRS: usize = 3;

/// How long after it is served a commit is still being stored.
const STORING: Duration = Duration::from_secs(1);

/// Measures a server, and in turns a bare handler on the machine on which the same commit lands.
pub fn measure(folder: &Path, rows: &mut Vec<Row>) {
    let repository = landing::repository(folder, NODES);
    let muster = Muster::start(&repository, &folder.join("curl.redb"));
    let reference = Child::start("as-reference", &[&client::once(&muster.boot, &fixture::mac(1))]);
    let (mut ours, mut theirs, mut landed) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        ours.push(beside(&muster.boot, || {
            let started = landing::edit_and_push(&repository, NODES, pair * 2);
            landed.push(landing::wait(&muster, pair * 2, started).as_secs_f64());
        }));
        theirs.push(beside(&reference.address, || {
            let started = landing::edit_and_push(&repository, NODES, pair * 2 + 1);
            landing::wait(&muster, pair * 2 + 1, started);
        }));
    }
    let errors = ours.iter().map(|report| report.errors).sum();
    let spread = |of: fn(&Report) -> f64, all: &[Report]| Spread::of(all.iter().map(of).collect());
    let p99 = spread(|report| report.p99, &ours);
    rows.push(Row { errors, ..Row::bounded("p99 of curl while 100,000 nodes land", p99, "ms", "< 20") });
    rows.push(Row::plain("median of those fetches", spread(|report| report.median, &ours), "ms"));
    rows.push(Row::plain("slowest of those fetches", spread(|report| report.most, &ours), "ms"));
    rows.push(Row::plain("fetches of a landing", spread(|report| report.requests as f64, &ours), ""));
    rows.push(Row::plain("push to served script, 100,000 nodes", Spread::of(landed), "s"));
    rows.push(Row::plain("p99, bare axum beside the landing", spread(|report| report.p99, &theirs), "ms"));
    rows.push(Row::plain("slowest, bare axum beside the landing", spread(|report| report.most, &theirs), "ms"));
}

/// Fetches from a server from before something begins until after it has ended.
fn beside(address: &str, landing: impl FnOnce()) -> Report {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    let mut client =
        command.args(["as-curl", address]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    landing();
    std::thread::sleep(STORING);
    drop(client.stdin.take());
    let output = client.wait_with_output().expect("the client ends");
    serde_json::from_slice(&output.stdout).expect("the client reports")
}

/// Is the client; it ends when its input does.
pub fn main(address: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let report = runtime.expect("a runtime").block_on(async {
        let mut ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let began = Instant::now();
        let mut beat = tokio::time::interval(EVERY);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut tasks = tokio::task::JoinSet::new();
        let mut number = 0;
        loop {
            tokio::select! {
                _ = &mut ended => break,
                _ = beat.tick() => number += 1,
            }
            tasks.spawn(fetch(address.to_owned(), number * 31 % NODES + 1));
        }
        let all = tasks.join_all().await;
        let errors = all.iter().filter(|time| time.is_none()).count() as u64;
        Report::of(all.into_iter().flatten().collect(), errors, began.elapsed().as_secs_f64())
    });
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
}

async fn fetch(address: String, nid: usize) -> Option<Duration> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let answer = client::ask(&mut stream, &client::request(&fixture::mac(nid)), &mut Vec::with_capacity(8192)).await?;
    (answer.status == 200).then(|| started.elapsed())
}
