//! What a reviewer reads of edits of the example, whole. `UPDATE=1` writes it anew.

use super::laws::build;
use muster::change;
use muster::model::{File, Tree};
use muster::report::ChangeReport;
use std::path::Path;
use std::{env, fs};

fn root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn example() -> Tree {
    let mut tree = Tree::default();
    let mut open = vec![(root("cluster-example"), String::new())];
    while let Some((folder, prefix)) = open.pop() {
        for entry in fs::read_dir(&folder).expect("the example can be read") {
            let entry = entry.expect("the example can be read");
            let name = format!("{prefix}{}", entry.file_name().to_str().expect("our names are UTF-8"));
            if entry.path().is_dir() {
                open.push((entry.path(), format!("{name}/")));
            } else if Tree::is_wish(&name) {
                let bytes = fs::read(entry.path()).expect("the example can be read");
                tree.insert(name, File::Bytes(bytes.into()));
            }
        }
    }
    tree
}

fn edited(edits: &[(&str, &str, &str)]) -> Tree {
    let mut tree = example();
    for (path, old, new) in edits {
        let Some(File::Bytes(bytes)) = tree.get(path).cloned() else { panic!("{path} is there") };
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(old), "{path} holds {old:?}");
        tree.insert(*path, File::Bytes(text.replace(old, new).into_bytes().into()));
    }
    tree
}

/// Holds a text against the one that is kept.
fn hold(name: &str, text: &str) {
    let path = root("tests/review/golden").join(name);
    if env::var_os("UPDATE").is_some() {
        fs::create_dir_all(root("tests/review/golden")).expect("the folder can be made");
        fs::write(&path, text).expect("the text can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}; UPDATE=1 writes it"));
    assert!(golden == text, "{name} was\n{golden}\nand is\n{text}");
}

fn judge(name: &str, edits: &[(&str, &str, &str)]) {
    let change = change::compare(&build(&example()), &build(&edited(edits)), None);
    let folds = change::fold(&change);
    let judgement = Some(change::judge(&change, &folds));
    let report = ChangeReport { change: &change, folds, judgement, base: "main", head: "this edit" };
    let text = format!("{}\n{}", report.text(false, false), report.text(true, false));
    hold(name, &text);
    let stem = name.trim_end_matches(".txt");
    hold(&format!("{stem}.md"), &report.markdown("site"));
    hold(&format!("{stem}.github"), &report.github("site"));
    let coloured = report.text(false, true);
    let mut plain = String::new();
    let mut parts = coloured.split('\x1b');
    plain.push_str(parts.next().unwrap_or_default());
    parts.for_each(|part| plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest)));
    assert_eq!(report.text(false, false), plain, "colour only colours");
}

#[test]
fn a_parameter_of_a_group() {
    judge("parameter.txt", &[("groups/compute.toml", "\"selinux=1\"", "\"selinux=0\"")]);
}

#[test]
fn another_image_and_a_part_of_a_message() {
    let edits = [
        ("cluster.toml", "vars = { image = \"rocky9-2026.11\"", "vars = { image = \"rocky9-2026.13\""),
        ("cloud-init/gpu.sh", "set -eu", "set -eux"),
    ];
    judge("image.txt", &edits);
}

#[test]
fn machines_come_go_and_are_renamed() {
    let edits = [
        ("nodes/x3000.toml", "name = \"nid[0129-0131]\"", "name = \"arm[1-3]\""),
        ("nodes/x3000.facts.csv", "nid0129,", "arm1,"),
        ("nodes/x3000.facts.csv", "nid0130,", "arm2,"),
        ("nodes/x3000.facts.csv", "nid0131,", "arm3,"),
        ("nodes/x3000.toml", "state = \"retired\"", "state = \"spare\""),
        ("nodes/x1000/bmcs.toml", "10.65.0.[101-103]", "10.65.0.[121-123]"),
        ("boot/discovery.toml", "poweroff", "reboot"),
        ("groups/gpu.toml", "memory_gib = 1024", "memory_gib = 2048"),
    ];
    judge("machines.txt", &edits);
}

#[test]
fn what_a_rail_stops() {
    let node = "[[node]]\nname = \"nid0132\"\nxname = \"x3000c0s15b3n0\"\nnid = 132\nbmc = \"x3000c0s15b3\"\n\
                groups = [\"compute\", \"arm\"]\nstate = \"retired\" # worn out: it is refused at boot, and not \
                treated as a new machine\n";
    let fact = "nid0132,02:1a:30:01:00:20,,02:1a:30:02:00:20,,,0002c90365243e8f,AXCD5F681,7d9b76b9-88bd-5bed-be27-0d137311634c\n";
    let edits = [
        ("nodes/x3000.toml", node, ""),
        ("nodes/x3000.facts.csv", fact, ""),
        ("groups/batch.toml", "nid[0079-0080,0132]", "nid[0079-0080]"),
        ("groups/gpu.toml", "memory_gib = 1024", "memory_gib = 2048"),
        ("policy.toml", "allow = []", "max_nodes = 10\nallow = [\"0123456789abcdef\"]"),
    ];
    judge("rails.txt", &edits);
}

#[test]
fn nothing() {
    judge("nothing.txt", &[("groups/compute.toml", "# no screens", "# no screen")]);
}
