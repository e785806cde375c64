//! `muster log` against the long way: every commit resolved as a whole, over made-up histories with branches and merges.

use super::laws::build;
use super::site::{Edit, Site, edits, sites};
use crate::support::muster::run;
use crate::support::wishes::Wishes;
use git2::{Oid, Repository, Signature, Time};
use muster::change::{self, Change, Fate};
use muster::model::{File, Tree};
use muster::report::ChangeReport;
use muster::snapshot::Snapshot;
use muster::view::{FoldView, LogView};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

/// The files that a commit may hold so that it cannot be read.
const MISTAKES: [(&str, &str); 3] =
    [("nodes/z.toml", "[[node\n"), ("boot/z.toml", "kind = \"lively\"\n"), ("nodes/z.facts.csv", "serial\nS1\n")];

/// One commit of a made-up history.
#[derive(Debug, Clone)]
struct Step {
    edits: Vec<Edit>,
    /// Its parents, as many commits back from it; several make a merge.
    back: Vec<usize>,
    mistake: Option<usize>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let back = prop_oneof![6 => Just(vec![1]), 1 => Just(vec![2]), 1 => Just(vec![1, 2]), 1 => Just(vec![2, 1]), 1 => Just(vec![1, 3])];
    let mistake = prop_oneof![8 => Just(None), 1 => (0..MISTAKES.len()).prop_map(Some)];
    // Most commits change little.
    let edits = prop_oneof![2 => Just(Vec::new()), 3 => edits()];
    let step = (edits, back, mistake).prop_map(|(edits, back, mistake)| Step { edits, back, mistake });
    proptest::collection::vec(step, 2..10)
}

/// A commit as the test knows it.
struct Commit {
    id: String,
    parents: Vec<usize>,
    whole: Arc<Snapshot>,
    mistake: Option<usize>,
}

/// Writes a history into a bare repository; returns its commits, oldest first.
fn history(folder: &Path, first: &Site, steps: &[Step]) -> Vec<Commit> {
    let repo = Repository::init_bare(folder).expect("a repository can be made");
    let mut sites = vec![first.clone()];
    let mut all: Vec<(Oid, Commit)> = Vec::new();
    let root = Step { edits: Vec::new(), back: Vec::new(), mistake: None };
    for (at, step) in [root].iter().chain(steps).enumerate() {
        let mut parents: Vec<usize> = step.back.iter().filter_map(|back| at.checked_sub(*back)).collect();
        if parents.is_empty() && at > 0 {
            parents.push(at - 1);
        }
        let site = parents.first().map_or_else(|| first.clone(), |parent| sites[*parent].edited(&step.edits));
        let mut tree = site.tree();
        let whole = build(&tree);
        if let Some((path, text)) = step.mistake.map(|mistake| MISTAKES[mistake]) {
            tree.insert(path, File::Bytes(text.as_bytes().into()));
        }
        // Each a second after the one before, so that their order is that of their dates.
        let who = Signature::new("Ann", "ann@example", &Time::new(1_767_225_600 + at as i64, 0)).expect("a name");
        let written = repo.find_tree(write(&repo, &tree)).expect("it was just written");
        let of: Vec<_> =
            parents.iter().map(|parent| repo.find_commit(all[*parent].0).expect("it was written before")).collect();
        let of: Vec<&git2::Commit<'_>> = of.iter().collect();
        let id = repo.commit(None, &who, &who, &format!("step {at}"), &written, &of).expect("it can be committed");
        all.push((id, Commit { id: id.to_string(), parents, whole, mistake: step.mistake }));
        if at > 0 {
            sites.push(site);
        }
    }
    let tip = all.last().expect("there is the first").0;
    repo.reference("refs/heads/main", tip, true, "").expect("a branch can be made");
    repo.set_head("refs/heads/main").expect("the branch is there");
    all.into_iter().map(|(_, commit)| commit).collect()
}

fn write(repo: &Repository, tree: &Tree) -> Oid {
    let mut index = git2::Index::new().expect("an index in memory");
    for (path, bytes) in tree.blobs() {
        let entry = git2::IndexEntry {
            ctime: git2::IndexTime::new(0, 0),
            mtime: git2::IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            file_size: bytes.len() as u32,
            id: repo.blob(bytes).expect("it can be written"),
            flags: 0,
            flags_extended: 0,
            path: path.as_bytes().into(),
        };
        index.add(&entry).expect("the path is good");
    }
    index.write_tree_to(repo).expect("it can be written")
}

/// What is told of a commit: what it changed, or that it cannot be read.
type Told = (String, Option<FoldView>);

