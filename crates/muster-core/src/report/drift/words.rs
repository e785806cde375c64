//! The words that the formats for people share: values, ages, reasons and counts.

use std::collections::{BTreeMap, BTreeSet};

use super::fold::{Fold, Times};
pub use crate::model::text::{cut, plural, shown};

use crate::drift::{Class, Coverage, Drift, Excused, Finding, Settling, Standing, Subject, Verdict};

/// How many characters before the first difference of two long values are shown.
const BEFORE_DIFFERENCE: usize = 12;

/// How many characters of each part of a sentence are shown, and twice that of two values together.
const MAX_SENTENCE: usize = 300;

/// Cuts two values to so many characters each, and keeps their first difference in sight.
pub fn pair(one: &str, other: &str, most: usize) -> (String, String) {
    let (one, other) = (shown(one), shown(other));
    if one.chars().count() <= most && other.chars().count() <= most {
        return (one, other);
    }
    let common = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let from = common.saturating_sub(BEFORE_DIFFERENCE);
    let tail = |text: &str| -> String {
        if from == 0 {
            cut(text, most)
        } else {
            cut(&['…'].into_iter().chain(text.chars().skip(from)).collect::<String>(), most)
        }
    };
    (tail(&one), tail(&other))
}

/// The wished and the seen value of a finding, each at most so many characters, as far as there are any.
pub fn values(finding: &Finding, most: usize) -> (Option<String>, Option<String>) {
    match (&finding.wished, &finding.seen) {
        (Some(wished), Some(seen)) => {
            let (wished, seen) = pair(wished, seen, most);
            (Some(wished), Some(seen))
        }
        (wished, seen) => {
            let short = |value: &Option<Box<str>>| value.as_deref().map(|value| cut(&shown(value), most));
            (short(wished), short(seen))
        }
    }
}

/// Writes the declared and the observed value on one line, each by its name; empty if there is neither.
pub fn change(finding: &Finding, most: usize) -> String {
    match values(finding, most) {
        (Some(wished), Some(seen)) => format!("expected {wished}, found {seen}"),
        (Some(wished), None) if matches!(finding.verdict, Verdict::Unknown { .. }) => {
            format!("expected {wished}, found nothing that can be judged")
        }
        (Some(wished), None) => format!("expected {wished}, found nothing"),
        (None, Some(seen)) if finding.class == Class::Presence => format!("not declared, found {seen}"),
        (None, Some(seen)) => format!("expected nothing, found {seen}"),
        (None, None) => String::new(),
    }
}

/// Cuts a folded set of names at a comma so that it has about so many characters.
pub fn set(fold: &Fold<'_>, most: usize) -> String {
    let text = shown(&fold.set);
    if text.chars().count() <= most {
        return text;
    }
    let short: String = text.chars().take(most).collect();
    let end = short.rfind(',').unwrap_or(short.len());
    format!("{},…", &short[..end])
}

/// Tells a fold in one bounded line: who, what, since when.
pub fn sentence(fold: &Fold<'_>, at: i64) -> String {
    let mut text = format!("{}{} ({})", kind(fold), set(fold, MAX_SENTENCE), subjects(fold));
    text.push_str(&format!(": {}", what(fold.first())));
    if let Some(since) = fold.since {
        text.push_str(&format!("; since {}", ago(at, since)));
    }
    text
}

/// Tells what a finding found in one bounded line: attribute, values, why.
pub fn what(finding: &Finding) -> String {
    let attribute = if finding.attribute.is_empty() { finding.class.as_str() } else { &finding.attribute };
    let mut parts = vec![change(finding, MAX_SENTENCE / 2), cut(&why(&finding.verdict), MAX_SENTENCE)];
    parts.push(finding.note.as_deref().map(|note| cut(&shown(note), MAX_SENTENCE)).unwrap_or_default());
    parts.retain(|part| !part.is_empty());
    let attribute = cut(&shown(attribute), MAX_SENTENCE);
    if parts.is_empty() { attribute } else { format!("{attribute}: {}", parts.join("; ")) }
}

/// Counts whom a fold is about: `8 nodes`.
pub fn subjects(fold: &Fold<'_>) -> String {
    let word = match fold.first().subject {
        Subject::Node(_) => "node",
        Subject::Bmc(_) => "BMC",
        Subject::System { .. } => "System",
        Subject::Mac(_) => "MAC address",
    };
    plural(fold.names.len(), word)
}

/// Says what the names of a fold are, where they are not nodes: `BMC `, ``System `Node0` behind ``.
pub fn kind(fold: &Fold<'_>) -> String {
    match &fold.first().subject {
        Subject::Node(_) => String::new(),
        Subject::Bmc(_) => "BMC ".into(),
        Subject::System { system, .. } => format!("System {} behind BMC ", cut(&shown(system), 60)),
        Subject::Mac(_) => "MAC address ".into(),
    }
}

/// Writes how long before the comparison a time was: `3 h`.
pub fn age(at: i64, time: i64) -> String {
    let seconds = at.saturating_sub(time).saturating_abs() / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Writes when something was, against the time of the comparison: `3 h ago`, `2 min to 3 h ago`.
pub fn ago(at: i64, times: Times) -> String {
    let (newest, oldest) = (age(at, times.newest), age(at, times.oldest));
    if times.oldest > at {
        format!("{oldest} after the time of this report")
    } else if times.newest > at {
        format!("from {oldest} ago to {newest} after the time of this report")
    } else if newest == oldest {
        format!("{oldest} ago")
    } else {
        format!("{newest} to {oldest} ago")
    }
}

/// Says why a verdict is what it is, where the values do not; empty for a plain difference.
pub fn why(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Drifted { .. } => String::new(),
        Verdict::Pending => "staged in the BMC; it takes effect with the next reset".into(),
        Verdict::Settling(Settling::Power) => "the power state is changing".into(),
        Verdict::Settling(Settling::Post) => "the machine is in POST".into(),
        Verdict::Settling(Settling::Unconfirmed { surveys, of }) => format!("seen by {surveys} of {of} surveys so far"),
        Verdict::Excepted(excused) => excuse(excused),
        Verdict::Unknown { why, .. } => shown(why),
    }
}

