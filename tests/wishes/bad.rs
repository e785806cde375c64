//! One mistake a file: each case of `tests/bad/` lays a few files over a sound cluster and states every finding that this
//! must give, to the byte that a caret marks.
//!
//! A case is text before its first heading that says what it shows, then files as `//- path`, then `//- expect`. A file
//! without a body takes that file away. What text cannot hold stands on lines of its own before the first heading:
//! `//! symlink PATH`, `//! submodule PATH`, `//! bad-name PATH`, `//! too-large PATH`, `//! latin1 PATH` (that file's
//! letters as bytes), `//! repeat PATH MARK COUNT` (that file's MARK so many times; `{n}` in the rest of the line counts).
//! Environment `UPDATE=1` writes what is found into the cases, to be read with a critical eye.

use super::tree::{build, built, findings_text, root};
use muster::model::{Code, File, MAX_TOML_BYTES, MacAddr, Severity, Tree};
use std::collections::BTreeSet;
use std::{env, fs};

/// A cluster without a finding.
const SOUND: &str = include_str!("../bad/sound.fixture");

#[test]
fn the_ground_of_all_cases_is_sound() {
    built(&Tree::from_fixture(SOUND));
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let update = env::var_os("UPDATE").is_some();
    let mut told = BTreeSet::new();
    let mut wrong = Vec::new();
    for path in cases() {
        let text = fs::read_to_string(&path).expect("the case can be read");
        let (case, expected) = text.split_once("//- expect\n").unwrap_or((&text, ""));
        let tree = tree_of(case);
        let (snapshot, findings) = build(&tree);
        let found = findings_text(&tree, &findings);
        let refused = findings.iter().any(|finding| finding.severity() == Severity::Error);
        assert_eq!(snapshot.is_none(), refused, "{}: an error, and no Snapshot", path.display());
        let name = path.file_stem().expect("a case has a name").to_string_lossy().into_owned();
        let code = name.split('.').next().unwrap_or_default();
        let own = findings.iter().filter(|finding| finding.code.as_str() == code);
        if own.count() == 0 {
            wrong.push(format!("{name}: no finding is `{code}`:\n{found}"));
        }
        told.extend(findings.iter().map(|finding| finding.code).filter(|known| known.as_str() == code));
        if update {
            fs::write(&path, format!("{case}//- expect\n{found}")).expect("the case can be written");
        } else if found != expected {
            wrong.push(format!("{name}\n--- expected\n{expected}--- found\n{found}"));
        }
    }
    // What no wish alone can show: the tests of drift have the one case, those of changes the others.
    // And what only a clock shows, the tests of sets.
    told.extend([Code::UnusedException, Code::GuardRail, Code::StaleAllow, Code::SetOverdue]);
    let missing: Vec<&str> = Code::ALL.iter().filter(|code| !told.contains(code)).map(|code| code.as_str()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(missing.is_empty(), "codes without a case in tests/bad/: {missing:?}");
}

#[test]
fn ten_thousand_bad_tables_hide_nothing_of_each_other() {
    let mut tree = Tree::from_fixture(SOUND);
    let table = |n: usize| format!("[[node]]\nname = \"m{n}\"\ncolour = {n}\nnid = [{n}]\nstate = \"spare\"\n\n");
    let text: String = (0..10_000).map(table).collect();
    tree.insert("nodes/many.toml", File::Bytes(text.into_bytes().into()));
    let (snapshot, findings) = build(&tree);
    assert!(snapshot.is_none());
    let count = |code| findings.iter().filter(|finding| finding.code == code).count();
    assert_eq!([count(Code::UnknownKey), count(Code::WrongType), findings.len()], [10_000, 10_000, 20_000]);
}

#[test]
fn mac_addresses_are_read_in_every_notation() {
    for text in ["02:1b:00:00:00:0f", "02:1B:00:00:00:0F", "02-1b-00-00-00-0f", "021b.0000.000f", "021b0000000f"] {
        let mut tree = Tree::from_fixture(SOUND);
        let facts = format!("name,nics.eth0.mac\nn1,{text}\nn2,02:00:00:00:00:02\n");
        tree.insert("nodes/a.facts.csv", File::Bytes(facts.into_bytes().into()));
        let found = built(&tree).by_mac(MacAddr([0x02, 0x1b, 0, 0, 0, 0x0f]));
        assert_eq!(found, Some(0), "{text}");
    }
}

/// Returns the cases: `CODE.fixture` and `CODE.VARIANT.fixture`.
fn cases() -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(root("tests/bad")).expect("the folder can be read");
    let mut all: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    all.retain(|path| path.file_name().is_some_and(|name| name != "sound.fixture"));
    all.sort();
    all
}

