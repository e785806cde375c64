//! The boot status of nodes: counts that are cheap to read, and pages.
//!
//! It is updated each second from the requests of machines, and never during a boot request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::drift::runs::{Run, Runs};
use crate::model::NodeSetError;
use crate::observed::UnknownMac;
use crate::snapshot::Snapshot;
use crate::view::{API_VERSION, BootsPage, RunCounts, RunView};

/// The default number of nodes that a page covers.
pub const PAGE: usize = 1_000;

/// The maximum number of nodes that a page covers: some 8 MB of JSON.
pub const MAX_PAGE: usize = 10_000;

/// The boot status of nodes under the last followed snapshot.
#[derive(Default)]
pub struct Board {
    runs: Mutex<Runs>,
    counts: ArcSwap<RunCounts>,
    /// The unknown machines that asked last, newest first.
    unknown: ArcSwap<Vec<UnknownMac>>,
}

/// The request for a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The name after which it begins.
    pub after: Option<String>,
    /// The number of nodes that it covers.
    pub limit: usize,
    /// A node set.
    pub nodes: Option<String>,
    /// Whether only nodes with a stale boot are listed.
    pub stale: bool,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPage {
    /// No commit is served yet.
    Starting,
    /// The node set is invalid.
    Set(NodeSetError),
    /// No node has this name.
    Missing(String),
}

impl Board {
    /// Returns the counts of the boot status.
    #[must_use]
    pub fn counts(&self) -> Arc<RunCounts> {
        self.counts.load_full()
    }

    /// Returns the unknown machines that asked last, newest first.
    #[must_use]
    pub fn unknown(&self) -> Arc<Vec<UnknownMac>> {
        self.unknown.load_full()
    }

    /// Records the unknown machines that asked last, newest first.
    pub fn note_unknown(&self, newest: Vec<UnknownMac>) {
        if **self.unknown.load() != newest {
            self.unknown.store(Arc::new(newest));
        }
    }

    /// Changes the boot status, and counts again.
    pub fn update(&self, change: impl FnOnce(&mut Runs)) {
        let mut runs = self.lock();
        change(&mut runs);
        let revision = runs.snapshot().map(|snapshot| snapshot.revision().as_str());
        let counts = RunCounts::of(runs.tally(), revision);
        if **self.counts.load() != counts {
            self.counts.store(Arc::new(counts));
        }
    }

    /// Reads the boot status under its lock.
    pub fn read<T>(&self, read: impl FnOnce(&Runs) -> T) -> T {
        read(&self.lock())
    }

    /// Returns the boot status of some nodes.
    ///
    /// # Errors
    /// There is no commit yet, or the node set is invalid or names no node.
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

    /// Locks the state. It is consistent after every change, except one that panicked: the next
    /// commit creates it again.
    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lists the nodes of a set in the byte order of their names, from the first after a name.
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
