//! Who is in a group, on made-up clusters whose groups select groups that select groups: the members follow from what the
//! expressions mean, and never from what the files are called.

use super::tree::{build, findings_text};
use muster::model::{Code, File, Tree};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const NODES: u8 = 6;

/// A node set as a tree; groups are numbers, so that a test can name them at will.
#[derive(Debug, Clone)]
enum Expression {
    Nodes(BTreeSet<u8>),
    Group(usize),
    Everybody,
    Join(char, Vec<Expression>),
}

impl Expression {
    fn text(&self, names: &[String]) -> String {
        match self {
            Self::Nodes(nodes) => {
                format!("n[{}]", nodes.iter().map(u8::to_string).collect::<Vec<_>>().join(","))
            }
            Self::Group(group) => format!("@{}", names[*group]),
            Self::Everybody => "@*".into(),
            Self::Join(sign, parts) => {
                parts.iter().map(|part| part.text(names)).collect::<Vec<_>>().join(&sign.to_string())
            }
        }
    }

    /// Returns what the expression selects: operators join from left to right.
    fn select(&self, members: &dyn Fn(usize) -> BTreeSet<u8>) -> BTreeSet<u8> {
        match self {
            Self::Nodes(nodes) => nodes.clone(),
            Self::Group(group) => members(*group),
            Self::Everybody => (0..NODES).collect(),
            Self::Join(sign, parts) => {
                let mut sets = parts.iter().map(|part| part.select(members));
                let first = sets.next().unwrap_or_default();
                sets.fold(first, |left, right| match sign {
                    ',' => &left | &right,
                    '!' => &left - &right,
                    '&' => &left & &right,
                    _ => &left ^ &right,
                })
            }
        }
    }

    fn groups(&self) -> Vec<usize> {
        match self {
            Self::Nodes(_) | Self::Everybody => Vec::new(),
            Self::Group(group) => vec![*group],
            Self::Join(_, parts) => parts.iter().flat_map(Self::groups).collect(),
        }
    }
}

/// What a group's expression is made of; `groups` are those that it may name.
fn expression(groups: std::ops::Range<usize>) -> impl Strategy<Value = Expression> {
    let nodes = || proptest::collection::btree_set(0..NODES, 1..4).prop_map(Expression::Nodes);
    let part = if groups.is_empty() {
        nodes().boxed()
    } else {
        prop_oneof![1 => nodes(), 3 => groups.prop_map(Expression::Group), 1 => Just(Expression::Everybody)].boxed()
    };
    let signs = proptest::sample::select(vec![',', '!', '&', '^']);
    (signs, proptest::collection::vec(part, 1..4)).prop_map(|(sign, parts)| Expression::Join(sign, parts))
}

/// A made-up cluster: what each group selects, and the groups that each node names itself.
#[derive(Debug, Clone)]
struct Cluster {
    groups: Vec<Option<Expression>>,
    said: Vec<BTreeSet<usize>>,
}

impl Cluster {
    /// Writes the cluster with groups of these names, its nodes in files in an order that `turn` shifts.
    fn tree(&self, names: &[String], turn: usize) -> Tree {
        let mut tree = Tree::default();
        let mut put = |path: String, text: String| tree.insert(path, File::Bytes(text.into_bytes().into()));
        let layers: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        put("boot/live.toml".into(), "kind = \"live\"\nkernel = \"http://a/k\"\n".into());
        put(
            "cluster.toml".into(),
            format!("name = \"c\"\nlayers = [{}]\n[defaults]\nboot = \"live\"\n", layers.join(", ")),
        );
        for (group, name) in self.groups.iter().zip(names) {
            let nodes = group.as_ref().map(|group| format!("nodes = {:?}\n", group.text(names))).unwrap_or_default();
            put(format!("groups/{name}.toml"), format!("{nodes}params = [\"in_{name}\"]\n"));
        }
        for (node, said) in self.said.iter().enumerate() {
            let said: Vec<String> = said.iter().map(|group| format!("{:?}", names[*group])).collect();
            let text = format!("[[node]]\nname = \"n{node}\"\ngroups = [{}]\n", said.join(", "));
            put(format!("nodes/{}.toml", (node + turn) % self.said.len()), text);
        }
        tree
    }

