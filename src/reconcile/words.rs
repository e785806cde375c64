//! Text of commits, findings and errors for the log and the status.

use tracing::{error, warn};

use super::clock;
use super::standing::Refused;
use crate::change::{Breach, Judgement};
use crate::model::{Diagnostic, Positions, Severity, Tree};
use crate::report;
use crate::store::Accepted;
use crate::story::{self, Finding, What};
use crate::view::{DiagnosticView, RevisionView};

/// The number of findings per commit in the log: one wrong column gives one finding per node.
const FINDINGS_TOLD: usize = 20;

/// The number of change digests in one sentence about held changes.
const DIGESTS_SHOWN: usize = 20;

/// The number of findings of a refused commit in the status.
const FINDINGS_SHOWN: usize = 100;

/// Returns why a commit gave no snapshot.
pub fn why(findings: &[Diagnostic]) -> String {
    match findings {
        [] => "muster itself failed on it, which is a fault of muster".into(),
        findings => report::count(findings),
    }
}

/// Describes an accepted commit.
pub fn view(accepted: &Accepted) -> RevisionView {
    RevisionView::new(&accepted.revision, &accepted.subject, clock::rfc3339(accepted.at))
}

/// Describes a refused commit with its worst findings.
pub fn refused(accepted: &Accepted, findings: &[Diagnostic], tree: &Tree) -> Refused {
    let first = worst_first(findings).take(FINDINGS_SHOWN);
    let mut positions = Positions::new(tree);
    Refused {
        revision: view(accepted),
        reason: why(findings),
        diagnostics: first.map(|finding| DiagnosticView::at(finding, &mut positions)).collect(),
        errors: count(findings, Severity::Error),
        warnings: count(findings, Severity::Warning),
    }
}

/// Describes which guard rails hold a commit, and what allows it.
pub fn held(judgement: &Judgement) -> String {
    let told: Vec<String> = judgement.breaches.iter().map(Breach::told).collect();
    let digests = judgement.to_allow();
    let mut shown: Vec<String> = digests.iter().take(DIGESTS_SHOWN).map(|digest| format!("\"{digest}\"")).collect();
    if let Some(more) = digests.len().checked_sub(DIGESTS_SHOWN).filter(|more| *more > 0) {
        shown.push(format!("and {more} more that `muster diff` tells"));
    }
    let allow = shown.join(", ");
    format!("{} (if it is wished: a commit that adds to `allow` in [guard] of policy.toml: {allow})", told.join("; "))
}

fn count(findings: &[Diagnostic], severity: Severity) -> u32 {
    let count = findings.iter().filter(|finding| finding.severity() == severity).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Returns the event of a refused commit.
pub fn refusal(refused: &Refused) -> What {
    let finding = |finding: &DiagnosticView| Finding {
        code: finding.code.as_str().into(),
        path: story::text(&finding.path),
        line: finding.line,
        message: story::text(&finding.message),
    };
    What::Refused {
        reason: story::text(&refused.reason),
        errors: refused.errors,
        warnings: refused.warnings,
        findings: refused.diagnostics.iter().take(story::MAX_FINDINGS).map(finding).collect(),
    }
}

fn worst_first(findings: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    let of = |wanted| findings.iter().filter(move |finding| finding.severity() == wanted);
    of(Severity::Error).chain(of(Severity::Warning))
}

/// Logs the findings of one commit.
pub fn tell(findings: &[Diagnostic], tree: &Tree) {
    worst_first(findings).take(FINDINGS_TOLD).for_each(|finding| tell_one(finding, tree));
    if let Some(more) = findings.len().checked_sub(FINDINGS_TOLD).filter(|more| *more > 0) {
        warn!(more, "there are more findings; `muster check --rev` tells all of them");
    }
}

fn tell_one(finding: &Diagnostic, tree: &Tree) {
    let DiagnosticView { code, path, line, column, message, hint, severity: _ } = DiagnosticView::of(finding, tree);
    match finding.severity() {
        Severity::Error => error!(code, path, line, column, hint, "{message}"),
        Severity::Warning => warn!(code, path, line, column, hint, "{message}"),
    }
}

/// Adds the next step to a sentence.
pub fn with_hint(why: &str, hint: Option<String>) -> String {
    hint.map_or_else(|| why.to_owned(), |hint| format!("{why} ({hint})"))
}

/// Puts a person's text on one line, without characters that move a terminal's cursor.
pub fn one_line(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    shown.trim().to_owned()
}

/// Formats an error with all its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
