//! Worlds of four machines, in which everything is as wished until a test says otherwise.

mod booted;
mod verdicts;
mod world;

use crate::drift::{Finding, Subject, Verdict};
use crate::observed::Failure;
use world::World;

/// One line a finding: subject, attribute, verdict, wished, seen, note.
fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(line).collect()
}

fn line(finding: &Finding) -> String {
    let subject = match &finding.subject {
        Subject::Node(name) => name.to_string(),
        Subject::Bmc(name) => format!("bmc {name}"),
        Subject::System { bmc, system } => format!("{bmc}/{system}"),
        Subject::Mac(mac) => mac.to_string(),
    };
    let verdict = match &finding.verdict {
        Verdict::Unknown { why, .. } => format!("unknown ({why})"),
        other => other.standing().as_str().to_owned(),
    };
    let part =
        |sign: &str, value: &Option<Box<str>>| value.as_ref().map(|value| format!("{sign}{value}")).unwrap_or_default();
    let (wished, seen, note) = (part(" ", &finding.wished), part(" -> ", &finding.seen), part("; ", &finding.note));
    format!("{subject} {}: {verdict}{wished}{seen}{note}", finding.attribute)
}

#[test]
fn a_world_as_wished_has_no_findings() {
    let world = World::new();
    let drift = world.drift();
    assert_eq!(told(&drift.findings), Vec::<String>::new());
    assert!(
        drift.nodes.iter().all(|node| node.standing == crate::drift::Standing::InSync && node.judged == node.in_sync)
    );
    assert!(drift.nodes.iter().all(|node| node.judged >= 6), "{:?}", drift.nodes);
    assert_eq!(drift.coverage.node_percent(), Some(100));
}

#[test]
fn what_cannot_be_read_is_unknown_and_never_in_sync() {
    let mut world = World::new();
    let refused = Failure::new(crate::observed::FailureKind::TimedOut, "no answer in 5 s");
    for bmc in ["b1", "b2", "b3"] {
        world.fail(bmc, &refused);
    }
    let drift = world.drift();
    assert_eq!(drift.findings.len(), 4, "{:?}", told(&drift.findings));
    assert!(drift.nodes.iter().all(|node| node.standing == crate::drift::Standing::Unknown && node.in_sync == 0));
    assert_eq!(told(&drift.findings)[0], "n1 : unknown (timed-out: no answer in 5 s)");
    assert_eq!(super::exit(&drift, &[], None), super::Exit::Unjudged);
}

#[test]
fn a_bmc_that_was_never_surveyed_is_unknown() {
    let mut world = World::new();
    world.observed.bmcs.remove("b2");
    assert_eq!(told(&world.drift().findings), ["n2 : unknown (its BMC was never surveyed)"]);
}
