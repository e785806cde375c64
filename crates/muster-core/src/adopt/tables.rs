//! TOML tables as text.

use super::columns;
use super::nics::NewNic;
use crate::model::text::{line, toml_string};

/// One table: a comment, a heading, and keys with values that are TOML already.
#[derive(Debug, Default)]
pub struct Table {
    comment: Option<String>,
    heading: &'static str,
    entries: Vec<(String, String)>,
}

impl Table {
    /// Begins a table such as `[[node]]`.
    pub fn new(heading: &'static str) -> Self {
        Self { comment: None, heading, entries: Vec::new() }
    }

    /// Sets the line above the heading; what does not show as itself is escaped.
    #[must_use]
    pub fn comment(mut self, comment: &str) -> Self {
        self.comment = Some(line(comment).into_owned());
        self
    }

    /// Adds a key with a value that is TOML.
    pub fn raw(&mut self, key: &str, value: impl Into<String>) {
        self.entries.push((key.to_owned(), value.into()));
    }

    /// Adds a key with a text.
    pub fn text(&mut self, key: &str, text: &str) {
        self.raw(key, quoted(text));
    }

    /// Adds a key with a pattern that stands for a list, which must be one that has a pattern.
    pub fn column<T: AsRef<str>>(&mut self, key: &str, items: &[T]) {
        let pattern = columns::pattern(items).expect("runs are split until each of their columns has a pattern");
        self.text(key, &pattern);
    }

    /// Writes the table.
    pub fn write(&self) -> String {
        let width = self.entries.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        let mut text = String::new();
        if let Some(comment) = &self.comment {
            text.push_str(&format!("# {comment}\n"));
        }
        text.push_str(&format!("{}\n", self.heading));
        for (key, value) in &self.entries {
            text.push_str(&format!("{key:width$} = {value}\n"));
        }
        text
    }
}

/// Writes a text as a TOML string.
pub fn quoted(text: &str) -> String {
    toml_string(text)
}

/// Writes a list of texts.
pub fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
}

/// Writes the list of a table's interfaces.
pub fn nics(nics: &[NewNic]) -> String {
    let one = |nic: &NewNic| {
        let kind = if nic.is_infiniband { ", kind = \"infiniband\"" } else { "" };
        let boot = if nic.boot { ", boot = true" } else { "" };
        format!("{{ name = {}{kind}{boot} }}", quoted(&nic.name))
    };
    format!("[{}]", nics.iter().map(one).collect::<Vec<_>>().join(", "))
}
