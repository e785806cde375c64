//! Files to a Snapshot: one or the other of a Snapshot and an error, and each finding at a place inside of its file.

use muster::cloudinit::Document;
use muster::model::{Diagnostic, File, NodeSet, Pattern, Place, Revision, Severity, Span, Tree};
use muster::snapshot::{self, Answer, Snapshot};

/// The cluster under the files of an input.
pub const SOUND: &str = include_str!("../../tests/bad/sound.fixture");

/// The most machines that one table of an input may declare; muster takes a million.
const MOST: usize = 500;

/// Lays an input's files over the sound cluster, as the cases of `tests/bad/` are, and builds it.
pub fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if is_large(text) {
        return;
    }
    let mut tree = Tree::from_fixture(SOUND);
    for (path, file) in Tree::from_fixture(text).iter() {
        tree.insert(path, file.clone());
    }
    builds(&tree);
}

/// Tells whether a text in quotes stands for more machines than are worth the time.
pub fn is_large(text: &str) -> bool {
    let many = |text: &str| Pattern::parse(text).map_or(0, |pattern| pattern.len()) > MOST;
    let nodes = |text: &str| NodeSet::parse(text, &|_| None).map_or(0, |set| set.len()) > MOST;
    let loops = text.matches("range(").count() > 2 || text.matches("{%").count() > 16;
    loops
        || text.split(['"', '\'', '\n', ',']).any(many)
        || text.split(['"', '\'']).any(|text| many(text) || nodes(text))
}

/// Builds a tree, and judges what comes of it.
pub fn builds(tree: &Tree) {
    let (snapshot, findings) = snapshot::build(tree, Revision::work_tree());
    let refused = findings.iter().any(|finding| finding.severity() == Severity::Error);
    assert_eq!(snapshot.is_none(), refused, "an error, and no Snapshot: {findings:?}");
    findings.iter().for_each(|finding| points(tree, finding));
    if let Some(snapshot) = snapshot {
        answers(&snapshot);
    }
}

fn points(tree: &Tree, finding: &Diagnostic) {
    let places = finding.related.iter().map(|(place, _)| place).chain([&finding.place]);
    for Place { file, span } in places {
        let (Some(Span { start, end }), Some(File::Bytes(bytes))) = (span, tree.get(file)) else { continue };
        assert!(start <= end && *end <= bytes.len(), "{file} has {} bytes: {finding:?}", bytes.len());
        if let Ok(text) = std::str::from_utf8(bytes) {
            assert!(text.get(*start..*end).is_some(), "{file}: inside of a character: {finding:?}");
        }
    }
    assert!(!finding.message.is_empty());
}

/// Every node is answered with a script that iPXE takes for one, and with documents.
fn answers(snapshot: &Snapshot) {
    for node in 0..snapshot.nodes().len().min(8) {
        match snapshot.answer(node) {
            Answer::Script(prepared) => {
                let shown = prepared.script.shown();
                assert!(shown.starts_with("#!ipxe\n"), "{shown}");
                let commands = [
                    "#!ipxe",
                    "imgfree",
                    "kernel ",
                    "initrd ",
                    "boot ",
                    ":boot_retry",
                    "sleep ",
                    "chain ",
                    "echo ",
                    "exit ",
                ];
                let known = |line: &str| line.is_empty() || commands.iter().any(|command| line.starts_with(command));
                assert!(shown.split('\n').all(known), "a line of the wishes' own: {shown}");
                // iPXE knows no quotes: these end a command wherever they are a word.
                let words = |line: &str| line.split(' ').skip(1).any(|word| word == ";" || word.starts_with('#'));
                assert!(!shown.split('\n').any(words), "one of iPXE's own signs: {shown}");
                assert!(!shown.contains("  "), "two blanks: {shown}");
            }
            Answer::Retired | Answer::Nothing => {}
        }
        for document in Document::ALL {
            assert!(snapshot.document(node, document).is_ok(), "the build wrote it once");
        }
    }
}
