//! Power cuts in the middle of surveys: the store opens, and what was remembered stays.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::{Plan, Site, Value};
use ::muster::observed::Observed;
use ::muster::simulate::{Options, Timing};
use ::muster::store::Store;

/// How many surveys are killed at a time, and how often each.
const SURVEYS: usize = 3;
const KILLS: usize = 80;

/// How many servers are killed, each so often.
const SERVERS: usize = 5;
const SERVER_KILLS: usize = 5;

/// Reads all that the store remembers.
///
/// # Panics
/// When it does not open, was replaced by a new one, or has a record that cannot be read.
#[track_caller]
fn remembered(site: &Site) -> Observed {
    let (store, _) = Store::open_any(&site.store(), 0).expect("the store opens");
    let observed = store.observed().expect("it can be read");
    assert_eq!(store.trouble(), None);
    assert!(store.refused_logins().expect("it can be read").is_empty());
    for record in observed.bmcs.values().filter(|record| record.seen_deep.is_some()) {
        let systems = record.service().and_then(|service| service.systems.seen()).expect("it was seen");
        for system in systems {
            let bios = system.bios.seen().expect("it was read");
            assert!(observed.shared.bios(*bios).is_some(), "{}: its BIOS settings are there", record.bmc);
        }
    }
    observed
}

type Times = BTreeMap<Box<str>, (i64, Option<i64>)>;

fn times(observed: &Observed) -> Times {
    observed.bmcs.iter().map(|(name, record)| (name.clone(), (record.tried, record.seen))).collect()
}

/// Tells that nothing was forgotten, and nothing is older than it was.
#[track_caller]
fn assert_kept(before: &Times, after: &Times) {
    for (bmc, time) in before {
        let now = after.get(bmc).unwrap_or_else(|| panic!("{bmc} was remembered, and is not any more"));
        assert!(now >= time, "{bmc}: {now:?} is older than {time:?}");
    }
}

#[test]
fn a_survey_that_is_killed_loses_nothing_that_was_remembered() {
    thread::scope(|scope| (0..SURVEYS).for_each(|_| drop(scope.spawn(kill_surveys))));
}

fn kill_surveys() {
    // A BMC's sessions outlive who opened them, and there are few.
    let timing = Timing { session_idle: 500, ..Timing::default() };
    let site = Plan { options: Options { timing, ..Options::default() }, ..Plan::default() }.site();
    let mut known = Times::new();
    let (mut cut, mut grown) = (0, 0);
    // How late a kill may come follows what happened before, so that kills fall all over a survey on any machine.
    let mut reach = 250_000;
    for round in 0..KILLS {
        let mut command = site.command(&["discover", "--concurrency", "2"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("muster starts");
        thread::sleep(Duration::from_micros(fastrand::u64(0..reach)));
        child.kill().expect("our child can be killed");

        let was_cut = !child.wait().expect("our child can be waited for").success();
        cut += usize::from(was_cut);
        if !was_cut {
            reach -= reach / 5;
        }
        if !site.store().exists() {
            reach += reach / 10;
            continue;
        }

        let now = times(&remembered(&site));
        assert_kept(&known, &now);
        grown += usize::from(now != known);
        if now == known {
            reach += reach / 10;
        }
        known = now;

        if round % 30 == 29 {
            // From nothing again: the first commits are others than the later ones.
            std::fs::remove_file(site.store()).expect("it is there");
            known.clear();
        }
    }
    assert!(cut > KILLS / 3, "{cut} of {KILLS} were still running");
    assert!(grown > KILLS / 20, "{grown} of {KILLS} wrote something");
    // On a busy machine a session may end by its short idle time in the middle of a survey; the next one reads all.
    let mut said = site.discover(&[]);
    for _ in 0..20 {
        if said.code == Some(0) {
            break;
        }
        said = site.discover(&[]);
    }
    let said = said.exits(0);
    assert_eq!(remembered(&site).bmcs.len(), 8, "{said:?}");
    site.drift(&[]).exits(0);
}

#[test]
fn a_server_that_is_killed_in_its_surveys_loses_nothing_that_was_remembered() {
    let killed = || {
        let site = Plan::default().site();
        site.loops("sweep = \"50ms\"\ndeep = \"300ms\"\n");
        let mut known = Times::new();
        for round in 0..SERVER_KILLS {
            let served = site.serve();
            // Before, while and after its first observations are written; once, when all of them are.
            if round == SERVER_KILLS / 2 {
                let seen_all = |status: &Value| status["survey"]["seen"] == 8;
                site.until(&served, "all BMCs were seen", seen_all);
            }
            thread::sleep(Duration::from_millis(fastrand::u64(0..3_000)));
            served.kill();
            let now = times(&remembered(&site));
            assert_kept(&known, &now);
            known = now;
        }
        known.len()
    };
    let known: Vec<usize> = thread::scope(|scope| {
        let all: Vec<_> = (0..SERVERS).map(|_| scope.spawn(killed)).collect();
        all.into_iter().map(|one| one.join().expect("nothing was lost")).collect()
    });
    assert!(known.iter().all(|known| *known == 8), "surveys were in progress: {known:?}");
}
