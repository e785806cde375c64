//! Drift as workflow commands of GitHub Actions, which become annotations on the lines that state the wishes.

use super::DriftReport;
use super::fold::{Fold, fold};
use super::words;
use crate::drift::Standing;
use crate::report::workflow::{Kind, MOST, Spot, command, last};

/// The characters of an attribute's path that are shown.
const MAX_TITLE: usize = 120;

pub fn write(report: &DriftReport<'_>) -> String {
    let folds = fold(&report.drift.findings);
    let mut out = String::new();
    let mut told = 0;
    // The notices leave room for the last line.
    for (kind, most) in [(Kind::Error, MOST), (Kind::Warning, MOST), (Kind::Notice, MOST - 1)] {
        for fold in folds.iter().filter(|fold| kind_of(fold.standing()) == Some(kind)).take(most) {
            out.push_str(&line(report, fold, kind));
            told += 1;
        }
    }
    let excepted = folds.iter().filter(|fold| kind_of(fold.standing()).is_none()).count();
    let mut count = words::count(report.drift);
    let rest = folds.len() - excepted - told;
    if rest > 0 {
        count.push_str(&format!("; {} more, for GitHub shows {MOST} of a kind", words::plural(rest, "difference")));
    }
    if !report.drift.warnings.is_empty() {
        count.push_str(&format!("; {}", words::plural(report.drift.warnings.len(), "warning")));
    }
    out.push_str(&last("muster drift", &count));
    out
}

/// The command that tells of a standing; none where it is excused.
fn kind_of(standing: Standing) -> Option<Kind> {
    match standing {
        Standing::Drifted => Some(Kind::Error),
        Standing::Unknown => Some(Kind::Warning),
        Standing::Pending | Standing::Settling => Some(Kind::Notice),
        Standing::Excepted | Standing::InSync | Standing::NotObservable => None,
    }
}

fn line(report: &DriftReport<'_>, fold: &Fold<'_>, kind: Kind) -> String {
    let told = report.told_at(fold);
    let path = words::shown(&told.path);
    let spot = Spot { path: &path, line: told.line, column: told.columns.map(|(from, _)| from) };
    let title = format!("{}: {}", fold.standing().as_str(), words::cut(&words::shown(fold.attribute()), MAX_TITLE));
    command(kind, spot, &title, &words::sentence(fold, report.drift.at))
}
