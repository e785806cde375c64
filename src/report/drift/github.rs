//! Workflow commands of GitHub Actions, which become annotations on the lines of a change.
//!
//! Values go in by the escaping of GitHub's own toolkit (`@actions/core`, command.ts): `%`, CR and LF in a message, and
//! `:` and `,` too in a property.

use super::DriftReport;
use super::fold::{Fold, fold};
use super::words;
use crate::drift::Standing;

/// GitHub shows ten annotations of each kind per step, and drops what follows without a word.
const MOST: usize = 10;

/// The characters of an attribute's path that are shown.
const MAX_TITLE: usize = 120;

pub fn write(report: &DriftReport<'_>) -> String {
    let folds = fold(&report.drift.findings);
    let mut out = String::new();
    let mut told = 0;
    // The notices leave room for the last line.
    for (kind, most) in [("error", MOST), ("warning", MOST), ("notice", MOST - 1)] {
        for fold in folds.iter().filter(|fold| command(fold.standing()) == Some(kind)).take(most) {
            out.push_str(&line(report, fold, kind));
            told += 1;
        }
    }
    let excepted = folds.iter().filter(|fold| command(fold.standing()).is_none()).count();
    let mut last = words::count(report.drift);
    let rest = folds.len() - excepted - told;
    if rest > 0 {
        last.push_str(&format!("; {} more, for GitHub shows {MOST} of a kind", words::plural(rest, "difference")));
    }
    if !report.drift.warnings.is_empty() {
        last.push_str(&format!("; {}", words::plural(report.drift.warnings.len(), "warning")));
    }
    out.push_str(&format!("::notice title=muster drift::{}\n", message(&last)));
    out
}

/// The command that tells of a standing; none where it is excused.
fn command(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Drifted => Some("error"),
        Standing::Unknown => Some("warning"),
        Standing::Pending | Standing::Settling => Some("notice"),
        Standing::Excepted | Standing::InSync | Standing::NotObservable => None,
    }
}

fn line(report: &DriftReport<'_>, fold: &Fold<'_>, kind: &str) -> String {
    let spot = report.told_at(fold);
    let mut place = format!("file={},line={}", property(&words::shown(&spot.path)), spot.line);
    if let Some((from, _)) = spot.columns {
        place.push_str(&format!(",col={from}"));
    }
    let title = format!("{}: {}", fold.standing().as_str(), words::cut(&words::shown(fold.attribute()), MAX_TITLE));
    format!("::{kind} {place},title={}::{}\n", property(&title), message(&words::sentence(fold, report.drift.at)))
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_neither_its_property_nor_its_line() {
        assert_eq!(message("100 %0A\r\n::error::"), "100 %250A%0D%0A::error::");
        assert_eq!(property("a,b:c"), "a%2Cb%3Ac");
    }
}
