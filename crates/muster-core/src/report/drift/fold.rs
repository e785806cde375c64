//! Equal findings under one set of names.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::drift::{Class, Excused, Finding, Settling, Standing, Subject, Verdict};
use crate::model::{NodeSet, Origin};

/// The oldest and the newest of some times, in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub oldest: i64,
    pub newest: i64,
}

/// Findings that differ only in whom they are about and in their times.
#[derive(Debug, Clone)]
pub struct Fold<'d> {
    /// All of them, by where git states them, then in the order of the comparison; never empty.
    pub findings: Vec<&'d Finding>,
    /// Their places in the comparison's list.
    pub places: Vec<usize>,
    /// The names of whom they are about, each once, in natural order: nodes, BMCs, the BMCs of Systems, MAC addresses.
    pub names: Vec<String>,
    /// The names folded; MAC addresses one after another.
    pub set: String,
    /// Since when they are so, where that is known of any.
    pub since: Option<Times>,
    /// When what they rest on was seen, where anything was.
    pub observed: Option<Times>,
}

/// What is equal in the findings of a fold.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'d> {
    class: Class,
    attribute: &'d str,
    verdict: Kind<'d>,
    wished: Option<&'d str>,
    seen: Option<&'d str>,
    note: Option<&'d str>,
    origin: Option<Origin>,
    about: About<'d>,
}

/// A verdict without its time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind<'d> {
    Drifted,
    Unknown(&'d str),
    Pending,
    Power,
    Post,
    Unconfirmed(u32, u32),
    Exception { owner: &'d str, reason: Option<&'d str>, until: jiff::civil::Date, origin: Origin },
    Maintenance,
}

/// A kind of subject; Systems fold where they bear one name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum About<'d> {
    Node,
    Bmc,
    System(&'d str),
    Mac,
}

/// Folds findings: the gravest verdicts first, then most subjects, then class, then attribute.
///
/// Every finding is in exactly one fold.
#[must_use]
pub fn fold(findings: &[Finding]) -> Vec<Fold<'_>> {
    let mut equal: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        equal.entry(Key::of(finding)).or_default().push(at);
    }
    // The first of a fold says where it is stated, whatever the order of the findings.
    let first_in_git = |at: &usize| (findings[*at].origin.is_none(), findings[*at].origin);
    equal.values_mut().for_each(|places| places.sort_by_key(first_in_git));
    let mut folds: Vec<Fold<'_>> = equal.into_values().map(|places| Fold::of(findings, places)).collect();
    // Stable: what is equal here stays in the order of the keys.
    folds.sort_by_cached_key(|fold| (Reverse((fold.standing(), fold.names.len())), fold.class(), fold.attribute()));
    folds
}

impl<'d> Key<'d> {
    fn of(finding: &'d Finding) -> Self {
        Self {
            class: finding.class,
            attribute: &finding.attribute,
            verdict: Kind::of(&finding.verdict),
            wished: finding.wished.as_deref(),
            seen: finding.seen.as_deref(),
            note: finding.note.as_deref(),
            // Why a machine cannot be judged is the same wherever git states it.
            origin: finding.origin.filter(|_| !matches!(finding.verdict, Verdict::Unknown { .. })),
            about: match &finding.subject {
                Subject::Node(_) => About::Node,
                Subject::Bmc(_) => About::Bmc,
                Subject::System { system, .. } => About::System(system),
                Subject::Mac(_) => About::Mac,
            },
        }
    }
}

impl<'d> Kind<'d> {
    fn of(verdict: &'d Verdict) -> Self {
        match verdict {
            Verdict::Drifted { .. } => Self::Drifted,
            Verdict::Unknown { why, .. } => Self::Unknown(why),
            Verdict::Pending => Self::Pending,
            Verdict::Settling(Settling::Power) => Self::Power,
            Verdict::Settling(Settling::Post) => Self::Post,
            Verdict::Settling(Settling::Unconfirmed { surveys, of }) => Self::Unconfirmed(*surveys, *of),
            Verdict::Excepted(Excused::Exception { owner, reason, until, origin }) => {
                Self::Exception { owner, reason: reason.as_deref(), until: *until, origin: *origin }
            }
            Verdict::Excepted(Excused::Maintenance) => Self::Maintenance,
        }
    }
}

impl<'d> Fold<'d> {
    fn of(all: &'d [Finding], places: Vec<usize>) -> Self {
        let findings: Vec<&Finding> = places.iter().map(|at| &all[*at]).collect();
        let names: BTreeSet<String> = findings.iter().map(|finding| name(&finding.subject)).collect();
        let (names, set) = match findings.first().map(|finding| &finding.subject) {
            // A MAC address has numbers only where its digits happen to be decimal.
            Some(Subject::Mac(_)) => (Vec::from_iter(names.iter().cloned()), Vec::from_iter(names).join(",")),
            Some(Subject::Node(_) | Subject::Bmc(_) | Subject::System { .. }) | None => {
                let names = NodeSet::from_names(names);
                (names.iter().collect(), names.to_string())
            }
        };
        Self {
            names,
            set,
            since: Times::of(findings.iter().filter_map(|finding| since(finding))),
            observed: Times::of(findings.iter().filter_map(|finding| finding.observed)),
            findings,
            places,
        }
    }

    /// Returns one of the findings; the others are equal to it but for subject and times.
    #[must_use]
    pub fn first(&self) -> &'d Finding {
        self.findings.first().expect("a fold is made of at least one finding")
    }

    /// Counts the places in git where what is compared is stated.
    #[must_use]
    pub fn places_in_git(&self) -> usize {
        let places: BTreeSet<Origin> = self.findings.iter().filter_map(|finding| finding.origin).collect();
        places.len()
    }

    /// Returns the standing that such a finding gives a node.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.first().verdict.standing()
    }

    pub(super) fn class(&self) -> Class {
        self.first().class
    }

    /// Returns the attribute's path, or the name of the class where the subject as a whole is meant.
    pub(super) fn attribute(&self) -> &'d str {
        let finding = self.first();
        if finding.attribute.is_empty() { finding.class.as_str() } else { &finding.attribute }
    }
}

impl Times {
    pub(super) fn of(times: impl Iterator<Item = i64>) -> Option<Self> {
        times.fold(None, |range: Option<Self>, time| {
            let range = range.unwrap_or(Self { oldest: time, newest: time });
            Some(Self { oldest: range.oldest.min(time), newest: range.newest.max(time) })
        })
    }
}

/// Returns the name of whom a finding is about; of a System, its BMC's.
pub(super) fn name(subject: &Subject) -> String {
    match subject {
        Subject::Node(name) | Subject::Bmc(name) | Subject::System { bmc: name, .. } => name.to_string(),
        Subject::Mac(mac) => mac.to_string(),
    }
}

/// Returns since when a finding is so, in unix milliseconds.
pub(super) fn since(finding: &Finding) -> Option<i64> {
    match &finding.verdict {
        Verdict::Drifted { since } | Verdict::Unknown { since, .. } => *since,
        Verdict::Pending | Verdict::Settling(_) | Verdict::Excepted(_) => None,
    }
}
