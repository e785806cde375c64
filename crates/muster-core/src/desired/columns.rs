//! Columns: texts of a `[[node]]` or `[[bmc]]` table that are patterns, with as many items as the
//! table's name.

use super::at::At;
use super::sources::{Findings, Here};
use super::suggest::did_you_mean;
use super::{groups, texts, values};
use crate::model::{Code, Diagnostic, NodeSet, Pattern, Place, Span};

/// The most names that a suggestion is selected from.
const NAMES_COMPARED: usize = 2_000;

/// A text with one item for each machine of its table, or one that is the same for all.
#[derive(Debug)]
pub struct Column {
    pattern: Pattern,
    pub span: Span,
}

impl Column {
    /// Parses a table's name: the column that determines the number of machines.
    pub fn names(here: &Here<'_>, name: &At<String>, findings: &mut Findings) -> Option<Self> {
        let column = Self::parse(here.path, name, findings)?;
        let place = || here.place(name.span);
        (0..column.len()).all(|item| values::check_name(place, &column.get(item), findings)).then_some(column)
    }

    /// Returns the indices of a table's names that `except` does not leave out, ascending.
    pub fn kept(&self, here: &Here<'_>, except: Option<&At<String>>, findings: &mut Findings) -> Vec<u32> {
        let all = 0..self.len() as u32;
        let Some(except) = except else { return all.collect() };
        let Some(left_out) = left_out(here, except, findings) else { return all.collect() };

        let kept: Vec<u32> = all.filter(|at| !left_out.contains(&self.get(*at as usize))).collect();
        if kept.is_empty() {
            let message = "`except` leaves out every name of this table";
            findings.push(Diagnostic::new(Code::BadValue, here.place(except.span), message).hint("remove the table"));
        }
        let names: Vec<String> = (0..self.len()).map(|at| self.get(at)).collect();
        let known = NodeSet::from_names(&names);
        // The set was evaluated before, so it is within the bounds.
        for unknown in NodeSet::unknown_names(&except.value, &known).unwrap_or_default() {
            let compared = names.iter().take(NAMES_COMPARED).map(String::as_str);
            let hint = unknown.names.iter().next().and_then(|first| did_you_mean(&first, compared));
            let message = format!("{} in this table", groups::no_node_words(&unknown.names));
            let place = here.place(except.within(unknown.at));
            findings.push(Diagnostic::new(Code::NoSuchNode, place, message).maybe_hint(hint));
        }
        kept
    }

    /// Parses a column that must have `count` items or one for all.
    pub fn of(here: &Here<'_>, text: Option<&At<String>>, count: usize, findings: &mut Findings) -> Option<Self> {
        let text = text?;
        Self::fitting(here.path, text, count, findings)
    }

    /// Parses a column of any file that must have `count` items or one for all.
    pub fn fitting(path: &str, text: &At<String>, count: usize, findings: &mut Findings) -> Option<Self> {
        if texts::refuse_template(Place::at(path, text.span), &format!("`{}`", text.value), &text.value, findings) {
            return None;
        }
        let column = Self::parse(path, text, findings)?;
        if column.pattern.is_plain() || column.len() == count {
            return Some(column);
        }
        let message = format!("this pattern has {} items, and the table's name has {count}", column.len());
        let finding = Diagnostic::new(Code::PatternLength, Place::at(path, text.span), message);
        findings.push(finding.hint(repeats(&text.value, column.len(), count)));
        None
    }

    fn parse(path: &str, text: &At<String>, findings: &mut Findings) -> Option<Self> {
        match Pattern::parse(&text.value) {
            Ok(pattern) => Some(Self { pattern, span: text.span }),
            Err(error) => {
                let place = Place::at(path, text.within(error.at()));
                findings.push(Diagnostic::new(Code::BadPattern, place, error.to_string()));
                None
            }
        }
    }

    /// Returns whether the text is the same for all machines.
    pub fn is_plain(&self) -> bool {
        self.pattern.is_plain()
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.pattern.len()
    }

    /// Returns the item of a machine, by its index in the table.
    pub fn get(&self, item: usize) -> String {
        self.pattern.get(if self.pattern.is_plain() { 0 } else { item })
    }
}

/// Returns the hint for giving a pattern one item for each machine.
fn repeats(text: &str, items: usize, count: usize) -> String {
    let rule = "a pattern has one item for each machine of its table";
    let inside =
        text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).filter(|text| !text.contains(['[', ':']));
    match inside {
        // Repeat the whole list; for a longer text, an example suffices.
        Some(inside) if items > 0 && count == 2 * items => format!("{rule}: repeat the list, \"[{inside},{inside}]\""),
        Some(_) | None => format!("{rule}, repeats written out: \"[1-2,1-2]\", \"[1,1,2,2]\""),
    }
}

/// Parses the node set that leaves names out of a pattern; groups cannot be known yet.
fn left_out(here: &Here<'_>, except: &At<String>, findings: &mut Findings) -> Option<NodeSet> {
    let parsed = NodeSet::groups_of(&except.value).and_then(|groups| match groups.into_iter().next() {
        Some(group) => Ok(Err(group)),
        None => NodeSet::parse(&except.value, &|_| None).map(Ok),
    });

    let finding = match parsed {
        Ok(Ok(set)) => return Some(set),
        Ok(Err(group)) => {
            let message = format!("`except` cannot name a group such as `@{}`", group.name);
            let finding = Diagnostic::new(Code::BadNodeSet, here.place(except.within(group.at)), message);
            finding.hint("who is in a group depends on which names are declared; name the machines themselves")
        }
        Err(error) => {
            let finding = Diagnostic::new(Code::BadNodeSet, here.place(except.within(error.at())), error.to_string());
            finding.maybe_hint(error.hint())
        }
    };

    findings.push(finding);
    None
}
