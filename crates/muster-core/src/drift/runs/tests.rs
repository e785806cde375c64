use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{Revision, Tree};
use crate::observed::{Booted, Claim};
use crate::roll::Roll;
use crate::snapshot::{Answer, Snapshot};

const NOW: i64 = 1_780_300_800_000;
const MINUTE: i64 = 60_000;

/// Three nodes of one class whose scripts are equal, and one that is retired.
const WISHES: &str = r#"
//- cluster.toml
name = "t"
[defaults]
boot = "b"
//- boot/b.toml
kind = "live"
kernel = "http://x.example/one"
//- nodes/n.toml
[[node]]
name = "n[1-3]"
arch = "x86_64"
nics = [{ name = "eth0", network = "net", mac = "02:00:00:00:00:0[1-3]", ip = "10.0.0.[1-3]" }]
[[node]]
name = "old"
arch = "x86_64"
state = "retired"
//- networks/net.toml
cidr = "10.0.0.0/24"
"#;

fn snapshot(wishes: &str, revision: &str) -> Arc<Snapshot> {
    let (snapshot, findings) = crate::snapshot::build(&Tree::from_fixture(wishes), Revision::commit(revision));
    Arc::new(snapshot.unwrap_or_else(|| panic!("{findings:?}")))
}

fn mac(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, number])
}

fn ip(number: u8) -> IpAddr {
    [10, 0, 0, number].into()
}

/// What a node is given by a Snapshot, at so many minutes before now.
fn boot(snapshot: &Snapshot, node: &str, minutes: i64) -> Boot {
    let at = snapshot.by_name(node).unwrap();
    let Answer::Script(prepared) = snapshot.answer(at) else { panic!("{node} boots nothing") };
    let address = snapshot.nodes()[at].nics[0].ips[0].value;
    let revision = snapshot.revision().clone();
    Boot::new(NOW - minutes * MINUTE, address, revision, prepared.digest, snapshot.first_mac(at))
}

fn believed(boot: Boot) -> Booted {
    Booted { last: Some(boot), uncounted: None }
}

fn uncounted(boot: Boot) -> Booted {
    Booted { last: None, uncounted: Some(boot) }
}

fn runs(snapshot: &Arc<Snapshot>, booted: Vec<(&str, Booted)>) -> Runs {
    let mut runs = Runs::new(booted.into_iter().map(|(name, booted)| (name.into(), booted)));
    runs.follow(snapshot, &Arc::new(Roll::call(snapshot, &[])), NOW);
    runs
}

#[track_caller]
fn doubt<'r>(runs: &'r Runs, node: &str) -> &'r Doubt {
    match row(runs, node) {
        Run::Unknown(doubt) => doubt,
        other => panic!("{node}: {other:?}"),
    }
}

fn row<'r>(runs: &'r Runs, node: &str) -> &'r Run {
    &runs.rows()[runs.snapshot().unwrap().by_name(node).unwrap()]
}

#[test]
fn current_stale_unknown_and_idle_are_told_apart() {
    let old = snapshot(WISHES, "aaa");
    let new = snapshot(&WISHES.replace("/one", "/two"), "bbb");
    let runs = runs(&new, vec![("n1", believed(boot(&new, "n1", 1))), ("n2", believed(boot(&old, "n2", 1)))]);
    let words: Vec<_> = ["n1", "n2", "n3", "old"].iter().map(|node| row(&runs, node).as_str()).collect();
    assert_eq!(words, ["current", "stale", "unknown", "idle"]);
    assert_eq!(doubt(&runs, "n3"), &Doubt::Never);
    let tally = runs.tally();
    assert_eq!((tally.current, tally.stale, tally.unknown, tally.idle), (1, 1, 1, 1));
    assert_eq!((tally.on(old.revision()), tally.on(new.revision())), (1, 1));
}

#[test]
fn a_commit_that_changes_no_script_makes_nothing_stale() {
    let old = snapshot(WISHES, "aaa");
    let new = snapshot(&format!("{WISHES}# nothing\n"), "bbb");
    let runs = runs(&new, vec![("n1", believed(boot(&old, "n1", 1)))]);
    assert_eq!(row(&runs, "n1").as_str(), "current");
    assert_eq!(runs.tally().on(old.revision()), 1, "it booted an earlier commit all the same");
}