    /// Returns the members of a group by the plainest reading; only for clusters without a circle.
    fn members(&self, group: usize) -> BTreeSet<u8> {
        let said = (0..NODES).filter(|node| self.said[usize::from(*node)].contains(&group));
        let selected = self.groups[group].iter().flat_map(|group| group.select(&|other| self.members(other)));
        said.chain(selected).collect()
    }

    /// Tells whether some group selects itself, by whatever way.
    fn has_circle(&self) -> bool {
        let count = self.groups.len();
        let mut reaches: Vec<BTreeSet<usize>> =
            self.groups.iter().map(|group| group.iter().flat_map(Expression::groups).collect()).collect();
        for _ in 0..count {
            for group in 0..count {
                let further: BTreeSet<usize> =
                    reaches[group].iter().flat_map(|other| reaches[*other].clone()).collect();
                reaches[group].extend(further);
            }
        }
        reaches.iter().enumerate().any(|(group, reached)| reached.contains(&group))
    }
}

/// Clusters of five groups; `free` ones may select each other in circles, else a group selects those before it.
fn clusters(free: bool) -> impl Strategy<Value = Cluster> {
    const GROUPS: usize = 5;
    let group = move |at: usize| proptest::option::weighted(0.8, expression(0..if free { GROUPS } else { at }));
    let groups: Vec<_> = (0..GROUPS).map(group).collect();
    let said = proptest::collection::vec(proptest::collection::btree_set(0..GROUPS, 0..3), usize::from(NODES));
    (groups, said).prop_map(|(groups, said)| Cluster { groups, said })
}

/// Names for five groups, in every order.
fn namings() -> impl Strategy<Value = Vec<String>> {
    let names = ["aa", "a0", "batch", "jobs", "zz"].map(str::to_owned).to_vec();
    Just(names).prop_shuffle()
}

/// Returns the members of every group by its name, or the text of every error.
fn found(tree: &Tree) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let (snapshot, findings) = build(tree);
    let snapshot = snapshot.ok_or_else(|| findings_text(tree, &findings))?;
    let desired = &snapshot.resolved().desired;
    let members = |group: &muster::desired::Group| {
        group.members.iter().map(|node| desired.nodes[*node as usize].name.to_string()).collect()
    };
    Ok(desired.groups.iter().map(|group| (group.name.to_string(), members(group))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names_of_groups_mean_nothing(cluster in clusters(false), names in namings(), turn in 0..usize::from(NODES)) {
        let found = found(&cluster.tree(&names, turn)).expect("a group selects only those before it");
        for (group, name) in names.iter().enumerate() {
            let wanted: BTreeSet<String> = cluster.members(group).iter().map(|node| format!("n{node}")).collect();
            prop_assert_eq!(&found[name], &wanted, "@{} of {:?}", name, &cluster);
        }
    }

    #[test]
    fn a_circle_is_found_whatever_its_groups_are_called(cluster in clusters(true), names in namings()) {
        let tree = cluster.tree(&names, 0);
        let (_, findings) = build(&tree);
        let is_circle = findings.iter().any(|finding| finding.code == Code::GroupCycle);
        prop_assert_eq!(is_circle, cluster.has_circle(), "{}", findings_text(&tree, &findings));
    }
}

#[test]
fn a_chain_of_groups_is_as_long_as_a_site_makes_it() {
    let mut tree = Tree::default();
    let mut put = |path: String, text: String| tree.insert(path, File::Bytes(text.into_bytes().into()));
    put("cluster.toml".into(), "name = \"c\"\n".into());
    put("nodes/n.toml".into(), "[[node]]\nname = \"n1\"\nstate = \"spare\"\ngroups = [\"g0\"]\n".into());
    put("groups/g0.toml".into(), String::new());
    for group in 1..10_000 {
        put(format!("groups/g{group}.toml"), format!("nodes = \"@g{}\"\n", group - 1));
    }
    let found = found(&tree).expect("the chain has an end");
    assert!(found.values().all(|members| members.contains("n1")), "some group lost its member");

    tree.insert("groups/g0.toml", File::Bytes(b"nodes = \"@g9999\"\n".as_slice().into()));
    let (_, findings) = build(&tree);
    let circles: Vec<_> = findings.iter().filter(|finding| finding.code == Code::GroupCycle).collect();
    assert_eq!(circles.len(), 1);
    assert!(circles[0].message.len() < 200, "{}", circles[0].message);
}
