//! The commits that changed a node, newest first, in the order of `git log` for a path: by date,
//! past a merge along the first parent with the same state, otherwise along all parents.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashSet};
use std::sync::Arc;

use super::super::watch;
use super::part::{Part, Parts};
use crate::change::{self, Change, Fate};
use crate::git::{CommitInfo, GitError, Repo};
use crate::model::Revision;
use crate::report::LogEntry;
use crate::snapshot::{self, Snapshot};

/// A commit to visit.
type Pending = (i64, Reverse<u64>, Revision, Box<str>);

/// The walk back from one commit.
pub struct History<'r> {
    repo: &'r Repo,
    sub: String,
    parts: Parts<'r>,
    first_parents: bool,
    pending: BinaryHeap<Pending>,
    met: HashSet<(Revision, Box<str>)>,
    order: u64,
    /// The number of visited commits.
    pub looked: u64,
    /// The commits whose parents are not in this repository.
    pub cut: Vec<Revision>,
    /// Whether the node existed in any of them.
    pub is_there: bool,
    /// The whole of the commit that was built last.
    whole: Option<(Revision, Option<Arc<Snapshot>>)>,
}

impl<'r> History<'r> {
    /// Starts at a commit, with the name of the node there.
    pub fn new(repo: &'r Repo, sub: &str, tip: &Revision, node: &str, first_parents: bool) -> Result<Self, GitError> {
        let mut history = Self {
            repo,
            sub: sub.into(),
            parts: Parts::new(repo.walk(), sub),
            first_parents,
            pending: BinaryHeap::new(),
            met: HashSet::new(),
            order: 0,
            looked: 0,
            cut: Vec::new(),
            is_there: false,
            whole: None,
        };

        history.meet(tip, node)?;
        Ok(history)
    }

