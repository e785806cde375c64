//! Single nodes of a pattern: a `[[set]]` means what the same keys mean in a table of the node's own, and `except` means
//! what the pattern means that is split by hand.

use super::tree::{build, findings_text};
use muster::cloudinit::Document;
use muster::desired;
use muster::model::{Code, File, Tree};
use muster::snapshot::{Answer, Snapshot};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const NODES: u8 = 6;

/// Keys that a table of a node and a `[[set]]` both have, each with a value that weaker layers do not state.
const KEYS: [(&str, &str); 11] = [
    ("state", "\"spare\""),
    ("boot", "\"other\""),
    ("params", "[\"who=set\", \"-quiet\", \"+extra=1\", \"=console=ttyS1\"]"),
    ("vars", "{ who = \"set\", deep = { b = 2 } }"),
    ("unset", "[\"vars.gone\", \"nics.eth1\", \"cloud_init.vendor_data\"]"),
    ("nics", "[{ name = \"eth0\", mtu = 9000, ip = \"{{ net('node') | host(nid + 100) }}\" }]"),
    ("expect", "{ memory_gib = 7, bios.attributes = { A = \"x\" } }"),
    ("arch", "\"aarch64\""),
    ("macs", "\"from-bmc\""),
    ("cloud_init", "{ user_data = \"set.j2\", meta_data = { role = \"{{ vars.who }}\" } }"),
    ("groups", "[\"late\"]"),
];

const CLUSTER: &str = r#"
//- cluster.toml
name = "c"
layers = ["base", "late"]
[defaults]
boot = "live"
params = ["who=defaults", "console=tty0", "console=ttyS0", "quiet"]
vars = { who = "defaults", gone = "no", deep = { a = 1 } }
nics = [{ name = "eth0", network = "node", boot = true, ip = "{{ net('node') | host(nid + 1) }}" }, { name = "eth1" }]
cloud_init = { user_data = "user.j2", vendor_data = "vendor.yaml" }
//- networks/node.toml
cidr = "10.0.0.0/16"
//- groups/base.toml
vars = { who = "base" }
expect = { memory_gib = 5, power = "on" }
//- groups/late.toml
vars = { late = true }
params = ["late"]
//- boot/live.toml
kind = "live"
kernel = "http://a/{{ vars.who }}"
params = ["root=x", "deep={{ vars.deep.a }}"]
[arch.aarch64]
kernel = "http://a/arm-{{ vars.who }}"
//- boot/other.toml
kind = "live"
kernel = "http://a/other"
params = ["quiet"]
//- cloud-init/user.j2
#cloud-config
hostname: {{ name }}-{{ vars.who }}
//- cloud-init/set.j2
#cloud-config
hostname: {{ name }}-{{ vars.who }}-{{ vars.deep }}
//- cloud-init/vendor.yaml
#cloud-config
a: 1
"#;

/// What each set says: its nodes, and its keys; no key is in two sets.
type Sets = Vec<(BTreeSet<u8>, Vec<usize>)>;

fn some_sets() -> impl Strategy<Value = Sets> {
    const SETS: usize = 3;
    let nodes = proptest::collection::vec(proptest::collection::btree_set(0..NODES, 1..4), SETS);
    // The last number is for keys that no set has.
    let keys = proptest::collection::vec(0..=SETS, KEYS.len());
    (nodes, keys).prop_map(|(nodes, of_set)| {
        let keys = |set| (0..KEYS.len()).filter(|key| of_set[*key] == set).collect::<Vec<_>>();
        let all = nodes.into_iter().enumerate().map(|(set, nodes)| (nodes, keys(set)));
        all.filter(|(_, keys)| !keys.is_empty()).collect()
    })
}

fn with(files: &[(&str, String)]) -> Tree {
    let mut tree = Tree::from_fixture(CLUSTER.trim_start());
    for (path, text) in files {
        tree.insert(*path, File::Bytes(text.as_bytes().into()));
    }
    tree
}

fn names(nodes: &BTreeSet<u8>) -> String {
    format!("n[{}]", nodes.iter().map(u8::to_string).collect::<Vec<_>>().join(","))
}

