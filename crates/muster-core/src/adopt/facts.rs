//! Rows of facts files: where they go, and which cells are empty.

use std::collections::BTreeMap;

use super::Unfit;
use super::edits::{Splice, text_of};
use crate::desired::facts_lines;
use crate::model::text::{is_formula, is_plain};
use crate::model::{Span, Tree};

/// How many facts files beside one TOML file are looked at for one with the right columns.
const MAX_FILES: usize = 100;

/// New rows, by the name of a machine.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<(String, Vec<(String, String)>)>,
}

impl Rows {
    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds facts of a machine; none of them makes no row.
    pub fn add(&mut self, name: &str, facts: Vec<(String, String)>) {
        if facts.is_empty() {
            return;
        }
        match self.rows.iter_mut().find(|(other, _)| other == name) {
            Some((_, known)) => known.extend(facts),
            None => self.rows.push((name.to_owned(), facts)),
        }
    }

    /// Lists the columns that the rows need: what is of the BMC, then the interfaces, then the machine.
    fn columns(&self) -> Vec<&str> {
        let mut all: Vec<&str> =
            self.rows.iter().flat_map(|(_, facts)| facts.iter().map(|(column, _)| column.as_str())).collect();
        let rank = |column: &str| match column.split('.').next() {
            Some("bmc" | "mac") => 0,
            Some("nics") => 1,
            _ => 2,
        };
        all.sort_by_key(|column| (rank(column), super::columns::natural(column)));
        all.dedup();
        all
    }

    /// Writes the rows for a file of this text, with a header where it has none.
    pub fn lines(&self, text: &str) -> String {
        let known = header(text);
        let columns: Vec<&str> = known.as_ref().map_or_else(|| self.columns(), |(_, columns)| columns[1..].to_vec());
        let mut lines = String::new();
        if known.is_none() {
            lines = format!("name,{}\n", columns.join(","));
        }
        for (name, facts) in &self.rows {
            lines.push_str(name);
            for column in &columns {
                let fact = facts.iter().find(|(other, _)| other == column);
                lines.push(',');
                lines.push_str(fact.map_or("", |(_, value)| value));
            }
            lines.push('\n');
        }
        lines
    }
}

/// Tells whether a value can stand in a cell as it is: neither ends it, nor hides in it, nor is a formula to a spreadsheet.
pub fn fits(value: &str) -> bool {
    let has_bad = is_formula(value) || value.chars().any(|letter| matches!(letter, ',' | '"') || !is_plain(letter));
    !value.is_empty() && value.trim() == value && !has_bad
}

/// Finds the facts file beside a TOML file that rows can be added to.
pub fn file_for(rows: &Rows, tree: &Tree, into: &str) -> Result<String, Unfit> {
    let stem = into.strip_suffix(".toml").unwrap_or(into);
    let wanted = rows.columns();
    for number in 1..=MAX_FILES {
        let path = if number == 1 { format!("{stem}.facts.csv") } else { format!("{stem}-{number}.facts.csv") };
        let text = text_of(tree, &path)?.unwrap_or_default();
        let has_all = header(text).is_none_or(|(_, columns)| wanted.iter().all(|column| columns.contains(column)));
        if has_all {
            return Ok(path);
        }
    }
    Err(Unfit::Facts(into.to_owned()))
}

/// The cells of rows that state nothing yet, by the machine's name.
#[derive(Debug, Default)]
pub struct EmptyCells<'t> {
    by_name: BTreeMap<&'t str, Vec<(&'t str, &'t str, Span)>>,
}

impl<'t> EmptyCells<'t> {
    /// Reads all facts files.
    pub fn of(tree: &'t Tree) -> Self {
        let mut all = Self::default();
        for (path, _) in tree.blobs().filter(|(path, _)| path.ends_with(".facts.csv")) {
            let Ok(Some(text)) = text_of(tree, path) else { continue };
            let Some((first, columns)) = header(text) else { continue };
            for (start, line) in facts_lines(text).filter(|(start, _)| *start > first) {
                let mut cells = cells(start, line);
                let Some(name) = cells.next() else { continue };
                let own = all.by_name.entry(text[name.start..name.end].trim()).or_default();
                let named = columns[1..].iter().zip(cells);
                let empty = named.filter(|(_, span)| text[span.start..span.end].trim().is_empty());
                own.extend(empty.map(|(column, span)| (*column, path, span)));
            }
        }
        all
    }

    /// Makes an edit of an empty cell for a fact, in a row that the machine has.
    pub fn fill(&self, name: &str, column: &str, value: &str) -> Option<Splice> {
        let (_, path, span) = self.by_name.get(name)?.iter().find(|(other, ..)| *other == column)?;
        Some(Splice { path: (*path).to_owned(), span: *span, text: value.to_owned() })
    }
}

/// Makes an edit of the cell whose value begins at a byte.
pub fn cell_at(tree: &Tree, path: &str, at: usize, value: &str) -> Option<Splice> {
    let text = text_of(tree, path).ok().flatten()?;
    let rest = text.get(at..)?;
    let length = rest.find([',', '\n']).unwrap_or(rest.len());
    let span = Span { start: at, end: at + rest[..length].trim_end().len() };
    Some(Splice { path: path.to_owned(), span, text: value.to_owned() })
}

/// Returns the names of a file's columns, and where the line begins that has them.
fn header(text: &str) -> Option<(usize, Vec<&str>)> {
    facts_lines(text).next().map(|(start, line)| (start, line.split(',').map(str::trim).collect()))
}

fn cells(start: usize, line: &str) -> impl Iterator<Item = Span> {
    let mut at = start;
    line.split(',').map(move |cell| {
        let span = Span { start: at, end: at + cell.len() };
        at += cell.len() + 1;
        span
    })
}
