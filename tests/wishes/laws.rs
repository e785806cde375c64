//! Laws of layers, on made-up clusters: what a node boots follows from its own layers, in the order of `layers`, and from
//! nothing else.

use super::tree::{build, built, findings_text};
use muster::cloudinit::Document;
use muster::model::{File, Tree};
use muster::snapshot::{Answer, Snapshot};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// How many groups a made-up cluster has.
const GROUPS: usize = 4;

/// A made-up cluster, as plain values.
#[derive(Debug, Clone)]
struct Cluster {
    /// The groups, weakest first.
    order: Vec<usize>,
    /// Of each node: its groups, by what it says and by what groups say, and which file it stands in.
    nodes: Vec<(BTreeSet<usize>, BTreeSet<usize>, usize)>,
    /// Whether each group has a parameter of its own beside the one that all fight over.
    extra: Vec<bool>,
}

fn clusters() -> impl Strategy<Value = Cluster> {
    let some_groups = || proptest::collection::btree_set(0..GROUPS, 0..GROUPS);
    let node = (some_groups(), some_groups(), 0..3usize);
    let order = Just((0..GROUPS).collect::<Vec<_>>()).prop_shuffle();
    (order, proptest::collection::vec(node, 1..7), proptest::collection::vec(any::<bool>(), GROUPS))
        .prop_map(|(order, nodes, extra)| Cluster { order, nodes, extra })
}

impl Cluster {
    /// Writes the cluster; `name` names its files of nodes.
    fn tree(&self, name: &dyn Fn(usize) -> String) -> Tree {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let layers: Vec<String> = self.order.iter().map(|group| format!("\"g{group}\"")).collect();
        let cluster = format!(
            "name = \"made-up\"\nlayers = [{}]\n[defaults]\nboot = \"live\"\nparams = [\"who=defaults\"]\nvars = {{ who = \"defaults\" }}\n\
             cloud_init = {{ user_data = \"user.j2\" }}\n",
            layers.join(", ")
        );
        files.insert("cluster.toml".into(), cluster);
        let boot = "kind = \"live\"\nkernel = \"http://a/{{ vars.who }}\"\nparams = [\"who=boot\", \"root=x\"]\n";
        files.insert("boot/live.toml".into(), boot.into());
        files.insert("cloud-init/user.j2".into(), "#cloud-config\nhostname: {{ name }}-{{ vars.who }}\n".into());
        for (group, extra) in self.extra.iter().enumerate() {
            let said = self.nodes.iter().enumerate().filter(|(_, node)| node.1.contains(&group));
            let names: Vec<String> = said.map(|(at, _)| format!("n{at}")).collect();
            let extra = if *extra { format!(", \"extra{group}\"") } else { String::new() };
            let mut text = format!("vars = {{ who = \"g{group}\" }}\nparams = [\"who=g{group}\"{extra}]\n");
            if !names.is_empty() {
                let _ = writeln!(text, "nodes = \"{}\"", names.join(","));
            }
            files.insert(format!("groups/g{group}.toml"), text);
        }
        for (at, (own, _, file)) in self.nodes.iter().enumerate() {
            let own: Vec<String> = own.iter().map(|group| format!("\"g{group}\"")).collect();
            let text = files.entry(format!("nodes/{}.toml", name(*file))).or_default();
            let _ = writeln!(text, "[[node]]\nname = \"n{at}\"\ngroups = [{}]\n", own.join(", "));
        }
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(path, File::Bytes(text.into_bytes().into()));
        }
        tree
    }

    /// Returns who wins for a node, by the plainest reading of the law.
    fn strongest(&self, node: usize) -> String {
        let (own, selected, _) = &self.nodes[node];
        let wins = self.order.iter().rev().find(|group| own.contains(group) || selected.contains(group));
        wins.map_or("defaults".into(), |group| format!("g{group}"))
    }
}

/// Builds a tree that may have warnings.
fn sound(tree: &Tree) -> Snapshot {
    let (snapshot, findings) = build(tree);
    snapshot.unwrap_or_else(|| panic!("\n{}", findings_text(tree, &findings)))
}

