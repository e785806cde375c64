//! How soon a server that starts with git away gives its first script.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{Muster, cpu};
use crate::support::fixture;
use crate::table::{Row, Spread};
use crate::{PAIRS, client, landing};

/// Measures from the start of the process to its first script, and to the end of building what it serves.
pub fn measure(folder: &Path, nodes: usize, rows: &mut Vec<Row>) {
    let (repository, store) = (landing::repository(folder, nodes), folder.join("start.redb"));
    Muster::start(&repository, &store).stop();
    let away = folder.join("away.git");
    std::fs::rename(&repository, &away).expect("the repository can be moved");
    let (mut first, mut spent, mut built) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let started = start(&repository, &store, nodes);
        first.push(started.first.as_secs_f64());
        spent.push(started.spent.as_secs_f64());
        built.push(started.built.as_secs_f64());
    }
    std::fs::rename(&away, &repository).expect("the repository can be moved back");
    let name = "start to first script, git away, 100,000 nodes";
    rows.push(Row::bounded(name, Spread::of(first), "s", "<= 2.0"));
    rows.push(Row::plain("its processor time until then", Spread::of(spent), "s"));
    rows.push(Row::plain("start to the built Snapshot, git away, 100,000 nodes", Spread::of(built), "s"));
}

struct Started {
    first: Duration,
    /// Processor time until the first script, of all threads.
    spent: Duration,
    built: Duration,
}

fn start(repository: &Path, store: &Path, nodes: usize) -> Started {
    let started = Instant::now();
    let mut process = Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(["serve", "--listen", "127.0.0.1:0", "--repo"])
        .arg(repository)
        .arg("--store")
        .arg(store)
        .stderr(Stdio::piped())
        .spawn()
        .expect("muster starts");
    let log = BufReader::new(process.stderr.take().expect("the log is piped"));
    let (mut first, mut spent, mut built) = (None, None, None);
    for line in log.lines().map_while(Result::ok) {
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let fields = &entry["fields"];
        match fields["message"].as_str() {
            Some("listening") => {
                let address = fields["boot"].as_str().expect("an address");
                while !client::once(address, &fixture::mac(nodes / 2)).contains("kernel") {
                    assert!(started.elapsed() < Duration::from_secs(60), "no script comes");
                    std::thread::sleep(Duration::from_millis(2));
                }
                first = Some(started.elapsed());
                spent = Some(cpu(process.id()));
            }
            Some("serving the last good commit from the store") => {
                built = Some(started.elapsed());
                break;
            }
            _ => {}
        }
    }
    process.kill().expect("the server can be killed");
    process.wait().expect("the server ends");
    let expect = |time: Option<Duration>| time.expect("a script came, and the inputs were built");
    Started { first: expect(first), spent: expect(spent), built: expect(built) }
}
