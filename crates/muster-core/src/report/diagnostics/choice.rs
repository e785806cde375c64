//! Which of very many findings a person is shown: enough to mend the cause, and a true count of the rest.

use std::collections::BTreeMap;

use crate::model::text::{bounded, plural};
use crate::model::{Code, Diagnostic, Severity};

/// The most findings that are shown.
const MAX_SHOWN: usize = 100;

/// The most that are shown of one kind in one file, so that one mistake which repeats hides no other.
const MAX_ALIKE: usize = 50;

/// The most lines that count what is left out.
const MAX_COUNTS: usize = 10;

/// The findings that are shown, and how many of each kind and file are not.
pub struct Choice<'f> {
    /// In the order of the findings.
    pub shown: Vec<&'f Diagnostic>,
    left_out: BTreeMap<(&'f str, Code), usize>,
}

impl<'f> Choice<'f> {
    /// Chooses errors first, then warnings.
    pub fn new(findings: &'f [Diagnostic]) -> Self {
        let mut alike: BTreeMap<(&str, Code), usize> = BTreeMap::new();
        let mut left_out = BTreeMap::new();
        let mut chosen: Vec<usize> = Vec::new();
        for severity in [Severity::Error, Severity::Warning] {
            let of_severity = findings.iter().enumerate().filter(|(_, finding)| finding.severity() == severity);
            for (at, finding) in of_severity {
                let kind = (&*finding.place.file, finding.code);
                let count = alike.entry(kind).or_default();
                if chosen.len() < MAX_SHOWN && *count < MAX_ALIKE {
                    *count += 1;
                    chosen.push(at);
                } else {
                    *left_out.entry(kind).or_default() += 1;
                }
            }
        }

        chosen.sort_unstable();
        Self { shown: chosen.into_iter().map(|at| &findings[at]).collect(), left_out }
    }

    /// Counts what is left out, one line for each kind and file, the largest first.
    pub fn left_out(&self, prefix: &str) -> Vec<String> {
        let mut all: Vec<_> = self.left_out.iter().collect();
        all.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), *kind));
        let line = |(kind, count): &(&(&str, Code), &usize)| {
            let (path, code) = kind;
            format!("… and {count} more `{}` in {}", code.as_str(), bounded(format!("{prefix}{path}")))
        };
        let mut lines: Vec<String> = all.iter().take(MAX_COUNTS).map(line).collect();
        let rest: usize = all.iter().skip(MAX_COUNTS).map(|(_, count)| **count).sum();
        if rest > 0 {
            lines.push(format!("… and {} in other files", plural(rest, "more finding")));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    fn findings(code: Code, file: &str, count: usize) -> Vec<Diagnostic> {
        (0..count).map(|at| Diagnostic::new(code, Place::at(file, at..at), "x")).collect()
    }

    #[test]
    fn few_findings_are_all_shown() {
        let all = findings(Code::UnknownKey, "a", MAX_ALIKE);
        let choice = Choice::new(&all);
        assert_eq!(choice.shown.len(), MAX_ALIKE);
        assert!(choice.left_out("").is_empty());
    }

    #[test]
    fn one_kind_hides_no_other_and_errors_come_before_warnings() {
        let mut all = findings(Code::UnusedGroup, "a", 500);
        all.extend(findings(Code::UnknownKey, "b", 8_000));
        all.extend(findings(Code::BadValue, "c", 2));
        let choice = Choice::new(&all);
        let shown = |code: Code| choice.shown.iter().filter(|finding| finding.code == code).count();
        assert_eq!((shown(Code::BadValue), shown(Code::UnknownKey), shown(Code::UnusedGroup)), (2, 50, 48));
        assert_eq!(
            choice.left_out("x/"),
            ["… and 7950 more `unknown-key` in x/b", "… and 452 more `unused-group` in x/a"]
        );
    }

    #[test]
    fn what_is_shown_and_what_is_left_out_are_all_there_is() {
        let files: Vec<String> = (0..40).map(|at| format!("f{at}")).collect();
        let all: Vec<Diagnostic> = files.iter().flat_map(|file| findings(Code::BadIp, file, 30)).collect();
        let choice = Choice::new(&all);
        assert_eq!(choice.shown.len() + choice.left_out.values().sum::<usize>(), all.len());
        let lines = choice.left_out("");
        assert_eq!(lines.len(), MAX_COUNTS + 1);
        assert_eq!(lines[MAX_COUNTS], "… and 800 more findings in other files");
    }
}
