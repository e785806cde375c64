//! A short history of a state: runs of equal surveys, and what changed between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many runs are kept: enough to judge `confirm = 4` across a machine that flaps.
pub const MAX_RUNS: usize = 4;

/// How many changes are kept of one BMC.
pub const MAX_CHANGES: usize = 50;

/// Surveys one after another that saw the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run<T> {
    /// When the first of them was made, in unix milliseconds.
    pub first: i64,
    /// When the last was.
    pub last: i64,
    /// How many there were.
    pub surveys: u32,
    /// How many of them were deep.
    pub deep: u32,
    pub state: T,
}

/// One value that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The time of the observation, in unix milliseconds.
    pub at: i64,
    /// The id of the System; empty for the BMC's own.
    pub system: Box<str>,
    /// The attribute's path, such as `bios.version`.
    pub path: Box<str>,
    pub before: Option<Box<str>>,
    pub after: Option<Box<str>>,
}

/// The latest runs of a state, oldest first, and the latest changes, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History<T> {
    runs: Vec<Run<T>>,
    changes: Vec<Change>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self { runs: Vec::new(), changes: Vec::new() }
    }
}

impl<T: PartialEq> History<T> {
    /// Adds what a survey saw; true where it differs from the survey before.
    pub fn add(&mut self, at: i64, is_deep: bool, state: T) -> bool {
        let deep = u32::from(is_deep);
        match self.runs.last_mut().filter(|run| run.state == state) {
            Some(run) => {
                run.last = at;
                run.surveys = run.surveys.saturating_add(1);
                run.deep = run.deep.saturating_add(deep);
                false
            }
            None => {
                self.runs.push(Run { first: at, last: at, surveys: 1, deep, state });
                let over = self.runs.len().saturating_sub(MAX_RUNS);
                self.runs.drain(..over);
                true
            }
        }
    }
}

impl<T> History<T> {
    /// Adds changes, oldest first.
    pub fn note(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.changes.extend(changes);
        let over = self.changes.len().saturating_sub(MAX_CHANGES);
        self.changes.drain(..over);
    }

    /// Returns what was seen last.
    #[must_use]
    pub fn newest(&self) -> Option<&T> {
        self.runs.last().map(|run| &run.state)
    }

    /// Returns the runs, oldest first.
    #[must_use]
    pub fn runs(&self) -> &[Run<T>] {
        &self.runs
    }

    /// Returns the changes, oldest first.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Counts the latest surveys, one after another, of whose state something holds, and returns the time of the first.
    ///
    /// With `deep`, only deep surveys count.
    pub fn held(&self, deep: bool, holds: impl Fn(&T) -> bool) -> (u32, Option<i64>) {
        let mut count = 0_u32;
        let mut since = None;
        for run in self.runs.iter().rev().take_while(|run| holds(&run.state)) {
            count = count.saturating_add(if deep { run.deep } else { run.surveys });
            since = Some(run.first);
        }
        (count, since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_surveys_make_one_run_and_old_runs_are_forgotten() {
        let mut history = History::default();
        for (at, state) in (0..).zip(['a', 'a', 'b', 'b', 'b', 'c', 'd', 'e']) {
            history.add(at, at % 2 == 0, state);
        }
        let runs: Vec<_> = history.runs().iter().map(|run| (run.state, run.first, run.last, run.surveys)).collect();
        assert_eq!(runs, [('b', 2, 4, 3), ('c', 5, 5, 1), ('d', 6, 6, 1), ('e', 7, 7, 1)]);
        assert_eq!(history.newest(), Some(&'e'));
    }

    #[test]
    fn what_holds_is_counted_back_from_the_newest() {
        let mut history = History::default();
        for (at, state) in (0..).zip([1, 2, 2, 3]) {
            history.add(at, at != 2, state);
        }
        assert_eq!(history.held(false, |state| *state >= 2), (3, Some(1)));
        assert_eq!(history.held(true, |state| *state >= 2), (2, Some(1)));
        assert_eq!(history.held(false, |state| *state < 3), (0, None));
    }

    #[test]
    fn changes_are_bounded() {
        let mut history: History<u8> = History::default();
        let change = |at| Change { at, system: "1".into(), path: "power".into(), before: None, after: None };
        history.note((0..80).map(change));
        assert_eq!(history.changes().len(), MAX_CHANGES);
        assert_eq!(history.changes()[0].at, 30);
    }
}
