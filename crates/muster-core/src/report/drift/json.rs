//! A comparison as the JSON that is promised to strangers.

use super::DriftReport;
use super::fold::{Fold, Times, fold, since};
use super::words;
use crate::drift::{Class, Excused, NodeDrift, Standing, Subject, Verdict};
use crate::model::SafeText;
use crate::view::{
    API_VERSION, ClassView, CoverageView, DiagnosticView, DriftView, ExceptionView, FindingView, NodeDriftView,
    NodeFindingView, StandingCounts, StandingView, SubjectKind, TimesView, VerdictView,
};

pub fn write(report: &DriftReport<'_>) -> SafeText {
    SafeText::json(&view(report)).expect("the view has string keys and plain values")
}

pub fn view(report: &DriftReport<'_>) -> DriftView {
    let drift = report.drift;
    let folds = fold(&drift.findings);
    // Which fold each finding is in.
    let mut of = vec![0u32; drift.findings.len()];
    for (at, fold) in folds.iter().enumerate() {
        fold.places.iter().for_each(|place| of[*place] = u32::try_from(at).unwrap_or(u32::MAX));
    }
    DriftView {
        api_version: API_VERSION.into(),
        muster: env!("CARGO_PKG_VERSION").into(),
        cluster: drift.cluster.to_string(),
        revision: drift.revision.as_str().into(),
        at: time(drift.at),
        summary: summary(&drift.nodes),
        coverage: CoverageView {
            nodes: drift.coverage.nodes,
            managed_nodes: drift.coverage.managed_nodes,
            attributes: drift.coverage.attributes,
            managed_attributes: drift.coverage.managed_attributes,
            node_percent: drift.coverage.node_percent(),
            attribute_percent: drift.coverage.attribute_percent(),
        },
        nodes: nodes(report, &of),
        findings: folds.iter().map(|fold| finding(report, fold)).collect(),
        warnings: warnings(report),
    }
}

fn warnings(report: &DriftReport<'_>) -> Vec<DiagnosticView> {
    let mut all = DiagnosticView::all(&report.drift.warnings, report.tree);
    all.iter_mut().for_each(|view| view.path.insert_str(0, report.prefix));
    all
}

fn nodes(report: &DriftReport<'_>, of: &[u32]) -> Vec<NodeDriftView> {
    let mut own: std::collections::BTreeMap<&str, Vec<NodeFindingView>> = std::collections::BTreeMap::new();
    for (at, found) in report.drift.findings.iter().enumerate() {
        if let Subject::Node(name) = &found.subject {
            own.entry(name).or_default().push(NodeFindingView {
                finding: of[at],
                since: since(found).map(time),
                observed: found.observed.map(time),
            });
        }
    }
    let view = |node: &NodeDrift| {
        let spot = report.spot(node.origin);
        NodeDriftView {
            name: node.name.to_string(),
            standing: standing(node.standing),
            path: spot.path,
            line: spot.line,
            seen: node.seen.map(time),
            judged: node.judged,
            in_sync: node.in_sync,
            findings: own.get(&*node.name).cloned().unwrap_or_default(),
        }
    };
    report.drift.nodes.iter().map(view).collect()
}

fn finding(report: &DriftReport<'_>, fold: &Fold<'_>) -> FindingView {
    let found = fold.first();
    let spot = report.stated(fold);
    let (kind, system) = match &found.subject {
        Subject::Node(_) => (SubjectKind::Node, None),
        Subject::Bmc(_) => (SubjectKind::Bmc, None),
        Subject::System { system, .. } => (SubjectKind::System, Some(system.to_string())),
        Subject::Mac(_) => (SubjectKind::Mac, None),
    };
    let text = |value: &Option<Box<str>>| value.as_deref().map(str::to_owned);
    FindingView {
        class: class(found.class),
        attribute: found.attribute.to_string(),
        verdict: verdict(&found.verdict),
        kind,
        system,
        set: fold.set.clone(),
        names: fold.names.clone(),
        wished: text(&found.wished),
        seen: text(&found.seen),
        note: text(&found.note),
        why: Some(words::why(&found.verdict)).filter(|why| !why.is_empty()),
        exception: exception(report, &found.verdict),
        line: spot.as_ref().map(|spot| spot.line),
        column: spot.as_ref().and_then(|spot| spot.columns).map(|(from, _)| from),
        path: spot.map(|spot| spot.path),
        since: fold.since.map(times),
        observed: fold.observed.map(times),
    }
}

fn exception(report: &DriftReport<'_>, verdict: &Verdict) -> Option<ExceptionView> {
    match verdict {
        Verdict::Excepted(Excused::Exception { owner, reason, until, origin }) => {
            let spot = report.spot(*origin);
            Some(ExceptionView {
                owner: owner.to_string(),
                reason: reason.as_deref().map(str::to_owned),
                until: until.to_string(),
                path: spot.path,
                line: spot.line,
            })
        }
        Verdict::Excepted(Excused::Maintenance)
        | Verdict::Drifted { .. }
        | Verdict::Pending
        | Verdict::Settling(_)
        | Verdict::Unknown { .. } => None,
    }
}

fn summary(nodes: &[NodeDrift]) -> StandingCounts {
    let mut counts = StandingCounts::default();
    for node in nodes {
        counts.total += 1;
        *match node.standing {
            Standing::NotObservable => &mut counts.not_observable,
            Standing::InSync => &mut counts.in_sync,
            Standing::Excepted => &mut counts.excepted,
            Standing::Settling => &mut counts.settling,
            Standing::Pending => &mut counts.pending,
            Standing::Unknown => &mut counts.unknown,
            Standing::Drifted => &mut counts.drifted,
        } += 1;
    }
    counts
}

fn times(times: Times) -> TimesView {
    TimesView { oldest: time(times.oldest), newest: time(times.newest) }
}

/// Writes unix milliseconds as RFC 3339 in UTC, in seconds; what no calendar has becomes the nearest that one has.
pub fn time(at: i64) -> String {
    let seconds = at.div_euclid(1000).clamp(jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
    jiff::Timestamp::from_second(seconds).expect("it was clamped to the calendar").to_string()
}

fn standing(standing: Standing) -> StandingView {
    match standing {
        Standing::NotObservable => StandingView::NotObservable,
        Standing::InSync => StandingView::InSync,
        Standing::Excepted => StandingView::Excepted,
        Standing::Settling => StandingView::Settling,
        Standing::Pending => StandingView::Pending,
        Standing::Unknown => StandingView::Unknown,
        Standing::Drifted => StandingView::Drifted,
    }
}

fn verdict(verdict: &Verdict) -> VerdictView {
    match verdict {
        Verdict::Drifted { .. } => VerdictView::Drifted,
        Verdict::Unknown { .. } => VerdictView::Unknown,
        Verdict::Pending => VerdictView::Pending,
        Verdict::Settling(_) => VerdictView::Settling,
        Verdict::Excepted(_) => VerdictView::Excepted,
    }
}

fn class(class: Class) -> ClassView {
    match class {
        Class::Presence => ClassView::Presence,
        Class::Identity => ClassView::Identity,
        Class::Inventory => ClassView::Inventory,
        Class::Firmware => ClassView::Firmware,
        Class::Bios => ClassView::Bios,
        Class::Boot => ClassView::Boot,
        Class::Power => ClassView::Power,
        Class::StaleBoot => ClassView::StaleBoot,
    }
}
