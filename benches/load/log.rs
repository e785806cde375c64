//! What going back costs: `muster log` of one node over a long history, against git's own reading of the same.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::PAIRS;
use crate::support::fixture;
use crate::table::{Row, Spread};

/// How many nodes there are, and how many commits.
const NODES: usize = 10_000;
const COMMITS: usize = 1_000;

/// Every so many commits one reaches the node; so the 20 that are asked for lie behind all others.
const REACHES: usize = 50;

/// How many commits are asked for.
const ASKED: usize = 20;

/// Measures `muster log NODE -n 20` as a whole process, and `git log` with every changed file read.
pub fn measure(folder: &Path, rows: &mut Vec<Row>) {
    let repo = history(folder);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let started = Instant::now();
        let mut log = Command::new(env!("CARGO_BIN_EXE_muster"));
        let output =
            log.args(["log", "nid00009", "-n", &ASKED.to_string(), "--repo"]).arg(&repo).output().expect("muster runs");
        ours.push(started.elapsed().as_secs_f64());
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        let looked = last.split(' ').next().and_then(|word| word.parse::<usize>().ok()).unwrap_or_default();
        let is_all = output.status.success() && looked > COMMITS - 2 * REACHES && last.contains("20 changed nid00009");
        assert!(is_all, "the history is told: {last} {}", String::from_utf8_lossy(&output.stderr));
        let started = Instant::now();
        read_by_git(&repo);
        theirs.push(started.elapsed().as_secs_f64());
    }
    let name = "log NODE -n 20 over 1,000 commits, 10,000 nodes";
    rows.push(Row::bounded(name, Spread::of(ours), "s", "<= 5.0"));
    rows.push(Row::plain("git log and git cat-file of each changed file", Spread::of(theirs), "s"));
}

/// Makes a bare repository of the fixture with edits of racks and groups on top, of which few reach any one node.
fn history(folder: &Path) -> PathBuf {
    let repo = folder.join("history.git");
    crate::landing::git(folder, &["init", "--quiet", "--bare", "--initial-branch=main", &repo.display().to_string()]);
    let files = fixture::files(NODES, true);
    let text_of = |path: &str| {
        let found = files.iter().find(|(other, _)| other == path).map(|(_, text)| text.as_str());
        found.expect("the fixture has the file")
    };
    let racks: Vec<&str> =
        files.iter().map(|(path, _)| path.as_str()).filter(|path| path.ends_with(".facts.csv")).collect();
    let mut stream = Vec::new();
    commit(&mut stream, 0, files.iter().map(|(path, text)| (path.as_str(), text.clone())));
    for turn in 1..COMMITS {
        let edit = match turn % REACHES {
            0 => {
                let params = format!("\"quiet\", \"bench.turn={turn:03}\"");
                ("groups/base.toml", text_of("groups/base.toml").replace("\"quiet\"", &params))
            }
            at if at % 10 == 3 => ("groups/gpu.toml", format!("{}vars.turn = {turn}\n", text_of("groups/gpu.toml"))),
            at if at % 10 == 7 => {
                ("groups/storage.toml", format!("{}vars.turn = {turn}\n", text_of("groups/storage.toml")))
            }
            // A replaced board, in any rack but the node's.
            _ => {
                let rack = racks[1 + turn % (racks.len() - 1)];
                (rack, text_of(rack).replacen(",SN", &format!(",R{turn}N"), 1))
            }
        };
        commit(&mut stream, turn, std::iter::once(edit));
    }
    let mut import = Command::new("git");
    let import = import.args(["fast-import", "--quiet"]).current_dir(&repo).stdin(Stdio::piped());
    let mut import = import.spawn().expect("git runs");
    import.stdin.take().expect("it is piped").write_all(&stream).expect("git reads");
    assert!(import.wait().expect("git ends").success(), "git fast-import");
    repo
}

fn commit<'f>(stream: &mut Vec<u8>, turn: usize, files: impl Iterator<Item = (&'f str, String)>) {
    let subject = format!("turn {turn}");
    let head = format!(
        "commit refs/heads/main\ncommitter bench <bench@example> {} +0000\ndata {}\n{subject}\n",
        1_767_225_600 + turn,
        subject.len()
    );
    stream.extend(head.bytes());
    for (path, text) in files {
        stream.extend(format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len()).bytes());
    }
}

/// Reads every file that any commit changed, as git stores them.
fn read_by_git(repo: &Path) {
    let listed = Command::new("git").args(["log", "--raw", "--no-abbrev", "--format="]).current_dir(repo).output();
    let listed = listed.expect("git runs").stdout;
    let ids = String::from_utf8_lossy(&listed);
    let ids: String = ids.lines().filter_map(|line| line.split(' ').nth(3)).map(|id| format!("{id}\n")).collect();
    let mut batch = Command::new("git");
    let batch = batch.args(["cat-file", "--batch"]).current_dir(repo).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut batch = batch.spawn().expect("git runs");
    batch.stdin.take().expect("it is piped").write_all(ids.as_bytes()).expect("git reads");
    assert!(batch.wait().expect("git ends").success(), "git cat-file");
    assert!(ids.lines().count() >= COMMITS, "every commit changed a file");
}
