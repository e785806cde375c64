//! A site's first day: drift that is borne for a while, exit codes, and reports for machines and people.

use std::fs;
use std::process::{Command, Stdio};

use super::{Plan, Said, Site, Value, found, muster};
use ::muster::simulate::{Choices, Mix};

const AT: &str = "2031-02-03T04:05:06Z";

fn at<'a>(time: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--at", time], more].concat()
}

#[test]
fn what_is_accepted_is_borne_until_the_end_of_its_last_day() {
    let site = Plan { nodes: 12, drift: 20, ..Plan::default() }.site();
    site.discover(&[]).exits(0);
    let write = ["--write-exceptions", "accepted", "--owner", "ada@site.example", "--expires", "2031-03-01"];
    let said = site.drift(&at(AT, &write)).exits(1);
    assert!(said.err.contains("accepted.toml"), "{said:?}");
    site.run_plain(&["check", "--strict"]).exits(0);
    let said = site.drift(&at(AT, &["--format", "json"])).exits(0);
    let report = said.json();
    assert_eq!((found(&report, "drifted").len(), found(&report, "excepted").len()), (0, 20));
    assert_eq!(report["warnings"], Value::Array(Vec::new()), "each is used");
    let owner = |finding: &Value| finding["exception"]["owner"] == "ada@site.example";
    assert!(report["findings"].as_array().unwrap().iter().all(owner), "{report:#}");
    // A file that is there is never written over.
    site.drift(&at(AT, &write)).exits(0);
    let more = site.drift(&at("2031-03-02T00:00:00Z", &write)).exits(2);
    assert!(more.err.contains("name another file"), "{more:?}");

    site.drift(&at("2031-03-01T23:59:59Z", &[])).exits(0);
    let said = site.drift(&at("2031-03-02T00:00:00Z", &["--format", "json"])).exits(1);
    assert_eq!(found(&said.json(), "drifted").len(), 20);
    // Only the value that was seen is excepted.
    let first = &site.planted[0];
    let node = first.node.to_string();
    assert!(site.fleet().plant(&node, "memory_gib", 99).is_some());
    site.discover(&[]).exits(0);
    let report = site.drift(&at(AT, &["--format", "json"])).exits(1).json();
    let drifted = found(&report, "drifted");
    assert!(drifted.len() == 1 && drifted[0].0 == node && drifted[0].1 == "memory_gib", "{drifted:?}");
}

#[test]
fn exit_codes_are_what_was_asked_for() {
    let mut site = Plan { drift: 1, ..Plan::default() }.site();
    let drifted = site.planted[0].node.to_string();
    site.discover(&[]).exits(0);
    let fails_on = |site: &Site, conditions: &str| site.drift(&["--fail-on", conditions]).code;
    assert_eq!(site.drift(&[]).code, Some(1));
    assert_eq!(fails_on(&site, "drift"), Some(1));
    assert_eq!(fails_on(&site, "drift>1"), Some(0));
    assert_eq!(fails_on(&site, "drift>50%"), Some(0));
    assert_eq!(fails_on(&site, "unknown"), Some(0));
    assert_eq!(fails_on(&site, "stale>24h"), Some(0));
    let said = site.drift(&["--fail-on", "stale>24h", "--at", AT]);
    assert!(matches!(said.code, Some(1 | 3)), "years later it is stale: {said:?}");
    assert_eq!(fails_on(&site, "drfit"), Some(2));
    // A set of nodes, and a name that nobody has.
    assert_eq!(site.drift(&[&drifted]).code, Some(1));
    assert_eq!(site.drift(&[&format!("@generic!{drifted}")]).code, Some(0));
    assert_eq!(site.drift(&["nid000099"]).code, Some(2));
    // One survey of two that are wanted, then the other.
    let report = site.drift(&["--confirm", "2", "--format", "json"]).exits(0).json();
    assert_eq!((found(&report, "drifted").len(), found(&report, "settling").len()), (0, 1), "{report:#}");
    site.discover(&[]).exits(0);
    site.drift(&["--confirm", "2"]).exits(1);
    site.stop_fleet();
    site.discover(&[]).exits(3);
    assert_eq!(site.drift(&[]).code, Some(3));
    assert_eq!(fails_on(&site, "drift"), Some(0));
    assert!(matches!(fails_on(&site, "unknown>1%"), Some(1 | 3)));
    assert_eq!(fails_on(&site, "unknown>100%"), Some(0));
}