#[test]
fn what_nobody_can_tell_to_be_the_node_is_no_boot() {
    let snapshot = snapshot(WISHES, "aaa");
    let desk = Boot { address: [10, 9, 9, 9].into(), ..boot(&snapshot, "n1", 1) };
    let all = runs(&snapshot, vec![("n1", uncounted(desk.clone()))]);
    assert_eq!(doubt(&all, "n1"), &Doubt::Unconfirmed(desk.clone()));
    // Git has come to declare the address since, or an earlier version recorded the fetch.
    let own = Boot { address: ip(1), ..desk };
    assert_eq!(row(&runs(&snapshot, vec![("n1", uncounted(own.clone()))]), "n1").as_str(), "current");
    let other = Boot { address: ip(2), ..own };
    assert!(matches!(doubt(&runs(&snapshot, vec![("n1", uncounted(other))]), "n1"), Doubt::Unconfirmed(_)));
}

#[test]
fn a_later_fetch_of_another_script_makes_what_seemed_current_unknown_and_nothing_else() {
    let old = snapshot(WISHES, "aaa");
    let new = snapshot(&WISHES.replace("/one", "/two"), "bbb");
    let desk = |snapshot: &Snapshot| Some(Boot { address: [10, 9, 9, 9].into(), ..boot(snapshot, "n1", 1) });
    let told = |today, last: &Snapshot, later: &Snapshot| {
        let booted = Booted { last: Some(boot(last, "n1", 5)), uncounted: desk(later) };
        row(&runs(today, vec![("n1", booted)]), "n1").clone()
    };
    assert!(matches!(told(&old, &old, &new), Run::Unknown(Doubt::Later { .. })));
    assert!(matches!(told(&old, &old, &old), Run::Current(Known { uncounted: None, .. })), "it got the same");
    assert!(matches!(told(&new, &old, &new), Run::Stale(Known { uncounted: Some(_), .. })));
}

#[test]
fn a_node_that_was_renamed_is_found_by_its_mac_address() {
    let old = snapshot(WISHES, "aaa");
    let new = snapshot(&WISHES.replace("n[1-3]", "m[1-3]"), "bbb");
    let runs = runs(&new, vec![("n1", believed(boot(&old, "n1", 1))), ("m2", Booted::default())]);
    let known = row(&runs, "m1").known().expect("it is known");
    assert_eq!(known.booted_as.as_deref(), Some("n1"));
    assert_eq!(doubt(&runs, "m2"), &Doubt::Never);
}

#[test]
fn a_machine_takes_its_boot_with_it_to_another_node() {
    let old = snapshot(WISHES, "aaa");
    // n1's machine is n2 today; n1 has a new one.
    let moved = WISHES.replace("02:00:00:00:00:0[1-3]", "02:00:00:00:00:0[9,1,3]");
    let new = snapshot(&moved, "bbb");
    let n1 = believed(boot(&old, "n1", 3));
    let all = runs(&new, vec![("n1", n1.clone()), ("n2", believed(boot(&old, "n2", 5)))]);
    assert!(matches!(doubt(&all, "n1"), Doubt::OtherMachine { now: Some(now), .. } if &**now == "n2"));
    assert_eq!(row(&all, "n2").known().and_then(|known| known.booted_as.as_deref()), Some("n1"));
    // An address that is nobody's any more.
    let gone = snapshot(&WISHES.replace("02:00:00:00:00:0[1-3]", "02:00:00:00:00:0[9,2,3]"), "bbb");
    assert!(matches!(doubt(&runs(&gone, vec![("n1", n1)]), "n1"), Doubt::OtherMachine { now: None, .. }));
    // Found by its serial number: the address was never what found it.
    let by_serial = believed(Boot { mac: None, ..boot(&old, "n1", 3) });
    assert_eq!(row(&runs(&gone, vec![("n1", by_serial)]), "n1").as_str(), "current");
}

#[test]
fn a_claimed_mac_address_is_its_nodes_too() {
    let wishes = WISHES.replace(", mac = \"02:00:00:00:00:0[1-3]\"", "").replace(
        "arch = \"x86_64\"\nnics",
        "arch = \"x86_64\"\nmacs = \"from-bmc\"\nbmc = { url = \"https://10.1.0.[1-3]\" }\nnics",
    );
    let snapshot = snapshot(&wishes, "aaa");
    let claim = Claim { node: "n1".into(), bmc: "n1".into(), system: "1".into(), macs: vec![mac(1)], at: 1 };
    let booted = believed(Boot { mac: Some(mac(1)), ..boot(&snapshot, "n1", 1) });
    let mut runs = Runs::new([("n1".into(), booted)]);
    runs.follow(&snapshot, &Arc::new(Roll::call(&snapshot, &[claim])), NOW);
    assert_eq!(row(&runs, "n1").as_str(), "current");
    runs.follow(&snapshot, &Arc::new(Roll::call(&snapshot, &[])), NOW);
    assert!(matches!(doubt(&runs, "n1"), Doubt::OtherMachine { .. }), "nobody claims it any more");
}

