//! JUnit XML: one test case per node.
//!
//! A drifted node failed, a node of which it cannot be told is an error, so that no CI system shows it as fine. What is
//! pending, settling or excepted is skipped with its reason, as test runners show what was expected to fail: the job
//! stays green, and the case does not claim to have passed. So is a node that cannot be observed. What is about no node
//! has cases of its own after them.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;

use super::DriftReport;
use super::fold::name;
use super::words;
use crate::drift::{Finding, NodeDrift, Standing, Subject};

pub fn write(report: &DriftReport<'_>) -> String {
    let drift = report.drift;
    let mut nodes: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    let mut others: BTreeMap<&Subject, Vec<&Finding>> = BTreeMap::new();
    for finding in &drift.findings {
        match &finding.subject {
            Subject::Node(name) => nodes.entry(name).or_default().push(finding),
            other => others.entry(other).or_default().push(finding),
        }
    }
    let cluster = words::shown(&drift.cluster);
    let mut junit = Report::new(format!("muster drift {cluster}"));
    let mut suite = suite(report, format!("nodes of {cluster}"));
    for node in &drift.nodes {
        let found = nodes.get(&*node.name).map_or(&[][..], Vec::as_slice);
        suite.add_test_case(of_node(report, node, found));
    }
    junit.add_test_suite(suite);
    if !others.is_empty() {
        junit.add_test_suite(of_others(report, &cluster, &others));
    }
    let text = junit.to_string().expect("text is written to memory");
    // Jenkins' schema (junit-10.xsd) knows this attribute on each suite, and not on all of them together. The first is
    // that one: quotes in a name are escaped.
    text.replacen(&format!(" skipped=\"{}\"", junit.skipped), "", 1)
}

fn suite(report: &DriftReport<'_>, name: String) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.timestamp = super::json::time(report.drift.at).parse().ok();
    suite
}

fn of_node(report: &DriftReport<'_>, node: &NodeDrift, found: &[&Finding]) -> TestCase {
    let class = format!("muster.drift.{}", words::shown(&report.drift.cluster));
    let mut case = case(report, &words::shown(&node.name), class, node.standing, found);
    if node.standing == Standing::NotObservable && found.is_empty() {
        case.status.set_message("not observable: it has no BMC that speaks, or it is retired");
    }
    let seen = node.seen.map_or("never seen".into(), |seen| format!("seen {} ago", words::age(report.drift.at, seen)));
    case.set_system_out(format!("{} of {} attributes in sync, {seen}", node.in_sync, node.judged));
    case
}

fn of_others(report: &DriftReport<'_>, cluster: &str, others: &BTreeMap<&Subject, Vec<&Finding>>) -> TestSuite {
    let mut suite = suite(report, format!("others at {cluster}"));
    for (subject, found) in others {
        let (kind, name) = match subject {
            Subject::Node(_) => ("node", name(subject)),
            Subject::Bmc(_) => ("bmc", name(subject)),
            Subject::System { bmc, system } => ("system", format!("{bmc} {system}")),
            Subject::Mac(_) => ("mac", name(subject)),
        };
        let gravest = found.iter().map(|finding| finding.verdict.standing()).max().unwrap_or(Standing::InSync);
        let class = format!("muster.drift.{cluster}.{kind}");
        suite.add_test_case(case(report, &words::shown(&name), class, gravest, found));
    }
    suite
}

fn case(report: &DriftReport<'_>, name: &str, class: String, standing: Standing, found: &[&Finding]) -> TestCase {
    let mut status = match standing {
        Standing::Drifted => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Standing::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
        Standing::Pending | Standing::Settling | Standing::Excepted | Standing::NotObservable => {
            TestCaseStatus::skipped()
        }
        Standing::InSync => TestCaseStatus::success(),
    };
    let mut order = found.to_vec();
    order.sort_by_key(|finding| std::cmp::Reverse(finding.verdict.standing()));
    if let Some(gravest) = order.first() {
        status.set_type(standing.as_str());
        status.set_message(message(gravest, order.len()));
        let lines: Vec<String> = order.iter().map(|finding| line(report, finding)).collect();
        status.set_description(lines.join("\n"));
    }
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    case
}

/// The gravest finding, which lists of failures show.
fn message(finding: &Finding, of: usize) -> String {
    let rest = if of > 1 { format!(" (and {} more)", of - 1) } else { String::new() };
    format!("{}: {}{rest}", finding.verdict.standing().as_str(), words::what(finding))
}

fn line(report: &DriftReport<'_>, finding: &Finding) -> String {
    let at = report.drift.at;
    let mut line = format!("{}: {}", finding.verdict.standing().as_str(), words::what(finding));
    if let Some(origin) = finding.origin {
        let spot = report.spot(origin);
        line.push_str(&format!("; stated at {}:{}", words::shown(&spot.path), spot.line));
    }
    if let Some(since) = super::fold::since(finding) {
        line.push_str(&format!("; since {}", words::ago(at, super::fold::Times { oldest: since, newest: since })));
    }
    line
}
