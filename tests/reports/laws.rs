//! Laws of folding: every finding is told once, and nothing is told that was not found.

use super::scene::{AT, Scene, finding, node};
use muster::drift::{Excused, Finding, Settling, Subject, Verdict};
use muster::model::{MacAddr, NodeSet, Origin};
use muster::report::fold;
use muster::view::SubjectKind;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn subjects() -> impl Strategy<Value = Subject> {
    prop_oneof![
        6 => (1..13usize).prop_map(node),
        1 => (1..3u8).prop_map(|at| Subject::Bmc(format!("bmc{at:02}").into())),
        1 => ((1..3u8), (0..2u8)).prop_map(|(bmc, system)| Subject::System {
            bmc: format!("bmc{bmc:02}").into(),
            system: format!("Node{system}").into(),
        }),
        1 => (1..4u8).prop_map(|at| Subject::Mac(MacAddr([2, 0, 0, 0, 0, at]))),
    ]
}

fn times() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of((0..5i64).prop_map(|hours| AT - hours * 3_600_000))
}

fn verdicts(origins: Vec<Origin>) -> impl Strategy<Value = Verdict> {
    let until = jiff::civil::date(2026, 12, 31);
    prop_oneof![
        3 => times().prop_map(|since| Verdict::Drifted { since }),
        2 => ("[ab]", times()).prop_map(|(why, since)| Verdict::Unknown { why: why.into(), since }),
        1 => Just(Verdict::Pending),
        1 => prop_oneof![
            Just(Settling::Power),
            Just(Settling::Post),
            (1..3u32).prop_map(|surveys| Settling::Unconfirmed { surveys, of: 3 }),
        ].prop_map(Verdict::Settling),
        1 => ("[ab]", proptest::option::of("[ab]"), proptest::sample::select(origins)).prop_map(move |(owner, reason, origin)| {
            let (owner, reason) = (owner.into(), reason.map(Into::into));
            Verdict::Excepted(Excused::Exception { owner, reason, until, origin })
        }),
        1 => Just(Verdict::Excepted(Excused::Maintenance)),
    ]
}

fn findings() -> impl Strategy<Value = Vec<Finding>> {
    let scene = Scene::new();
    let origins = vec![scene.origin("groups/compute.toml", "512"), scene.origin("groups/compute.toml", "\"Disabled\"")];
    let value = || proptest::option::of("[ab]");
    let attribute = proptest::sample::select(vec!["", "memory_gib", "bios.attributes.A", "serial"]);
    let origin = proptest::option::of(proptest::sample::select(origins.clone()));
    let one = (subjects(), attribute, verdicts(origins), value(), value(), value(), origin, times()).prop_map(
        |(subject, attribute, verdict, wished, seen, note, origin, observed)| {
            let mut one = finding(subject, attribute, verdict, (wished.as_deref(), seen.as_deref()), origin);
            (one.note, one.observed) = (note.map(Into::into), observed);
            one
        },
    );
    proptest::collection::vec(one, 0..60)
}

/// A finding without what may differ inside a fold.
fn bare(finding: &Finding) -> Finding {
    let verdict = match &finding.verdict {
        Verdict::Drifted { .. } => Verdict::Drifted { since: None },
        Verdict::Unknown { why, .. } => Verdict::Unknown { why: why.clone(), since: None },
        other => other.clone(),
    };
    let subject = match &finding.subject {
        Subject::Node(_) => Subject::Node("".into()),
        Subject::Bmc(_) => Subject::Bmc("".into()),
        Subject::System { system, .. } => Subject::System { bmc: "".into(), system: system.clone() },
        Subject::Mac(_) => Subject::Mac(MacAddr([0; 6])),
    };
    // Why a machine cannot be judged is one thing, wherever git states it.
    let origin = finding.origin.filter(|_| !matches!(finding.verdict, Verdict::Unknown { .. }));
    Finding { subject, verdict, origin, observed: None, ..finding.clone() }
}

fn name(subject: &Subject) -> String {
    match subject {
        Subject::Node(name) | Subject::Bmc(name) | Subject::System { bmc: name, .. } => name.to_string(),
        Subject::Mac(mac) => mac.to_string(),
    }
}

fn since(finding: &Finding) -> Option<i64> {
    match finding.verdict {
        Verdict::Drifted { since } | Verdict::Unknown { since, .. } => since,
        Verdict::Pending | Verdict::Settling(_) | Verdict::Excepted(_) => None,
    }
}