/// One pattern, and sets over it.
fn by_sets(sets: &Sets) -> Tree {
    let last = NODES - 1;
    let pattern = format!("[[node]]\nname = \"n[0-{last}]\"\nnid = \"[0-{last}]\"\ngroups = [\"base\"]\n");
    let text: String = sets
        .iter()
        .map(|(nodes, keys)| {
            let keys: String = keys.iter().map(|key| format!("{} = {}\n", KEYS[*key].0, KEYS[*key].1)).collect();
            format!("[[set]]\nnodes = {:?}\nreason = \"a test\"\n{keys}\n", names(nodes))
        })
        .collect();
    with(&[("nodes/n.toml", pattern), ("nodes/sets.toml", text)])
}

/// A table for each node, with the keys of all sets that select it.
fn apart(sets: &Sets) -> Tree {
    let table = |node: u8| {
        let of_node = sets.iter().filter(|(nodes, _)| nodes.contains(&node)).flat_map(|(_, keys)| keys);
        let mut groups = "[\"base\"]".to_owned();
        let mut text = format!("[[node]]\nname = \"n{node}\"\nnid = {node}\n");
        for key in of_node {
            match KEYS[*key] {
                ("groups", _) => groups = "[\"base\", \"late\"]".to_owned(),
                (key, value) => text.push_str(&format!("{key} = {value}\n")),
            }
        }
        format!("{text}groups = {groups}\n\n")
    };
    with(&[("nodes/n.toml", (0..NODES).map(table).collect())])
}

/// Returns all that is served to each node and compared with its machine, by its name.
fn meant(tree: &Tree) -> BTreeMap<String, String> {
    let (snapshot, findings) = build(tree);
    let snapshot = snapshot.unwrap_or_else(|| panic!("\n{}", findings_text(tree, &findings)));
    let all = snapshot.nodes().iter().enumerate().map(|(at, node)| (node.name.to_string(), of_node(&snapshot, at)));
    all.collect()
}

