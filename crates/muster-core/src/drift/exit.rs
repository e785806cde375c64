//! The exit code of a comparison (docs/commands.md, "Exit codes").

use std::time::Duration;

use super::runs::CLOCK_SLACK;
use super::{Class, Drift, Standing, Subject, Verdict};
use crate::desired::{Condition, FailOn, Over};

/// The outcome of a comparison for a script, by gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    AsWished,
    /// Nothing differs, but something could not be judged.
    Unjudged,
    Findings,
}

/// What a script is told where nobody says otherwise: any drift, and anything that could not be judged.
const DEFAULT: [FailOn; 2] = [
    FailOn { condition: Condition::Drift, over: Over::Nothing },
    FailOn { condition: Condition::Unknown, over: Over::Nothing },
];

/// Judges a comparison by the conditions that count; those of the default where there are none.
///
/// `stale_after` is the age from which an observation is stale where a condition names none.
#[must_use]
pub fn exit(drift: &Drift, conditions: &[FailOn], stale_after: Option<Duration>) -> Exit {
    let conditions = if conditions.is_empty() { &DEFAULT[..] } else { conditions };
    let met = conditions.iter().filter(|condition| is_met(drift, **condition, stale_after));
    met.map(|condition| outcome(condition.condition)).max().unwrap_or(Exit::AsWished)
}

const fn outcome(condition: Condition) -> Exit {
    match condition {
        Condition::Drift | Condition::Settling | Condition::Pending | Condition::Undeclared => Exit::Findings,
        Condition::Unknown | Condition::Stale => Exit::Unjudged,
    }
}

fn is_met(drift: &Drift, FailOn { condition, over }: FailOn, stale_after: Option<Duration>) -> bool {
    let all = drift.nodes.iter().filter(|node| node.standing != Standing::NotObservable).count();
    let count = match (condition, over) {
        (Condition::Stale, Over::Age(age)) => return stale(drift, age) > 0,
        (Condition::Stale, _) => stale_after.map_or(0, |age| stale(drift, age)),
        (Condition::Drift, _) => having(drift, |verdict| matches!(verdict, Verdict::Drifted { .. })),
        (Condition::Unknown, _) => having(drift, |verdict| matches!(verdict, Verdict::Unknown { .. })),
        (Condition::Settling, _) => having(drift, |verdict| matches!(verdict, Verdict::Settling(_))),
        (Condition::Pending, _) => having(drift, |verdict| matches!(verdict, Verdict::Pending)),
        (Condition::Undeclared, _) => undeclared(drift),
    };
    over.is_exceeded_by(count, all).unwrap_or_default()
}

/// Counts the nodes and other subjects that have such a verdict.
fn having(drift: &Drift, is_meant: impl Fn(&Verdict) -> bool) -> usize {
    let mut subjects: Vec<&Subject> =
        drift.findings.iter().filter(|finding| is_meant(&finding.verdict)).map(|finding| &finding.subject).collect();
    subjects.sort_unstable();
    subjects.dedup();
    subjects.len()
}

fn undeclared(drift: &Drift) -> usize {
    let is_node = |subject: &Subject| matches!(subject, Subject::Node(_));
    let presence = drift.findings.iter().filter(|finding| finding.class == Class::Presence);
    presence.filter(|finding| !is_node(&finding.subject) && matches!(finding.verdict, Verdict::Drifted { .. })).count()
}

fn stale(drift: &Drift, age: Duration) -> usize {
    let limit = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let observable = drift.nodes.iter().filter(|node| node.is_observable);
    // An observation from the future was dated by a wrong clock: its age is unknown, so it counts as stale.
    let is_stale = |seen: i64| {
        let age = drift.at.saturating_sub(seen);
        age > limit || age < -CLOCK_SLACK
    };
    // What was never seen is unknown, and counts as that alone.
    observable.filter(|node| node.seen.is_some_and(is_stale)).count()
}