#[test]
fn a_reset_and_a_clock_that_went_back_make_it_unknown() {
    let snapshot = snapshot(WISHES, "aaa");
    let mut off = believed(boot(&snapshot, "n1", 10));
    assert!(off.reset(NOW - MINUTE));
    let ahead = believed(boot(&snapshot, "n2", -60));
    let slack = believed(boot(&snapshot, "n3", -4));
    let mut runs = runs(&snapshot, vec![("n1", off), ("n2", ahead), ("n3", slack)]);
    assert!(matches!(doubt(&runs, "n1"), Doubt::Reset { at, .. } if *at == NOW - MINUTE));
    assert!(matches!(doubt(&runs, "n2"), Doubt::Ahead(_)));
    assert_eq!(row(&runs, "n3").as_str(), "current");
    assert!(!runs.is_due(NOW + 50 * MINUTE) && runs.is_due(NOW + 55 * MINUTE));
    runs.follow(&snapshot, &Arc::new(Roll::call(&snapshot, &[])), NOW + 55 * MINUTE);
    assert_eq!(row(&runs, "n2").as_str(), "current", "time has come to it");
}

#[derive(Debug, Clone)]
enum Told {
    Fetch { node: u8, by: u8, from: u8, script: bool, minutes: i64 },
    Word { node: u8, from: u8 },
    Off { node: u8, minutes: i64 },
}

fn any_told() -> impl Strategy<Value = Told> {
    let node = || 1_u8..4;
    prop_oneof![
        4 => (node(), 0_u8..5, 1_u8..6, any::<bool>(), -20_i64..20)
            .prop_map(|(node, by, from, script, minutes)| Told::Fetch { node, by, from, script, minutes }),
        1 => (node(), 1_u8..6).prop_map(|(node, from)| Told::Word { node, from }),
        1 => (node(), -20_i64..20).prop_map(|(node, minutes)| Told::Off { node, minutes }),
    ]
}

proptest! {
    /// Taken boot by boot it comes to what a look at everything at once comes to, before and after another commit; every
    /// node is counted once; and a node that is said to run today's script fetched it last, as far as anybody can tell.
    #[test]
    fn boot_by_boot_comes_to_the_same_as_all_at_once(told in prop::collection::vec(any_told(), 0..30), moves in any::<bool>()) {
        let old = snapshot(WISHES, "aaa");
        let to = if moves { "02:00:00:00:00:0[2,1,4]" } else { "02:00:00:00:00:0[1-3]" };
        let new = snapshot(&WISHES.replace("/one", "/two").replace("02:00:00:00:00:0[1-3]", to), "bbb");
        let roll = Arc::new(Roll::default());
        let mut kept = Runs::default();
        kept.follow(&old, &roll, NOW);
        let half = told.len() / 2;
        for (number, one) in told.into_iter().enumerate() {
            if number == half {
                kept.follow(&new, &roll, NOW);
            }
            let under = Arc::clone(kept.snapshot().unwrap());
            let (Told::Fetch { node, .. } | Told::Word { node, .. } | Told::Off { node, .. }) = &one;
            let name = format!("n{node}");
            let at = under.by_name(&name).unwrap();
            let mut booted = kept.booted(&name).cloned().unwrap_or_default();
            match one {
                Told::Fetch { by, from, script, minutes, .. } => {
                    let given = boot(if script { &new } else { &old }, &name, minutes);
                    let mac = Some(mac(by)).filter(|_| by > 0);
                    booted.fetched(Boot { address: ip(from), mac, ..given }, teller(&under, at, Some(ip(from))));
                }
                Told::Word { from, .. } => {
                    booted.confirmed(NOW, ip(from), teller(&under, at, Some(ip(from))));
                }
                Told::Off { minutes, .. } => {
                    booted.reset(NOW - minutes * MINUTE);
                }
            }
            kept.see(&name, booted, NOW);
            let names = ["n1", "n2", "n3"];
            let all = names.iter().filter_map(|name| Some(((*name).into(), kept.booted(name)?.clone())));
            let mut fresh = Runs::new(all);
            fresh.follow(&under, &roll, NOW);
            prop_assert_eq!(kept.rows(), fresh.rows());
            prop_assert_eq!(kept.tally(), fresh.tally());
            let Tally { current, stale, unknown, idle, revisions } = kept.tally().clone();
            prop_assert_eq!(current + stale + unknown + idle, 4);
            prop_assert_eq!(revisions.values().sum::<u64>(), current + stale);
            for (node, run) in kept.rows().iter().enumerate() {
                let Run::Current(known) = run else { continue };
                let Answer::Script(today) = under.answer(node) else { panic!("it is idle") };
                prop_assert_eq!(known.boot.digest, today.digest);
                prop_assert!(known.boot.reset.is_none() && known.uncounted.is_none());
            }
        }
    }
}