fn of_node(snapshot: &Snapshot, at: usize) -> String {
    let node = &snapshot.nodes()[at];
    let desired = snapshot.desired();
    let script = match snapshot.answer(at) {
        Answer::Script(prepared) => prepared.script.shown(),
        other => format!("{other:?}"),
    };
    let documents = Document::ALL.map(|kind| snapshot.document(at, kind).expect("it was written at build"));
    let expect: Vec<String> =
        snapshot.resolved().class(at).expect.iter().map(|(path, wanted)| format!("{path}={}", wanted.value)).collect();
    let groups: Vec<&str> =
        desired.class(node).groups.iter().map(|group| &*desired.groups[usize::from(*group)].name).collect();
    let vars: Vec<String> =
        snapshot.resolved().vars(at).leaves().iter().map(|(path, leaf)| format!("{path}={}", leaf.value)).collect();
    let identity = (node.nid.map(|nid| nid.value), node.serial.as_ref().map(|serial| serial.value.clone()));
    format!(
        "{:?} {:?} {identity:?} {expect:?} {groups:?} {vars:?}\n{script}\n{documents:?}",
        node.state.value,
        snapshot.resolved().class(at).macs.value
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_set_is_the_same_as_a_table_of_its_own(sets in some_sets()) {
        prop_assert_eq!(meant(&by_sets(&sets)), meant(&apart(&sets)));
    }

    #[test]
    fn except_is_the_pattern_split_by_hand(left_out in proptest::collection::btree_set(0..NODES, 1..usize::from(NODES))) {
        let last = NODES - 1;
        let pattern = format!(
            "[[node]]\nname = \"n[0-{last}]\"\nexcept = {:?}\nnid = \"[100-{}]\"\nserial = \"S[20-{}]\"\n\
             vars = {{ port = \"swp[{last}-0]\", both = [\"a[0-{last}]\", \"b\"], six = \"[fd00::1]\" }}\n\
             nics = [{{ name = \"eth0\", ip = \"10.0.7.[50-{}]\", mac = \"02:00:00:00:00:[10-{}]\" }}]\n",
            names(&left_out), 100 + last, 20 + last, 50 + last, 10 + last,
        );
        let table = |node: u8| format!(
            "[[node]]\nname = \"n{node}\"\nnid = {}\nserial = \"S{}\"\n\
             vars = {{ port = \"swp{}\", both = [\"a{node}\", \"b\"], six = \"[fd00::1]\" }}\n\
             nics = [{{ name = \"eth0\", ip = \"10.0.7.{}\", mac = \"02:00:00:00:00:{}\" }}]\n",
            100 + node, 20 + node, last - node, 50 + node, 10 + node,
        );
        let kept = (0..NODES).filter(|node| !left_out.contains(node));
        let by_hand = with(&[("nodes/n.toml", kept.map(table).collect())]);
        prop_assert_eq!(meant(&with(&[("nodes/n.toml", pattern)])), meant(&by_hand));
    }
}

#[test]
fn the_stronger_statement_of_a_state_counts() {
    let files = [
        ("groups/late.toml", "nodes = \"n[0-4]\"\nstate = \"maintenance\"\n".to_owned()),
        ("nodes/n.toml", "[[node]]\nname = \"n[0,3]\"\nnid = \"[0,3]\"\n[[node]]\nname = \"n[1-2]\"\nstate = \"active\"\nnid = \"[1-2]\"\n[[node]]\nname = \"n[4-5]\"\nnid = \"[4-5]\"\n".to_owned()),
        ("nodes/n.facts.csv", "name,state\nn3,spare\nn4,spare\n".to_owned()),
        ("nodes/sets.toml", "[[set]]\nnodes = \"n[2,4]\"\nstate = \"retired\"\n".to_owned()),
    ];
    let snapshot = build(&with(&files)).0.expect("it checks");
    let states: Vec<(&str, &str)> =
        snapshot.nodes().iter().map(|node| (&*node.name, node.state.value.as_str())).collect();
    let want = [
        ("n0", "maintenance"),
        ("n3", "spare"),
        ("n1", "active"),
        ("n2", "retired"),
        ("n4", "retired"),
        ("n5", "active"),
    ];
    assert_eq!(states, want);
}

#[test]
fn facts_and_sets_state_variables_over_the_table() {
    let files = [
        ("nodes/n.toml", "[[node]]\nname = \"n[0-2]\"\nnid = \"[0-2]\"\nvars = { slot = \"s[7-9]\" }\n".to_owned()),
        ("nodes/n.facts.csv", "name,vars.who,vars.deep.tag\nn0,facts,T0\nn1,facts,\n".to_owned()),
        ("nodes/sets.toml", "[[set]]\nnodes = \"n1\"\nvars = { who = \"set\", slot = \"apart\" }\n".to_owned()),
    ];
    let snapshot = build(&with(&files)).0.expect("it checks");
    let texts = |at: usize| {
        let vars = snapshot.resolved().vars(at);
        let leaves = vars.leaves().into_iter();
        leaves
            .map(|(path, leaf)| format!("{path}={}", leaf.value))
            .filter(|text| !text.starts_with("gone"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(texts(0), "deep.a=1 deep.tag=\"T0\" slot=\"s7\" who=\"facts\"");
    assert_eq!(texts(1), "deep.a=1 slot=\"apart\" who=\"set\"");
    assert_eq!(texts(2), "deep.a=1 slot=\"s9\" who=\"defaults\"");
    let kernel = |at: usize| match snapshot.answer(at) {
        Answer::Script(prepared) => prepared.script.shown().contains("http://a/facts"),
        _ => panic!("it boots"),
    };
    assert!(kernel(0) && !kernel(1), "a script has the node's own variables");
}

/// The nodes of `n[0-2]` with facts and sets, and what they come to: variables, MAC, GUID and addresses of `eth0`.
fn with_facts(facts: &str, sets: &str) -> Result<Vec<String>, String> {
    let table = "[[node]]\nname = \"n[0-2]\"\nnid = \"[0-2]\"\nnics = [{ name = \"eth9\" }]\n";
    let cluster = with(&[
        ("nodes/n.toml", table.to_owned()),
        ("nodes/n.facts.csv", facts.to_owned()),
        ("nodes/sets.toml", sets.to_owned()),
    ]);
    let (snapshot, findings) = build(&cluster);
    let snapshot = snapshot.ok_or_else(|| findings_text(&cluster, &findings))?;
    let of = |at: usize| {
        let vars = snapshot.resolved().vars(at);
        let leaves = vars.leaves().into_iter().map(|(path, leaf)| format!("{path}={}", leaf.value));
        let own: Vec<String> = leaves.filter(|text| text.starts_with("own")).collect();
        let nics = snapshot.desired().nics(&snapshot.nodes()[at]).map(|(spec, nic)| {
            let ips: Vec<String> = nic.ips.iter().map(|ip| ip.value.to_string()).collect();
            let mtu = spec.mtu.map(|mtu| format!(" mtu={mtu}")).unwrap_or_default();
            let mac = nic.mac.map(|mac| format!(" {}", mac.value)).unwrap_or_default();
            format!("{}:{}{mac}{mtu}", spec.name, ips.join(","))
        });
        let nics: Vec<String> = nics.collect();
        format!("{} {}", own.join(" "), nics.join(" "))
    };
    Ok((0..snapshot.nodes().len()).map(of).collect())
}

#[test]
fn a_set_takes_back_what_facts_state_and_gives_another_address() {
    let facts = "name,vars.own.a,vars.own.b,nics.eth9.ip,nics.eth9.mac\n\
                 n0,A,B,10.9.0.1,02:00:00:00:00:01\nn1,A,,10.9.0.2,\nn2,,,,\n";
    let set = |keys: &str| format!("[[set]]\nnodes = \"n[0-1]\"\n{keys}\n");
    let of = |keys: &str| with_facts(facts, &set(keys)).unwrap();
    let as_stated = "own.a=\"A\" own.b=\"B\" eth0:10.0.0.1 eth1: eth9:10.9.0.1 02:00:00:00:00:01";
    assert_eq!(of("state = \"spare\"")[0], as_stated);
    assert_eq!(of("unset = [\"vars.own.a\"]")[0], as_stated.replace("own.a=\"A\" ", ""));
    assert_eq!(
        of("unset = [\"vars.own\"]")[..2],
        [as_stated.replace("own.a=\"A\" own.b=\"B\"", ""), " eth0:10.0.0.2 eth1: eth9:10.9.0.2".into()]
    );
    assert_eq!(of("unset = [\"nics.eth9.ip\"]")[0], as_stated.replace("10.9.0.1", ""));
    assert_eq!(of("unset = [\"nics.eth9.mac\"]")[0], as_stated.replace(" 02:00:00:00:00:01", ""));
    assert_eq!(of("unset = [\"nics.eth9\"]")[0], as_stated.replace(" eth9:10.9.0.1 02:00:00:00:00:01", ""));
    let moved = "[[set]]\nnodes = \"n0\"\nnics = [{ name = \"eth9\", ip = \"10.9.0.7\" }]\n";
    assert_eq!(
        with_facts(facts, moved).unwrap()[0],
        as_stated.replace("10.9.0.1", "10.9.0.7"),
        "a set is stronger than facts"
    );
    let replaced = "[[set]]\nnodes = \"n0\"\nunset = [\"nics.eth9.mac\"]\nnics = [{ name = \"eth9\", mac = \"02:00:00:00:00:07\" }]\n";
    assert_eq!(with_facts(facts, replaced).unwrap()[0], as_stated.replace(":01", ":07").replace("0.0.1:07", "0.0.1"));
    let twice = "[[set]]\nnodes = \"n0\"\nnics = [{ name = \"eth9\", mac = \"02:00:00:00:00:07\" }]\n";
    assert!(
        with_facts(facts, twice).unwrap_err().contains("the MAC address is stated twice"),
        "an identity has one place"
    );
    for nothing in ["vars.own.c", "nics.eth9.guid", "nics.eth8", "nics.eth0.mtu"] {
        let error = with_facts(facts, &set(&format!("unset = [\"{nothing}\"]"))).unwrap_err();
        assert!(error.contains("error[unset-nothing]") && error.matches("error[").count() == 1, "{nothing}: {error}");
    }
}

#[test]
fn one_key_of_an_interface_is_taken_back() {
    let keys = "nics = [{ name = \"eth0\", mtu = 9000 }, { name = \"eth9\", mtu = 1400 }]";
    let weak = format!("[[set]]\nnodes = \"n0\"\n{keys}\n");
    assert_eq!(with_facts("name\n", &weak).unwrap()[0], " eth0:10.0.0.1 mtu=9000 eth1: eth9: mtu=1400");
    let group = |text: &str| {
        let table = "[[node]]\nname = \"n[0-1]\"\nnid = \"[0-1]\"\n";
        let set = "[[set]]\nnodes = \"n0\"\nunset = [\"nics.eth0.mtu\"]\n[[set]]\nnodes = \"n0\"\nunset = [\"nics.eth0.mtu\"]\n";
        let tree = with(&[
            ("nodes/n.toml", table.to_owned()),
            ("nodes/s.toml", set.to_owned()),
            ("groups/late.toml", text.to_owned()),
        ]);
        let (snapshot, findings) = build(&tree);
        let snapshot = snapshot.unwrap_or_else(|| panic!("{}", findings_text(&tree, &findings)));
        let mtu = |at: usize| snapshot.desired().nics(&snapshot.nodes()[at]).next().and_then(|(spec, _)| spec.mtu);
        (mtu(0), mtu(1))
    };
    let text = "nodes = \"n[0-1]\"\nnics = [{ name = \"eth0\", mtu = 9000, dhcp = false }]\n";
    assert_eq!(group(text), (None, Some(9000)), "and two sets may take back the same");
}

#[test]
fn all_parameters_are_taken_back_those_of_the_boot_configuration_too() {
    let table = "[[node]]\nname = \"n0\"\nnid = 0\nunset = [\"params\"]\nparams = [\"only=1\"]\n";
    let snapshot = build(&with(&[("nodes/n.toml", table.to_owned())])).0.expect("it checks");
    let boot = snapshot.resolved().boot(0).expect("it expands").expect("it boots");
    let texts: Vec<&str> = boot.params.iter().map(|param| &*param.text).collect();
    assert_eq!(texts, ["only=1"]);
}

#[test]
fn two_sets_may_say_the_same() {
    let set = "[[set]]\nnodes = \"n0\"\nstate = \"spare\"\nparams = [\"-quiet\", \"+a=1\", \"console=x\"]\nunset = [\"params\", \"vars.gone\"]\ncloud_init = { vendor_data = \"vendor.yaml\" }\n";
    let set = set.replace("\"params\", ", "").replace("\"console=x\"", "\"=console=x\"");
    let node = "[[node]]\nname = \"n0\"\nnid = 0\n".to_owned();
    let once = meant(&with(&[("nodes/n.toml", node.clone()), ("nodes/a.toml", set.clone())]));
    let twice = with(&[("nodes/n.toml", node), ("nodes/a.toml", set.clone()), ("nodes/b.toml", set)]);
    assert_eq!(meant(&twice), once);
}

#[test]
fn a_set_counts_until_it_is_removed_and_is_overdue_after_its_day() {
    let files = [
        ("nodes/n.toml", "[[node]]\nname = \"n[0-1]\"\nnid = \"[0-1]\"\ngroups = [\"base\", \"late\"]\n".to_owned()),
        (
            "nodes/sets.toml",
            "[[set]]\nnodes = \"n1\"\nboot = \"other\"\nreason = \"a slow DIMM\"\nuntil = 2026-03-01\n".to_owned(),
        ),
    ];
    let snapshot = build(&with(&files)).0.expect("it checks");
    let on = |day: &str| desired::overdue(snapshot.desired(), day.parse().expect("a day"));
    assert_eq!(on("2026-03-01"), []);
    let overdue = on("2026-03-02");
    assert_eq!(overdue.len(), 1);
    assert_eq!(overdue[0].message, "the [[set]] of n1 (a slow DIMM) was needed until 2026-03-01");
    assert_eq!(snapshot.desired().sources.describe(overdue[0].origin), "nodes/sets.toml:5");
    assert_eq!(overdue[0].clone().finding(snapshot.desired()).code, Code::SetOverdue);
}
