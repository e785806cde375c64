//! Limits the nesting of a TOML text, before a parser builds and drops it recursively.

/// The deepest nesting of tables and lists in one statement; each part of a dotted key counts.
/// Sites nest five or six levels.
pub const MAX_DEPTH: usize = 48;

/// Returns the offset at which a text exceeds [`MAX_DEPTH`], if it does.
pub fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();

    // The parts of the key before the current position, for each open bracket and for the top
    // level.
    let mut parts: Vec<usize> = vec![0];
    let mut depth = 0;
    let mut at = 0;

    while let Some(byte) = bytes.get(at) {
        match byte {
            b'#' => at += length_to(&bytes[at..], b"\n"),
            b'"' | b'\'' => at += string(&bytes[at..]),
            b'{' | b'[' => {
                parts.push(0);
                depth += 1;
            }
            b'}' | b']' if parts.len() > 1 => depth -= 1 + parts.pop().unwrap_or_default(),
            b'.' => {
                parts.last_mut().into_iter().for_each(|count| *count += 1);
                depth += 1;
            }
            b',' => depth -= parts.last_mut().map(std::mem::take).unwrap_or_default(),
            b'\n' if parts.len() == 1 => depth -= parts.last_mut().map(std::mem::take).unwrap_or_default(),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(at);
        }
        at += 1;
    }

    None
}

/// Returns the length of the string that begins here, without its last byte.
fn string(bytes: &[u8]) -> usize {
    let quote = bytes[0];
    let is_long = bytes.starts_with(&[quote; 3]);
    let mut at = if is_long { 3 } else { 1 };

    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 1,
            byte if *byte == quote && (!is_long || bytes[at..].starts_with(&[quote; 3])) => {
                // Up to two quotes may come before the three that end it.
                let more = bytes[at..].iter().take_while(|byte| **byte == quote).take(5).count();
                return at + if is_long { more - 1 } else { 0 };
            }
            // A line break ends an unterminated short string, which the parser reports.
            b'\n' if !is_long => return at - 1,
            _ => {}
        }
        at += 1;
    }

    bytes.len()
}

/// Returns the distance to the byte before a mark, or to the end.
fn length_to(bytes: &[u8], mark: &[u8]) -> usize {
    bytes.windows(mark.len()).position(|window| window == mark).map_or(bytes.len(), |found| found.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Code, File, Revision, Tree};

    #[test]
    fn what_sites_write_is_not_deep() {
        let example = include_str!("../../../../cluster-example/cluster.toml");
        let long = format!("a = [{}]\n{}", "{ a.b = 1.5, c = 'x.y' }, ".repeat(9_000), "a.b.c = 1.5\n".repeat(9_000));
        let strings = format!(
            "a = \"\"\"{0}\"\"\"\"\"\nb = '''{0}''''\nc = \"\\\"{0}\\\\\" # {0}\nd = '{0}\\'\n",
            "[{.".repeat(90)
        );
        for text in [example, &long, &strings, "a = \"", "a = '''", "'", "]]}}..", ""] {
            assert_eq!(too_deep(text), None, "{text:.60}");
        }
        let deep = format!("{strings}a{} = 1\n", ".a".repeat(MAX_DEPTH + 1));
        assert_eq!(too_deep(&deep), Some(deep.len() - " = 1\n".len() - 2));
    }

    /// Returns statements that nest `count` times, in each way that TOML has.
    fn bombs(count: usize) -> Vec<String> {
        let keys = vec!["a"; count].join(".");
        vec![
            format!("vars.{keys} = 1\n"),
            format!("[vars.{keys}]\na = 1\n"),
            format!("vars = {}1{}\n", "{ a = ".repeat(count), " }".repeat(count)),
            format!("vars = {{ a = {}1{} }}\n", "[".repeat(count), "]".repeat(count)),
            format!("vars = {}\n", "[{ a = ".repeat(count)),
            format!(
                "vars = {}1{}\n",
                format!("{{ {} = ", vec!["a"; 79].join(".")).repeat(count.min(79)),
                " }".repeat(count.min(79))
            ),
            format!("vars = {}", format!("{{ {} = ", vec!["a"; 79].join(".")).repeat(count.min(79))),
            format!("[[{keys}]]\na = 1\n"),
        ]
    }

    #[test]
    fn a_column_nests_no_deeper_than_a_file() {
        for count in [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 30_000] {
            let path = vec!["a"; count].join(".");
            let mut tree = Tree::from_fixture(
                "//- cluster.toml\nname = \"t\"\n//- nodes/n.toml\n[[node]]\nname = \"n\"\nstate = \"spare\"\n",
            );
            tree.insert("nodes/n.facts.csv", File::Bytes(format!("name,vars.{path}\nn,x\n").into_bytes().into()));
            let build = move || crate::snapshot::build(&tree, Revision::work_tree()).0.is_some();
            let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(build).unwrap();
            assert_eq!(thread.join().unwrap(), count <= MAX_DEPTH, "{count}");
        }
    }

    #[test]
    fn no_nesting_overflows_a_stack_whichever_file_it_is_in() {
        for count in [60, 79, 500, 50_000] {
            for (at, text) in bombs(count).into_iter().enumerate() {
                for path in
                    ["cluster.toml", "nodes/n.toml", "groups/g.toml", "boot/b.toml", "networks/n.toml", "policy.toml"]
                {
                    let mut tree = Tree::from_fixture("//- cluster.toml\nname = \"t\"\n");
                    let text =
                        if path == "nodes/n.toml" { format!("[[node]]\nname = \"n\"\n{text}") } else { text.clone() };
                    tree.insert(path, File::Bytes(text.into_bytes().into()));
                    let build = move || crate::snapshot::build(&tree, Revision::work_tree()).1;
                    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(build).unwrap();
                    let findings = thread.join().unwrap();
                    let is_told = |code: Code| findings.iter().any(|finding| finding.code == code);
                    assert!(is_told(Code::TomlSyntax) || is_told(Code::UnknownKey), "{at} in {path}: {findings:?}");
                }
            }
        }
    }
}
