//! The key of munge: a file that a document brings along, or that a script writes out of itself.

use std::ops::Range;

use super::value;

/// How many keys of one text are followed to what they hold; a cluster has one.
pub const MOST_KEYS: usize = 16;

/// How far from the name of the file what it holds is looked for, in bytes: a key of 1,024 bytes is 1,400 in base64.
const NEAR: usize = 16 * 1024;

/// Finds a file for munge's key in a line.
pub fn key(line: &str) -> Option<usize> {
    let at = line.find("munge.key")?;
    (is_path(&line[..at]) || is_written(line, at)).then_some(at)
}

/// Block style, flow style (`{path: /etc/munge/munge.key, ...}`) and JSON name the file alike.
fn is_path(before: &str) -> bool {
    let key = before.rsplit_once(':').map_or("", |(key, _)| key.trim_end());
    key.trim_end_matches(['"', '\'']).ends_with("path")
}

fn is_written(line: &str, at: usize) -> bool {
    let writes = ["echo ", "printf ", "base64 ", "<<"].iter().any(|word| line.contains(word));
    writes && (line[..at].contains('>') || line[..at].contains("tee "))
}

/// Finds what the file holds that the line of a text names.
pub fn contents(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    let own = &text[line.clone()];
    let at = own.find("munge.key").unwrap_or(own.len());
    if !is_path(&own[..at]) {
        return script(text, line);
    }
    let in_line: Vec<Range<usize>> = contents_in(text, line.clone());
    if !in_line.is_empty() {
        return in_line;
    }

    // The other keys of the same file: neighbours that are indented as much, up to where another file begins.
    let column = value::key_column(own);
    let mut all = Vec::new();
    if !own.trim_start().starts_with("- ") {
        let from = text.ceil_char_boundary(line.start.saturating_sub(NEAR));
        let mut end = line.start;
        for above in text[from..line.start].split_inclusive('\n').rev() {
            let range = end - above.len()..end;
            end = range.start;
            if is_beyond(above, column) {
                break;
            }
            all.extend(contents_in(text, range));
            if above.trim_start().starts_with("- ") && value::key_column(above) <= column {
                break;
            }
        }
    }
    let to = text.floor_char_boundary((line.end + NEAR).min(text.len()));
    let mut start = line.end;
    for below in text[line.end..to].split_inclusive('\n') {
        if is_beyond(below, column) || below.trim_start().starts_with("- ") && value::indent(below) < column {
            break;
        }
        all.extend(contents_in(text, start..start + below.len()));
        start += below.len();
    }
    all
}

/// Tells whether a line belongs to something that the file belongs to.
fn is_beyond(line: &str, column: usize) -> bool {
    !line.trim().is_empty() && value::key_column(line) < column
}

/// Finds the values of `content` in a line, and below it.
fn contents_in(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    const KEY: &str = "content";
    let own = &text[line.clone()];
    let places = own.match_indices(KEY).filter_map(|(at, _)| {
        let after = own[at + KEY.len()..].trim_start_matches(['"', '\'', ' ', '\t']);
        let mark = own.len() - after.len();
        let after = after.strip_prefix(':')?.trim_start_matches([' ', '\t']);
        // A tag says how the text is written.
        let after = after.strip_prefix("!!binary").map_or(after, |rest| rest.trim_start_matches([' ', '\t']));
        let value = own.len() - after.len();
        (!after.trim().is_empty()).then(|| value::extent(text, line.start + mark, line.start + value))
    });
    places.collect()
}

/// Finds what a shell writes into the file: the words of the line, or the lines of a here-document.
fn script(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    let own = &text[line.clone()];
    if let Some((_, marker)) = own.split_once("<<") {
        let marker: String = marker
            .trim_start_matches(['-', ' ', '"', '\''])
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let to = text.floor_char_boundary((line.end + NEAR).min(text.len()));
        let mut end = line.end;
        for below in text[line.end..to].split_inclusive('\n') {
            if below.trim() == marker {
                break;
            }
            end += below.len();
        }
        return std::iter::once(line.end..end).collect();
    }

    let mut all = Vec::new();
    let mut at = line.start;
    for word in own.split([' ', '\t', '\n', '\'', '"', '|', '>']) {
        if is_code(word) {
            all.push(at..at + word.len());
        }
        // What separates words is one byte.
        at += word.len() + 1;
    }
    all
}

/// Tells whether a word of a shell may be a key in base64 or another encoding.
fn is_code(word: &str) -> bool {
    const COMMANDS: &[&str] = &["echo", "printf", "base64", "tee", "sudo"];
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\\');
    word.len() >= 3 && !word.starts_with('/') && word.bytes().all(is_sign) && !COMMANDS.contains(&word)
}
