//! What all nodes run, kept up to date boot by boot.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::judge::{Records, judge};
use super::{CLOCK_SLACK, Doubt, Run};
use crate::model::{MacAddr, Revision};
use crate::observed::Booted;
use crate::roll::Roll;
use crate::snapshot::Snapshot;

/// How many nodes run what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Nodes that run the script that they would be given today.
    pub current: u64,
    /// Nodes that run another.
    pub stale: u64,
    /// Nodes for which it is not known.
    pub unknown: u64,
    /// Nodes that git gives nothing to boot.
    pub idle: u64,
    /// Of the nodes whose script is known, how many booted each commit.
    pub revisions: BTreeMap<Revision, u64>,
}

/// Which node runs what under one Snapshot.
#[derive(Default)]
pub struct Runs {
    under: Option<(Arc<Snapshot>, Arc<Roll>)>,
    records: Records,
    /// By the index of the node.
    rows: Vec<Run>,
    tally: Tally,
    /// When the first boot that lies ahead of the clock is past.
    ahead_until: Option<i64>,
}

impl Runs {
    /// Takes what is known of all boots, by the names that machines booted as, under no Snapshot yet.
    #[must_use]
    pub fn new(booted: impl IntoIterator<Item = (Box<str>, Booted)>) -> Self {
        let mut runs = Self::default();
        for (name, booted) in booted {
            let _ = runs.records.put(&name, booted);
        }
        runs
    }

    /// Tells whether the rows are those of a Snapshot and its roll.
    #[must_use]
    pub fn is_under(&self, snapshot: &Arc<Snapshot>, roll: &Arc<Roll>) -> bool {
        self.under.as_ref().is_some_and(|(own, other)| Arc::ptr_eq(own, snapshot) && Arc::ptr_eq(other, roll))
    }

    /// Tells whether boots that lay ahead of the clock are past by now.
    #[must_use]
    pub fn is_due(&self, now: i64) -> bool {
        self.ahead_until.is_some_and(|until| now >= until)
    }

    /// Judges all nodes of a Snapshot: work for a new one, and for no other moment.
    pub fn follow(&mut self, snapshot: &Arc<Snapshot>, roll: &Arc<Roll>, now: i64) {
        self.under = Some((Arc::clone(snapshot), Arc::clone(roll)));
        self.rows.clear();
        self.tally = Tally::default();
        self.ahead_until = None;
        for node in 0..snapshot.nodes().len() {
            let run = judge(snapshot, roll, &self.records, node, now);
            self.count(&run);
            self.rows.push(run);
        }
    }

    /// Takes what is known now under one name, and judges whom it concerns: at most the node of that name, and those of the
    /// MAC addresses that it booted by. What was believed stays where nothing has come in its place: whoever tells may have
    /// begun anew.
    pub fn see(&mut self, name: &str, mut booted: Booted, now: i64) {
        if booted.last.is_none() {
            booted.last = self.records.get(name).and_then(|known| known.last.clone());
        }
        let macs = self.records.put(name, booted);
        let Some((snapshot, roll)) = self.under.clone() else { return };
        let by_mac = |mac: MacAddr| snapshot.by_mac(mac).or_else(|| roll.by_mac(mac));
        let named = snapshot.by_name(name).filter(|at| &*snapshot.nodes()[*at].name == name);
        let mut concerned: Vec<usize> =
            named.into_iter().chain(macs.into_iter().flatten().filter_map(by_mac)).collect();
        concerned.sort_unstable();
        concerned.dedup();
        for node in concerned {
            let run = judge(&snapshot, &roll, &self.records, node, now);
            let before = std::mem::replace(&mut self.rows[node], run.clone());
            self.discount(&before);
            self.count(&run);
        }
    }

    /// Returns what is known under a name.
    #[must_use]
    pub fn booted(&self, name: &str) -> Option<&Booted> {
        self.records.get(name)
    }

    /// Returns the Snapshot that the rows are of.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.under.as_ref().map(|(snapshot, _)| snapshot)
    }

    /// Returns what each node runs, by the node's index.
    #[must_use]
    pub fn rows(&self) -> &[Run] {
        &self.rows
    }

    /// Returns how many nodes run what.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    fn count(&mut self, run: &Run) {
        *self.tally.of(run) += 1;
        if let Some(known) = run.known() {
            *self.tally.revisions.entry(known.boot.revision.clone()).or_default() += 1;
        }
        if let Run::Unknown(Doubt::Ahead(boot)) = run {
            let past = boot.at.saturating_sub(CLOCK_SLACK);
            self.ahead_until = Some(self.ahead_until.map_or(past, |until| until.min(past)));
        }
    }

    fn discount(&mut self, run: &Run) {
        *self.tally.of(run) -= 1;
        let Some(revision) = run.known().map(|known| &known.boot.revision) else { return };
        if let Some(count) = self.tally.revisions.get_mut(revision) {
            *count -= 1;
            if *count == 0 {
                self.tally.revisions.remove(revision);
            }
        }
    }
}

impl Tally {
    fn of(&mut self, run: &Run) -> &mut u64 {
        match run {
            Run::Current(_) => &mut self.current,
            Run::Stale(_) => &mut self.stale,
            Run::Unknown(_) => &mut self.unknown,
            Run::Idle => &mut self.idle,
        }
    }

    /// Returns how many nodes are known to run what a commit gave them.
    #[must_use]
    pub fn on(&self, revision: &Revision) -> u64 {
        self.revisions.get(revision).copied().unwrap_or_default()
    }
}
