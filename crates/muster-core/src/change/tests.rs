//! Guard rails and costs on a small cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::{Change, Judgement, Rail, Side, compare, compare_until, costs, fold, judge};
use crate::model::{Code, Revision, Tree};
use crate::snapshot::{self, Snapshot};

/// A cluster as text: nodes by their names and groups, and what else its files say.
#[derive(Debug, Clone)]
struct Site {
    /// Name, number (of the MAC address), group, boot configuration; a node of the last name is retired.
    nodes: Vec<(&'static str, u8, &'static str, &'static str)>,
    params: &'static str,
    unknown: &'static str,
    guard: String,
}

const NODES: [(&str, u8, &str, &str); 5] = [
    ("a1", 1, "compute", "live"),
    ("a2", 2, "compute", "live"),
    ("a3", 3, "compute", "live"),
    ("b1", 4, "gpu", "live"),
    ("b2", 5, "gpu", "wipe"),
];

fn site(guard: &str) -> Site {
    Site { nodes: NODES.to_vec(), params: "quiet", unknown: "action = \"refuse\"", guard: guard.into() }
}

impl Site {
    fn build(&self) -> Arc<Snapshot> {
        let Self { nodes, params, unknown, guard } = self;
        let mut text = format!(
            "//- cluster.toml\nname = \"a\"\n[unknown]\n{unknown}\n\
             //- boot/live.toml\nkind = \"live\"\nkernel = \"http://i/k\"\ninitrd = [\"http://i/r\"]\nparams = [\"{params}\"]\n\
             //- boot/wipe.toml\nkind = \"live\"\nkernel = \"http://i/wipe\"\n\
             //- policy.toml\n{guard}\n//- nodes/a.toml\n"
        );
        for (name, number, group, boot) in nodes {
            text.push_str(&format!(
                "[[node]]\nname = \"{name}\"\nboot = \"{boot}\"\ngroups = [\"{group}\"]\n\
                 nics = [{{ name = \"eth0\", mac = \"02:00:00:00:00:0{number}\" }}]\n"
            ));
        }
        for group in ["compute", "gpu", "cpu"] {
            text.push_str(&format!("//- groups/{group}.toml\ndescription = \"{group}\"\n"));
        }
        let (snapshot, findings) = snapshot::build(&Tree::from_fixture(&text), Revision::work_tree());
        Arc::new(snapshot.unwrap_or_else(|| panic!("{findings:#?}\n{text}")))
    }

