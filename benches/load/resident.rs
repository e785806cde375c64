//! What a server of 10,000 nodes keeps in memory: after its start, after all nodes booted, and after it followed commits.

use std::path::Path;

use crate::process::{Muster, peak_mib, resident_mib};
use crate::support::fixture;
use crate::table::{Row, Spread};
use crate::{boots, landing};

const NODES: usize = 10_000;

/// How many commits follow one another: enough for what is kept of the earlier ones to reach its bounds.
const COMMITS: usize = 5;

/// Turns that no other measurement makes.
const FIRST_TURN: usize = 200;

pub fn measure(folder: &Path, rows: &mut Vec<Row>) {
    let repository = landing::repository(folder, NODES);
    let muster = Muster::start(&repository, &folder.join("resident.redb"));
    let started = resident_mib(muster.pid);
    let booted = boots::run(&muster.boot);
    let after_boots = resident_mib(muster.pid);
    for turn in FIRST_TURN..FIRST_TURN + COMMITS {
        let began = landing::edit_and_push(&repository, NODES, turn);
        landing::wait(&muster, turn, began);
    }
    // What follows a commit is stored and noted within this time, and what was before it is dropped.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert!(crate::client::once(&muster.boot, &fixture::mac(1)).contains("bench.turn="));
    let (followed, peak) = (resident_mib(muster.pid), peak_mib(muster.pid));

    let one = |value: f64| Spread::of(vec![value]);
    rows.push(Row::bounded("resident memory, 10,000 nodes, after the start", one(started), "MiB", "<= 120"));
    let errors = booted.errors;
    rows.push(Row { errors, ..Row::bounded("resident memory, after all booted", one(after_boots), "MiB", "<= 120") });
    rows.push(Row::bounded("resident memory, after five commits", one(followed), "MiB", "<= 120"));
    rows.push(Row::plain("its peak", one(peak), "MiB"));
}
