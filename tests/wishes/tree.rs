//! Trees for tests, and findings as text.

use muster::model::{Diagnostic, File, Place, Revision, Severity, Tree};
use muster::snapshot::{self, Snapshot};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns a path of this repository.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the paths of all files below a folder, sorted, with `/` between the parts.
pub fn files_below(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    walk(folder, "", &mut all);
    all.sort();
    all
}

fn walk(folder: &Path, prefix: &str, all: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().into_string().expect("our names are UTF-8");
        if entry.file_type().expect("a file has a type").is_dir() {
            walk(&entry.path(), &format!("{prefix}{name}/"), all);
        } else {
            all.push(format!("{prefix}{name}"));
        }
    }
}

/// Reads the example.
pub fn example() -> Tree {
    let folder = root("cluster-example");
    let mut tree = Tree::default();
    for path in files_below(&folder) {
        let bytes = fs::read(folder.join(&path)).expect("the file can be read");
        let file = if Tree::is_wish(&path) { File::Bytes(bytes.into()) } else { File::Unread };
        tree.insert(path, file);
    }
    tree
}

/// Builds a tree; its revision is a fixed one.
pub fn build(tree: &Tree) -> (Option<Snapshot>, Vec<Diagnostic>) {
    snapshot::build(tree, Revision::commit("0123456789abcdef0123456789abcdef01234567"))
}

/// Builds a tree that must have no finding at all.
pub fn built(tree: &Tree) -> Snapshot {
    let (snapshot, findings) = build(tree);
    assert!(findings.is_empty(), "\n{}", findings_text(tree, &findings));
    snapshot.expect("a tree without findings makes a Snapshot")
}

/// Writes findings one below another: `severity[code] path:line:col..col: message`, then hint and related places.
pub fn findings_text(tree: &Tree, findings: &[Diagnostic]) -> String {
    let mut text = String::new();
    for finding in findings {
        let severity = match finding.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let _ =
            writeln!(text, "{severity}[{}] {}: {}", finding.code, place_text(tree, &finding.place), finding.message);
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
        for (place, why) in &finding.related {
            let _ = writeln!(text, "  see: {}: {why}", place_text(tree, place));
        }
    }
    text
}

/// Writes a place with the text that a caret would mark, so that a reader sees where it points.
fn place_text(tree: &Tree, place: &Place) -> String {
    let (Some(span), Some(File::Bytes(bytes))) = (place.span, tree.get(&place.file)) else {
        return place.file.to_string();
    };
    let text = std::str::from_utf8(bytes);
    let is_whole = text.is_ok_and(|text| text.get(span.start..span.end).is_some());
    assert!(is_whole || text.is_err(), "{}: bytes {span:?} are no text of its", place.file);
    let before = &bytes[..span.start];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.len() - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) + 1;
    let marked = String::from_utf8_lossy(&bytes[span.start..span.end]).replace('\n', "⏎");
    let short: String = marked.chars().take(60).collect();
    let more = if short.len() < marked.len() { "…" } else { "" };
    format!("{}:{line}:{column} ⟦{short}{more}⟧", place.file)
}
