//! Workflow commands of GitHub Actions, which become annotations on the lines of a change.
//!
//! Values go in by the escaping of GitHub's own toolkit (`@actions/core`, command.ts): `%`, CR and LF in a message, and
//! `:` and `,` too in a property. It does not know what an annotation is about.

/// GitHub shows ten annotations of each kind per step, and drops what follows without a word.
pub const MOST: usize = 10;

/// How loud an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Error,
    Warning,
    Notice,
}

/// The line that an annotation stands at.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'a> {
    /// The path from the root of the repository, as GitHub knows it.
    pub path: &'a str,
    /// Counted from 1.
    pub line: u32,
    /// Counted in characters from 1.
    pub column: Option<u32>,
}

/// Writes one annotation, as a line.
pub fn command(kind: Kind, spot: Spot<'_>, title: &str, text: &str) -> String {
    let column = spot.column.map(|column| format!(",col={column}")).unwrap_or_default();
    let place = format!("file={},line={}{column}", property(spot.path), spot.line);
    format!("::{} {place},title={}::{}\n", kind.as_str(), property(title), message(text))
}

/// Writes the line that says how much there was in all.
pub fn last(title: &str, text: &str) -> String {
    unplaced(Kind::Notice, title, text)
}

/// Writes an annotation of the whole run, as a line.
pub fn unplaced(kind: Kind, title: &str, text: &str) -> String {
    format!("::{} title={}::{}\n", kind.as_str(), property(title), message(text))
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_neither_its_property_nor_its_line() {
        assert_eq!(message("100 %0A\r\n::error::"), "100 %250A%0D%0A::error::");
        assert_eq!(property("a,b:c"), "a%2Cb%3Ac");
    }
}
