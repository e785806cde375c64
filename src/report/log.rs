//! The history of one node, for a terminal and for scripts.

use jiff::Timestamp;

use super::change::{ChangeReport, one_of_one};
use super::drift::words::{plural, shown};
use crate::change::{self, Change, Fate};
use crate::model::Revision;
use crate::view::{DiagnosticView, LogCommit};

/// How many mistakes are told of a commit; `muster check --rev` tells all.
const MAX_FAULTS: usize = 3;

const YELLOW: &str = "\x1b[33m";
const OFF: &str = "\x1b[0m";

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
    pub fn text(&self, patch: bool, colour: bool) -> String {
        let (on, off) = if colour { (YELLOW, OFF) } else { ("", "") };
        let merge = if self.is_merge { " (merge)" } else { "" };
        let (at, author, subject) = (self.at(), shown(&self.author), shown(&self.subject));
        let mut text = format!("{on}{}{off} {at} {author}{merge}\n  {subject}\n", self.revision.short());
        for fault in self.faults.iter().take(MAX_FAULTS) {
            let line = fault.line.map(|line| format!(":{line}")).unwrap_or_default();
            text.push_str(&format!("    {}{line}: {}\n", shown(&fault.path), shown(&fault.message)));
        }
        if !self.faults.is_empty() {
            let count = plural(self.faults.len(), "error");
            text.push_str(&format!("    does not check ({count}): muster check --rev {}\n", self.revision.short()));
        }
        if let Some(change) = &self.change {
            text.push_str(&self.fate(change));
            let folds = change::fold(change);
            text.extend(folds.iter().map(|fold| one_of_one(fold, patch, colour)));
        }
        text.push('\n');
        text
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

    fn fate(&self, change: &Change) -> String {
        let Some(machine) = change.machines.first() else { return String::new() };
        let name = shown(&machine.name);
        match &machine.fate {
            Fate::Added => format!("    {name} is added\n"),
            Fate::Removed => format!("    {name} is removed\n"),
            Fate::Renamed { from } => format!("    {} is renamed to {name}\n", shown(from)),
            Fate::Changed => String::new(),
        }
    }
}
