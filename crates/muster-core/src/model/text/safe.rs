//! What may leave the process.

use std::fmt;
use std::ops::Deref;

use serde::Serialize;

use super::{harden_json, is_plain, line};

/// Text in which nothing from outside acts on what shows it or reads it.
///
/// Commands print nothing else (the room `cli` has one writer, which takes this type, or single lines that it makes safe).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SafeText(String);

impl SafeText {
    /// Makes each line safe by itself.
    #[must_use]
    pub fn lines<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Self {
        let mut text = Self::default();
        lines.into_iter().for_each(|line| text.push_line(line.as_ref()));
        text
    }

    /// Makes workflow commands of GitHub safe, one a line: they may begin with `::`, and hold no more than lines do.
    #[must_use]
    pub fn commands(text: &str) -> Self {
        let command = |command: &str| match command.strip_prefix("::") {
            Some(rest) => format!("::{}\n", line(rest)),
            None => format!("{}\n", line(command)),
        };
        Self(text.lines().map(command).collect())
    }

    /// Makes a document safe for a terminal: its lines and tabs stay.
    #[must_use]
    pub fn document(text: &str) -> Self {
        let one =
            |line: &str| line.split('\t').map(|part| super::line(part).into_owned()).collect::<Vec<_>>().join("\t");
        let mut all = String::with_capacity(text.len());
        for piece in text.split_inclusive('\n') {
            all.push_str(&one(piece.strip_suffix('\n').unwrap_or(piece)));
            all.push_str(if piece.ends_with('\n') { "\n" } else { "" });
        }
        Self(all)
    }

    /// Writes a value as indented JSON that ends in a newline.
    ///
    /// # Errors
    /// If the value is none that JSON has, such as a map with keys that are no texts.
    pub fn json(value: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self(harden_json(&serde_json::to_string_pretty(value)?) + "\n"))
    }

    /// Makes a JSON text safe on one line; one that holds line breaks is joined by blanks.
    #[must_use]
    pub fn json_line(json: &str) -> Self {
        Self(harden_json(json).replace('\n', " ") + "\n")
    }

    /// Takes text of muster's own making in which nothing is from outside: help, manual pages, schemas.
    #[must_use]
    pub fn own(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// Adds a line.
    pub fn push_line(&mut self, text: &str) {
        self.0.push_str(&line(text));
        self.0.push('\n');
    }

    /// Adds what is safe already.
    pub fn push(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Adds a line that is made of characters which are each plain or escaped, and of muster's own colours.
    pub(crate) fn push_styled(&mut self, styled: &str) {
        debug_assert!(styled.chars().all(|c| c == '\u{1b}' || is_plain(c)), "{styled:?} is not escaped");
        self.0.push_str(styled);
        self.0.push('\n');
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for SafeText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for SafeText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for SafeText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for SafeText {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

impl From<SafeText> for String {
    fn from(text: SafeText) -> Self {
        text.0
    }
}