/// Goes back as the command should, with nothing but whole Snapshots.
fn the_long_way(all: &[Commit], node: &str) -> Vec<Told> {
    let nothing = {
        let mut tree = Tree::default();
        tree.insert("cluster.toml", File::Bytes(b"name = \"none\"\n".as_slice().into()));
        build(&tree)
    };
    let mut pending = vec![(all.len() - 1, node.to_owned())];
    let mut met: HashSet<(usize, String)> = pending.iter().cloned().collect();
    let mut told = Vec::new();
    // Of equal dates there is one commit, by one or two names: by the one that was met first.
    while let Some(place) = (0..pending.len()).rev().max_by_key(|place| pending[*place].0) {
        let (at, node) = pending.remove(place);
        let commit = &all[at];
        let mut meet = |parent: usize, node: &str| {
            if met.insert((parent, node.to_owned())) {
                pending.push((parent, node.to_owned()));
            }
        };
        if commit.mistake.is_some() {
            if commit.parents.first().is_none_or(|parent| all[*parent].mistake != commit.mistake) {
                told.push((commit.id.clone(), None));
            }
            commit.parents.iter().for_each(|parent| meet(*parent, &node));
            continue;
        }
        let mut changes: Vec<Change> = Vec::new();
        let mut same = None;
        for parent in &commit.parents {
            let mut before = Some(*parent);
            while let Some(at) = before.filter(|at| all[*at].mistake.is_some()) {
                before = all[at].parents.first().copied();
            }
            let old = before.map_or(&nothing, |at| &all[at].whole);
            let change = change::compare(old, &commit.whole, Some(&BTreeSet::from([node.clone()])));
            if change.is_empty() {
                same = Some(*parent);
                break;
            }
            changes.push(change);
        }
        if let Some(parent) = same {
            meet(parent, &node);
            continue;
        }
        for (parent, change) in commit.parents.iter().zip(&changes) {
            let older = change.machines.iter().find_map(|machine| match &machine.fate {
                Fate::Renamed { from } if *machine.name == *node => Some(from.to_string()),
                Fate::Renamed { .. } | Fate::Added | Fate::Removed | Fate::Changed => None,
            });
            meet(*parent, &older.unwrap_or_else(|| node.clone()));
        }
        if commit.parents.is_empty() {
            let change = change::compare(&nothing, &commit.whole, Some(&BTreeSet::from([node.clone()])));
            changes.extend((!change.is_empty()).then_some(change));
        }
        if let Some(change) = changes.first() {
            let report = ChangeReport { change, folds: change::fold(change), judgement: None, base: "", head: "" };
            told.push((commit.id.clone(), report.view().folds.into_iter().next()));
        }
    }
    told
}

fn log(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let args: Vec<&str> = [&["log"], args].concat();
    let Output { status, stdout, stderr } = run(folder, &args);
    let text = |bytes| String::from_utf8(bytes).expect("we write UTF-8");
    (status.code().expect("it ends"), text(stdout), text(stderr))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_short_way_tells_what_the_long_way_does(site in sites(), steps in steps(), name in 0..8u8) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let all = history(folder.path(), &site, &steps);
        let tip = &all.last().expect("there is one").whole;
        // Mostly one that is there at the end.
        let node = match tip.nodes().get(usize::from(name)) {
            Some(node) => node.name.to_string(),
            None => site.nodes.first().map_or_else(|| "n1".to_owned(), |node| format!("n{}", node.name)),
        };
        let want = the_long_way(&all, &node);
        let (code, out, err) = log(folder.path(), &[&node, "--format", "json"]);
        prop_assert_eq!(code, 0, "{}", err);
        let view: LogView = serde_json::from_str(&out).expect("it is what it says");
        let told: Vec<Told> = view.commits.into_iter().map(|commit| (commit.id, commit.change)).collect();
        prop_assert_eq!(told, want, "{}", node);
    }
}

/// The histories; `MUSTER_LOG_LAWS` asks for more.
fn cases() -> u32 {
    std::env::var("MUSTER_LOG_LAWS").ok().and_then(|text| text.parse().ok()).unwrap_or(48)
}

fn example() -> Wishes {
    Wishes::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster-example"))
}

