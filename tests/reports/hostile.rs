//! Values that try to break out of the format that tells them. BMCs are not ours: what they say is anybody's text.

use super::scene::{AT, Scene, finding, node};
use muster::drift::{Class, Drift, Excused, Settling, Subject, Verdict};
use muster::report::{DriftReport, Format};
use proptest::prelude::*;
use serde_json::Value;

/// Each is a text that means something to one of the formats.
pub const NASTY: [&str; 24] = [
    "a|b",
    "`code` and ``more``",
    "<script>alert(1)</script>",
    "@everyone",
    "]]>",
    "\u{1b}[31mred\u{7}\u{0}\u{85}\u{9b}",
    "100%0A%0D::error::",
    "::error file=a,line=1::b\n::warning::c",
    "\r\n\r\n# heading\n\n- list\n",
    "[link](https://evil.example)![image](x)",
    "https://evil.example/ www.evil.example a@b.example",
    "#1 owner/repo#2 GH-3 0123456789abcdef0123456789abcdef01234567",
    "&lt;b&gt; &#64;everyone &amp;",
    "</failure></testcase>",
    "\"quoted\" 'single'",
    "{0} {{1}} {name}",
    "\u{202e}reversed\u{200b}\u{feff}\u{2028}",
    "\\",
    "a\\",
    "\\|",
    "\\`",
    " ",
    "",
    "\u{fffe}\u{10ffff}",
];

/// A comparison that says a text in every place that a BMC or a person can fill.
pub fn saying(scene: &Scene, text: &str) -> Drift {
    let origin = scene.origin("groups/compute.toml", "\"Disabled\"");
    let text: Box<str> = text.into();
    let mut all = Vec::new();
    let until = jiff::civil::date(2026, 12, 31);
    let owner = text.clone();
    let excused = Excused::Exception { owner, reason: Some(text.clone()), until, origin };
    let verdicts = [
        Verdict::Drifted { since: Some(AT) },
        Verdict::Unknown { why: text.clone(), since: None },
        Verdict::Pending,
        Verdict::Settling(Settling::Post),
        Verdict::Excepted(excused),
    ];
    for verdict in verdicts {
        let system = Subject::System { bmc: text.clone(), system: text.clone() };
        for subject in [node(1), Subject::Node(text.clone()), Subject::Bmc(text.clone()), system] {
            for values in [(None, Some(&*text)), (Some(&*text), Some("x")), (Some(&*text), None)] {
                let mut one = finding(subject.clone(), &text, verdict.clone(), values, Some(origin));
                one.class = Class::Bios;
                one.note = Some(text.clone());
                all.push(one);
            }
        }
    }
    let mut drift = scene.drift(3, all);
    drift.cluster = text.clone();
    drift.nodes[1].name = text;
    drift
}

/// Every nasty text, and all of them in one.
pub fn texts() -> Vec<String> {
    let mut all: Vec<String> = NASTY.iter().map(|text| (*text).to_owned()).collect();
    all.push(NASTY.concat());
    all.push(NASTY.concat().repeat(40));
    all
}

fn written(scene: &Scene, drift: &Drift, format: Format) -> String {
    DriftReport { drift, snapshot: &scene.snapshot, tree: &scene.tree, prefix: "a,b:c%0A`|<b>@all/" }
        .write(format, false)
        .into()
}

fn is_invisible(c: char) -> bool {
    let formats = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}', '\u{feff}'..='\u{feff}'];
    c.is_control() || formats.iter().any(|range| range.contains(&c))
}

