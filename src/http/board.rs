//! Which node runs what, for whoever asks: counts that cost nothing to read, and pages.
//!
//! It is written beside what machines tell, each second, and never while a machine boots.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::drift::runs::{Run, Runs};
use crate::model::NodeSetError;
use crate::observed::UnknownMac;
use crate::snapshot::Snapshot;
use crate::view::{API_VERSION, BootsPage, RunCounts, RunView};

/// How many nodes a page looks at where nobody says.
pub const PAGE: usize = 1_000;

/// The most nodes that a page looks at: some 8 MB of JSON.
pub const MAX_PAGE: usize = 10_000;

/// Which node runs what, under the Snapshot that was followed last.
#[derive(Default)]
pub struct Board {
    runs: Mutex<Runs>,
    counts: ArcSwap<RunCounts>,
    /// The unknown machines that asked last, the newest first.
    unknown: ArcSwap<Vec<UnknownMac>>,
}

/// What a page is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The name after which it begins.
    pub after: Option<String>,
    /// How many nodes it looks at.
    pub limit: usize,
    /// A node set.
    pub nodes: Option<String>,
    /// Whether only nodes are told that run another script than today's.
    pub stale: bool,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPage {
    /// No commit is served yet.
    Starting,
    /// The node set is none.
    Set(NodeSetError),
    /// No node has this name.
    Missing(String),
}

impl Board {
    /// Returns how many nodes run what.
    #[must_use]
    pub fn counts(&self) -> Arc<RunCounts> {
        self.counts.load_full()
    }

    /// Returns the unknown machines that asked last, the newest first.
    #[must_use]
    pub fn unknown(&self) -> Arc<Vec<UnknownMac>> {
        self.unknown.load_full()
    }

    /// Notes the unknown machines that asked last, the newest first.
    pub fn note_unknown(&self, newest: Vec<UnknownMac>) {
        if **self.unknown.load() != newest {
            self.unknown.store(Arc::new(newest));
        }
    }

    /// Changes what is known, and counts anew.
    pub fn update(&self, change: impl FnOnce(&mut Runs)) {
        let mut runs = self.lock();
        change(&mut runs);
        let revision = runs.snapshot().map(|snapshot| snapshot.revision().as_str());
        let counts = RunCounts::of(runs.tally(), revision);
        if **self.counts.load() != counts {
            self.counts.store(Arc::new(counts));
        }
    }

    /// Reads what is known; nobody changes it meanwhile.
    pub fn read<T>(&self, read: impl FnOnce(&Runs) -> T) -> T {
        read(&self.lock())
    }

    /// Tells what some nodes run.
    ///
    /// # Errors
    /// There is no commit yet, or the node set names nobody.
    pub(super) fn page(&self, wanted: &Wanted) -> Result<BootsPage, NoPage> {
        let runs = self.lock();
        let snapshot = runs.snapshot().ok_or(NoPage::Starting)?;
        let after = wanted.after.as_deref();
        let mut looked = match &wanted.nodes {
            Some(set) => selected(snapshot, set, after)?,
            None => snapshot.after(after).take(wanted.limit + 1).collect(),
        };
        let is_last = looked.len() <= wanted.limit;
        looked.truncate(wanted.limit);
        let next = looked.last().filter(|_| !is_last).map(|at| snapshot.nodes()[*at].name.to_string());
        let is_told = |at: &usize| !wanted.stale || matches!(runs.rows()[*at], Run::Stale(_));
        let nodes = looked.into_iter().filter(is_told).map(|at| RunView::of(snapshot, at, &runs.rows()[at]));
        Ok(BootsPage {
            api_version: API_VERSION.into(),
            revision: snapshot.revision().to_string(),
            nodes: nodes.collect(),
            next,
        })
    }

    /// What the lock guards is whole after every change, but for one that panicked: the next commit makes it anew.
    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lists the nodes of a set in the order of their names' bytes, from the first after a name.
fn selected(snapshot: &Snapshot, set: &str, after: Option<&str>) -> Result<Vec<usize>, NoPage> {
    let selection = snapshot.select(set).map_err(NoPage::Set)?;
    if let Some(missing) = selection.missing().next() {
        return Err(NoPage::Missing(missing));
    }
    let name = |at: &usize| &*snapshot.nodes()[*at].name;
    let mut nodes: Vec<usize> =
        selection.nodes.into_iter().filter(|at| after.is_none_or(|after| name(at) > after)).collect();
    nodes.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    Ok(nodes)
}
