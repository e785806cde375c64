//! What a push costs: how soon it is served, and how much memory two Snapshots need while one follows the other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{Muster, peak_mib};
use crate::support::fixture;
use crate::table::{Row, Spread};
use crate::{PAIRS, client};

/// Makes a bare repository of the fixture, and a clone of it beside; both are there already the second time.
pub fn repository(folder: &Path, nodes: usize) -> PathBuf {
    let (bare, clone) = (folder.join(format!("{nodes}.git")), clone_of(folder, nodes));
    if bare.exists() {
        return bare;
    }
    git(folder, &["init", "--quiet", "--bare", "--initial-branch=main", &bare.display().to_string()]);
    git(folder, &["init", "--quiet", "--initial-branch=main", &clone.display().to_string()]);
    write(&clone, nodes);
    git(&clone, &["add", "--all"]);
    git(&clone, &["commit", "--quiet", "--message", "the fixture"]);
    git(&clone, &["push", "--quiet", &bare.display().to_string(), "main"]);
    bare
}

fn write(folder: &Path, nodes: usize) {
    for (path, text) in fixture::files(nodes, true) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
    }
}

fn clone_of(folder: &Path, nodes: usize) -> PathBuf {
    folder.join(format!("{nodes}.clone"))
}

/// Measures a whole process that loads, checks, resolves and renders a commit: `muster check --rev`.
pub fn cold(folder: &Path, nodes: usize, name: &'static str, wanted: &'static str, rows: &mut Vec<Row>) {
    let bare = repository(folder, nodes);
    let mut seconds = Vec::new();
    for _ in 0..PAIRS {
        let started = Instant::now();
        let mut check = Command::new(env!("CARGO_BIN_EXE_muster"));
        let output = check.args(["check", "--rev", "main", "--repo"]).arg(&bare).output().expect("muster runs");
        seconds.push(started.elapsed().as_secs_f64());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("0 errors, 0 warnings"), "the fixture checks: {text}");
    }
    rows.push(Row::bounded(name, Spread::of(seconds), "s", wanted));
}

/// Measures how soon a pushed edit of one group of all nodes is in the served scripts.
pub fn push(muster: &Muster, bare: &Path, nodes: usize, rows: &mut Vec<Row>) {
    let mut seconds = Vec::new();
    for turn in 0..PAIRS {
        let started = edit_and_push(bare, nodes, turn);
        seconds.push(wait(muster, turn, started).as_secs_f64());
    }
    rows.push(Row::bounded("push of one group to served script, 10,000 nodes", Spread::of(seconds), "s", "<= 1.5"));
}

/// Measures the peak of resident memory after one Snapshot followed another.
pub fn memory(muster: &Muster, bare: &Path, nodes: usize, rows: &mut Vec<Row>) {
    for turn in 0..2 {
        let started = edit_and_push(bare, nodes, turn);
        wait(muster, turn, started);
    }
    let peak = Spread::of(vec![peak_mib(muster.pid)]);
    rows.push(Row::bounded("peak resident memory over swaps, 100,000 nodes", peak, "MiB", "<= 1024"));
}

/// Changes a parameter of all nodes and pushes it; returns when the push began.
pub fn edit_and_push(bare: &Path, nodes: usize, turn: usize) -> Instant {
    let clone = clone_of(bare.parent().expect("the repository is in a folder"), nodes);
    let group = clone.join("groups/base.toml");
    let text = std::fs::read_to_string(&group).expect("the group is there");
    let from = text.find("bench.turn=").map_or_else(|| "\"quiet\"".to_owned(), |at| text[at - 1..at + 14].to_owned());
    let word = format!("\"bench.turn={turn:03}");
    let edited =
        if from == "\"quiet\"" { text.replace(&from, &format!("{word}\"")) } else { text.replace(&from, &word) };
    std::fs::write(&group, edited).expect("the group can be written");
    git(&clone, &["commit", "--quiet", "--all", "--message", &format!("turn {turn}")]);
    let started = Instant::now();
    git(&clone, &["push", "--quiet", &bare.display().to_string(), "main"]);
    started
}

/// Waits until the change is in a served script; returns how long it took.
pub fn wait(muster: &Muster, turn: usize, started: Instant) -> Duration {
    let wanted = format!("bench.turn={turn:03}");
    while !client::once(&muster.boot, &fixture::mac(9)).contains(&wanted) {
        assert!(started.elapsed() < Duration::from_secs(120), "the push is never served");
        std::thread::sleep(Duration::from_millis(5));
    }
    started.elapsed()
}

pub fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=bench", "-c", "user.email=bench@example", "-c", "commit.gpgsign=false"];
    let status = Command::new("git").args(identity).args(arguments).current_dir(folder).status();
    assert!(status.expect("git runs").success(), "git {arguments:?}");
}