#[test]
fn reports_of_a_cluster_in_a_subfolder_point_into_the_repository() {
    let mix: Mix = "generic".parse().unwrap();
    let (files, models) = ::muster::simulate::wishes(8, &mix, 3);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let choices = Choices { seed: 3, models, surplus: super::FEW, ..Choices::default() };
    let site = Plan { nodes: 8, seed: 3, drift: 10, ..Plan::default() }.of(&files, &choices);
    site.discover(&[]).exits(0);
    // The same cluster one folder down.
    site.wishes.git(&["mv", "-k", "cluster.toml", "nodes", "groups", "boot", "networks", "."]);
    fs::create_dir_all(site.wishes.clone_dir().join("sites/east")).unwrap();
    for name in ["cluster.toml", "nodes", "groups", "boot", "networks"] {
        site.wishes.git(&["mv", name, "sites/east/"]);
    }
    site.wishes.publish("several clusters in one repository");
    let (sarif, junit) = (site.file("drift.sarif"), site.file("drift.xml"));
    let outputs = format!("sarif={sarif}");
    let other = format!("junit={junit}");
    site.drift(&["--path", "sites/east", "--output", &outputs, "--output", &other]).exits(1);
    let check = |sarif: &str| {
        let sarif: Value = serde_json::from_str(&fs::read_to_string(sarif).unwrap()).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        assert!(!results.is_empty());
        for result in results {
            let place = &result["locations"][0]["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.starts_with("sites/east/"), "{uri}");
            let lines = site.wishes.read(uri).lines().count() as u64;
            let line = place["region"]["startLine"].as_u64().unwrap();
            assert!((1..=lines).contains(&line), "{uri}:{line} of {lines}");
        }
    };
    check(&sarif);
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(
        xml.starts_with("<?xml") && xml.contains("<testsuites") && xml.trim_end().ends_with("</testsuites>"),
        "{xml}"
    );
    assert_eq!(xml.matches("<testcase ").count(), 8, "{xml}");
    // From inside of the folder, and of a commit.
    let inside = |args: &[&str]| {
        let mut command = muster::command(&site.wishes.clone_dir().join("sites/east"));
        command.args(["drift", "--format", "sarif"]).args(args).arg("--store").arg(site.store());
        let said = Said::of(command.output().unwrap()).exits(1);
        fs::write(&sarif, said.out).unwrap();
        check(&sarif);
    };
    inside(&[]);
    inside(&["--rev", "HEAD"]);
}

#[test]
fn a_pipe_gets_plain_text_of_eighty_columns_and_may_close() {
    let site = Plan { nodes: 60, drift: 40, ..Plan::default() }.site();
    site.discover(&[]).exits(0);
    let said = site.drift(&[]).exits(1);
    assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "{said:?}");
    let count = said.out.trim_end().lines().last().unwrap();
    assert!(count.contains("40") || count.contains("drift"), "the last line is a count: {count}");
    let wide: Vec<&str> = said.out.lines().filter(|line| line.chars().count() > 80).collect();
    assert_eq!(wide, Vec::<&str>::new());
    for format in ["text", "json", "sarif"] {
        let mut bash = Command::new("bash");
        let line = "set -o pipefail; \"$0\" drift --format \"$1\" --store \"$2\" | head -c 1";
        bash.arg("-c").arg(line).arg(env!("CARGO_BIN_EXE_muster")).arg(format).arg(site.store());
        let output = bash.current_dir(site.wishes.clone_dir()).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1)) && said.is_empty(), "{format}: {output:?}");
    }
}
