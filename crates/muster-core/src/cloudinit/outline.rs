//! The keys of a cloud-config by its lines: enough to see which lists two documents both state.
//!
//! This reads block style alone, as people write it. It expands no aliases and looks into no list item, so the work is
//! linear in the text, whatever stands in it.

/// The most keys that one document is read for.
const MAX_KEYS: usize = 4096;

/// How deep keys are followed.
const MAX_DEPTH: usize = 8;

/// One key of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineKey<'t> {
    /// The names from the top, such as `["apt", "sources"]`.
    pub path: Vec<&'t str>,
    /// The byte where the key begins.
    pub at: usize,
    pub kind: ValueKind,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// A list with something in it.
    List,
    Table,
    /// A single value, or nothing.
    Plain,
}

/// A key whose value may go on in the lines below it.
struct OpenKey {
    indent: usize,
    /// The place in the list of keys; nothing if the key is beyond a bound.
    place: Option<usize>,
    kind: Option<ValueKind>,
}

/// Lists the keys of a document in the order of its lines.
pub fn outline(text: &str) -> Vec<OutlineKey<'_>> {
    let mut keys: Vec<OutlineKey<'_>> = Vec::new();
    let mut open: Vec<OpenKey> = Vec::new();
    // Lines that are further in than this belong to a block of text.
    let mut block: Option<usize> = None;
    let mut start = 0;

    for line in text.split_inclusive('\n') {
        let begins = start;
        start += line.len();
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        let body = body.trim_end();
        if body.is_empty() {
            continue;
        }
        if let Some(limit) = block {
            if indent > limit {
                continue;
            }
            block = None;
        }
        if body.starts_with(['#', '%']) || body.starts_with("{%") || body == "---" {
            continue;
        }

        if body == "-" || body.starts_with("- ") {
            // A list may stand as far in as the key that holds it.
            close(&mut open, |key| key.indent > indent);
            settle(&mut open, &mut keys, ValueKind::List);
            continue;
        }
        let Some((name, value)) = entry(body) else { continue };
        close(&mut open, |key| key.indent >= indent);
        if !settle(&mut open, &mut keys, ValueKind::Table) {
            continue;
        }

        let mut path: Vec<&str> = match open.last().map(|key| key.place) {
            Some(Some(parent)) => keys[parent].path.clone(),
            Some(None) => continue,
            None => Vec::new(),
        };
        path.push(name);
        let kind = kind_of(value);
        if is_block(value) {
            block = Some(indent);
        }
        let place = (keys.len() < MAX_KEYS && path.len() <= MAX_DEPTH).then_some(keys.len());
        if place.is_some() {
            keys.push(OutlineKey { path, at: begins + indent, kind: kind.unwrap_or(ValueKind::Plain) });
        }
        open.push(OpenKey { indent, place, kind });
    }
    keys
}

fn close(open: &mut Vec<OpenKey>, is_over: impl Fn(&OpenKey) -> bool) {
    while open.last().is_some_and(&is_over) {
        open.pop();
    }
}

/// Gives the innermost open key its kind, unless it has one; true if lines of this kind belong to it.
fn settle(open: &mut [OpenKey], keys: &mut [OutlineKey<'_>], kind: ValueKind) -> bool {
    let Some(last) = open.last_mut() else { return true };
    let settled = *last.kind.get_or_insert(kind);
    if let Some(place) = last.place {
        keys[place].kind = settled;
    }
    settled == kind
}

/// Takes `key: value` apart.
fn entry(body: &str) -> Option<(&str, &str)> {
    let quote = body.chars().next().filter(|first| matches!(first, '"' | '\''));
    let (name, rest) = match quote {
        Some(quote) => body[1..].split_once(quote)?,
        None => body.split_at(body.find(": ").or_else(|| body.strip_suffix(':').map(str::len))?),
    };
    let value = rest.strip_prefix(':')?;
    let is_key = !name.is_empty() && !name.starts_with(['{', '[', '&', '*', '?']);
    is_key.then(|| (name, value.trim()))
}

/// Tells what a value is by its first line; nothing if the lines below it decide.
fn kind_of(value: &str) -> Option<ValueKind> {
    let empty_list = value.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with(']'));
    match value.chars().next() {
        None | Some('#' | '&') => None,
        Some('[') if !empty_list => Some(ValueKind::List),
        Some('{') => Some(ValueKind::Table),
        Some(_) => Some(ValueKind::Plain),
    }
}

fn is_block(value: &str) -> bool {
    value.starts_with(['|', '>'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, ValueKind)> {
        outline(text).into_iter().map(|key| (key.path.join("."), key.kind)).collect()
    }

    #[test]
    fn lists_and_tables_are_told_apart() {
        let text = "#cloud-config\nruncmd:\n- [touch, /a]\n- echo: 1\n  runcmd: 2\nwrite_files:\n  - path: /x\n    content: |\n      \
                    packages:\n        - no\npackages: [a, b]\nempty: []\napt:\n  sources:\n    one: {source: x}\n  \
                    conf: |\n    bootcmd:\n    - not\n  lists:\n    - 1\nlocale: C\n\"quoted\": [1]\nnull_one:\n";
        let want = [
            ("runcmd", ValueKind::List),
            ("write_files", ValueKind::List),
            ("packages", ValueKind::List),
            ("empty", ValueKind::Plain),
            ("apt", ValueKind::Table),
            ("apt.sources", ValueKind::Table),
            ("apt.sources.one", ValueKind::Table),
            ("apt.conf", ValueKind::Plain),
            ("apt.lists", ValueKind::List),
            ("locale", ValueKind::Plain),
            ("quoted", ValueKind::List),
            ("null_one", ValueKind::Plain),
        ];
        assert_eq!(read(text), want.map(|(path, kind)| (path.to_owned(), kind)));
        assert!(text[outline(text)[2].at..].starts_with("packages: [a"));
    }

    #[test]
    fn tags_of_a_template_are_passed_over() {
        let text = "## template: jinja\n#cloud-config\n{% if a %}\nruncmd:\n{% for x in y %}\n  - {{ x }}\n{% endfor %}\n{% endif %}\n";
        assert_eq!(read(text), [("runcmd".to_owned(), ValueKind::List)]);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep: String = (0..10_000).map(|depth| format!("{}k:\n", " ".repeat(depth.min(300)))).collect();
        assert!(outline(&deep).iter().all(|key| key.path.len() <= MAX_DEPTH));
        let wide: String = (0..10_000).map(|at| format!("k{at}: [1]\n")).collect();
        assert_eq!(outline(&wide).len(), MAX_KEYS);
        assert!(outline("").is_empty() && outline(":\n: \n- \n\"\n\"a\n'").is_empty());
    }
}
