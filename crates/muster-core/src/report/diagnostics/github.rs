//! Diagnostics as workflow commands of GitHub Actions: errors first, no more of a kind than GitHub shows, and a last line
//! that counts all of them.

use super::count;
use crate::model::text::{bounded, line, plural};
use crate::model::{Diagnostic, Positions, SafeText, Severity, Tree};
use crate::report::workflow::{Kind, MOST, Spot, command, last};
use crate::view::DiagnosticView;

/// Writes findings as annotations; paths begin with `prefix`, at the root of the repository.
///
/// `nodes` is how many nodes the wishes declare, where they check.
#[must_use]
pub fn github(findings: &[Diagnostic], tree: &Tree, prefix: &str, nodes: Option<usize>) -> SafeText {
    let mut out = String::new();
    let mut told = 0;
    let mut positions = Positions::new(tree);
    for (severity, kind) in [(Severity::Error, Kind::Error), (Severity::Warning, Kind::Warning)] {
        for finding in findings.iter().filter(|finding| finding.severity() == severity).take(MOST) {
            out.push_str(&annotation(finding, &mut positions, prefix, kind));
            told += 1;
        }
    }
    let mut all = count(findings);
    if let Some(nodes) = nodes {
        all = format!("{}; {all}", plural(nodes, "node"));
    }
    if told < findings.len() {
        all.push_str(&format!("; {} not shown, for GitHub shows {MOST} of a kind", findings.len() - told));
    }
    out.push_str(&last("muster check", &all));
    SafeText::commands(&out)
}

fn annotation(finding: &Diagnostic, positions: &mut Positions<'_>, prefix: &str, kind: Kind) -> String {
    let view = DiagnosticView::at(finding, positions);
    let path = format!("{prefix}{}", view.path);
    // Where a finding is about the file as a whole, GitHub shows it at the head.
    let spot = Spot { path: &path, line: view.line.unwrap_or(1), column: view.column };
    let mut lines = vec![line(&view.message).into_owned()];
    for (place, why) in &finding.related {
        let number = positions.of(place).map(|(line, _)| format!(":{line}")).unwrap_or_default();
        let path = bounded(format!("{prefix}{}", place.file));
        lines.push(line(&format!("{path}{number}: {why}")).into_owned());
    }
    if let Some(hint) = view.hint {
        lines.push(line(&format!("help: {hint}")).into_owned());
    }
    command(kind, spot, &view.code, &lines.join("\n"))
}
