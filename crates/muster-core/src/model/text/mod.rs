//! Text from outside on its way to a person or a tool: BMCs, commits and clients write whatever they like.
//!
//! One rule decides what may act: a character that does not show as itself (controls, line breaks, marks of direction,
//! what has no width) is written as an escape, and so is what CI systems take for a command. Each form of output has one
//! function here, and [`SafeText`] is what may leave the process: it has no other constructors.
//!
//! | form | function |
//! |---|---|
//! | one value in a sentence | [`shown`]: quoted if anything in it is escaped |
//! | one line of a terminal or of a text log | [`line`](fn@line) |
//! | a document of several lines | [`SafeText::document`] |
//! | the subject of a commit | [`subject`] |
//! | a sentence of a finding, which quotes what the finding is about | [`bounded`] |
//! | the path of a finding | [`bounded`] for people, [`bounded_path`] for tools |
//! | JSON, SARIF | [`SafeText::json`], [`harden_json`]: escapes of JSON, so that the data stays exact |
//! | TOML | [`toml_string`]: escapes of TOML |
//! | a cell of CSV | [`is_formula`]: it is refused, as CSV has no escapes |
//! | Markdown, JUnit | `report::markup` and `report::drift`, made of [`shown`] values; then [`SafeText::lines`] |
//! | workflow commands of GitHub | `report::workflow`; then [`SafeText::commands`] |
//!
//! Documents that a person pipes into a file or a tool (`muster show --script`, `--cloud-init`, the diff of `muster adopt`)
//! stay as they are, byte for byte; only a terminal gets them escaped.

mod plural;
mod quoted;
mod safe;

use std::borrow::Cow;

pub use plural::{plural, verb};
pub use quoted::{bounded, bounded_path};
pub use safe::SafeText;

/// The characters of a commit's subject that are kept: git advises 50, and 72 are common.
const MAX_SUBJECT: usize = 200;

/// Returns whether a character shows as itself: it moves no cursor, hides nothing, and has a width.
#[must_use]
pub fn is_plain(c: char) -> bool {
    match c {
        ' '..='~' => true,
        // What Rust's `{:?}` escapes: controls, line and paragraph separators, format characters (bidi marks, zero-width
        // ones), blanks other than the space, combining, unassigned and private characters.
        _ => c.escape_debug().len() == 1,
    }
}

/// Writes a value so that nothing in it is invisible: as it is, or quoted with escapes if that would mislead.
#[must_use]
pub fn shown(value: &str) -> String {
    let has_edges = value.is_empty() || value.starts_with(' ') || value.ends_with(' ');
    if !has_edges && value.chars().all(is_plain) { value.to_owned() } else { format!("{value:?}") }
}

/// Writes a text as one line in which nothing acts: neither on a terminal nor on a CI system that reads the line.
///
/// Tabs and line breaks are escaped too.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    let chars: Vec<char> = text.chars().collect();
    if !(0..chars.len()).any(|at| acts(&chars, at)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    (0..chars.len()).for_each(|at| push(&mut out, &chars, at));
    Cow::Owned(out)
}

/// Appends a character of a line, escaped if it would act there.
pub fn push(out: &mut String, line: &[char], at: usize) {
    match line[at] {
        c if !acts(line, at) => out.push(c),
        c if is_plain(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        c => out.extend(c.escape_debug()),
    }
}

/// Tells whether a character of a line does more than show itself.
fn acts(line: &[char], at: usize) -> bool {
    match line[at] {
        '#' => begins_command(&line[at..]),
        // GitHub's runner takes a line for a command if it begins with `::` after blanks.
        ':' => line.get(at + 1) == Some(&':') && line[..at].iter().all(|c| *c == ' '),
        c => !is_plain(c),
    }
}

/// Tells whether a text begins with what CI systems take for a command anywhere in a line: `##[` (GitHub), `##vso[` (Azure
/// Pipelines), `##teamcity[`.
fn begins_command(text: &[char]) -> bool {
    let word = text.strip_prefix(&['#', '#']).unwrap_or_default();
    word.iter().find(|c| !c.is_ascii_alphabetic()) == Some(&'[')
}

/// Writes the subject of a commit: one line of at most 200 characters.
#[must_use]
pub fn subject(text: &str) -> String {
    cut(&line(text.trim()), MAX_SUBJECT)
}

/// Cuts a text to so many characters, the last of them an ellipsis if something was cut.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Writes a text as a string of TOML on one line; what does not show as itself becomes an escape, and the value stays.
#[must_use]
pub fn toml_string(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for (at, c) in chars.iter().enumerate() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_plain(*c) && !(*c == '#' && begins_command(&chars[at..])) => out.push(*c),
            c => match u32::from(*c) {
                code @ 0..=0xffff => out.push_str(&format!("\\u{code:04X}")),
                code => out.push_str(&format!("\\U{code:08X}")),
            },
        }
    }
    out.push('"');
    out
}

/// Writes a JSON text so that nothing in its strings acts; the data that it stands for stays the same.
#[must_use]
pub fn harden_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(c) = rest.chars().next() {
        let acts = match c {
            '#' => begins_command(&rest.chars().take(MAX_COMMAND).collect::<Vec<_>>()),
            '\n' => false,
            c => !is_plain(c),
        };
        match c {
            // Between values they are blanks; no string of JSON holds them as they are.
            '\t' | '\r' => out.push(' '),
            c if acts => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// The longest command that is looked for: `##teamcity[`, with room for others.
const MAX_COMMAND: usize = 24;

/// Tells whether spreadsheets take a cell for a formula by how it begins.
#[must_use]
pub fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests;
