//! GitHub-flavoured Markdown for a comment or an issue, bounded.
//!
//! Everything that is not our own words stands in a code span: there, GitHub makes no link, mention, reference or HTML of
//! it.

use super::DriftReport;
use super::fold::{Fold, fold};
use super::words;
use crate::drift::Standing;
use crate::report::markup::{MAX_BYTES, code, span};
use crate::view::DiagnosticView;

/// The bytes that are kept for the line which says what is missing.
const RESERVE: usize = 400;

/// The entries of each list that sums up.
const MAX_ENTRIES: usize = 10;

/// The characters of a node set, of a value, and of a sentence.
const MAX_SET: usize = 160;
const MAX_VALUE: usize = 80;
const MAX_SENTENCE: usize = 200;

pub fn write(report: &DriftReport<'_>) -> String {
    let folds = fold(&report.drift.findings);
    let mut out = head(report);
    let end = format!("{}{}", excused(&folds), warnings(report));
    let room = MAX_BYTES.saturating_sub(end.len() + RESERVE);
    let (mut whole, mut missing) = (true, 0);
    for standing in [Standing::Drifted, Standing::Unknown, Standing::Pending, Standing::Settling] {
        let own: Vec<&Fold<'_>> = folds.iter().filter(|fold| fold.standing() == standing).collect();
        let mut rows = String::new();
        let heading = heading(standing, &own);
        let mut told = 0;
        for fold in own.iter().take_while(|_| whole) {
            let row = row(report, fold);
            if out.len() + heading.len() + rows.len() + row.len() > room {
                whole = false;
                break;
            }
            rows.push_str(&row);
            told += 1;
        }
        if told > 0 {
            out.push_str(&heading);
            out.push_str(&rows);
        }
        missing += own.len() - told;
    }
    if missing > 0 {
        let more = words::plural(missing, "more difference");
        out.push_str(&format!("\n**{more} not shown for want of room**; `muster drift --format json` tells all.\n"));
    }
    out.push_str(&end);
    out
}

fn head(report: &DriftReport<'_>) -> String {
    let drift = report.drift;
    let (cluster, revision) = (code(&drift.cluster, MAX_VALUE), code(drift.revision.short(), MAX_VALUE));
    let mut out =
        format!("## muster drift: {cluster}\n\n**{}**\n\n| standing | nodes |\n|---|---:|\n", words::count(drift));
    for (standing, number) in words::standings(drift) {
        out.push_str(&format!("| {} | {number} |\n", standing.as_str()));
    }
    let at = super::json::time(drift.at);
    out.push_str(&format!("\n{}. Compared at {revision} for {at}", words::coverage(&drift.coverage)));
    let (times, never) = words::looks(drift);
    if let Some(times) = times {
        out.push_str(&format!("; BMCs seen {}", words::ago(drift.at, times)));
    }
    if never > 0 {
        out.push_str(&format!("; {} never seen", words::plural(never, "node")));
    }
    out.push_str(".\n");
    out
}

fn heading(standing: Standing, folds: &[&Fold<'_>]) -> String {
    let name = match standing {
        Standing::Drifted => "Drifted",
        Standing::Unknown => "Unknown: it cannot be told, which is not fine",
        Standing::Pending => "Pending: staged, waits for a reset",
        Standing::Settling => "Settling: does not count yet",
        Standing::Excepted => "Excepted",
        Standing::InSync => "In sync",
        Standing::NotObservable => "Not observable",
    };
    let findings = folds.iter().map(|fold| fold.findings.len()).sum();
    let columns = "| who | what | expected | found | stated at | more |\n|---|---|---|---|---|---|\n";
    format!("\n### {name} ({})\n\n{columns}", words::plural(findings, "finding"))
}

fn row(report: &DriftReport<'_>, fold: &Fold<'_>) -> String {
    let found = fold.first();
    let who = match fold.names.len() {
        1 => code(&format!("{}{}", words::kind(fold), fold.set), MAX_SET),
        _ => {
            let set = format!("{}{}", words::kind(fold), words::set(fold, MAX_SET));
            format!("{} ({})", code(&set, 2 * MAX_SET), words::subjects(fold))
        }
    };
    let (wished, seen) = words::values(found, MAX_VALUE);
    // Already cut, and already free of what cannot be seen.
    let value = |value: Option<String>| value.map(|value| span(&value)).unwrap_or_default();
    let stated = report.stated(fold).map(|spot| code(&format!("{}:{}", spot.path, spot.line), MAX_SENTENCE));
    let why = words::why(&found.verdict);
    let mut more: Vec<String> = Vec::new();
    more.extend(Some(why).filter(|why| !why.is_empty()).map(|why| span(&words::cut(&why, MAX_SENTENCE))));
    more.extend(found.note.as_deref().map(|note| code(note, MAX_SENTENCE)));
    more.extend(fold.since.map(|since| format!("since {}", words::ago(report.drift.at, since))));
    format!(
        "| {who} | {} | {} | {} | {} | {} |\n",
        code(fold.attribute(), MAX_SET),
        value(wished),
        value(seen),
        stated.unwrap_or_default(),
        more.join("; ")
    )
}

fn excused(folds: &[Fold<'_>]) -> String {
    let excuses = words::excuses(folds);
    if excuses.is_empty() {
        return String::new();
    }
    let mut out = "\n### Excepted\n\n".to_owned();
    for excuse in excuses.iter().take(MAX_ENTRIES) {
        let findings = words::plural(excuse.findings, "finding");
        let machines = words::plural(excuse.machines, "machine");
        out.push_str(&format!("- {findings} of {machines}: {}\n", span(&words::cut(&excuse.text, MAX_SENTENCE))));
    }
    if excuses.len() > MAX_ENTRIES {
        out.push_str(&format!("- and {}\n", words::plural(excuses.len() - MAX_ENTRIES, "more exception")));
    }
    out
}

fn warnings(report: &DriftReport<'_>) -> String {
    let warnings = &report.drift.warnings;
    if warnings.is_empty() {
        return String::new();
    }
    let mut out = "\n### Warnings\n\n".to_owned();
    for view in DiagnosticView::all(&warnings[..warnings.len().min(MAX_ENTRIES)], report.tree) {
        let line = view.line.map(|line| format!(":{line}")).unwrap_or_default();
        let place = code(&format!("{}{}{line}", report.prefix, view.path), MAX_SENTENCE);
        out.push_str(&format!("- {place}: {}\n", code(&view.message, MAX_SENTENCE)));
    }
    if warnings.len() > MAX_ENTRIES {
        out.push_str(&format!("- and {}\n", words::plural(warnings.len() - MAX_ENTRIES, "more warning")));
    }
    out
}
