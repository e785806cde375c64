//! A change as `schemas/diff.schema.json` describes it.

use super::ChangeReport;
use crate::change::{self, Breach, Fate, Fold, FoldedValue, Judgement, MachineChange, Reach, Side, Subject, Value};
use crate::model::SafeText;
use crate::view::{
    API_VERSION, BreachView, BrokenView, ChangedMachine, ChangedSubject, ChangedText, ChangedValue, DiffCounts,
    DiffView, FateView, FoldView, GuardView, HunkView, NewAccountView, ReachView, SideView, StaleAllowView,
    StatedValue,
};

pub fn write(report: &ChangeReport<'_>) -> SafeText {
    SafeText::json(&view(report)).expect("texts, numbers and lists make JSON")
}

pub fn view(report: &ChangeReport<'_>) -> DiffView {
    let change = report.change;
    DiffView {
        api_version: API_VERSION.into(),
        muster: env!("CARGO_PKG_VERSION").into(),
        cluster: change.head.desired().cluster.name.to_string(),
        base: report.base.into(),
        base_revision: change.base.revision().to_string(),
        head: report.head.into(),
        head_revision: change.head.revision().to_string(),
        summary: summary(report),
        guard: report.judgement.as_ref().map(guard),
        // Some nodes are no whole change.
        accounts: report.judgement.iter().flat_map(|_| change::accounts(change)).map(account).collect(),
        folds: report.folds.iter().map(|fold| one(report, fold)).collect(),
    }
}

fn account(new: change::NewAccount) -> NewAccountView {
    NewAccountView {
        credential: new.credential.map(Into::into),
        protection: new.protection.into(),
        count: new.bmcs.len() as u64,
        set: new.set,
        urls: new.urls.into_iter().map(Into::into).collect(),
    }
}

fn summary(report: &ChangeReport<'_>) -> DiffCounts {
    let counts = change::costs(report.change);
    let number = |number: usize| number as u64;
    DiffCounts {
        nodes: number(report.change.head.nodes().len()),
        added: number(counts.added),
        removed: number(counts.removed.len()),
        removed_nodes: counts.removed.to_string(),
        renamed: number(counts.renamed),
        changed: number(counts.changed),
        kernel: number(counts.kernel),
        initrd: number(counts.initrd),
        params: number(counts.params),
        other_script: number(counts.other_script),
        cloud_init: number(counts.cloud_init),
        found: number(counts.found),
        not_served: number(counts.not_served),
        next_boot: number(counts.next_boot),
        bmcs: number(counts.bmcs),
    }
}

fn guard(judgement: &Judgement) -> GuardView {
    let stale = judgement.stale.iter().map(|stale| StaleAllowView {
        digest: stale.digest.to_string(),
        path: stale.place.file.to_string(),
        line: stale.line,
    });
    GuardView {
        breaches: judgement.breaches.iter().map(breach).collect(),
        to_allow: judgement.to_allow().into_iter().map(str::to_owned).collect(),
        stale: stale.collect(),
    }
}

fn breach(breach: &Breach) -> BreachView {
    let folds = breach.folds.iter().map(|broken| BrokenView {
        digest: broken.digest.clone(),
        set: broken.set.clone(),
        count: broken.count as u64,
    });
    BreachView {
        rail: breach.rail.key().into(),
        told: breach.told(),
        side: match breach.side {
            Side::Base => SideView::Base,
            Side::Head => SideView::Head,
        },
        path: breach.place.file.to_string(),
        line: breach.line,
        count: breach.count as u64,
        folds: folds.collect(),
    }
}

fn one(report: &ChangeReport<'_>, fold: &Fold<'_>) -> FoldView {
    let texts = fold.patches.iter().map(|(part, hunks)| ChangedText {
        part: part.as_str().into(),
        hunks: hunks
            .iter()
            .map(|hunk| HunkView {
                before: hunk.before.clone(),
                removed: hunk.removed.clone(),
                added: hunk.added.clone(),
                after: hunk.after.clone(),
            })
            .collect(),
    });
    FoldView {
        digest: fold.digest.clone(),
        subject: match fold.subject() {
            Subject::Node => ChangedSubject::Node,
            Subject::Bmc => ChangedSubject::Bmc,
            Subject::Unknown => ChangedSubject::Unknown,
        },
        fate: match fold.fate() {
            Fate::Added => FateView::Added,
            Fate::Removed => FateView::Removed,
            Fate::Renamed { .. } => FateView::Renamed,
            Fate::Changed => FateView::Changed,
        },
        reach: match fold.reach() {
            Reach::NextBoot => ReachView::NextBoot,
            Reach::Found => ReachView::Found,
            Reach::Compared => ReachView::Compared,
        },
        unexplained: fold.is_unexplained(),
        holes: fold.request_holes().map(str::to_owned).collect(),
        set: fold.set.clone(),
        machines: fold.machines.iter().map(|machine| of_machine(report, fold, machine)).collect(),
        values: fold.values.iter().map(value).collect(),
        texts: texts.collect(),
    }
}

fn of_machine(report: &ChangeReport<'_>, fold: &Fold<'_>, machine: &MachineChange) -> ChangedMachine {
    let from = match &machine.fate {
        Fate::Renamed { from } => Some(from.to_string()),
        Fate::Added | Fate::Removed | Fate::Changed => None,
    };
    ChangedMachine { name: machine.name.to_string(), from, holes: fold.holes(report.change, machine) }
}

pub fn value(folded: &FoldedValue) -> ChangedValue {
    let side = |value: &Option<Value>| {
        value.as_ref().map(|value| StatedValue {
            text: value.text.to_string(),
            path: value.spot.as_ref().map(|spot| spot.path.to_string()),
            line: value.spot.as_ref().map(|spot| spot.line),
            layer: value.spot.as_ref().map(|spot| spot.layer.to_string()),
        })
    };
    ChangedValue {
        key: folded.change.key.to_string(),
        old: side(&folded.change.old),
        new: side(&folded.change.new),
        more_places: folded.more_places as u64,
    }
}
