//! Which line of a file under `cloud-init/` each line of a document comes from.

use super::Resolved;
use super::scope::NodeScope;
use crate::desired::{CloudInitFile, template};

/// What begins and ends the number of a line while a template is expanded to find out; no document holds them.
const MARK: (char, char) = ('\u{5}', '\u{6}');

/// What strips blanks across lines, which a mark among them would keep.
const STRIPPING: [&str; 6] = ["{%-", "{{-", "{#-", "-%}", "-}}", "-#}"];

impl Resolved {
    /// Expands a file under `cloud-init/` for a node, line by line, each with the line of the file that it comes from,
    /// counted from 1.
    ///
    /// What a template includes comes from the line that includes it. Of a template that lines cannot be followed through,
    /// such as one that strips blanks across them, none has a number. Nothing where the template fails.
    #[must_use]
    pub fn document_lines(&self, node: usize, name: &str, file: &CloudInitFile) -> Option<Vec<(String, Option<u32>)>> {
        let text = self.document(node, name, file).ok()?;
        let plain = || text.split_inclusive('\n').map(str::to_owned);
        if !file.is_template {
            return Some(plain().zip((1..).map(Some)).collect());
        }
        if STRIPPING.iter().any(|tag| file.text.contains(tag)) {
            return Some(plain().map(|line| (line, None)).collect());
        }
        let scope = NodeScope::value(&self.desired, node, &self.class(node).scope);
        let marked = template::render(&self.engine, name, &marked(&file.text), scope);
        let lines = marked.ok().map(|marked| unmarked(&marked));
        let is_same =
            |lines: &Vec<(String, Option<u32>)>| lines.iter().flat_map(|(line, _)| line.chars()).eq(text.chars());
        Some(lines.filter(is_same).unwrap_or_else(|| plain().map(|line| (line, None)).collect()))
    }
}

/// Writes the number of each line before it. The blanks before a tag that begins a line go, as they do without the number.
fn marked(text: &str) -> String {
    let mut all = String::with_capacity(text.len() * 2);
    for (line, number) in text.split_inclusive('\n').zip(1u32..) {
        let start = line.trim_start();
        let is_tag = start.starts_with("{%") || start.starts_with("{#");
        all.push_str(&format!("{}{number}{}", MARK.0, MARK.1));
        all.push_str(if is_tag { start } else { line });
    }
    all
}

/// Takes the numbers out again: a line has the last one that stands before its text, since tags leave theirs behind; one
/// without comes from where the text before it does.
fn unmarked(text: &str) -> Vec<(String, Option<u32>)> {
    let mut all = Vec::new();
    let mut last = None;
    for line in text.split_inclusive('\n') {
        let mut pieces = line.split(MARK.0);
        let mut plain = pieces.next().unwrap_or_default().to_owned();
        let mut number = last.filter(|_| !plain.is_empty());
        for piece in pieces {
            let (digits, rest) = piece.split_once(MARK.1).unwrap_or(("", piece));
            last = digits.parse().ok().or(last);
            if plain.is_empty() {
                number = last;
            }
            plain.push_str(rest);
        }
        // What a mark alone is left of makes no line.
        if !plain.is_empty() {
            all.push((plain, number));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_followed_through_loops() {
        let text = "a\n  {% for x in [1, 2] %}\n  - {{ x }}\n  {% endfor %}\n{{ \"b\\nc\" }}\nd\n";
        let engine = crate::desired::template::environment(&std::sync::Arc::from([]));
        let render = |text: &str| engine.render_str(text, ()).expect("it renders");
        let lines = unmarked(&render(&marked(text)));
        let want = [("a\n", 1), ("  - 1\n", 3), ("  - 2\n", 3), ("b\n", 5), ("c\n", 5), ("d\n", 6)];
        assert_eq!(lines, want.map(|(line, number)| (line.to_owned(), Some(number))));
        assert_eq!(lines.iter().map(|(line, _)| line.as_str()).collect::<String>(), render(text));
    }
}
