//! Where a value ends, in TOML, YAML, JSON and shell alike.

use std::ops::Range;

/// The longest value that is followed, in bytes.
const LONGEST: usize = 64 * 1024;

/// Finds what a value says: between its quotes, in the block below, or up to where a value without quotes ends.
///
/// `mark` is the place of the `=` or `:` before it, `at` that of its first sign, in one line.
pub fn extent(text: &str, mark: usize, at: usize) -> Range<usize> {
    let bounded = &text[..text.floor_char_boundary((at + LONGEST).min(text.len()))];
    let rest = &bounded[at..];
    for quotes in ["\"\"\"", "'''"] {
        if let Some(inside) = rest.strip_prefix(quotes) {
            return at + 3..at + 3 + inside.find(quotes).unwrap_or(inside.len());
        }
    }

    let line = rest.split('\n').next().unwrap_or_default();
    match rest.as_bytes().first() {
        Some(b'"') => at + 1..at + 1 + until_quote(&line[1..], b'"'),
        Some(b'\'') => at + 1..at + 1 + until_quote(&line[1..], b'\''),
        Some(b'|' | b'>') => block(bounded, mark, at + line.len()),
        _ => at..at + plain(text, mark, line),
    }
}

/// Counts the bytes up to the quote that ends a text: not one behind a backslash, nor a single one written twice (YAML).
fn until_quote(text: &str, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 1,
            byte if byte == quote && quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 1,
            byte if byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Finds the lines of a block of YAML: those below that are indented more than their key.
fn block(text: &str, mark: usize, end: usize) -> Range<usize> {
    let key = text[..mark].rfind('\n').map_or(0, |newline| newline + 1);
    let column = key_column(&text[key..mark]);
    let start = (end + 1).min(text.len());
    let mut stop = start;
    for line in text[start..].split_inclusive('\n') {
        if !line.trim().is_empty() && indent(line) <= column {
            break;
        }
        stop += line.len();
    }
    start..stop
}

/// Counts the bytes of a value without quotes.
fn plain(text: &str, mark: usize, line: &str) -> usize {
    let line = line.trim_end();
    // A template is one value, whatever it holds.
    if line.starts_with("{{") {
        return line.len();
    }
    if text.as_bytes()[mark] == b'=' {
        return line.find([' ', '\t', ',', '}', ']', '"', '\'']).unwrap_or(line.len());
    }

    let start = text[..mark].rfind('\n').map_or(0, |newline| newline + 1);
    let is_flow = text[start..mark].contains(['{', '[']);
    let ends = [line.find(" #"), line.find([',', '}', ']']).filter(|_| is_flow)];
    let end = ends.into_iter().flatten().min().unwrap_or(line.len());
    line[..end].trim_end().len()
}

/// Returns the column in which a key of YAML begins, past the dashes of lists.
pub fn key_column(line: &str) -> usize {
    let mut column = indent(line);
    while let Some(rest) = line[column..].strip_prefix("- ") {
        column += 2 + indent(rest);
    }
    column
}

/// Counts the blanks at the head of a line.
pub fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}