/// Returns all that each node is served, by its name.
fn served(snapshot: &Snapshot) -> BTreeMap<String, Vec<String>> {
    let all = snapshot.nodes().iter().enumerate().map(|(at, node)| {
        let Answer::Script(prepared) = snapshot.answer(at) else { panic!("{} boots", node.name) };
        let documents = Document::ALL.iter().map(|kind| snapshot.document(at, *kind).expect("it was written at build"));
        let mut texts = vec![prepared.script.shown()];
        texts.extend(documents.map(Option::unwrap_or_default));
        (node.name.to_string(), texts)
    });
    all.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_strongest_layer_wins(cluster in clusters()) {
        let snapshot = sound(&cluster.tree(&|file| file.to_string()));
        for (at, node) in snapshot.nodes().iter().enumerate() {
            let number: usize = node.name[1..].parse().expect("names are n0 and on");
            let who = cluster.strongest(number);
            let Answer::Script(prepared) = snapshot.answer(at) else { panic!("{} boots", node.name) };
            let script = prepared.script.shown();
            let kernel = format!("kernel --name kernel http://a/{who} who={who} root=x");
            prop_assert!(script.contains(&kernel), "{} wants {kernel}:\n{script}", node.name);
            let (own, selected, _) = &cluster.nodes[number];
            for group in 0..GROUPS {
                let is_in = own.contains(&group) || selected.contains(&group);
                prop_assert_eq!(script.contains(&format!(" extra{group}")), is_in && cluster.extra[group]);
            }
            let user = snapshot.document(at, Document::UserData).expect("it was written at build");
            prop_assert_eq!(user, Some(format!("#cloud-config\nhostname: {}-{who}\n", node.name)));
        }
    }

    #[test]
    fn equal_trees_are_served_alike_whatever_their_files_are_called(cluster in clusters()) {
        let first = served(&sound(&cluster.tree(&|file| file.to_string())));
        prop_assert_eq!(&first, &served(&sound(&cluster.tree(&|file| file.to_string()))));
        prop_assert_eq!(&first, &served(&sound(&cluster.tree(&|file| format!("row{}/rack", 9 - file)))));
    }

    #[test]
    fn a_group_changes_its_nodes_and_no_other(cluster in clusters(), group in 0..GROUPS) {
        let mut tree = cluster.tree(&|file| file.to_string());
        let before = served(&sound(&tree));
        let path = format!("groups/g{group}.toml");
        let Some(File::Bytes(text)) = tree.get(&path).cloned() else { panic!("the group is there") };
        let text = String::from_utf8_lossy(&text).replace("params = [", "params = [\"changed\", ");
        tree.insert(path, File::Bytes(text.into_bytes().into()));
        let after = served(&sound(&tree));
        for (at, (own, selected, _)) in cluster.nodes.iter().enumerate() {
            let name = format!("n{at}");
            let is_in = own.contains(&group) || selected.contains(&group);
            prop_assert_eq!(before[&name] != after[&name], is_in, "{}", name);
        }
    }

    /// Whatever bytes stand in a file: a reader that gives up says why, and none panics.
    #[test]
    fn no_text_is_too_odd_to_read(
        at in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(), odd in "[\\PC\\n\"\\[\\]{}=,]{0,12}",
    ) {
        let example = super::tree::example();
        let paths: Vec<&str> = example.blobs().map(|(path, _)| path).collect();
        let path = paths[at.index(paths.len())].to_owned();
        let Some(File::Bytes(bytes)) = example.get(&path).cloned() else { panic!("the example is text") };
        let place = cut.index(bytes.len() + 1);
        let text = [&bytes[..place], odd.as_bytes(), &bytes[place..]].concat();
        let mut tree = example;
        tree.insert(path, File::Bytes(text.into()));
        let (snapshot, findings) = build(&tree);
        prop_assert!(snapshot.is_some() || !findings.is_empty());
        // Writing them out slices every place: each lies in its file, at the borders of characters.
        findings_text(&tree, &findings);
    }
}

#[test]
fn the_example_is_the_same_bytes_each_time() {
    let tree = super::tree::example();
    let all = |snapshot: &Snapshot| -> Vec<Option<[u8; 32]>> {
        let digest = |at| match snapshot.answer(at) {
            Answer::Script(prepared) => Some(prepared.digest),
            Answer::Retired | Answer::Nothing => None,
        };
        (0..snapshot.nodes().len()).map(digest).collect()
    };
    assert_eq!(all(&built(&tree)), all(&built(&tree)));
}
