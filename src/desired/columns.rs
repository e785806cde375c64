//! Columns: the texts of a `[[node]]` or `[[bmc]]` table that are patterns, as long as the table's name.

use super::at::At;
use super::sources::{Findings, Here};
use super::values;
use crate::model::{Code, Diagnostic, Pattern, Place, Span};

/// A text with one item for each machine of its table, or one that is the same for all.
#[derive(Debug)]
pub struct Column {
    pattern: Pattern,
    pub span: Span,
}

impl Column {
    /// Reads a table's name: the column that says how many machines the table declares.
    pub fn names(here: &Here<'_>, name: &At<String>, findings: &mut Findings) -> Option<Self> {
        let column = Self::parse(here.path, name, findings)?;
        let place = || here.place(name.span);
        (0..column.len()).all(|item| values::check_name(place, &column.get(item), findings)).then_some(column)
    }

    /// Reads a column that must have `count` items or one for all.
    pub fn of(here: &Here<'_>, text: Option<&At<String>>, count: usize, findings: &mut Findings) -> Option<Self> {
        let text = text?;
        Self::fitting(here.path, text, count, findings)
    }

    /// Reads a column of any file that must have `count` items or one for all.
    pub fn fitting(path: &str, text: &At<String>, count: usize, findings: &mut Findings) -> Option<Self> {
        let column = Self::parse(path, text, findings)?;
        if column.pattern.is_plain() || column.len() == count {
            return Some(column);
        }
        let message = format!("this pattern has {} items, and the table's name has {count}", column.len());
        let finding = Diagnostic::new(Code::PatternLength, Place::at(path, text.span), message);
        findings.push(finding.hint("a pattern has one item for each machine of its table, repeats written out"));
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

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.pattern.len()
    }

    /// Returns the item of a machine, by its place in the table.
    pub fn get(&self, item: usize) -> String {
        self.pattern.get(if self.pattern.is_plain() { 0 } else { item })
    }
}