    fn with_guard(&self, guard: &str) -> Self {
        Self { guard: guard.into(), ..self.clone() }
    }
}

fn between(base: &Site, head: &Site) -> (Change, Judgement) {
    let change = compare(&base.build(), &head.build(), None);
    let judgement = judge(&change, &fold(&change));
    (change, judgement)
}

fn told(judgement: &Judgement) -> Vec<String> {
    judgement.breaches.iter().map(|breach| format!("{}: {}", breach.rail.key(), breach.told())).collect()
}

fn allowing(guard: &str, judgement: &Judgement) -> String {
    format!("{guard}\nallow = {:?}", judgement.to_allow())
}

#[test]
fn removals_are_counted_by_name_and_a_renamed_node_is_none() {
    let guard = "[guard]\nmax_removals = 0";
    let base = site(guard);
    let mut head = base.clone();
    head.nodes[0].0 = "c1";
    let (change, judgement) = between(&base, &head);
    assert_eq!((costs(&change).renamed, costs(&change).removed.len()), (1, 0));
    assert_eq!(judgement, Judgement::default());
    head.nodes.remove(1);
    let (change, judgement) = between(&base, &head);
    assert_eq!(costs(&change).removed.to_string(), "a2");
    assert_eq!(told(&judgement), ["max_removals: 1 node is removed, and `max_removals` is 0"]);
    let breach = &judgement.breaches[0];
    assert_eq!((breach.side, breach.line, &*breach.folds[0].set), (Side::Head, 2, "a2"));
    let (_, judgement) = between(&base, &head.with_guard("[guard]\nmax_removals = 1"));
    assert_eq!(judgement.breaches[0].side, Side::Base, "the rail of the base is the tighter one");
    let finding = &judgement.findings()[0];
    assert!(finding.message.ends_with("(policy.toml:2 before this change)"), "{}", finding.message);
    assert!(finding.place.span.is_none() && finding.code == Code::GuardRail);
    assert!(between(&base.with_guard("[guard]\nmax_removals = 1"), &head.with_guard("")).1.is_sound());
}

#[test]
fn nodes_are_counted_over_all_folds_and_those_that_are_allowed_no_more() {
    let guard = "[guard]\nmax_nodes = 3\nmax_percent = 60";
    let base = site("");
    let mut head = base.with_guard(guard);
    head.params = "debug";
    let (change, judgement) = between(&base, &head);
    let costs = costs(&change);
    assert_eq!((costs.changed, costs.params, costs.next_boot, costs.kernel, costs.initrd), (4, 4, 4, 0, 0));
    assert_eq!(
        told(&judgement),
        [
            "max_nodes: 4 nodes change, and `max_nodes` is 3",
            "max_percent: 4 nodes change beside 5 there were, and `max_percent` is 60"
        ]
    );
    head.nodes[3].3 = "wipe";
    let (change, judgement) = between(&base, &head);
    let folds = fold(&change);
    assert_eq!(folds.len(), 2);
    assert_eq!(judgement.to_allow().len(), 2);
    // One of them is enough to be at three again.
    let (_, judgement) = between(&base, &head.with_guard(&format!("{guard}\nallow = [\"{}\"]", folds[1].digest)));
    assert_eq!(judgement, Judgement::default());
    assert!(
        between(&site("[guard]\nmax_percent = 100"), &head).1.breaches.iter().all(|breach| breach.side == Side::Head)
    );
}

#[test]
fn a_percentage_of_nothing_is_no_rail() {
    let mut base = site("[guard]\nmax_percent = 0");
    let head = base.clone();
    base.nodes.clear();
    assert!(between(&base, &head).1.is_sound());
    assert_eq!(between(&head, &base).1.breaches.len(), 1);
}

#[test]
fn a_group_that_loses_its_last_node_is_told_and_a_new_name_is_none() {
    let base = site("[guard]\nemptied = true");
    let mut head = base.clone();
    head.nodes[3].2 = "compute";
    assert!(between(&base, &head).1.is_sound(), "one is left");
    head.nodes[4].2 = "compute";
    assert_eq!(told(&between(&base, &head).1), ["emptied: `gpu` loses its last node, which `emptied` guards"]);
    head.nodes.remove(4);
    assert_eq!(told(&between(&base, &head).1).len(), 1, "by leaving and by being removed");
    // A group that was there and empty takes none over.
    let mut head = base.clone();
    head.nodes.iter_mut().filter(|node| node.2 == "gpu").for_each(|node| node.2 = "cpu");
    assert_eq!(told(&between(&base, &head).1).len(), 1);
}

#[test]
fn a_new_group_of_the_very_same_nodes_is_another_name() {
    let base = site("[guard]\nemptied = true").build();
    let text = |groups: &str| {
        let mut text = "//- cluster.toml\nname = \"a\"\n[defaults]\nboot = \"live\"\n".to_owned();
        text.push_str("//- boot/live.toml\nkind = \"live\"\nkernel = \"http://i/k\"\n");
        text.push_str(&format!("//- policy.toml\n[guard]\nemptied = true\n{groups}"));
        for name in ["a1", "a2"] {
            text.push_str(&format!("//- nodes/{name}.toml\n[[node]]\nname = \"{name}\"\n"));
        }
        let (snapshot, findings) = snapshot::build(&Tree::from_fixture(&text), Revision::work_tree());
        Arc::new(snapshot.unwrap_or_else(|| panic!("{findings:#?}")))
    };
    let judged = |old: &Arc<Snapshot>, new: &Arc<Snapshot>| {
        let change = compare(old, new, None);
        judge(&change, &fold(&change))
    };
    let old = text("//- groups/x.toml\nnodes = \"a[1-2]\"\n");
    assert!(judged(&old, &text("//- groups/y.toml\nnodes = \"a[1-2]\"\n")).is_sound());
    let fewer = judged(&old, &text("//- groups/y.toml\nnodes = \"a1\"\n"));
    assert_eq!(fewer.breaches[0].rail, Rail::Emptied(vec!["x".into()]));
    assert_eq!(judged(&base, &text("")).breaches[0].rail, Rail::Emptied(vec!["compute".into(), "gpu".into()]));
}

#[test]
fn nobody_comes_to_boot_by_an_installer_unseen() {
    let base = site("[guard]\ninstall = [\"wipe\"]");
    let judged = |edit: &dyn Fn(&mut Site)| {
        let mut head = base.clone();
        edit(&mut head);
        told(&between(&base, &head).1)
    };
    let one = ["install: 1 node would come to boot by an installer, which `install` guards"];
    assert_eq!(judged(&|head| head.nodes[0].3 = "wipe"), one);
    assert_eq!(judged(&|head| head.nodes.push(("a9", 9, "compute", "wipe"))), one);
    assert_eq!(judged(&|head| head.nodes[4].1 = 9), one, "another machine bears the name");
    assert_eq!(judged(&|head| head.nodes[4].0 = "b9"), [""; 0], "the same machine bears another name");
    assert_eq!(judged(&|head| head.nodes[4].3 = "live"), [""; 0]);
    assert_eq!(judged(&|head| head.params = "debug"), [""; 0]);
    let two = ["install: 2 machines would come to boot by an installer, which `install` guards"];
    let unknown = "action = \"boot\"\nboot = \"wipe\"";
    assert_eq!(judged(&|head| head.unknown = unknown), two, "one for each architecture");
    // A machine that nobody declares any more boots as all of those.
    let wiped = Site { unknown, ..base.clone() };
    let mut head = wiped.clone();
    head.nodes.remove(0);
    assert_eq!(told(&between(&wiped, &head).1), one);
    let mut head = base.with_guard("");
    head.nodes[0].3 = "wipe";
    assert_eq!(told(&between(&base, &head).1), one, "whoever takes the rail away is judged by it");
}

/// A cluster as files, for what [`Site`] does not vary.
fn cluster(files: &str) -> Arc<Snapshot> {
    let text = format!("//- cluster.toml\nname = \"a\"\n{files}");
    let (snapshot, findings) = snapshot::build(&Tree::from_fixture(&text), Revision::work_tree());
    Arc::new(snapshot.unwrap_or_else(|| panic!("{findings:#?}\n{text}")))
}

fn told_between(base: &str, head: &str) -> Vec<String> {
    let change = compare(&cluster(base), &cluster(head), None);
    let folds = fold(&change);
    let judgement = judge(&change, &folds);
    // Allowing what is told is enough.
    let allow = format!("allow = {:?}\n", judgement.to_allow());
    let mended = compare(&cluster(base), &cluster(&head.replace("#allow\n", &allow)), None);
    assert!(judge(&mended, &fold(&mended)).is_sound(), "{head}");
    told(&judgement)
}

const WIPES_STRANGERS: &str = "[defaults]\nboot = \"live\"\n[unknown]\naction = \"boot\"\nboot = \"wipe\"\n\
     //- boot/live.toml\nkind = \"live\"\nkernel = \"http://i/k\"\n//- boot/wipe.toml\nkind = \"live\"\nkernel = \"http://i/w\"\n\
     //- policy.toml\n[guard]\ninstall = [\"wipe\"]\n#allow\n//- nodes/a.toml\n";

#[test]
fn every_key_of_a_machine_is_asked_what_it_would_boot() {
    let uuid = "uuid = \"4c4c4544-0a4b-1c2d-8e3f-b7c04f4e3132\"\n";
    let node = |name: &str, keys: &str| format!("[[node]]\nname = \"{name}\"\n{keys}");
    let mac = |mac: &str| format!("nics = [{{ name = \"e\", mac = \"02:00:00:00:00:{mac}\" }}]\n");
    let judged = |base: String, head: String| {
        told_between(&format!("{WIPES_STRANGERS}{base}"), &format!("{WIPES_STRANGERS}{head}"))
    };
    let one = ["install: 1 node would come to boot by an installer, which `install` guards"];
    let base = || node("a1", &(uuid.to_owned() + "serial = \"XK71\"\n" + &mac("01")));
    assert_eq!(judged(base(), node("a1", &(uuid.to_owned() + "serial = \"XK71\"\n" + &mac("10")))), one);
    assert_eq!(judged(base(), node("a1", &("serial = \"XK71\"\n".to_owned() + &mac("01")))), one, "no UUID any more");
    assert_eq!(judged(base(), base() + &node("a2", uuid)), one, "a UUID of two nodes finds neither");
    let moved = node("a1", &(uuid.to_owned() + &mac("01"))) + &node("dummy", "serial = \"XK71\"\nboot = \"wipe\"\n");
    assert_eq!(judged(base(), moved), one, "a serial number on a dummy");
    assert_eq!(judged(node("a1", ""), node("b1", "")), one, "a machine that is known by its name alone");

    let swapped = node("a1", &mac("02")) + &node("a2", &mac("01"));
    assert_eq!(judged(node("a1", &mac("01")) + &node("a2", &mac("02")), swapped), [""; 0], "both boot what they did");
    assert_eq!(judged(base(), node("c1", &(uuid.to_owned() + "serial = \"XK71\"\n" + &mac("01")))), [""; 0]);
}

#[test]
fn what_boots_from_disk_is_no_installer_and_a_copy_of_one_is() {
    let files = |node: &str, boots: &str| {
        format!(
            "[defaults]\nboot = \"live\"\n//- boot/live.toml\nkind = \"live\"\nkernel = \"http://i/k\"\n{boots}\
             //- policy.toml\n[guard]\ninstall = [\"wipe\"]\n#allow\n//- nodes/a.toml\n[[node]]\nname = \"a[1-2]\"\n{node}"
        )
    };
    let two = ["install: 2 nodes would come to boot by an installer, which `install` guards"];
    let (disk, wipe) =
        ("//- boot/wipe.toml\nkind = \"local\"\n", "//- boot/wipe.toml\nkind = \"live\"\nkernel = \"http://i/w\"\n");
    let on_wipe = "boot = \"wipe\"\n";
    assert_eq!(told_between(&files(on_wipe, disk), &files(on_wipe, wipe)), two);
    assert_eq!(told_between(&files("", disk), &files(on_wipe, disk)), [""; 0]);

    let copy = |more: &str| wipe.to_owned() + "//- boot/fresh.toml\nkind = \"live\"\nkernel = \"http://i/w\"\n" + more;
    let on_copy = "boot = \"fresh\"\n";
    assert_eq!(told_between(&files("", wipe), &files(on_copy, &copy("params = [\"quiet\"]\n"))), two);
    // That it was there before, and no machine booted it, makes it none.
    assert_eq!(told_between(&files("", &copy("")), &files(on_copy, &copy(""))), two);

    // One kernel for both: parameters tell which is which, wherever they are stated.
    let shared =
        "//- boot/wipe.toml\nkind = \"live\"\nkernel = \"http://i/k\"\nparams = [\"quiet\", \"inst.ks=http://i/ks\"]\n";
    assert_eq!(told_between(&files("", shared), &files("params = [\"debug\"]\n", shared)), [""; 0]);
    assert_eq!(
        told_between(&files("", shared), &files("params = [\"quiet\", \"inst.ks=http://i/ks\"]\n", shared)),
        two
    );
}

#[test]
fn a_removal_by_another_name_is_a_removal() {
    let guard = "[guard]\nmax_removals = 0\nemptied = true";
    let base = site(guard);
    let mut head = base.clone();
    (head.nodes[0].0, head.nodes[0].3) = ("c1", "wipe");
    let others = "1 node is removed (1 of them retired, or renamed to boot something else), and `max_removals` is 0";
    assert_eq!(told(&between(&base, &head).1), [format!("max_removals: {others}")]);

    let retired = |nodes: &str| {
        format!(
            "layers = [\"gpu\"]\n[defaults]\nboot = \"live\"\n//- boot/live.toml\nkind = \"live\"\nkernel = \"http://i/k\"\n\
             //- groups/gpu.toml\nparams = [\"gpu\"]\n//- policy.toml\n{guard}\n#allow\n//- nodes/a.toml\n{nodes}"
        )
    };
    let node =
        |name: &str, state: &str| format!("[[node]]\nname = \"{name}\"\ngroups = [\"gpu\"]\nstate = \"{state}\"\n");
    let base = retired(&(node("a1", "active") + &node("a2", "retired")));
    let all = retired(&(node("a1", "retired") + &node("a2", "retired")));
    let want = [format!("max_removals: {others}"), "emptied: `gpu` loses its last node, which `emptied` guards".into()];
    assert_eq!(told_between(&base, &all), want);
}

#[test]
fn a_group_that_only_looks_like_the_old_one_empties_it() {
    let files = |group: &str, name: &str| {
        format!(
            "layers = [\"{name}\"]\n[defaults]\nboot = \"live\"\n//- boot/live.toml\nkind = \"live\"\nkernel = \"http://i/k\"\n\
             //- policy.toml\n[guard]\nemptied = true\n#allow\n//- nodes/a.toml\n[[node]]\nname = \"a[1-2]\"\n\
             groups = [\"{name}\"]\n//- groups/{name}.toml\n{group}"
        )
    };
    let base = files("params = [\"gpu\"]\n", "gpu");
    assert_eq!(told_between(&base, &files("params = [\"gpu\"]\n", "gpus")), [""; 0]);
    let nothing = files("description = \"sets nothing\"\n", "gpus");
    assert_eq!(told_between(&base, &nothing), ["emptied: `gpu` loses its last node, which `emptied` guards"]);
}

#[test]
fn an_account_that_goes_elsewhere_is_guarded() {
    let files = |bmcs: &str| {
        format!(
            "credentials = [\"ops\", \"root\"]\n[defaults]\nboot = \"live\"\n\
             //- boot/live.toml\nkind = \"live\"\nkernel = \"http://i/k\"\n\
             //- policy.toml\n[guard]\naccounts = true\n#allow\n//- nodes/a.toml\n[[node]]\nname = \"a1\"\nbmc = \"b1\"\n{bmcs}"
        )
    };
    let bmc = |name: &str, url: &str, more: &str| {
        format!("[[bmc]]\nname = \"{name}\"\nurl = \"{url}\"\ncredentials = \"ops\"\n{more}")
    };
    let base = files(&bmc("b1", "https://10.1.0.1", ""));
    let judged = |head: String| told_between(&base, &files(&head));
    let one = [
        "accounts: BMC accounts would go to new addresses, or by other TLS modes, for 1 machine, which `accounts` guards",
    ];
    assert_eq!(judged(bmc("b1", "https://10.1.0.1", "kind = \"chassis\"\n")), [""; 0]);
    assert_eq!(judged(bmc("b1", "http://10.1.0.1", "")), one);
    assert_eq!(judged(bmc("b1", "https://192.0.2.6", "")), one);
    assert_eq!(judged(bmc("b1", "https://10.1.0.1", "tls = \"insecure\"\n")), one);
    assert_eq!(judged(bmc("b1", "https://10.1.0.1", "").replace("ops", "root")), one);
    assert_eq!(judged(bmc("b1", "https://10.1.0.1", "") + &bmc("b2", "http://192.0.2.6", "")), one, "behind no node");
    assert_eq!(
        judged(bmc("b1", "https://10.1.0.1", "") + &bmc("b2", "http://192.0.2.6", "protocol = \"none\"\n")),
        [""; 0]
    );

    let head = cluster(&files(&(bmc("b1", "https://10.1.0.1", "") + &bmc("b[2-3]", "http://192.0.2.[6-7]", ""))));
    let new = super::accounts(&compare(&cluster(&base), &head, None));
    let said: Vec<_> =
        new.iter().map(|new| (new.credential.as_deref(), new.protection, &*new.set, new.urls.len())).collect();
    assert_eq!(said, [(Some("ops"), "in clear text", "b[2-3]", 2)]);
}

#[test]
fn what_is_allowed_for_nothing_is_told_with_its_place() {
    let guard = "[guard]\nmax_removals = 0\nallow = [\"0011223344556677\"]";
    let base = site(guard);
    let (_, judgement) = between(&base, &base);
    let [stale] = &judgement.stale[..] else { panic!("{judgement:?}") };
    assert_eq!((&*stale.digest, stale.line), ("0011223344556677", 3));
    assert_eq!(judgement.findings()[0].code, Code::StaleAllow);
    // A change that breaks nothing needs no leave.
    let mut head = base.clone();
    head.params = "debug";
    let change = compare(&base.build(), &head.build(), None);
    let digest = fold(&change)[0].digest.clone();
    head.guard = format!("[guard]\nmax_removals = 0\nallow = [\"{digest}\"]");
    assert_eq!(between(&base, &head).1.stale.len(), 1);
}

/// One edit of a site; numbers are taken modulo what there is.
fn edited(site: &Site, edits: &[(u8, usize)]) -> Site {
    let mut site = site.clone();
    for (what, at) in edits {
        let count = site.nodes.len();
        match what {
            0 if count > 0 => drop(site.nodes.remove(at % count)),
            1 if count > 0 => site.nodes[at % count].3 = "wipe",
            2 if count > 0 => site.nodes[at % count].2 = "cpu",
            3 => site.params = "debug",
            4 => site.unknown = "action = \"boot\"\nboot = \"wipe\"",
            5 if count > 0 => site.nodes[at % count].1 = 9,
            _ => {}
        }
    }
    site.nodes.dedup_by_key(|node| node.1);
    let mut macs: Vec<u8> = Vec::new();
    site.nodes.retain(|node| {
        !macs.contains(&node.1) && {
            macs.push(node.1);
            true
        }
    });
    site
}

const RAILS: [&str; 5] =
    ["max_nodes = 1\n", "max_percent = 20\n", "max_removals = 0\n", "emptied = true\n", "install = [\"wipe\"]\n"];

fn guard_of(rails: u8) -> String {
    let told = RAILS.iter().enumerate().filter(|(at, _)| rails & (1 << at) != 0).map(|(_, rail)| *rail);
    format!("[guard]\n{}", told.collect::<String>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// To allow what is told lets a change through, with nothing stale, whichever side has the rails.
    #[test]
    fn what_is_told_to_allow_is_enough_and_all_of_it_needed(
        edits in proptest::collection::vec((0..6u8, 0..8usize), 0..5), old in 0..32u8, new in 0..32u8,
    ) {
        let (base, head) = (site(&guard_of(old)), edited(&site(&guard_of(new)), &edits));
        let (change, judgement) = between(&base, &head);
        prop_assert!(judgement.stale.is_empty());
        let folds = fold(&change);
        for breach in &judgement.breaches {
            prop_assert!(!breach.folds.is_empty());
            prop_assert!(breach.folds.iter().all(|broken| folds.iter().any(|fold| fold.digest == broken.digest)));
        }
        if change.is_empty() || old | new == 0 {
            prop_assert!(judgement.is_sound());
        }
        let (_, allowed) = between(&base, &head.with_guard(&allowing(&head.guard, &judgement)));
        prop_assert_eq!(allowed, Judgement::default());
        // Which side states the rails makes no difference to what they hold.
        let swapped = between(&base.with_guard(&head.guard), &head.with_guard(&base.guard)).1;
        prop_assert_eq!(told(&swapped), told(&judgement));
        // What is allowed for one change allows no other.
        let mut other = head.clone();
        other.nodes.push(("z9", 8, "compute", "live"));
        other.params = "other";
        let others = between(&base, &other.with_guard(&allowing(&head.guard, &judgement))).1;
        let alone = between(&base, &other).1;
        if alone.breaches.iter().any(|breach| matches!(breach.rail, Rail::MaxNodes(_))) {
            prop_assert!(!others.is_sound());
        }
    }
}

#[test]
fn a_comparison_that_is_given_up_ends_before_the_next_machine() {
    let (base, head) = (site(""), Site { params: "debug", ..site("") });
    let (base, head) = (base.build(), head.build());
    let asked = AtomicUsize::new(0);
    let never = || {
        asked.fetch_add(1, Ordering::Relaxed);
        false
    };
    let whole = compare_until(&base, &head, &never).expect("it is not stopped");
    assert_eq!(whole.machines.len(), compare(&base, &head, None).machines.len());
    assert_eq!(asked.load(Ordering::Relaxed), NODES.len(), "it is asked before each node");

    for after in 0..NODES.len() {
        let asked = AtomicUsize::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= after;
        assert!(compare_until(&base, &head, &stop).is_none(), "stopped after {after} nodes");
    }
}