/// The subjects that a log in text tells, newest first, and its last line.
fn subjects(out: &str) -> (Vec<String>, String) {
    let is_subject = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let all = out.lines().filter(is_subject).map(|line| line.trim().to_owned());
    // Texts have a heading of their own.
    let all = all.filter(|line| !line.ends_with(')'));
    (all.collect(), out.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn draining_is_one_line_in_the_file_of_any_machine() {
    let wishes = example();
    let drained = "\n[[set]]\nnodes = \"nid[0007,0012]\"\nstate = \"maintenance\"\nreason = \"PSU swap\"\n";
    let before = wishes.read("nodes/x3000.toml");
    wishes.write("nodes/x3000.toml", format!("{before}{drained}"));
    wishes.publish("drain two");
    wishes.write("nodes/x3000.toml", before);
    wishes.publish("back again");
    for node in ["nid0007", "nid0012"] {
        let (code, out, _) = log(&wishes.clone_dir(), &[node, "-n", "2"]);
        assert_eq!(code, 0, "{out}");
        assert!(out.contains("state: active -> maintenance") || out.contains("state: maintenance -> active"), "{out}");
        assert_eq!(out.matches("state: ").count(), 2, "{out}");
        assert!(!out.contains("does not check"), "{out}");
    }
    let (_, out, _) = log(&wishes.clone_dir(), &["nid0008"]);
    assert!(!out.contains("drain two") && !out.contains("does not check"), "{out}");
}

#[test]
fn a_node_is_followed_past_a_new_name() {
    let wishes = example();
    wishes.edit("groups/login.toml", "secure_boot = true", "secure_boot = false");
    wishes.commit("no secure boot");
    wishes.edit("nodes/x3000.toml", "name = \"login[01-03]\"", "name = \"front[01-03]\"");
    wishes.write("nodes/x3000.facts.csv", wishes.read("nodes/x3000.facts.csv").replace("login0", "front0"));
    wishes.commit("front");
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.commit("not theirs");
    let (code, out, err) = log(&wishes.clone_dir(), &["front01"]);
    let (told, last) = subjects(&out);
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(told, ["front", "no secure boot", "the first wishes"], "{out}");
    assert!(out.contains("    login01 is renamed to front01\n"), "{out}");
    assert_eq!(last, "4 commits looked at: 3 changed front01");
    let (_, out, _) = log(&wishes.clone_dir(), &["front01", "-n", "1", "--patch"]);
    assert!(out.contains("    - ") && out.contains("    + ") && subjects(&out).0 == ["front"], "{out}");
    // By a name that is gone, and by the xname.
    let (_, out, _) = log(&wishes.clone_dir(), &["login01"]);
    assert_eq!(subjects(&out).0, ["front", "no secure boot", "the first wishes"], "{out}");
    let (_, out, _) = log(&wishes.clone_dir(), &["x1000c0s0b0n0", "--rev", "HEAD~1"]);
    assert_eq!(subjects(&out).0, ["the first wishes"], "{out}");
}

#[test]
fn what_cannot_be_told_is_said() {
    let wishes = example();
    let (code, out, err) = log(&wishes.clone_dir(), &["nid001"]);
    assert_eq!((code, &*out), (2, ""));
    assert!(err.contains("no node was ever called `nid001`") && err.contains("did you mean `nid0001`?"), "{err}");
    let first = wishes.git(&["rev-parse", "HEAD"]);
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.publish("no SELinux");
    wishes.git_in(
        wishes.root(),
        &["clone", "-q", "--depth", "1", &format!("file://{}", wishes.bare().display()), "shallow"],
    );
    let shallow = wishes.root().join("shallow");
    let (code, out, _) = log(&shallow, &["nid0001"]);
    assert!(
        code == 0 && out.contains("the clone is shallow") && out.contains("1 commit looked at: 0 changed"),
        "{out}"
    );
    let said = |args: &[&str]| {
        let output = run(&shallow, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).expect("we write UTF-8")
    };
    for args in [&["diff", "--rev", "HEAD"][..], &["show", "nid0001", "--rev", "HEAD~1"], &["check", "--rev", &first]] {
        assert!(said(args).contains("git fetch --unshallow"), "{}", said(args));
    }
    assert!(said(&["log", "nid0001", "--path", "../x"]).contains("does not stay inside the repository"));
    assert!(said(&["log", "nid0001", "--path", "grups"]).contains("there is no folder `grups`"));
    assert!(said(&["log", "nid0001", "--rev", "mian"]).contains("`main`"));
}

#[test]
fn one_commit_is_compared_with_its_parent() {
    let wishes = example();
    wishes.edit("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"");
    wishes.commit("no SELinux");
    wishes.edit("groups/login.toml", "secure_boot = true", "secure_boot = false");
    wishes.commit("no secure boot");
    let diff = |args: &[&str]| {
        let output = run(&wishes.clone_dir(), args);
        (output.status.code(), String::from_utf8(output.stdout).expect("we write UTF-8"))
    };
    assert_eq!(diff(&["diff", "--rev", "HEAD~1"]), {
        let (code, out) = diff(&["diff", "HEAD~2", "HEAD~1"]);
        (code, out.replace("HEAD~2 (", "HEAD~1^ ("))
    });
    assert_eq!(diff(&["diff", "--rev", "HEAD~2"]).0, Some(2), "the first has no parent");
    assert_eq!(diff(&["diff", "--rev", "HEAD", "main"]).0, Some(2), "one or the other");
    let drift = run(&wishes.clone_dir(), &["drift", "--rev", "HEAD~7"]);
    assert!(String::from_utf8_lossy(&drift.stderr).contains("there is no revision `HEAD~7`"), "{drift:?}");
}

#[test]
fn a_log_is_what_our_schema_says() {
    let (name, text) = LogView::schema();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    assert!(std::fs::read_to_string(committed).is_ok_and(|known| known == text), "muster schema --write .");
    let schema: serde_json::Value = serde_json::from_str(&text).expect("a schema is JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema is a schema");
    let wishes = example();
    wishes.write("nodes/broken.toml", "[[node\n");
    wishes.commit("a mistake");
    let (_, out, _) = log(&wishes.clone_dir(), &["nid0001", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&out).expect("it is JSON");
    let faults: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(faults, [""; 0]);
    assert_eq!(value["commits"][0]["faults"][0]["path"], "nodes/broken.toml");
    assert_eq!(value["commits"][0]["change"], serde_json::Value::Null);
}
