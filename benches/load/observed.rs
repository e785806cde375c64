//! What 10,000 observed nodes cost: memory of the server that surveyed them and of `muster drift`, and the time of that.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::fleet::{Fleet, cost};
use crate::landing::git;
use crate::process::{Muster, peak_mib};
use crate::table::{Row, Spread};

const NODES: usize = 10_000;

/// How often `muster drift` is run.
const RUNS: usize = 5;

/// Lets a server survey 10,000 machines with 500 planted differences, then compares them from its store.
pub fn measure(folder: &Path, memory: bool, drift: bool, rows: &mut Vec<Row>) {
    let store = folder.join("observed.redb");
    let fleet = Fleet::start(&folder.join("observed"), NODES, &["--drift", "500", "--seed", "7"]);
    let peak = surveyed(&fleet, &store);
    if memory {
        let peak = Spread::of(vec![peak]);
        rows.push(Row::bounded("peak resident of serve, 10,000 nodes surveyed", peak, "MiB", "<= 286"));
    }
    let (mut seconds, mut cpu, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let run = cost(&mut fleet.command("drift", &store));
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(run.code == Some(1), "the differences are found: {:?} {text}", run.code);
        seconds.push(run.seconds);
        cpu.push(run.cpu);
        peaks.push(run.peak_mib);
    }
    if memory {
        rows.push(Row::bounded("peak resident of drift, 10,000 nodes", Spread::of(peaks), "MiB", "<= 286"));
    }
    if drift {
        rows.push(Row::bounded("drift and text, 10,000 nodes, 500 differences", Spread::of(seconds), "s", "<= 0.5"));
        rows.push(Row::plain("drift and text, CPU", Spread::of(cpu), "s"));
        let markdown = cost(fleet.command("drift", &store).args(["--format", "markdown"])).stdout.len();
        let bytes = Spread::of(vec![markdown as f64]);
        rows.push(Row::bounded("Markdown of 10,000 nodes, 500 differences", bytes, "B", "<= 60000"));
    }
}

/// Serves until every BMC was surveyed, and returns the most memory that this took.
fn surveyed(fleet: &Fleet, store: &Path) -> f64 {
    let repository = committed(fleet);
    let settings = with_surveys(fleet, "sweep = \"off\"\ndeep = \"6h\"\n");
    let muster = Muster::start_with(&repository, store, &["--config", &settings, "--api", "127.0.0.1:0"]);
    let started = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let (seen, failing) = seen(&muster);
        if seen + failing >= NODES as u64 {
            assert_eq!(failing, 0, "every BMC can be surveyed");
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(600), "the survey ends");
    }
    let peak = peak_mib(muster.pid);
    muster.stop();
    peak
}

/// How many BMCs a server has seen, and how many not.
pub fn seen(muster: &Muster) -> (u64, u64) {
    let mut status = Command::new(env!("CARGO_BIN_EXE_muster"));
    let output = status.args(["status", "--format", "json", "--api", &muster.api]).output().expect("muster runs");
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let count = |key: &str| status["survey"][key].as_u64().unwrap_or(0);
    (count("seen"), count("failing"))
}

/// Puts the wishes of a fleet into a repository.
pub fn committed(fleet: &Fleet) -> std::path::PathBuf {
    let wishes = fleet.wishes();
    git(&wishes, &["init", "--quiet", "--initial-branch=main"]);
    git(&wishes, &["add", "--all"]);
    git(&wishes, &["commit", "--quiet", "--message", "the fleet"]);
    wishes
}

/// Writes the settings of a fleet with a table of surveys, and returns the file.
pub fn with_surveys(fleet: &Fleet, surveys: &str) -> String {
    let text = std::fs::read_to_string(fleet.settings()).expect("the settings can be read");
    let path = fleet.settings().with_file_name("serve.toml");
    std::fs::write(&path, format!("{text}\n[survey]\n{surveys}")).expect("the settings can be written");
    path.display().to_string()
}