/// Lays a case over the sound cluster.
fn tree_of(case: &str) -> Tree {
    let mut tree = Tree::from_fixture(SOUND);
    let (head, files) = case.split_at(case.find("//- ").unwrap_or(case.len()));
    let own = Tree::from_fixture(files);
    let emptied: Vec<&str> = own.iter().filter(|(_, file)| is_empty(file)).map(|(path, _)| path).collect();
    let mut files: Vec<(String, File)> =
        tree.iter().chain(own.iter()).map(|(p, f)| (p.to_owned(), f.clone())).collect();
    files.retain(|(path, _)| !emptied.contains(&path.as_str()));
    for directive in head.lines().filter_map(|line| line.strip_prefix("//! ")) {
        direct(directive, &mut files);
    }
    tree = Tree::default();
    for (path, file) in files {
        tree.insert(path, file);
    }
    tree
}

fn is_empty(file: &File) -> bool {
    matches!(file, File::Bytes(bytes) if bytes.is_empty())
}

fn direct(directive: &str, files: &mut Vec<(String, File)>) {
    let words: Vec<&str> = directive.split(' ').collect();
    let edit = |files: &mut Vec<(String, File)>, path: &str, change: &dyn Fn(String) -> Vec<u8>| {
        let (_, file) = files.iter_mut().rfind(|(known, _)| known == path).expect("the directive names a file");
        let File::Bytes(bytes) = file else { panic!("{path} has no bytes") };
        *file = File::Bytes(change(String::from_utf8_lossy(bytes).into_owned()).into());
    };
    match words.as_slice() {
        ["symlink", path] => files.push(((*path).into(), File::Symlink)),
        ["submodule", path] => files.push(((*path).into(), File::Submodule)),
        ["bad-name", path] => files.push(((*path).into(), File::BadName)),
        ["too-large", path] => files.push(((*path).into(), File::TooLarge { bytes: MAX_TOML_BYTES + 1 })),
        ["latin1", path] => edit(files, path, &|text| text.chars().map(|c| u32::from(c) as u8).collect()),
        ["repeat", path, mark, count] => {
            let count: usize = count.parse().expect("a count");
            edit(files, path, &|text| repeated(&text, mark, count).into_bytes());
        }
        _ => panic!("no such directive: {directive}"),
    }
}

/// Repeats each line that ends in a mark, with `{n}` counted; without a line break where the mark stands inside.
fn repeated(text: &str, mark: &str, count: usize) -> String {
    let mut all = String::new();
    for line in text.split_inclusive('\n') {
        match line.split_once(mark) {
            Some((before, "\n")) => {
                for n in 0..count {
                    all.push_str(&before.replace("{n}", &n.to_string()));
                    all.push('\n');
                }
            }
            Some((before, after)) => {
                let (before, item) = before.rsplit_once("<<").expect("what is repeated begins at <<");
                all.push_str(before);
                (0..count).for_each(|n| all.push_str(&item.replace("{n}", &n.to_string())));
                all.push_str(after);
            }
            None => all.push_str(line),
        }
    }
    all
}
