//! Surveys with killed processes, and with a full disk.

use std::io::{self, BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use super::surveys::{failed, in_memory, seen};
use super::*;
use muster_core::observed::{Depth, Observation, Observed};

const BMCS: u64 = 16;

/// The number of times that the child is killed.
const KILLS: u64 = 200;

/// Returns a numbered batch: four BMCs of sixteen, so that four batches cover them all.
fn batch(number: u64) -> Vec<Observation> {
    let one = |n: u64| {
        let (bmc, at) = (format!("bmc{:02}", n % BMCS), i64::try_from(n).unwrap());
        let depth = if n.is_multiple_of(3) { Depth::Sweep } else { Depth::Deep };
        let version = u8::try_from(n / 40 % 6).unwrap();
        if n % 11 == 5 { failed(&bmc, at, depth) } else { seen(&bmc, at, version, depth) }
    };
    (number * 4..number * 4 + 4).map(one).collect()
}

/// Counts the batches in a store, from the newest try of a record.
fn batches(observed: &Observed) -> u64 {
    let newest = observed.bmcs.values().map(|record| record.tried).max();
    newest.map_or(0, |newest| u64::try_from(newest).unwrap() / 4 + 1)
}

#[test]
fn no_acknowledged_survey_is_lost_by_being_killed() {
    let place = Place::new();
    drop(place.open());
    let mut expected = Observed::default();
    let mut taken = 0;
    let mut cut_short = 0;
    for round in 0..KILLS {
        let mut child = child("tests::survive::child_surveys_until_killed", &place.file)
            .env("MUSTER_TEST_FROM", taken.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.by_ref().any(|line| line.contains("opened")), "the child did not open it");
        // Every other kill comes after a write, however slow the machine is.
        let first = if round % 2 == 0 { lines.next() } else { None };
        std::thread::sleep(Duration::from_micros(round * 7_919 % 23_000));
        child.kill().unwrap();
        let told = first
            .into_iter()
            .chain(lines)
            .filter_map(|line| Some(line.split_once("done ")?.1.parse::<u64>().unwrap()))
            .last();
        child.wait().unwrap();

        let (store, opened) = place.open();
        assert_eq!(opened, Opened::Existing, "round {round}");
        let observed = store.observed().unwrap();
        assert_eq!(store.trouble(), None, "round {round}");
        let acknowledged = told.map_or(taken, |last| last + 1);
        let found = batches(&observed);
        assert!(found == acknowledged || found == acknowledged + 1, "acknowledged {acknowledged}, found {found}");
        cut_short += u64::from(found > acknowledged);
        (taken..found).flat_map(batch).for_each(|observation| expected.take(&observation));
        assert_eq!(observed.bmcs, expected.bmcs, "round {round}");
        let needed = expected.bmcs.values().flat_map(|record| record.digests());
        needed.for_each(|digest| assert_eq!(observed.shared.get(digest), expected.shared.get(digest)));
        taken = found;
    }
    eprintln!("{KILLS} kills, {taken} batches, {cut_short} stored and not yet acknowledged");
    assert!(taken >= KILLS / 2, "{taken} batches: most kills met no write");
    let all: Vec<Observation> = (0..taken).flat_map(batch).collect();
    assert_eq!(place.open().0.observed().unwrap(), in_memory(&all), "no set is left over");
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn child_surveys_until_killed() {
    let from: u64 = std::env::var("MUSTER_TEST_FROM").unwrap().parse().unwrap();
    let (store, _) = Store::open(&told(), &ours(), NOW).unwrap();
    println!("opened");
    for number in from.. {
        store.record_observations(&batch(number)).unwrap();
        println!("done {number}");
    }
}

/// Runs on its own 8 MB file system, if the system lets a test mount one.
#[test]
fn surveys_on_a_file_system_that_is_really_full_are_refused_whole() {
    on_a_small_file_system("tests::survive::child_surveys_on_a_full_disk");
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn child_surveys_on_a_full_disk() {
    let file = told();
    let filler = file.with_file_name("filler");
    let (store, _) = Store::open(&file, &ours(), NOW).unwrap();
    let mut acknowledged: Vec<Observation> = (0..20).flat_map(batch).collect();
    store.record_observations(&acknowledged).unwrap();
    let full = io::copy(&mut io::repeat(1), &mut std::fs::File::create(&filler).unwrap()).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    // Small batches fit into pages that the file already has; sooner or later one does not.
    let many = |n: i64| -> Vec<Observation> {
        (0..2_000).map(|b| seen(&format!("rack{n}-{b:04}"), 1_000 + n, (b % 200) as u8, Depth::Deep)).collect()
    };
    let mut refused = None;
    for n in 0..50 {
        match store.record_observations(&many(n)) {
            Ok(()) => acknowledged.extend(many(n)),
            Err(error) => {
                refused = Some((n, error));
                break;
            }
        }
    }
    let (n, error) = refused.expect("the file system has an end");
    assert!(error.is_disk() && store.trouble().is_some(), "{error:?}");
    drop(store);

    let (store, opened) = Store::open(&file, &ours(), NOW).unwrap();
    assert_eq!(opened, Opened::Existing, "a start on a full disk");
    assert_eq!(store.observed().unwrap(), in_memory(&acknowledged));
    store.record_observations(&many(n)).unwrap_err();
    std::fs::remove_file(&filler).unwrap();
    let mut tries = 0;
    while let Err(error) = store.record_observations(&many(n)) {
        assert!(error.is_disk(), "{error:?}");
        tries += 1;
        assert!(tries < 300, "never came back: {error:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    acknowledged.extend(many(n));
    assert_eq!(store.observed().unwrap(), in_memory(&acknowledged));
    drop(store);
    let (store, _) = Store::open(&file, &ours(), NOW).unwrap();
    assert_eq!(store.observed().unwrap(), in_memory(&acknowledged));
}
