//! Ten thousand nodes: what is bounded stays within its bound, and says how much is missing.

use super::scene::{AT, Scene, finding};
use muster::drift::{Drift, Subject, Verdict};
use muster::report::{Format, MAX_MARKDOWN_BYTES, MAX_SARIF_RESULTS};
use serde_json::Value;

const NODES: usize = 10_000;

/// So many differences, no two alike, each value so many characters long.
fn unlike(scene: &Scene, differences: usize, long: usize) -> Drift {
    let origin = Some(scene.origin("groups/compute.toml", "\"Disabled\""));
    let one = |at: usize| {
        let seen = format!("{at}{}", "ü|`".repeat(long / 3));
        let attribute = format!("bios.attributes.Attribute{at}");
        let subject = Subject::Node(format!("x1000c{}s{}b0n{}", at / 64, at / 2 % 32, at % 2).into());
        finding(subject, &attribute, Verdict::Drifted { since: Some(AT) }, (Some("Disabled"), Some(&seen)), origin)
    };
    scene.drift(NODES, (0..differences).map(one).collect())
}

/// How many differences a report says that it does not show.
fn missing(text: &str) -> usize {
    let before = text.split(" more difference").next().filter(|before| before.len() < text.len());
    before.and_then(|before| before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn markdown_has_room_for_a_comment_and_counts_the_rest() {
    let scene = Scene::new();
    for (differences, long) in [(500, 0), (500, 60), (NODES, 0), (NODES, 5_000)] {
        let text = scene.write(&unlike(&scene, differences, long), Format::Markdown);
        assert!(text.len() <= MAX_MARKDOWN_BYTES && text.len() < 60_001, "{differences}: {}", text.len());
        let shown = text.lines().filter(|line| line.starts_with("| `x1000")).count();
        assert_eq!(shown + missing(&text), differences, "{shown} are shown");
        assert!(shown >= 60, "{shown} of {differences} is next to nothing");
    }
}

#[test]
fn what_is_listed_below_the_tables_has_room_too() {
    let scene = Scene::new();
    let mut drift = unlike(&scene, NODES, 600);
    let warning = scene.of_everything().warnings.remove(1);
    let long = |mut warning: muster::model::Diagnostic| {
        warning.message = "`|ü".repeat(4_000);
        warning
    };
    drift.warnings = vec![long(warning); 5_000];
    let text = scene.write(&drift, Format::Markdown);
    assert!(text.len() <= MAX_MARKDOWN_BYTES, "{}", text.len());
    assert!(text.contains("- and 4990 more warnings\n"), "{text}");
    assert!(missing(&text) > 0);
}

#[test]
fn sarif_has_no_more_than_github_shows_and_says_so() {
    let scene = Scene::new();
    let text = scene.write(&unlike(&scene, NODES, 300), Format::Sarif);
    // GitHub takes 10 MB, packed.
    assert!(text.len() < 20_000_000, "{}", text.len());
    let log: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(log["runs"][0]["results"].as_array().map(Vec::len), Some(MAX_SARIF_RESULTS));
    let notes = log["runs"][0]["invocations"][0]["toolExecutionNotifications"].to_string();
    assert_eq!(missing(&notes), NODES - MAX_SARIF_RESULTS, "{notes}");
}

#[test]
fn github_gets_no_more_than_it_shows_and_is_told_the_rest() {
    let scene = Scene::new();
    let text = scene.write(&unlike(&scene, NODES, 300), Format::Github);
    assert_eq!(text.lines().filter(|line| line.starts_with("::error ")).count(), 10);
    assert!(text.lines().last().is_some_and(|line| line.contains("; 9990 differences more,")), "{text}");
}

/// The rest hold everything.
#[test]
fn text_json_and_junit_tell_all() {
    let scene = Scene::new();
    let drift = unlike(&scene, NODES, 30);
    let text = scene.write(&drift, Format::Text);
    assert_eq!(text.matches("bios.attributes.Attribute").count(), NODES);
    let json: Value = serde_json::from_str(&scene.write(&drift, Format::Json)).expect("it is JSON");
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(NODES));
    let junit = scene.write(&drift, Format::Junit);
    assert_eq!(junit.matches("<testcase ").count(), NODES);
}

#[test]
fn a_fingerprint_outlives_more_nodes_and_moved_lines() {
    let scene = Scene::new();
    let prints = |drift: &Drift| -> Vec<String> {
        let log: Value = serde_json::from_str(&scene.write(drift, Format::Sarif)).expect("it is JSON");
        let results = log["runs"][0]["results"].as_array().expect("there are results").clone();
        let print = |result: &Value| result["partialFingerprints"]["musterDrift/v1"].as_str().map(str::to_owned);
        results.iter().map(|result| print(result).expect("a fingerprint")).collect()
    };
    let before = scene.of_everything();
    let mut after = before.clone();
    // One node fewer, other times, another line of the same file.
    after.findings.remove(0);
    let moved = scene.origin("groups/compute.toml", "512");
    for finding in &mut after.findings {
        finding.observed = None;
        if let Verdict::Drifted { since } = &mut finding.verdict {
            *since = None;
        }
        if &*finding.attribute == "bios.attributes.LogicalProc" {
            finding.origin = Some(moved);
        }
    }
    let (mut one, mut other) = (prints(&before), prints(&after));
    one.sort();
    other.sort();
    assert_eq!(one, other);
    let count = one.len();
    one.dedup();
    assert_eq!(one.len(), count, "each is one result's");
}
