//! Why a text is no node set.

use crate::model::Span;

use super::{MAX_NODES, MAX_TEXT_BYTES};

/// Why a text is no node set, with the bytes that a caret belongs under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeSetError {
    #[error("the node set is {length} bytes long; at most {MAX_TEXT_BYTES} are read")]
    TooLong { length: usize, at: Span },
    #[error("a name is missing {}", if *.before { "before the operator" } else { "after the operator" })]
    MissingName { before: bool, at: Span },
    #[error("`{letter}` cannot stand in a node's name")]
    Letter { letter: char, at: Span },
    #[error("a name cannot start with `-`")]
    LeadingDash { name: String, at: Span },
    #[error("`{name}` is one name here, not a range")]
    BareRange { name: String, brackets: Option<String>, at: Span },
    #[error("the bracket is never closed")]
    Unclosed { at: Span },
    #[error("the bracket was never opened")]
    Unopened { at: Span },
    #[error("a bracket cannot stand inside a bracket")]
    Nested { at: Span },
    #[error("a bracket cannot follow a bracket without a letter between them")]
    Adjacent { at: Span },
    #[error("a number or a range is missing")]
    EmptyRange { at: Span },
    #[error("`{text}` is no number")]
    Number { text: String, at: Span },
    #[error("a number has at most 19 digits")]
    Digits { at: Span },
    #[error("`{first}-{last}` runs backwards")]
    Descending { first: String, last: String, at: Span },
    #[error("`{first}-{last}` is padded with zeros to two different widths")]
    Padding { first: String, last: String, at: Span },
    #[error("`{text}` is no step")]
    Step { text: String, at: Span },
    #[error("digits cannot follow a bracket that has a step")]
    DigitsAfterStep { at: Span },
    #[error("digits stand before a range whose numbers grow by a digit")]
    DigitsBeforeRange { at: Span },
    #[error("a name with brackets has at most 16 numbers")]
    Axes { at: Span },
    #[error("the node set has {} names; at most {MAX_NODES} are expanded", Count(*.count))]
    TooMany { count: u128, at: Span },
    #[error("the node set takes too many steps to work out")]
    TooMuchWork { at: Span },
    #[error("a group's name is missing after `@`")]
    MissingGroup { at: Span },
    #[error("there is no group `{name}`")]
    NoSuchGroup { name: String, at: Span },
}

impl NodeSetError {
    /// Returns the bytes of the text that the error is about.
    #[must_use]
    pub fn at(&self) -> Span {
        match self {
            Self::TooLong { at, .. }
            | Self::MissingName { at, .. }
            | Self::Letter { at, .. }
            | Self::LeadingDash { at, .. }
            | Self::BareRange { at, .. }
            | Self::Unclosed { at }
            | Self::Unopened { at }
            | Self::Nested { at }
            | Self::Adjacent { at }
            | Self::EmptyRange { at }
            | Self::Number { at, .. }
            | Self::Digits { at }
            | Self::Descending { at, .. }
            | Self::Padding { at, .. }
            | Self::Step { at, .. }
            | Self::DigitsAfterStep { at }
            | Self::DigitsBeforeRange { at }
            | Self::Axes { at }
            | Self::TooMany { at, .. }
            | Self::TooMuchWork { at }
            | Self::MissingGroup { at }
            | Self::NoSuchGroup { at, .. } => *at,
        }
    }

    /// Returns what to write instead, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TooLong { .. } | Self::TooMuchWork { .. } => "name a group for parts of it".into(),
            Self::MissingName { .. } => "a name or a group stands on both sides of `,` `!` `&` and `^`".into(),
            Self::Letter { letter, .. } => return letter_hint(*letter),
            Self::LeadingDash { name, .. } => format!("to leave out names, write `!{}`", name.trim_start_matches('-')),
            Self::BareRange { brackets: Some(brackets), .. } => format!("for the range write `{brackets}`"),
            Self::BareRange { brackets: None, .. } => "ranges stand in brackets: `a[1-20]`".into(),
            Self::Unclosed { .. } => "add `]`".into(),
            Self::Unopened { .. } => "add `[` before it, or remove it".into(),
            Self::Nested { .. } => "list the ranges with commas: `[1-4,7]`".into(),
            Self::Number { .. } => "brackets hold numbers, ranges and steps: `[1-4,7,10-20/2]`".into(),
            Self::Descending { first, last, .. } => format!("write `{last}-{first}`"),
            Self::Padding { first, last, .. } => {
                let width = first.len().max(last.len());
                format!("write `{first:0>width$}-{last:0>width$}`")
            }
            Self::Step { .. } => "a step is a number from 1 after a range: `[0-38/2]`".into(),
            Self::DigitsBeforeRange { .. } => "move the digits into the bracket: `n[18-19,110-112]`".into(),
            Self::MissingGroup { .. } => "write `@NAME`, or `@*` for every node".into(),
            Self::Adjacent { .. }
            | Self::EmptyRange { .. }
            | Self::Digits { .. }
            | Self::DigitsAfterStep { .. }
            | Self::Axes { .. }
            | Self::TooMany { .. }
            | Self::NoSuchGroup { .. } => return None,
        })
    }
}

/// Says what other tools mean by a letter, and how that is written here.
fn letter_hint(letter: char) -> Option<String> {
    Some(match letter {
        ' ' | '\t' | '\n' => "separate names with `,`".into(),
        '*' | '?' => "wildcards are not read; `@*` is every node".into(),
        '@' => "`@` starts a group's name; an intersection is written `&`".into(),
        '(' | ')' => "there are no parentheses; operators are applied from left to right".into(),
        '/' => "a step stands in the bracket: `[0-38/2]`; regular expressions are not read".into(),
        '|' => "a union is written `,`".into(),
        _ => return None,
    })
}

struct Count(u128);

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == u128::MAX { f.write_str("countless") } else { write!(f, "{}", self.0) }
    }
}
