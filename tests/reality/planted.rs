//! Drift finds what was planted, all of it, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::{Found, Plan, Said, Site, Value, found, muster};
use ::muster::drift::canonical;
use ::muster::simulate::{Faults, Options};

/// Every model, and how many differences its machines bear.
const MODELS: [&str; 9] = ["generic", "idrac", "ilo", "ami", "cray", "openbmc", "supermicro", "gh200", "lenovo"];

/// Writes a value of the list of planted differences as a report would.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn places(found: &[Found]) -> BTreeSet<(&str, &str)> {
    found.iter().map(|(node, attribute, ..)| (&**node, &**attribute)).collect()
}

/// Compares the report with the list of planted differences, values and all.
#[track_caller]
fn assert_exactly(site: &Site, report: &Value, what: &str) {
    let drifted = found(report, "drifted");
    let planted: BTreeSet<(&str, &str)> = site.planted.iter().map(|one| (&*one.node, &*one.attribute)).collect();
    let seen = places(&drifted);
    let missing: Vec<_> = planted.difference(&seen).collect();
    let surplus: Vec<_> = seen.difference(&planted).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "{what}: not found {missing:?}; not planted {surplus:?}");
    for (node, attribute, wished, seen) in &drifted {
        let one = site.planted.iter().find(|one| (&*one.node, &*one.attribute) == (node, attribute));
        let one = one.expect("the sets are equal");
        assert!(canonical::same_text(wished, &text(&one.wished)), "{what}: {one:?} is wished to be {wished}");
        assert!(canonical::same_text(seen, &text(&one.planted)), "{what}: {one:?} is seen as {seen}");
    }
}

fn survey_and_compare(plan: Plan) {
    let is_partial = plan.models == "supermicro";
    let what = format!("{} BMCs of {}, seed {}, tls {}", plan.nodes, plan.models, plan.seed, plan.options.tls);
    let drift = plan.drift;
    let site = plan.site();
    // It wants a licence for its BIOS settings; links that lead nowhere, as ami has them, are no reason to ask again.
    site.discover(&[]).exits(if is_partial { 3 } else { 0 });
    let said = site.drift(&["--format", "json"]).exits(i32::from(drift > 0));
    assert_exactly(&site, &said.json(), &what);
    let unknown = found(&said.json(), "unknown");
    assert_eq!(unknown, [], "{what}: a sound BMC tells all that is managed");
}

#[test]
fn every_model_shows_what_was_planted_and_nothing_else() {
    for (at, models) in MODELS.into_iter().enumerate() {
        let (seed, tls) = (at as u64, at % 3 == 0);
        survey_and_compare(Plan { nodes: 12, models, seed, drift: 25, options: Options { tls, ..Options::default() } });
    }
}

#[test]
fn a_fleet_as_wished_has_no_drift() {
    for (at, models) in MODELS.into_iter().enumerate() {
        survey_and_compare(Plan { nodes: 4, models, seed: 40 + at as u64, ..Plan::default() });
    }
}

#[test]
fn sixty_machines_over_tls_show_what_was_planted_whatever_the_seed() {
    for seed in 1..=3 {
        let options = Options { tls: true, ..Options::default() };
        survey_and_compare(Plan { nodes: 60, models: "generic", seed, drift: 40, options });
    }
}

#[test]
fn faults_make_attributes_unknown_and_never_wrong() {
    let mut unread = 0;
    for seed in 1..=4 {
        let text = "delay=0.1:1-20,drop=0.02,error=0.03,half=0.02,unauthorised=0.01,on=0.8";
        let faults = Faults { seed, ..text.parse().expect("it is a list of faults") };
        let options = Options { faults, tls: seed % 2 == 0, ..Options::default() };
        let site = Plan { nodes: 12, models: MODELS[seed as usize], seed, drift: 20, options }.site();
        for _ in 0..2 {
            let said = site.discover(&[]);
            assert!(matches!(said.code, Some(0 | 3)), "{said:?}");
            let report = site.report(&[]);
            let planted: BTreeSet<(&str, &str)> =
                site.planted.iter().map(|one| (&*one.node, &*one.attribute)).collect();
            let drifted = found(&report, "drifted");
            let wrong: Vec<_> = places(&drifted).difference(&planted).copied().collect();
            assert_eq!(wrong, [], "seed {seed}");
            // What is neither found nor told to be unknown would pass for in sync.
            let unknown = found(&report, "unknown");
            let (drifted, unknown) = (places(&drifted), places(&unknown));
            for place in planted.difference(&drifted) {
                assert!(unknown.contains(place) || unknown.contains(&(place.0, "")), "seed {seed}: {place:?}");
            }
            unread += unknown.len();
        }
    }
    assert!(unread > 0, "the faults did something");
}

/// A fleet in a process of its own.
struct Simulated(Child);

impl Drop for Simulated {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_fleet_of_its_own_process_shows_what_its_list_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = muster::command(dir.path());
    command.args(["simulate", "--nodes", "130", "--models", "generic=50,ilo=25,cray=25", "--seed", "11", "--tls"]);
    command.args(["--drift", "30", "--drift-out", "planted.json", "--settings-out", "muster.toml"]);
    let mut child = command.args(["--wishes-out", "wishes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _fleet = Simulated(child);
    assert!(line.contains("130 systems") && line.contains("30 differences planted"), "{line}");
    let run = |args: &[&str]| {
        let more = ["--repo", "wishes", "--config", "muster.toml", "--store", "seen.redb"];
        Said::of(muster::run(dir.path(), &[args, &more].concat()))
    };
    run(&["discover"]).exits(0);
    let report = run(&["drift", "--format", "json"]).exits(1).json();
    let planted: Vec<Value> = serde_json::from_slice(&fs::read(dir.path().join("planted.json")).unwrap()).unwrap();
    let of = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let planted: BTreeSet<_> = planted.iter().map(|one| (of(one, "node"), of(one, "attribute"))).collect();
    let drifted = found(&report, "drifted");
    let drifted: BTreeSet<_> = drifted.into_iter().map(|(node, attribute, ..)| (node, attribute)).collect();
    assert_eq!(planted.len(), 30);
    assert_eq!(drifted, planted);
}
