//! Drift for a terminal of 80 columns: the gravest first, the last line a count.

use super::DriftReport;
use super::fold::{Fold, fold};
use super::words;
use crate::drift::{Standing, Verdict};
use crate::model::SafeText;
use crate::report::diagnostics;
use crate::report::page::{BOLD, BOLD_CYAN, BOLD_RED, BOLD_YELLOW, MAX_SET_LINES, Page, WIDTH, wrap};

/// The characters of a value.
const MAX_VALUE: usize = 120;

pub fn write(report: &DriftReport<'_>, colour: bool) -> SafeText {
    let folds = fold(&report.drift.findings);
    let mut page = Page::new(colour);
    head(report, &mut page);
    for standing in [Standing::Drifted, Standing::Unknown, Standing::Pending, Standing::Settling] {
        section(report, standing, &folds, &mut page);
    }
    excepted(&folds, &mut page);
    tail(report, &mut page);
    page.finish()
}

fn heading(page: &mut Page, standing: Standing, text: &str) {
    let style = match standing {
        Standing::Drifted => BOLD_RED,
        Standing::Unknown => BOLD_YELLOW,
        Standing::Pending | Standing::Settling => BOLD_CYAN,
        Standing::Excepted | Standing::InSync | Standing::NotObservable => BOLD,
    };
    page.line(0, &format!("{}: {text}", page.paint(style, standing.as_str())));
}

fn head(report: &DriftReport<'_>, page: &mut Page) {
    let drift = report.drift;
    let at = super::json::time(drift.at);
    page.wrapped(0, &format!("{} at {}, compared for {at}", words::shown(&drift.cluster), drift.revision.short()));
    let (times, never) = words::looks(drift);
    let mut line = times.map(|times| format!("BMCs seen {}", words::ago(drift.at, times))).unwrap_or_default();
    if never > 0 {
        let comma = if line.is_empty() { "" } else { ", " };
        line.push_str(&format!("{comma}{} never seen", words::plural(never, "node")));
    }
    if !line.is_empty() {
        page.wrapped(0, &line);
    }
    page.line(0, "");
}

fn section(report: &DriftReport<'_>, standing: Standing, folds: &[Fold<'_>], page: &mut Page) {
    let mut own = folds.iter().filter(|fold| fold.standing() == standing).peekable();
    if own.peek().is_none() {
        return;
    }
    let findings: usize = own.clone().map(|fold| fold.findings.len()).sum();
    heading(page, standing, &words::plural(findings, "finding"));
    for fold in own {
        one(report, fold, page);
    }
    page.line(0, "");
}

fn one(report: &DriftReport<'_>, fold: &Fold<'_>, page: &mut Page) {
    let found = fold.first();
    let names = format!("{}{}", words::kind(fold), words::shown(&fold.set));
    let lines = wrap(&names, WIDTH - 4, ',');
    let count = format!("({})", words::subjects(fold));
    let fits = |line: &str| 2 + line.chars().count() + 1 + count.len() <= WIDTH;
    match &lines[..] {
        [line] if fold.names.len() > 1 && fits(line) => page.line(2, &format!("{line} {count}")),
        [line] if fold.names.len() == 1 => page.line(2, line),
        lines => {
            lines.iter().take(MAX_SET_LINES).for_each(|line| page.line(2, line));
            let is_cut = lines.len() > MAX_SET_LINES;
            let all = format!("… ({} in all; --format json names each)", words::subjects(fold));
            page.line(2, if is_cut { &all } else { &count });
        }
    }
    let values = words::change(found, MAX_VALUE);
    let attribute = words::shown(fold.attribute());
    let is_plain_unknown = found.attribute.is_empty() && matches!(found.verdict, Verdict::Unknown { .. });
    if is_plain_unknown {
        // The reason below says it all.
    } else if values.is_empty() {
        page.wrapped(4, &attribute);
    } else if attribute.chars().count() + 2 + values.chars().count() <= WIDTH - 4 {
        page.line(4, &format!("{attribute}: {values}"));
    } else {
        page.line(4, &format!("{attribute}:"));
        page.wrapped(6, &values);
    }
    let why = words::why(&found.verdict);
    if !why.is_empty() {
        page.wrapped(4, &why);
    }
    if let Some(note) = &found.note {
        page.wrapped(4, &words::shown(note));
    }
    place_and_age(report, fold, page);
}

fn place_and_age(report: &DriftReport<'_>, fold: &Fold<'_>, page: &mut Page) {
    let at = report.drift.at;
    let mut parts = Vec::new();
    if let Some(spot) = report.stated(fold) {
        let more = match fold.places_in_git() {
            0 | 1 => String::new(),
            places => format!(" and {}", words::plural(places - 1, "more place")),
        };
        parts.push(format!("{}:{}{more}", words::shown(&spot.path), spot.line));
    }
    if let Some(since) = fold.since {
        parts.push(format!("since {}", words::ago(at, since)));
    }
    match (fold.observed, &fold.first().verdict) {
        (Some(observed), _) => parts.push(format!("seen {}", words::ago(at, observed))),
        (None, Verdict::Unknown { .. }) => parts.push("never seen".into()),
        (None, Verdict::Drifted { .. } | Verdict::Pending | Verdict::Settling(_) | Verdict::Excepted(_)) => {}
    }
    page.wrapped(4, &parts.join(", "));
}

/// Sums up what is excused: one line for each who excuses, since nobody has to act on it.
fn excepted(folds: &[Fold<'_>], page: &mut Page) {
    let excuses = words::excuses(folds);
    if excuses.is_empty() {
        return;
    }
    let findings = excuses.iter().map(|excuse| excuse.findings).sum();
    heading(page, Standing::Excepted, &words::plural(findings, "finding"));
    for excuse in excuses {
        let (findings, machines) =
            (words::plural(excuse.findings, "finding"), words::plural(excuse.machines, "machine"));
        page.wrapped(2, &format!("{findings} of {machines}: {}", excuse.text));
    }
    page.line(0, "");
}

fn tail(report: &DriftReport<'_>, page: &mut Page) {
    let drift = report.drift;
    page.push(&diagnostics::text_of("muster drift", &drift.warnings, report.tree, report.prefix, page.colour));
    page.wrapped(0, &words::coverage(&drift.coverage));
    page.line(0, &words::count(drift));
}