    /// Finds the next commit that changed the node, or that cannot be read.
    pub fn next(&mut self) -> Result<Option<LogEntry>, GitError> {
        while let Some((_, _, revision, node)) = self.pending.pop() {
            self.looked += 1;
            if let Some(entry) = self.look(&revision, &node)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn meet(&mut self, revision: &Revision, node: &str) -> Result<(), GitError> {
        if self.met.insert((revision.clone(), node.into())) {
            self.order += 1;
            let time = self.repo.commit_info(revision)?.time;
            self.pending.push((time, Reverse(self.order), revision.clone(), node.into()));
        }
        Ok(())
    }

    fn look(&mut self, revision: &Revision, node: &str) -> Result<Option<LogEntry>, GitError> {
        let is_cut = self.repo.is_cut(revision)?;
        if is_cut {
            self.cut.push(revision.clone());
        }

        let parents = self.parents(revision)?;
        let part = self.parts.of(revision, node)?;
        self.is_there |= part.snapshot.nodes().iter().any(|own| *own.name == *node);

        if !part.faults.is_empty() {
            let before = match parents.first() {
                Some(parent) => self.parts.of(parent, node)?.faults.clone(),
                None => Vec::new(),
            };
            self.go_on(&parents, node)?;
            let is_new = !same(&before, &part.faults);
            return Ok(match is_new {
                true => Some(self.entry(revision, node, parents.len(), None, part.faults.clone())?),
                false => None,
            });
        }

        let mut changes = Vec::new();
        for parent in &parents {
            match self.change(parent, revision, &part, node)? {
                None => {
                    self.meet(parent, node)?;
                    return Ok(None);
                }
                Some(change) => changes.push(change),
            }
        }

        if parents.is_empty() && !is_cut {
            changes.extend(compared(&self.parts.nothing(), &part, node));
        }

        for (parent, change) in parents.iter().zip(&changes) {
            let older = older_name(change, node).to_owned();
            self.meet(parent, &older)?;
        }

        match changes.into_iter().next() {
            Some(change) => Ok(Some(self.entry(revision, node, parents.len(), Some(change), Vec::new())?)),
            None => Ok(None),
        }
    }

    fn go_on(&mut self, parents: &[Revision], node: &str) -> Result<(), GitError> {
        parents.iter().try_for_each(|parent| self.meet(parent, node))
    }

    fn parents(&self, revision: &Revision) -> Result<Vec<Revision>, GitError> {
        let mut parents = self.repo.parents(revision)?;
        if self.first_parents {
            parents.truncate(1);
        }
        Ok(parents)
    }

    /// Compares a commit with its parent, or with an earlier ancestor if that cannot be read.
    fn change(
        &mut self,
        parent: &Revision,
        revision: &Revision,
        part: &Arc<Part>,
        node: &str,
    ) -> Result<Option<Change>, GitError> {
        let mut before = parent.clone();
        let old = loop {
            let old = self.parts.of(&before, node)?;
            if old.faults.is_empty() {
                break old;
            }
            match self.repo.parents(&before)?.into_iter().next() {
                Some(older) => before = older,
                None => break self.parts.nothing(),
            }
        };

        let Some(change) = compared(&old, part, node) else { return Ok(None) };
        let is_whole = change.machines.iter().any(|machine| machine.fate != Fate::Changed);
        if !is_whole {
            return Ok(Some(change));
        }

        // Only all machines together show whether it is the same machine under another name.
        let wholes = (self.whole(&before)?, self.whole(revision)?);
        let (Some(old), Some(new)) = wholes else { return Ok(Some(change)) };
        let whole = change::compare(&old, &new, Some(&BTreeSet::from([node.to_owned()])));

        Ok(Some(if whole.is_empty() { change } else { whole }))
    }

    fn whole(&mut self, revision: &Revision) -> Result<Option<Arc<Snapshot>>, GitError> {
        if let Some((_, known)) = self.whole.as_ref().filter(|(known, _)| known == revision) {
            return Ok(known.clone());
        }

        let built = match self.repo.tree(revision, &self.sub) {
            Ok(tree) => {
                let what = format!("commit {}", revision.short());
                watch::building(&what, || snapshot::build(&tree, revision.clone())).0.map(Arc::new)
            }
            // Before the cluster's folder was created.
            Err(GitError::NoSuchFolder { .. }) => None,
            Err(error) => return Err(error),
        };

        self.whole = Some((revision.clone(), built.clone()));
        Ok(built)
    }

    fn entry(
        &self,
        revision: &Revision,
        node: &str,
        parents: usize,
        change: Option<Change>,
        faults: Vec<crate::view::DiagnosticView>,
    ) -> Result<LogEntry, GitError> {
        let CommitInfo { subject, author, time, .. } = self.repo.commit_info(revision)?;
        Ok(LogEntry {
            revision: revision.clone(),
            node: node.into(),
            author,
            time,
            subject,
            is_merge: parents > 1,
            change,
            faults,
        })
    }
}

/// Compares a node in two commits; `None` if it is the same.
fn compared(old: &Arc<Part>, new: &Arc<Part>, node: &str) -> Option<Change> {
    if Arc::ptr_eq(old, new) {
        return None;
    }
    let change = change::compare(&old.snapshot, &new.snapshot, Some(&BTreeSet::from([node.to_owned()])));
    (!change.is_empty()).then_some(change)
}

/// Returns the name of a node before a change, given the name after it.
fn older_name<'c>(change: &'c Change, node: &'c str) -> &'c str {
    let renamed = change.machines.iter().find_map(|machine| match &machine.fate {
        Fate::Renamed { from } if *machine.name == *node => Some(&**from),
        Fate::Renamed { .. } | Fate::Added | Fate::Removed | Fate::Changed => None,
    });
    renamed.unwrap_or(node)
}

fn same(old: &[crate::view::DiagnosticView], new: &[crate::view::DiagnosticView]) -> bool {
    let told = |all: &[crate::view::DiagnosticView]| -> Vec<(String, String)> {
        all.iter().map(|fault| (fault.path.clone(), fault.message.clone())).collect()
    };
    told(old) == told(new)
}
