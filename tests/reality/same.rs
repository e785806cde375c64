//! The same world gives the same report, whatever it is read from; a world that is not seen is unknown.

use std::fs;

use super::{Plan, Value, found};

const FORMATS: [&str; 6] = ["text", "json", "markdown", "junit", "sarif", "github"];

#[test]
fn a_fleet_that_was_never_seen_or_is_gone_is_unknown() {
    let mut site = Plan { drift: 5, ..Plan::default() }.site();
    let said = site.drift(&[]).exits(2);
    assert!(said.err.contains("there is no store") && said.err.contains("muster discover"), "{said:?}");
    site.discover(&["r0001b01"]).exits(0);
    let report = site.drift(&["nid[000002-000008]", "--format", "json"]).exits(3).json();
    assert_eq!((&report["summary"]["unknown"], &report["summary"]["total"]), (&7.into(), &7.into()));

    site.discover(&[]).exits(0);
    assert_eq!(site.report(&[])["summary"]["unknown"], 0);
    site.stop_fleet();
    site.discover(&[]).exits(3);
    let report = site.drift(&["--format", "json"]).exits(3).json();
    let summary = &report["summary"];
    assert_eq!((&summary["unknown"], &summary["in_sync"], &summary["drifted"]), (&8.into(), &0.into(), &0.into()));
    for finding in report["findings"].as_array().unwrap() {
        assert_eq!(finding["verdict"], "unknown");
        assert!(finding["why"].as_str().unwrap().contains("refused"), "{finding:#}");
        assert!(finding["since"]["oldest"].is_string(), "{finding:#}");
    }
    for format in FORMATS {
        let said = site.drift(&["--format", format]).exits(3);
        assert!(
            said.out.contains("nid[000001-000008]") || said.out.contains("nid000001") || format == "junit",
            "{format} names whom it does not know: {}",
            said.out
        );
    }
}

/// Takes every time out of a report.
fn timeless(report: &mut Value) {
    const TIMES: [&str; 4] = ["at", "since", "seen", "observed"];
    match report {
        Value::Object(all) => {
            // A finding's `seen` is a value, a node's a time.
            let is_finding = all.contains_key("verdict");
            all.retain(|key, _| !TIMES.contains(&key.as_str()) || (is_finding && key == "seen"));
            all.values_mut().for_each(timeless);
        }
        Value::Array(all) => all.iter_mut().for_each(timeless),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_lost_store_and_another_survey_give_the_same_drift() {
    for models in ["generic", "cray", "gh200"] {
        let site = Plan { nodes: 12, models, drift: 15, ..Plan::default() }.site();
        let told = || {
            site.discover(&[]).exits(0);
            let mut report = site.report(&[]);
            timeless(&mut report);
            report
        };
        let first = told();
        assert_eq!(found(&first, "drifted").len(), 15);
        assert_eq!(told(), first, "a second survey changes nothing");
        fs::remove_file(site.store()).expect("it is there");
        assert_eq!(told(), first, "{models}");
    }
}

#[test]
fn the_same_world_gives_the_same_bytes_in_every_format() {
    let site = Plan { nodes: 16, models: "idrac", drift: 30, ..Plan::default() }.site();
    let file = site.file("seen.json");
    site.discover(&["--export", &file]).exits(0);
    let at = "2031-02-03T04:05:06Z";
    let of_store = |format: &str| site.drift(&["--at", at, "--format", format]).exits(1).out;
    let of_file = |format: &str| site.drift(&["--at", at, "--format", format, "--observed", &file]).exits(1).out;
    let before: Vec<String> = FORMATS.iter().map(|format| of_store(format)).collect();
    for (format, before) in FORMATS.iter().zip(&before) {
        assert!(!before.is_empty());
        assert_eq!(&of_store(format), before, "{format}, again");
        assert_eq!(&of_file(format), before, "{format}, from an export");
    }
    // CI has the file and the wishes, and neither a store nor settings.
    let elsewhere = tempfile::tempdir().unwrap();
    for (format, before) in FORMATS.iter().zip(&before).skip(1) {
        let out = elsewhere.path().join("report");
        let mut command = super::muster::command(&site.wishes.clone_dir());
        command.args(["drift", "--at", at, "--observed", &file, "--output"]);
        let said = super::Said::of(command.arg(format!("{format}={}", out.display())).output().unwrap()).exits(1);
        assert_eq!(fs::read_to_string(&out).unwrap(), *before, "{format}: {}", said.err);
    }
}