proptest! {
    #[test]
    fn every_finding_is_in_exactly_one_fold(findings in findings()) {
        let folds = fold(&findings);
        let mut places: Vec<usize> = folds.iter().flat_map(|fold| fold.places.iter().copied()).collect();
        places.sort_unstable();
        prop_assert_eq!(places, (0..findings.len()).collect::<Vec<_>>());
        let mut heads: Vec<Finding> = Vec::new();
        for fold in &folds {
            let head = bare(fold.first());
            prop_assert!(!heads.contains(&head), "two folds are equal: {:?}", head);
            for (place, finding) in fold.places.iter().zip(&fold.findings) {
                prop_assert_eq!(&&findings[*place], finding);
                prop_assert_eq!(&bare(finding), &head);
            }
            let names: BTreeSet<String> = fold.findings.iter().map(|finding| name(&finding.subject)).collect();
            prop_assert_eq!(fold.names.iter().cloned().collect::<BTreeSet<_>>(), names.clone());
            prop_assert_eq!(fold.names.len(), names.len());
            if !matches!(head.subject, Subject::Mac(_)) {
                let read = NodeSet::parse(&fold.set, &|_| None).expect("a fold is a node set");
                prop_assert_eq!(read.iter().collect::<Vec<_>>(), fold.names.clone());
            }
            let ages = fold.findings.iter().filter_map(|finding| since(finding));
            prop_assert_eq!(fold.since.map(|times| times.oldest), ages.clone().min());
            prop_assert_eq!(fold.since.map(|times| times.newest), ages.max());
            let seen = fold.findings.iter().filter_map(|finding| finding.observed);
            prop_assert_eq!(fold.observed.map(|times| (times.oldest, times.newest)), seen.clone().min().zip(seen.max()));
            heads.push(head);
        }
        let order = |at: &Finding, fold: usize| (at.verdict.standing(), folds[fold].names.len());
        let gravest_first = heads.windows(2).enumerate().all(|(at, two)| order(&two[0], at) >= order(&two[1], at + 1));
        prop_assert!(gravest_first, "{:#?}", heads);
    }

    /// The order of the list does not matter: the same folds come out, in the same order.
    #[test]
    fn folds_do_not_depend_on_the_order_of_findings(findings in findings()) {
        let shown = |findings: &[Finding]| -> Vec<(Finding, String, Option<Origin>)> {
            let folds = fold(findings);
            folds.iter().map(|fold| (bare(fold.first()), fold.set.clone(), fold.first().origin)).collect()
        };
        let mut turned = findings.clone();
        turned.reverse();
        prop_assert_eq!(shown(&findings), shown(&turned));
    }

    /// A script that asks for one node gets all that was found of it, with its own times.
    #[test]
    fn the_json_tells_everything_of_one_node(findings in findings()) {
        let scene = Scene::new();
        let drift = scene.drift(12, findings);
        let view = scene.report(&drift).view();
        prop_assert_eq!(view.nodes.len(), 12);
        for node in &view.nodes {
            let own: Vec<&Finding> = drift
                .findings
                .iter()
                .filter(|finding| matches!(&finding.subject, Subject::Node(name) if **name == *node.name))
                .collect();
            prop_assert_eq!(own.len(), node.findings.len());
            for (finding, told) in own.iter().zip(&node.findings) {
                let fold = &view.findings[told.finding as usize];
                prop_assert_eq!(fold.kind, SubjectKind::Node);
                prop_assert!(fold.names.contains(&node.name));
                prop_assert_eq!(&*fold.attribute, &*finding.attribute);
                prop_assert_eq!(fold.wished.as_deref(), finding.wished.as_deref());
                prop_assert_eq!(fold.seen.as_deref(), finding.seen.as_deref());
                prop_assert_eq!(fold.note.as_deref(), finding.note.as_deref());
                prop_assert_eq!(told.since.is_some(), since(finding).is_some());
                prop_assert_eq!(told.observed.is_some(), finding.observed.is_some());
            }
        }
        let other = view.findings.iter().filter(|fold| fold.kind != SubjectKind::Node);
        let others = drift.findings.iter().filter(|finding| !matches!(finding.subject, Subject::Node(_)));
        let names: BTreeSet<String> = others.map(|finding| name(&finding.subject)).collect();
        prop_assert_eq!(other.flat_map(|fold| fold.names.iter().cloned()).collect::<BTreeSet<_>>(), names);
    }
}
