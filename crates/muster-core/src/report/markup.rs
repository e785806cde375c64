//! GitHub-flavoured Markdown that nothing written into it can become a part of.
//!
//! Whatever is not our own words stands in a code span, a fence or a `<code>` element: there, GitHub and GitLab make no
//! link, mention, reference, image or HTML of it. The characters that could end one are written as escapes. It does not
//! know what a report is about.

use super::drift::words::{cut, shown};

/// The most bytes of a report. GitHub takes 65,536 characters in a comment; the rest is for who posts it.
pub const MAX_BYTES: usize = 60_000;

/// The bytes of a marker's text.
const MAX_MARKER: usize = 600;

/// Writes a text, cut, as a code span that fits a cell.
pub fn code(text: &str, most: usize) -> String {
    span(&cut(&shown(text), most))
}

/// Writes a text that has nothing invisible as a code span that fits a cell.
pub fn span(shown: &str) -> String {
    let inner = shown.replace('`', "\\u{60}").replace('|', "\\u{7c}");
    if inner == shown || inner.starts_with('"') { format!("`{inner}`") } else { format!("`\"{inner}\"`") }
}

/// Writes a text that has nothing invisible as a `<code>` element, for where HTML stands and Markdown is not read.
pub fn element(shown: &str) -> String {
    let inner = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    format!("<code>{}</code>", inner.replace('\'', "&#39;"))
}

/// Writes a sentence of ours: what stands between backticks in it becomes a code span; all of it does where the rest has
/// a character that no sentence of ours has.
pub fn prose(text: &str, most: usize) -> String {
    let is_ours = |c: char| c.is_ascii_alphanumeric() || " ,;'()%-".contains(c);
    let pieces = || text.split('`').enumerate();
    if pieces().any(|(at, piece)| at % 2 == 0 && !piece.chars().all(is_ours)) {
        return code(text, most);
    }
    pieces().map(|(at, piece)| if at % 2 == 0 { piece.to_owned() } else { code(piece, most) }).collect()
}

/// Writes lines that have nothing invisible as a fenced block; the fence is longer than any run of backticks in them.
pub fn fence(language: &str, lines: &[String]) -> String {
    let longest = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{fence}{language}\n{text}{fence}\n")
}

/// Writes the comment that nobody sees, by which a report is found again.
///
/// Equal only for equal words, but for such as are longer than a cluster's name and folder are.
pub fn marker(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| plain(word)).collect();
    let mut text = words.join(" ");
    // All of it is ASCII.
    text.truncate(MAX_MARKER);
    format!("<!-- {} -->\n", text.trim_end())
}

/// Writes a word by letters, digits and `._/-:` alone, without two dashes in a row; all else is its bytes in hex.
fn plain(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for byte in word.bytes() {
        match byte {
            b'-' if out.ends_with('-') => out.push_str("%2D"),
            b'.' | b'_' | b'/' | b'-' | b':' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_code_span() {
        assert_eq!(code("@everyone #1 <b>", 80), "`@everyone #1 <b>`");
        assert_eq!(code("a|b`c", 80), "`\"a\\u{7c}b\\u{60}c\"`");
        assert_eq!(code("", 80), "`\"\"`");
        assert_eq!(code(" ` ", 80), "`\" \\u{60} \"`");
        assert_eq!(code("a\nb", 80), "`\"a\\nb\"`");
    }

    #[test]
    fn nothing_ends_an_element_a_fence_or_a_marker() {
        assert_eq!(element("</code>&\"'"), "<code>&lt;/code&gt;&amp;&quot;&#39;</code>");
        assert_eq!(fence("diff", &["+a".into()]), "```diff\n+a\n```\n");
        assert_eq!(fence("diff", &["+````".into()]), "`````diff\n+````\n`````\n");
        assert_eq!(marker(&["muster", "diff:", "a", "."]), "<!-- muster diff: a . -->\n");
        assert_eq!(marker(&["a-->b", "c d"]), "<!-- a-%2D%3Eb c%20d -->\n");
    }

    #[test]
    fn what_is_no_word_of_ours_is_code() {
        assert_eq!(prose("1 node changes, and `max_nodes` is 0", 80), "1 node changes, and `max_nodes` is 0");
        assert_eq!(prose("`@a` lose", 80), "`@a` lose");
        assert_eq!(prose("`a`www.b` lose", 80), "`\"\\u{60}a\\u{60}www.b\\u{60} lose\"`");
    }
}
