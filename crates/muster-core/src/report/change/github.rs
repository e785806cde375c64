//! A change as workflow commands of GitHub Actions, which become annotations on the lines that cause it.

use super::ChangeReport;
use super::words;
use crate::change::{self, Breach, Fold, Side, Spot};
use crate::model::Diagnostic;
use crate::report::drift::words::{cut, plural, shown};
use crate::report::workflow::{self, Kind, MOST, command, last, unplaced};

/// The characters of a node set, and of a sentence.
const MAX_SET: usize = 160;
const MAX_SENTENCE: usize = 1_000;

pub fn write(report: &ChangeReport<'_>, folder: &str) -> String {
    let mut out = String::new();
    let breaches = report.judgement.iter().flat_map(|judgement| {
        // The breaches come first, in their order.
        judgement.breaches.iter().zip(judgement.findings())
    });
    let breaches: Vec<(&Breach, Diagnostic)> = breaches.collect();
    for (breach, finding) in breaches.iter().take(MOST) {
        out.push_str(&rail(breach, finding, folder));
    }
    for fold in report.folds.iter().take(MOST) {
        out.push_str(&one(fold, folder));
    }
    let mut count = words::count(report.change, &change::costs(report.change));
    if !breaches.is_empty() {
        count.push_str(&format!("; {}", plural(breaches.len(), "guard rail")));
        count.push_str(" broken");
    }
    let missing = report.folds.get(MOST..).unwrap_or_default();
    if !missing.is_empty() {
        let nodes: usize = missing.iter().map(|fold| fold.machines.len()).sum();
        let folds = plural(missing.len(), "more fold");
        count.push_str(&format!("; {folds} of {}, for GitHub shows {MOST} of a kind", plural(nodes, "machine")));
    }
    out.push_str(&last("muster diff", &count));
    out
}

fn rail(breach: &Breach, finding: &Diagnostic, folder: &str) -> String {
    let path = shown(&words::from_root(folder, &breach.place.file));
    // The line of the base may be another one by now.
    let line = if breach.side == Side::Head { breach.line } else { 1 };
    let help = finding.hint.as_ref().map(|hint| format!("\nhelp: {hint}")).unwrap_or_default();
    let text = format!("{}{help}", cut(&words::line(&finding.message), MAX_SENTENCE));
    command(Kind::Error, workflow::Spot { path: &path, line, column: None }, finding.code.as_str(), &text)
}

fn one(fold: &Fold<'_>, folder: &str) -> String {
    let title = words::headline(fold);
    let (keys, more) = words::keys(fold);
    let more = (more > 0).then(|| plural(more, "more value"));
    let what: Vec<String> = keys.into_iter().map(|key| cut(&words::line(key), MAX_SET)).chain(more).collect();
    let what = [what.join(", "), words::parts(fold)].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
    let who = cut(&words::who(fold), MAX_SET);
    let unexplained = words::unexplained(fold).map(|text| format!("; {text}")).unwrap_or_default();
    let text = format!("{who}: {} [{}]; {}{unexplained}", what.join("; "), fold.digest, words::reach(fold));
    match cause(fold) {
        Some(spot) => {
            let path = shown(&words::from_root(folder, &spot.path));
            command(Kind::Warning, workflow::Spot { path: &path, line: spot.line, column: None }, &title, &text)
        }
        None => {
            let mut was = words::told(fold).filter_map(|value| value.change.old.as_ref()?.spot.as_ref());
            let place =
                |spot: &Spot| format!("; was at {}:{}", shown(&words::from_root(folder, &spot.path)), spot.line);
            let was = was.next().map(place).unwrap_or_default();
            unplaced(Kind::Warning, &title, &format!("{text}{was}"))
        }
    }
}

/// Finds the line of the head that a change comes from: of a variable that changes, else of the first value that does.
fn cause<'f>(fold: &'f Fold<'_>) -> Option<&'f Spot> {
    let spots =
        || words::told(fold).filter_map(|value| Some((&value.change.key, value.change.new.as_ref()?.spot.as_ref()?)));
    let variable = spots().find(|(key, _)| key.starts_with("vars."));
    variable.or_else(|| spots().next()).map(|(_, spot)| spot)
}
