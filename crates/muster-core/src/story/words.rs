//! An event as one sentence, the same on a terminal and in JSON.

use crate::model::text::plural;

use super::{Finding, Hold, Stat, What};

/// Says what happened in one sentence, without the commit, which stands beside it.
#[must_use]
pub fn told(what: &What) -> String {
    match what {
        What::Seen { branch } => format!("{branch} stands here"),
        What::Accepted { nodes, signed_by, stat } => accepted(*nodes, signed_by.as_deref(), *stat),
        What::NoBaseline => {
            "accepted with no commit before it to compare with (a fresh or lost store): no guard rail judged it".into()
        }
        What::Served { why } => format!("served again: {why}"),
        What::Held { by, reason } => format!("{}: {reason}", hold(*by)),
        What::Refused { reason, findings, .. } => refused(reason, findings),
        What::Pinned { by, reason, until, unsigned } => pinned(by, reason, until.as_deref(), *unsigned),
        What::Unpinned { why } => why.to_string(),
        What::RewindAllowed { by } if by.is_empty() => "the branch may go back to it".into(),
        What::RewindAllowed { by } => format!("the branch may go back to it, says {by}"),
        What::SourceAway { reason } => format!("the repository cannot be followed: {reason}"),
        What::SourceBack => "the repository can be followed again".into(),
        What::FirstBoot { node } => format!("{node} is the first to boot by it"),
        What::LastMoved { node, nodes: 1 } => format!("{node}, which alone ran an earlier script, booted by it"),
        What::LastMoved { node, nodes } => {
            format!("{node} is the last of {nodes} nodes with an earlier script to boot by it; none runs one any more")
        }
        What::Lost { events: 1 } => "an event was lost: the store could not write".into(),
        What::Lost { events } => format!("{events} events were lost: the store could not write"),
    }
}

const fn hold(by: Hold) -> &'static str {
    match by {
        Hold::GuardRail => "held by a guard rail",
        Hold::Signature => "held for its signature",
        Hold::Rewind => "held as a rewind",
        Hold::Pin => "held by a pin",
    }
}

fn accepted(nodes: u32, signed_by: Option<&str>, stat: Option<Stat>) -> String {
    let mut text = plural(nodes as usize, "node");
    match stat {
        Some(Stat { added: 0, removed: 0, scripts: 0 }) => text.push_str(": no boot script changed"),
        Some(Stat { added, removed, scripts }) => {
            let parts = [(scripts, "with another boot script"), (added, "added"), (removed, "removed")];
            let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
            text.push_str(&format!(": {}", parts.collect::<Vec<_>>().join(", ")));
        }
        None => {}
    }
    if let Some(who) = signed_by {
        text.push_str(&format!("; signed by {who}"));
    }
    text
}

fn refused(reason: &str, findings: &[Finding]) -> String {
    let Some(Finding { path, line, message, .. }) = findings.first() else { return reason.to_owned() };
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    format!("{reason}; {path}{line}: {message}")
}

fn pinned(by: &str, reason: &str, until: Option<&str>, unsigned: bool) -> String {
    let mut text = format!("until {}", until.unwrap_or("`muster unpin`"));
    if !by.is_empty() {
        text.push_str(&format!(" by {by}"));
    }
    if !reason.is_empty() {
        text.push_str(&format!(": {reason}"));
    }
    if unsigned {
        text.push_str("; it needed no signature");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_a_sentence_and_its_kind_is_its_name_in_json() {
        let finding = Finding {
            code: "unknown-key".into(),
            path: "nodes/a.toml".into(),
            line: Some(4),
            message: "no key `nisc`".into(),
        };
        let stat = Some(Stat { added: 2, removed: 0, scripts: 3 });
        let by = || "ada".into();
        let all = [
            (What::Seen { branch: "main".into() }, "main stands here"),
            (
                What::Accepted { nodes: 3, signed_by: Some(by()), stat },
                "3 nodes: 3 with another boot script, 2 added; signed by ada",
            ),
            (
                What::NoBaseline,
                "accepted with no commit before it to compare with (a fresh or lost store): no guard rail judged it",
            ),
            (What::Served { why: "it is pinned".into() }, "served again: it is pinned"),
            (What::Held { by: Hold::Pin, reason: "a is pinned".into() }, "held by a pin: a is pinned"),
            (
                What::Refused { reason: "1 error".into(), errors: 1, warnings: 0, findings: vec![finding] },
                "1 error; nodes/a.toml:4: no key `nisc`",
            ),
            (
                What::Pinned { by: by(), reason: "it panics".into(), until: None, unsigned: true },
                "until `muster unpin` by ada: it panics; it needed no signature",
            ),
            (What::Unpinned { why: "its time is over".into() }, "its time is over"),
            (What::RewindAllowed { by: by() }, "the branch may go back to it, says ada"),
            (What::SourceAway { reason: "no route".into() }, "the repository cannot be followed: no route"),
            (What::SourceBack, "the repository can be followed again"),
            (What::FirstBoot { node: "n1".into() }, "n1 is the first to boot by it"),
            (What::LastMoved { node: "n1".into(), nodes: 1 }, "n1, which alone ran an earlier script, booted by it"),
            (What::Lost { events: 2 }, "2 events were lost: the store could not write"),
        ];
        for (what, sentence) in all {
            assert_eq!(told(&what), sentence);
            let json = serde_json::to_value(&what).unwrap();
            assert_eq!(json["event"], what.kind());
            assert_eq!(serde_json::from_value::<What>(json).unwrap(), what);
        }
    }
}