fn judge_markdown(text: &str) {
    for line in text.lines() {
        // What a code span holds is inert. A span ends at the next run of as many backticks; ours have one.
        let parts: Vec<&str> = line.split('`').collect();
        assert!(parts.len() % 2 == 1, "a span is open: {line:?}");
        let outside: String = parts.iter().step_by(2).copied().collect();
        let is_ours = |c: char| c.is_ascii_alphanumeric() || " .,:;|*#-()%".contains(c);
        assert!(outside.chars().all(is_ours), "{line:?}");
        assert!(!outside.trim_start_matches('#').contains('#'), "{line:?}");
        assert!(parts.iter().skip(1).step_by(2).all(|inside| !inside.is_empty() && !inside.contains('|')), "{line:?}");
        if line.starts_with("| ") && !line.starts_with("| standing") && parts.len() > 1 {
            assert_eq!(outside.matches('|').count(), 7, "{line:?}");
        }
    }
    assert!(!text.contains(|c: char| c != '\n' && is_invisible(c)), "{text:?}");
}

/// Reads a line as GitHub's runner does (`ActionCommand.cs`): `::NAME KEY=VALUE,KEY=VALUE::MESSAGE`.
fn judge_command(line: &str) {
    assert!(!line.contains(is_invisible), "{line:?}");
    let rest = line.strip_prefix("::").unwrap_or_else(|| panic!("{line:?} is no command"));
    let (head, _message) = rest.split_once("::").unwrap_or_else(|| panic!("{line:?} has no message"));
    let (name, properties) = head.split_once(' ').unwrap_or_else(|| panic!("{line:?} has no properties"));
    assert!(["error", "warning", "notice"].contains(&name), "{line:?}");
    let keys: Vec<&str> = properties.split(',').map(|pair| pair.split_once('=').map_or("", |(key, _)| key)).collect();
    assert!([&["file", "line", "col", "title"][..], &["title"][..]].contains(&&*keys), "{line:?}");
}

fn judge_github(text: &str) {
    assert!(text.lines().count() <= 30, "{text}");
    text.lines().for_each(judge_command);
    assert!(text.lines().last().is_some_and(|line| line.starts_with("::notice title=muster drift::3 nodes: ")));
}

fn judge_json(text: &str, said: &str) {
    let value: Value = serde_json::from_str(text).expect("it is JSON");
    let findings = value["findings"].as_array().expect("there are findings");
    let wished = findings.iter().filter_map(|finding| finding["wished"].as_str());
    assert!(wished.clone().count() > 0 && wished.clone().all(|wished| wished == said), "{text}");
}

fn judge_all(scene: &Scene, said: &str) {
    let drift = saying(scene, said);
    judge_markdown(&written(scene, &drift, Format::Markdown));
    judge_github(&written(scene, &drift, Format::Github));
    judge_json(&written(scene, &drift, Format::Json), said);
    let text = scene.write(&drift, Format::Text);
    assert!(!text.contains(|c: char| c != '\n' && is_invisible(c)), "{text:?}");
    let junit = written(scene, &drift, Format::Junit);
    assert!(!junit.contains(|c: char| c != '\n' && is_invisible(c)), "{junit:?}");
    let sarif: Value = serde_json::from_str(&written(scene, &drift, Format::Sarif)).expect("it is JSON");
    for result in sarif["runs"][0]["results"].as_array().expect("there are results") {
        let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().expect("a path");
        assert_eq!(uri, "a%2Cb%3Ac%250A%60%7C%3Cb%3E%40all/groups/compute.toml");
        let message = result["message"]["text"].as_str().expect("a message");
        assert!(!message.replace("\\](", "").contains("](") && !message.contains(is_invisible), "{message:?}");
        let braces = message.replace("{{", "").replace("}}", "");
        assert!(!braces.contains(['{', '}']), "{message:?}");
    }
}

#[test]
fn no_value_breaks_a_format() {
    let scene = Scene::new();
    texts().iter().for_each(|text| judge_all(&scene, text));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_mixture_breaks_a_format(parts in proptest::collection::vec(prop_oneof![
        proptest::sample::select(&NASTY[..]).prop_map(str::to_owned),
        any::<String>(),
    ], 1..6)) {
        judge_all(&Scene::new(), &parts.concat());
    }
}
