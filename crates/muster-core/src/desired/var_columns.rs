//! Variables of a `[[node]]` table that differ by node: texts with brackets are patterns with as
//! many items as the name.

use super::at::{At, Free, FreeTable};
use super::columns::Column;
use super::sources::Findings;
use super::template;
use crate::model::Span;

/// The variables of a table that have one value for each node.
#[derive(Debug, Default)]
pub struct VarColumns {
    entries: Vec<(String, Span, VarColumn)>,
}

#[derive(Debug)]
enum VarColumn {
    Same(Free),
    Each(Column),
    List(Vec<VarColumn>),
    Table(VarColumns),
}

impl VarColumns {
    /// Moves the values that differ by node out of a table of `count` machines; the rest is the
    /// same for all.
    pub fn take(path: &str, table: &mut FreeTable, count: usize, findings: &mut Findings) -> Self {
        let mut reader = Reader { path, count, findings };
        reader.table(table)
    }

    /// Returns whether all values are the same for all nodes.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the values of a machine, by its index in the table.
    pub fn get(&self, place: usize) -> FreeTable {
        let value = |(key, span, column): &(String, Span, VarColumn)| {
            (key.clone(), At { value: column.get(place), span: *span })
        };
        self.entries.iter().map(value).collect()
    }
}

impl VarColumn {
    fn get(&self, place: usize) -> Free {
        match self {
            Self::Same(value) => value.clone(),
            Self::Each(column) => Free::Text(column.get(place)),
            Self::List(items) => Free::List(items.iter().map(|item| item.get(place)).collect()),
            Self::Table(table) => Free::Table(table.get(place)),
        }
    }
}

struct Reader<'a> {
    path: &'a str,
    count: usize,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn table(&mut self, table: &mut FreeTable) -> VarColumns {
        let mut columns = VarColumns::default();
        table.retain(|key, at| {
            let column = match &mut at.value {
                // Tables merge by key, so values that are the same for all stay in place.
                Free::Table(inner) => {
                    let inner = self.table(inner);
                    (!inner.is_empty()).then_some(VarColumn::Table(inner))
                }
                value => self.value(value, at.span).filter(|column| !matches!(column, VarColumn::Same(_))),
            };
            let is_whole = !matches!(column, Some(VarColumn::Each(_) | VarColumn::List(_)));
            columns.entries.extend(column.map(|column| (key.clone(), at.span, column)));
            is_whole
        });

        columns
    }

    /// Parses a value; returns `None` if its pattern is invalid.
    fn value(&mut self, value: &Free, span: Span) -> Option<VarColumn> {
        match value {
            Free::Text(text) => self.text(text, span),
            Free::List(items) => {
                let columns: Vec<VarColumn> = items.iter().filter_map(|item| self.value(item, span)).collect();
                let is_same = columns.iter().all(|column| matches!(column, VarColumn::Same(_)));
                Some(if is_same { VarColumn::Same(value.clone()) } else { VarColumn::List(columns) })
            }
            Free::Table(table) => {
                let entries: Vec<_> = table
                    .iter()
                    .filter_map(|(key, at)| Some((key.clone(), at.span, self.value(&at.value, at.span)?)))
                    .collect();
                let is_same = entries.iter().all(|(.., column)| matches!(column, VarColumn::Same(_)));
                let table = || VarColumn::Table(VarColumns { entries });
                Some(if is_same { VarColumn::Same(value.clone()) } else { table() })
            }
            Free::Integer(_) | Free::Float(_) | Free::Boolean(_) => Some(VarColumn::Same(value.clone())),
        }
    }

    fn text(&mut self, text: &str, span: Span) -> Option<VarColumn> {
        let same = || VarColumn::Same(Free::Text(text.to_owned()));
        if !text.contains(['[', ']']) || template::is_template(text) {
            return Some(same());
        }
        let at = At { value: text.to_owned(), span };
        let before = self.findings.len();
        let column = Column::fitting(self.path, &at, self.count, self.findings);

        for finding in &mut self.findings[before..] {
            let rule = finding.hint.take().unwrap_or_else(|| RULE.to_owned());
            finding.hint = Some(format!("{rule}; {LITERAL}"));
        }

        let column = column?;
        Some(if column.is_plain() { same() } else { VarColumn::Each(column) })
    }
}

/// The meaning of brackets, for texts that are not patterns.
const RULE: &str = "in a [[node]] table, brackets are a pattern with one item for each node";

/// The alternative for texts that contain brackets and are not patterns.
const LITERAL: &str = "a text that has brackets of its own can be stated in a group or a [[set]]";