/// Says by whom and until when a difference is excused.
pub fn excuse(excused: &Excused) -> String {
    match excused {
        Excused::Exception { owner, reason, until, .. } => {
            let reason = reason.as_deref().map(|reason| format!(": {}", shown(reason))).unwrap_or_default();
            format!("excepted by {} until {until}{reason}", shown(owner))
        }
        Excused::Maintenance => "the node is under maintenance".into(),
    }
}

/// What one owner, or the state of nodes, excuses.
pub struct Excuse {
    /// By whom, until when and why.
    pub text: String,
    pub findings: usize,
    pub machines: usize,
}

/// Sums up what is excused, in the order of the texts.
pub fn excuses(folds: &[Fold<'_>]) -> Vec<Excuse> {
    let mut by: BTreeMap<String, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for fold in folds {
        if let Verdict::Excepted(excused) = &fold.first().verdict {
            let (findings, names) = by.entry(excuse(excused)).or_default();
            *findings += fold.findings.len();
            names.extend(fold.names.iter().map(String::as_str));
        }
    }
    let excuse =
        |(text, (findings, names)): (String, (usize, BTreeSet<&str>))| Excuse { text, findings, machines: names.len() };
    by.into_iter().map(excuse).collect()
}

/// Says how much of what is seen is managed.
pub fn coverage(coverage: &Coverage) -> String {
    match (coverage.attribute_percent(), coverage.node_percent()) {
        (Some(attributes), Some(nodes)) => {
            format!("{attributes} % of the observed attributes of {nodes} % of the nodes are managed")
        }
        (None, Some(nodes)) => format!("nothing was observed of the {nodes} % of the nodes that are managed"),
        (_, None) => "no node can be observed, so none is judged".into(),
    }
}

/// Counts the nodes of each standing, gravest first; standings that no node has are left out.
pub fn standings(drift: &Drift) -> Vec<(Standing, usize)> {
    let number = |standing| drift.nodes.iter().filter(|node| node.standing == standing).count();
    let all = Standing::ALL.iter().rev().map(|standing| (*standing, number(*standing)));
    all.filter(|(_, number)| *number > 0).collect()
}

/// Writes the line that every report ends with: `512 nodes: 2 drifted, 1 unknown, 509 in sync`.
pub fn count(drift: &Drift) -> String {
    let parts: Vec<String> =
        standings(drift).iter().map(|(standing, number)| format!("{number} {}", standing.as_str())).collect();
    let mut line = plural(drift.nodes.len(), "node");
    if !parts.is_empty() {
        line.push_str(": ");
        line.push_str(&parts.join(", "));
    }
    let others = drift.findings.iter().filter(|finding| !matches!(finding.subject, Subject::Node(_))).count();
    if others > 0 {
        line.push_str(&format!("; {} about no declared node", plural(others, "finding")));
    }
    line
}

/// Returns when nodes were seen, and how many that can be observed never were.
pub fn looks(drift: &Drift) -> (Option<Times>, usize) {
    let times = drift.nodes.iter().filter_map(|node| node.seen);
    let observable = drift.nodes.iter().filter(|node| node.is_observable);
    (Times::of(times), observable.filter(|node| node.seen.is_none()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_is_invisible() {
        assert_eq!(shown("LogicalProc = \"a\\b\" 'c'"), "LogicalProc = \"a\\b\" 'c'");
        assert_eq!(shown(""), "\"\"");
        assert_eq!(shown("a "), "\"a \"");
        assert_eq!(shown("a\nb"), "\"a\\nb\"");
        assert_eq!(shown("a\\nb\n"), "\"a\\\\nb\\n\"");
        assert_eq!(shown("a\u{202e}b\u{200b}\u{a0}\u{1b}"), "\"a\\u{202e}b\\u{200b}\\u{a0}\\u{1b}\"");
    }

    #[test]
    fn long_values_show_where_they_differ() {
        let one = format!("{}1{}", "a".repeat(100), "b".repeat(100));
        let other = format!("{}2{}", "a".repeat(100), "b".repeat(100));
        let (one, other) = pair(&one, &other, 20);
        assert_eq!((&*one, &*other), ("…aaaaaaaaaaaa1bbbbb…", "…aaaaaaaaaaaa2bbbbb…"));
        assert_eq!(pair("short", &"x".repeat(9), 6), ("short".into(), "xxxxx…".into()));
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        let ages = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(|seconds| age(seconds * 1000, 0));
        assert_eq!(ages, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]);
        let times = |oldest, newest| Times { oldest, newest };
        assert_eq!(ago(600_000, times(0, 0)), "10 min ago");
        assert_eq!(ago(600_000, times(0, 480_000)), "2 min to 10 min ago");
        assert_eq!(ago(0, times(180_000, 180_000)), "3 min after the time of this report");
        assert_eq!(ago(60_000, times(0, 180_000)), "from 60 s ago to 2 min after the time of this report");
        assert_eq!(
            ago(0, times(i64::MIN, i64::MAX)),
            "from 106751991167 d ago to 106751991167 d after the time of this report"
        );
    }
}
