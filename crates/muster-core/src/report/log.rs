//! The history of one node, for a terminal and for scripts.

use jiff::Timestamp;

use super::change::{ChangeReport, one_of_one};
use super::page::{Page, YELLOW};
use crate::change::{self, Change, Fate};
use crate::model::text::{plural, shown, subject};
use crate::model::{Revision, SafeText};
use crate::view::{DiagnosticView, LogCommit};

/// How many mistakes are told of a commit; `muster check --rev` tells all.
const MAX_FAULTS: usize = 3;

/// A commit that changed a node, or that cannot be read.
pub struct LogEntry {
    pub revision: Revision,
    /// The name that the node has in it.
    pub node: String,
    pub author: String,
    /// Unix seconds.
    pub time: i64,
    pub subject: String,
    pub is_merge: bool,
    /// What it changed, where it can be read: of this one node.
    pub change: Option<Change>,
    /// Why it cannot be read, where it cannot.
    pub faults: Vec<DiagnosticView>,
}

impl LogEntry {
    /// Writes the commit for people: who, when, its subject and what it changed; with `patch`, line by line.
    #[must_use]
    pub fn text(&self, patch: bool, colour: bool) -> SafeText {
        let mut page = Page::new(colour);
        let merge = if self.is_merge { " (merge)" } else { "" };
        let (id, at, author) = (page.paint(YELLOW, self.revision.short()), self.at(), shown(&self.author));
        page.line(0, &format!("{id} {at} {author}{merge}"));
        page.line(2, &subject(&self.subject));
        for fault in self.faults.iter().take(MAX_FAULTS) {
            let line = fault.line.map(|line| format!(":{line}")).unwrap_or_default();
            page.line(4, &format!("{}{line}: {}", shown(&fault.path), shown(&fault.message)));
        }
        if !self.faults.is_empty() {
            let count = plural(self.faults.len(), "error");
            page.line(4, &format!("does not check ({count}): muster check --rev {}", self.revision.short()));
        }
        if let Some(change) = &self.change {
            if let Some(fate) = fate(change) {
                page.line(4, &fate);
            }
            change::fold(change).iter().for_each(|fold| one_of_one(fold, patch, &mut page));
        }
        page.line(0, "");
        page.finish()
    }

    /// Describes the commit as `schemas/log.schema.json` does.
    #[must_use]
    pub fn view(&self) -> LogCommit {
        let change = self.change.as_ref().and_then(|change| {
            let report = ChangeReport { change, folds: change::fold(change), judgement: None, base: "", head: "" };
            report.view().folds.into_iter().next()
        });
        LogCommit {
            id: self.revision.to_string(),
            author: self.author.clone(),
            at: self.at(),
            subject: self.subject.clone(),
            is_merge: self.is_merge,
            node: self.node.clone(),
            change,
            faults: self.faults.clone(),
        }
    }

    fn at(&self) -> String {
        Timestamp::from_second(self.time).unwrap_or_default().to_string()
    }
}

/// Says what becomes of the node as a whole; nothing if it was there before and is there after, by the same name.
fn fate(change: &Change) -> Option<String> {
    let machine = change.machines.first()?;
    let name = shown(&machine.name);
    match &machine.fate {
        Fate::Added => Some(format!("{name} is added")),
        Fate::Removed => Some(format!("{name} is removed")),
        Fate::Renamed { from } => Some(format!("{} is renamed to {name}", shown(from))),
        Fate::Changed => None,
    }
}
