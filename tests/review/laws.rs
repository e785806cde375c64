//! The promise: a fold tells exactly what differs, of exactly the machines that differ.

use super::site::{Site, edits, sites};
use muster::change::{self, Change, Fate, Fold, MachineChange, Part, Reach, Side, Subject};
use muster::cloudinit::Document;
use muster::model::{Revision, Tree};
use muster::snapshot::{self, Answer, Snapshot};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::Arc;

/// The pairs of trees; `MUSTER_LAWS` asks for more.
fn cases() -> u32 {
    env::var("MUSTER_LAWS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

pub fn build(tree: &Tree) -> Arc<Snapshot> {
    let (snapshot, findings) = snapshot::build(tree, Revision::work_tree());
    let said: Vec<&str> = findings.iter().map(|finding| &*finding.message).collect();
    Arc::new(snapshot.unwrap_or_else(|| panic!("{said:#?}\n{tree:?}")))
}

fn between(base: &Site, head: &Site) -> Change {
    change::compare(&build(&base.tree()), &build(&head.tree()), None)
}

/// All that each node is served, by its name, straight from the Snapshot.
fn served(snapshot: &Snapshot) -> BTreeMap<String, Vec<Option<String>>> {
    let all = snapshot.nodes().iter().enumerate().map(|(at, node)| {
        let script = match snapshot.answer(at) {
            Answer::Script(prepared) => Some(prepared.script.marked().to_owned()),
            Answer::Retired | Answer::Nothing => None,
        };
        let document = |document| snapshot.document(at, document).expect("it was written at build");
        let mut texts = vec![script];
        texts.extend(Document::ALL.map(|kind| if snapshot.is_retired(at) { None } else { document(kind) }));
        (node.name.to_string(), texts)
    });
    all.collect()
}

/// The nodes whose bytes differ, by their names on the side of the head, with every text of both sides.
type Texts = Vec<Option<String>>;

fn differing(change: &Change) -> BTreeMap<String, (Texts, Texts)> {
    let (mut old, new) = (served(&change.base), served(&change.head));
    let nothing = || vec![None; 5];
    let renamed: BTreeMap<&str, &str> = change
        .machines
        .iter()
        .filter_map(|machine| match &machine.fate {
            Fate::Renamed { from } => Some((&*machine.name, &**from)),
            Fate::Added | Fate::Removed | Fate::Changed => None,
        })
        .collect();
    let mut all = BTreeMap::new();
    for (name, texts) in new {
        let from = renamed.get(name.as_str()).copied().unwrap_or(name.as_str()).to_owned();
        all.insert(name, (old.remove(&from).unwrap_or_else(nothing), texts));
    }
    all.extend(old.into_iter().map(|(name, texts)| (name, (texts, nothing()))));
    all.retain(|_, (old, new)| old != new);
    all
}

/// Puts a machine's own values into the lines of a fold, and marks in the place of what a request fills.
fn filled(fold: &Fold<'_>, lines: &[String], holes: &BTreeMap<String, String>) -> Vec<String> {
    let marks = fold.request_holes().map(|name| {
        let mark = match name.split(' ').next().unwrap_or_default() {
            "boundary" => "\u{3}boundary\u{4}".to_owned(),
            of_request => format!("\u{1}{of_request}\u{2}"),
        };
        (name.to_owned(), mark)
    });
    let all: Vec<(String, String)> = marks.chain(holes.clone()).collect();
    let fill =
        |line: &String| all.iter().fold(line.clone(), |line, (hole, value)| line.replace(&format!("<{hole}>"), value));
    lines.iter().map(fill).collect()
}

/// Puts the lines that a fold tells in the place of those that it takes away.
fn applied(change: &Change, fold: &Fold<'_>, machine: &MachineChange, part: Part, old: &str) -> String {
    let holes = fold.holes(change, machine);
    let (_, told) = fold.patches.iter().find(|(other, _)| *other == part).expect("the fold tells of the part");
    let places = &machine.patch(part).expect("the machine differs in it").hunks;
    assert_eq!(told.len(), places.len());
    let old = change::lines(part, old);
    let (mut text, mut from) = (String::new(), 0);
    for (hunk, place) in told.iter().zip(places.iter()) {
        let start = place.before as usize;
        text.push_str(&old[from..start].concat());
        let removed = filled(fold, &hunk.removed, &holes);
        assert_eq!(old[start..start + removed.len()], removed, "{} of {}", part.as_str(), machine.name);
        text.push_str(&filled(fold, &hunk.added, &holes).concat());
        from = start + removed.len();
    }
    text.push_str(&old[from..].concat());
    text
}

/// Takes the line between parts out of a message; it follows from the parts.
fn without_boundary(text: &str) -> String {
    let boundary =
        text.strip_prefix("Content-Type: multipart/mixed; boundary=\"").and_then(|rest| rest.split('"').next());
    boundary.map_or_else(|| text.to_owned(), |boundary| text.replace(boundary, "\u{3}boundary\u{4}"))
}

fn judge(change: &Change) -> Result<(), TestCaseError> {
    let folds = change::fold(change);
    let mut told: BTreeMap<&str, (&Fold<'_>, &MachineChange)> = BTreeMap::new();
    for fold in &folds {
        for machine in fold.machines.iter().filter(|machine| machine.subject == Subject::Node) {
            prop_assert!(told.insert(&machine.name, (fold, machine)).is_none(), "{} is in one fold", machine.name);
            prop_assert_eq!(machine.reach(), fold.reach());
        }
    }
    let want = differing(change);
    let reached = told.iter().filter(|(_, (_, machine))| machine.reach() == Reach::NextBoot);
    let reached: BTreeSet<&str> = reached.map(|(name, _)| *name).collect();
    prop_assert_eq!(reached, want.keys().map(String::as_str).collect::<BTreeSet<_>>());
    for (name, (old, new)) in &want {
        let (fold, machine) = told[name.as_str()];
        for (at, part) in Part::ALL.into_iter().enumerate() {
            prop_assert_eq!(machine.patch(part).is_some(), old[at] != new[at], "{} of {}", part.as_str(), name);
            if old[at] == new[at] {
                continue;
            }
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let (old, new) = (text(&old[at]), text(&new[at]));
            let (old, new) = match part {
                Part::Script => (old, new),
                Part::Document(_) => (without_boundary(&old), without_boundary(&new)),
            };
            prop_assert_eq!(&old, &change.text(machine, part, Side::Base));
            prop_assert_eq!(new, applied(change, fold, machine, part, &old));
        }
    }
    let at_rest = told.iter().filter(|(name, _)| !want.contains_key(**name));
    for (name, (_, machine)) in at_rest {
        prop_assert!(machine.fate != Fate::Changed || !machine.values.is_empty(), "nothing is told of {}", name);
    }
    Ok(())
}

fn digests(change: &Change) -> BTreeMap<String, String> {
    change::fold(change).into_iter().map(|fold| (fold.digest, fold.set)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn folds_tell_exactly_what_differs(site in sites(), edits in edits()) {
        let head = site.edited(&edits);
        let change = between(&site, &head);
        judge(&change)?;
        if change.is_empty() {
            prop_assert_eq!(served(&change.base), served(&change.head));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The way back tells the same machines.
    #[test]
    fn nothing_is_lost_on_the_way_back(site in sites(), edits in edits()) {
        let head = site.edited(&edits);
        let names = |change: &Change| -> BTreeSet<String> {
            let both = change.machines.iter().flat_map(|machine| {
                let from = match &machine.fate {
                    Fate::Renamed { from } => Some(from.to_string()),
                    Fate::Added | Fate::Removed | Fate::Changed => None,
                };
                from.into_iter().chain([machine.name.to_string()])
            });
            both.collect()
        };
        prop_assert_eq!(names(&between(&site, &head)), names(&between(&head, &site)));
    }

    /// A digest is of what changes: neither of lines, nor of the commits between.
    #[test]
    fn a_digest_survives_what_moves_lines(site in sites(), edits in edits(), comments in 1..4usize) {
        let head = site.edited(&edits);
        let moved = |site: &Site| Site { comments: site.comments + comments, ..site.clone() };
        let first = digests(&between(&site, &head));
        prop_assert_eq!(&first, &digests(&between(&moved(&site), &moved(&head))));
        prop_assert_eq!(&first, &digests(&between(&site, &moved(&head))));
    }

    /// Files that are called otherwise, and comments, change no machine.
    #[test]
    fn a_refactoring_changes_nothing(site in sites(), file in 0..3u8, comments in 0..4usize) {
        let mut head = Site { comments, ..site.clone() };
        head.nodes.iter_mut().for_each(|node| node.file = file);
        prop_assert!(between(&site, &head).is_empty());
    }
}

/// Two changes that differ in one value of one machine have no digest in common.
#[test]
fn a_digest_fits_no_other_change() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut site = sites().new_tree(&mut runner).expect("there is one").current();
    site.nodes.truncate(1);
    let with = |number: u8| {
        let mut head = site.clone();
        head.nodes[0].number = number;
        digests(&between(&site, &head))
    };
    let (one, other) = (with(101), with(102));
    assert!(!one.is_empty() && one.keys().all(|digest| !other.contains_key(digest)), "{one:?} {other:?}");
    assert_eq!(one, with(101));
}

/// A wide change is one fold however many nodes it has, whatever stands in it that is each node's own.
#[test]
fn a_wide_change_is_one_fold() {
    let nodes: usize = env::var("MUSTER_DIFF_NODES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let tree = |image: &str| {
        let mut tree = Tree::default();
        for (path, text) in super::fixture::files(nodes, true) {
            tree.insert(path, muster::model::File::Bytes(text.replace("rocky9-2026.11", image).into_bytes().into()));
        }
        tree
    };
    let (base, head) = (build(&tree("rocky9-2026.11")), build(&tree("rocky9-2026.13")));
    let start = std::time::Instant::now();
    let change = change::compare(&base, &head, None);
    let folds = change::fold(&change);
    println!("{nodes} nodes compared and folded in {:?}", start.elapsed());
    assert_eq!(change.machines.len(), nodes - 8, "all but the canaries");
    // Each of the groups base to debug has its own user-data, which names them.
    let sets: Vec<&String> = folds.iter().map(|fold| &fold.set).take(20).collect();
    assert!(folds.len() < 10, "{} folds: {sets:?}", folds.len());
}

/// A digest lets one change through: equal lines in another place, or in another order, are another.
#[test]
fn a_digest_fits_one_place_of_equal_lines() {
    let tree = |params: &str, user: &str| {
        Tree::from_fixture(&format!(
            "//- cluster.toml\nname = \"c\"\n[defaults]\nboot = \"live\"\nparams = [{params}]\n\
             cloud_init = {{ user_data = \"u.yaml\" }}\n//- boot/live.toml\nkind = \"live\"\nkernel = \"http://h/k\"\n\
             //- cloud-init/u.yaml\n#cloud-config\n{user}//- nodes/n.toml\n[[node]]\nname = \"n[1-3]\"\n"
        ))
    };
    let digest = |old: (&str, &str), new: (&str, &str)| {
        let change = change::compare(&build(&tree(old.0, old.1)), &build(&tree(new.0, new.1)), None);
        let folds = change::fold(&change);
        assert_eq!(folds.len(), 1);
        folds[0].digest.clone()
    };
    let (params, user) = ("\"root=x\", \"+--\", \"single\"", "runcmd:\n- a\n- b\nbootcmd:\n- a\n- b\n");
    let of_params = |new: &str| digest((params, user), (new, user));
    let before = of_params("\"root=x\", \"init=/x\", \"+--\", \"single\"");
    let after = of_params("\"root=x\", \"+--\", \"init=/x\", \"single\"");
    assert_ne!(before, after, "an argument of init is none of the kernel");
    assert_eq!(before, of_params("\"root=x\", \"init=/x\", \"+--\", \"single\""));

    let of_user = |new: &str| digest((params, user), (params, new));
    let first = of_user("runcmd:\n- a\n- x\n- b\nbootcmd:\n- a\n- b\n");
    assert_ne!(first, of_user("runcmd:\n- a\n- b\nbootcmd:\n- a\n- x\n- b\n"), "the same lines are around both");
    assert_ne!(
        of_user("runcmd:\n- a\n- b\nbootcmd:\n- a\n- b\n- x\n- y\n"),
        of_user("runcmd:\n- a\n- b\nbootcmd:\n- a\n- b\n- y\n- x\n"),
        "in the other order"
    );
    let other = digest((params, "runcmd:\n- a\n- c\n"), (params, "runcmd:\n- a\n- x\n- c\n"));
    let one = digest((params, "runcmd:\n- a\n- b\n"), (params, "runcmd:\n- a\n- x\n- b\n"));
    assert_ne!(one, other, "before another line");
}

/// Machines for which the same line comes in different places are told apart.
#[test]
fn equal_lines_in_different_places_are_two_folds() {
    let tree = |first: &str, second: &str| {
        Tree::from_fixture(&format!(
            "//- cluster.toml\nname = \"c\"\n[defaults]\nboot = \"live\"\n\
             //- boot/live.toml\nkind = \"live\"\nkernel = \"http://h/k\"\n//- nodes/n.toml\n\
             [[node]]\nname = \"n[1-2]\"\nparams = [{first}]\n[[node]]\nname = \"n[3-4]\"\nparams = [{second}]\n"
        ))
    };
    let same = "\"a\", \"+--\", \"b\"";
    let base = build(&tree(same, same));
    let (before, after) = ("\"a\", \"x\", \"+--\", \"b\"", "\"a\", \"+--\", \"x\", \"b\"");
    let change = change::compare(&base, &build(&tree(before, after)), None);
    let sets: Vec<String> = change::fold(&change).into_iter().map(|fold| fold.set).collect();
    assert_eq!(sets, ["n[1-2]", "n[3-4]"]);
    let change = change::compare(&base, &build(&tree(before, before)), None);
    assert_eq!(change::fold(&change).len(), 1);
}

/// A text that looks like a hole is told from one, in what programs and people read.
#[test]
fn a_literal_that_looks_like_a_hole_is_told_apart() {
    let tree = |more: &str| {
        Tree::from_fixture(&format!(
            "//- cluster.toml\nname = \"c\"\n[defaults]\nboot = \"live\"\ncloud_init = {{ user_data = \"u.j2\" }}\n\
             //- boot/live.toml\nkind = \"live\"\nkernel = \"http://h/k\"\n//- cloud-init/u.j2\n#cloud-config\n{more}\
             //- nodes/n.toml\n[[node]]\nname = \"n[1-2]\"\n"
        ))
    };
    let head = tree("usage: give <name>, here {{ name }}, or <server>, here {{ server }}\n");
    let change = change::compare(&build(&tree("")), &build(&head), None);
    let folds = change::fold(&change);
    let report = muster::report::ChangeReport { change: &change, folds, judgement: None, base: "a", head: "b" };
    let view = report.view();
    let fold = &view.folds[0];
    let added = &fold.texts[0].hunks[0].added;
    assert_eq!(added, &["usage: give <name>, here <name 2>, or <server>, here <server 2>\n"]);
    assert_eq!(fold.machines[1].holes, BTreeMap::from([("name 2".to_owned(), "n2".to_owned())]));
    assert_eq!(fold.holes, ["server 2"]);
}
