//! Which nodes run what, folded: equal nodes once, under one set.

mod text;

use std::collections::BTreeMap;

use crate::change::{self, Change, Part};
use crate::model::{NodeSet, SafeText};
use crate::view::{
    API_VERSION, BootsView, HowChange, HowView, RunCounts, RunFold, RunRevision, RunState, RunView, TimesView,
};

/// What nodes run, in the order of their rows.
pub struct BootsReport {
    pub view: BootsView,
}

impl BootsReport {
    /// Folds nodes by state, commit and script, or by why their state is unknown.
    #[must_use]
    pub fn new(revision: &str, rows: &[RunView]) -> Self {
        let view = BootsView {
            api_version: API_VERSION.into(),
            muster: env!("CARGO_PKG_VERSION").into(),
            revision: revision.into(),
            counts: counts(revision, rows),
            folds: fold(rows),
        };
        Self { view }
    }

    /// Writes it for a terminal of 80 columns; ages are told against a time in unix milliseconds.
    #[must_use]
    pub fn text(&self, now: i64, colour: bool) -> SafeText {
        text::write(&self.view, now, colour)
    }
}

fn counts(revision: &str, rows: &[RunView]) -> RunCounts {
    let mut counts = RunCounts { revision: Some(revision.into()), ..RunCounts::default() };
    let mut revisions: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        *match row.state {
            RunState::Current => &mut counts.current,
            RunState::Stale => &mut counts.stale,
            RunState::Unknown => &mut counts.unknown,
            RunState::Idle => &mut counts.idle,
        } += 1;
        if let (RunState::Current | RunState::Stale, Some(boot)) = (row.state, &row.boot) {
            *revisions.entry(&boot.revision).or_default() += 1;
        }
    }
    counts.revisions = revisions.into_iter().map(|(id, nodes)| RunRevision { id: id.into(), nodes }).collect();
    counts.revisions.sort_by(|a, b| b.nodes.cmp(&a.nodes).then_with(|| a.id.cmp(&b.id)));
    counts.revisions.truncate(RunCounts::MOST_REVISIONS);
    counts
}

/// What is equal in the nodes of a fold; of nodes in doubt, only why they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'r> {
    state: RunState,
    why: Option<&'r str>,
    revision: Option<&'r str>,
    digest: Option<&'r str>,
}

impl<'r> Key<'r> {
    fn of(row: &'r RunView) -> Self {
        let boot = row.boot.as_ref().filter(|_| matches!(row.state, RunState::Current | RunState::Stale));
        Self {
            state: row.state,
            why: row.reason.as_deref(),
            revision: boot.map(|boot| &*boot.revision),
            digest: boot.map(|boot| &*boot.script_digest),
        }
    }
}

/// Every node is in exactly one fold. Nodes of one commit whose scripts are each their own make one fold too: a node's name
/// in its script is no reason to tell ten thousand folds.
fn fold(rows: &[RunView]) -> Vec<RunFold> {
    let mut equal: BTreeMap<Key<'_>, Vec<&RunView>> = BTreeMap::new();
    for row in rows {
        equal.entry(Key::of(row)).or_default().push(row);
    }
    let mut sole: BTreeMap<Key<'_>, u32> = BTreeMap::new();
    for (key, _) in equal.iter().filter(|(_, rows)| rows.len() == 1) {
        *sole.entry(Key { digest: None, ..*key }).or_default() += 1;
    }
    let mut folds: BTreeMap<Key<'_>, Vec<&RunView>> = BTreeMap::new();
    for (key, rows) in equal {
        let each = Key { digest: None, ..key };
        let is_one_of_many = rows.len() == 1 && sole.get(&each).is_some_and(|count| *count > 1);
        folds.entry(if is_one_of_many { each } else { key }).or_default().extend(rows);
    }
    let mut folds: Vec<RunFold> = folds.into_iter().map(|(key, rows)| one(key, &rows)).collect();
    // Stable: what is equal here stays in the order of the keys.
    folds.sort_by_key(|fold| (fold.state, std::cmp::Reverse(fold.names.len())));
    folds
}

fn one(key: Key<'_>, rows: &[&RunView]) -> RunFold {
    let set = NodeSet::from_names(rows.iter().map(|row| &*row.name));
    let boots = || rows.iter().filter_map(|row| row.boot.as_ref());
    // All are in UTC, so their texts are in the order of time.
    let (oldest, newest) = (boots().map(|boot| &boot.at).min(), boots().map(|boot| &boot.at).max());
    let count = |has: fn(&&&RunView) -> bool| rows.iter().filter(has).count() as u64;
    RunFold {
        state: key.state,
        why: rows.first().and_then(|row| row.why.clone()),
        reason: key.why.map(str::to_owned),
        revision: key.revision.map(str::to_owned),
        script_digest: key.digest.map(str::to_owned),
        names: set.iter().collect(),
        set: set.to_string(),
        booted: oldest.zip(newest).map(|(oldest, newest)| TimesView { oldest: oldest.clone(), newest: newest.clone() }),
        confirmed: count(|row| row.boot.as_ref().is_some_and(|boot| boot.confirmed.is_some())),
        renamed: count(|row| row.booted_as.is_some()),
        uncounted: count(|row| row.uncounted.is_some()),
        other_arch: count(|row| row.other_arch.is_some()),
        how: None,
    }
}

/// Tells how what some nodes booted differs from what they are given, from the difference of the two commits for them.
#[must_use]
pub fn how(change: &Change) -> HowView {
    let folds = change::fold(change);
    // What is only compared, and never served, no boot brings.
    let served = folds.iter().filter(|fold| !fold.patches.is_empty());
    let changes = served.map(|fold| HowChange {
        set: fold.set.clone(),
        parts: fold.patches.iter().map(|(part, _): &(Part, _)| part.as_str().into()).collect(),
        values: fold.values.iter().map(super::change::value).collect(),
    });
    HowView { untold: None, changes: changes.collect() }
}
