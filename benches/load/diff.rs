//! What a review costs: `muster diff` of one edited group of all nodes, read from git objects by a process of its own.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::PAIRS;
use crate::landing::{edit_and_push, repository};
use crate::table::{Row, Spread};

/// A turn that no other measurement makes.
const TURN: usize = 100;

/// Measures a whole process that loads two commits, compares and folds them, and writes Markdown.
pub fn measure(folder: &Path, rows: &mut Vec<Row>) {
    let (few, bytes) = of(folder, 10_000);
    rows.push(Row::bounded("diff of one group, cold, 10,000 nodes", Spread::of(few), "s", "<= 1.5"));
    rows.push(Row::bounded("bytes of its Markdown", Spread::of(bytes), "B", "<= 60000"));
    let (many, _) = of(folder, 100_000);
    rows.push(Row::bounded("diff of one group, cold, 100,000 nodes", Spread::of(many), "s", "<= 15"));
}

/// Returns the seconds and the bytes of each turn.
fn of(folder: &Path, nodes: usize) -> (Vec<f64>, Vec<f64>) {
    let bare = repository(folder, nodes);
    edit_and_push(&bare, nodes, TURN);
    let (mut seconds, mut bytes) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let started = Instant::now();
        let mut diff = Command::new(env!("CARGO_BIN_EXE_muster"));
        let diff = diff.args(["diff", "main~1", "main", "--format", "markdown", "--repo"]).arg(&bare);
        let output = diff.output().expect("muster runs");
        seconds.push(started.elapsed().as_secs_f64());
        bytes.push(output.stdout.len() as f64);
        let text = String::from_utf8_lossy(&output.stdout);
        let is_told = output.status.code() == Some(1) && text.contains(&format!("bench.turn={TURN:03}"));
        assert!(is_told, "the change is told: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    (seconds, bytes)
}
