//! An event of a commit's story for a terminal of 80 columns: when, what, which commit; and below it what that means.

use super::page::{Page, WIDTH};
use crate::model::SafeText;
use crate::model::text::{bounded, cut, plural, shown, subject};
use crate::story::{Finding, What};
use crate::view::EventView;

/// The columns of the longest name of an event.
const KIND: usize = 14;

/// Writes one event.
#[must_use]
pub fn event(event: &EventView) -> SafeText {
    let mut page = Page::new(false);
    let mut head = format!("{}  {:KIND$}", shown(&event.at), event.what.kind());
    if let Some(commit) = &event.revision {
        let room = WIDTH.saturating_sub(head.chars().count() + commit.short.len() + 4);
        head.push_str(&format!("  {}  {}", shown(&commit.short), cut(&subject(&commit.subject), room)));
    }
    page.line(0, &head);
    match &event.what {
        What::Refused { reason, errors, warnings, findings } => {
            page.wrapped(2, &shown(reason));
            findings.iter().for_each(|finding| one(&mut page, finding));
            let told = u32::try_from(findings.len()).unwrap_or(u32::MAX);
            let more = (errors + warnings).saturating_sub(told);
            if let (1.., Some(commit)) = (more, &event.revision) {
                let more = plural(more as usize, "more finding");
                page.wrapped(4, &format!("… {more}: `muster check --rev {}` tells all", shown(&commit.short)));
            }
        }
        What::Seen { .. }
        | What::Accepted { .. }
        | What::NoBaseline
        | What::Served { .. }
        | What::Held { .. }
        | What::Pinned { .. }
        | What::Unpinned { .. }
        | What::RewindAllowed { .. }
        | What::SourceAway { .. }
        | What::SourceBack
        | What::FirstBoot { .. }
        | What::LastMoved { .. }
        | What::Lost { .. } => page.wrapped(2, &shown(&event.message)),
    }
    page.finish()
}

fn one(page: &mut Page, finding: &Finding) {
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let (path, message) = (shown(&bounded(finding.path.to_string())), shown(&finding.message));
    page.wrapped(4, &format!("{path}{line}: {message} [{}]", finding.code));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{Commit, Event, Happening};

    fn text(subject: &str, what: What) -> SafeText {
        let commit = Some(Commit::new("0123456789abcdef0123456789abcdef01234567", subject));
        let story = Event { seq: 1, happening: Happening { at: 0, commit, what } };
        event(&EventView::of(&story, "2026-11-24T09:00:00Z".into()))
    }

    #[test]
    fn an_event_stays_within_80_columns() {
        let finding = Finding {
            code: "unknown-key".into(),
            path: "nodes/a.toml".into(),
            line: Some(4),
            message: "there is no key `nisc` in a node, and this message goes on for longer than a line".into(),
        };
        let what = What::Refused { reason: "7 errors".into(), errors: 7, warnings: 0, findings: vec![finding] };
        let told = text("canary: the next image, for all of the racks in the second row", what);
        assert_eq!(
            told,
            "2026-11-24T09:00:00Z  refused         0123456789ab  canary: the next image, for…\n  7 errors\n    \
             nodes/a.toml:4: there is no key `nisc` in a node, and this message goes on\n    for longer than a line \
             [unknown-key]\n    … 6 more findings: `muster check --rev 0123456789ab` tells all\n"
        );
        assert!(told.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn nothing_moves_the_cursor() {
        let told = text("a\u{202e}b", What::FirstBoot { node: "n\u{200b}1".into() });
        assert!(!told.contains('\u{202e}') && !told.contains('\u{200b}'), "{told:?}");
    }
}
