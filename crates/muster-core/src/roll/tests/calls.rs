//! What a roll makes of claims.

use super::*;

#[test]
fn a_claim_is_an_index() {
    let snapshot = snapshot();
    let roll = Roll::call(&snapshot, &[claim("n2", "b2", &[3, 4]), claim("n1", "b1", &[1])]);
    assert_eq!(name(&snapshot, roll.by_mac(mac(1))), Some("n1"));
    assert_eq!(name(&snapshot, roll.by_mac(mac(4))), Some("n2"));
    assert_eq!(roll.by_mac(mac(2)), None);
    assert!(roll.held().is_empty() && !roll.is_held(mac(2)));
    assert_eq!(roll.claim_of(1).map(|claim| &*claim.node), Some("n2"));
    assert_eq!(roll.macs_of(1).collect::<Vec<_>>(), [mac(3), mac(4)]);
    assert_eq!(roll.claim_of(2), None);
}

#[test]
fn two_claims_hold_the_one_address_and_only_it() {
    let snapshot = snapshot();
    let both = [claim("n1", "b1", &[1, 9]), claim("n2", "b2", &[2, 9])];
    let roll = Roll::call(&snapshot, &both);
    assert_eq!(
        told(&roll),
        [
            "MAC 02:00:00:00:00:09 boots nobody: the surveys of n1 and n2 report it; declare it in git for the node that has it"
        ]
    );
    assert!(roll.is_held(mac(9)) && !roll.is_held(mac(1)));
    assert_eq!(name(&snapshot, roll.by_mac(mac(1))), Some("n1"));
    assert_eq!(roll.macs_of(1).collect::<Vec<_>>(), [mac(2)]);
    let freed = Roll::call(&snapshot, &both[1..]);
    assert_eq!(name(&snapshot, freed.by_mac(mac(9))), Some("n2"));
}

#[test]
fn what_git_declares_is_not_contested() {
    let snapshot = snapshot();
    let roll = Roll::call(&snapshot, &[claim("n1", "b1", &[1, 0x0b, 0x0d])]);
    assert_eq!((roll.by_mac(mac(0x0b)), roll.by_mac(mac(0x0d))), (None, None));
    assert_eq!(
        told(&roll),
        [
            "MAC 02:00:00:00:00:0b boots nobody: git declares it for the BMC late, though the surveys of n1 report it",
            "MAC 02:00:00:00:00:0d boots told, for which git declares it, though the surveys of n1 report it",
        ]
    );
    assert_eq!(name(&snapshot, roll.by_mac(mac(1))), Some("n1"));
}

#[test]
fn a_claim_rests_where_git_states_the_address_that_boots() {
    let of = |nics: &str| {
        let own = format!("//- nodes/n.toml\n[[node]]\nname = \"n1\"\nbmc = \"b1\"\nnics = [{nics}]\n");
        let snapshot = snapshot_of(&own);
        let roll = Roll::call(&snapshot, &[claim("n1", "b1", &[1, 2])]);
        assert!(roll.held().is_empty());
        (snapshot.by_mac(mac(1)), roll.by_mac(mac(2)))
    };
    let first = r#"{ name = "eth0", mac = "02:00:00:00:00:01" }"#;
    assert_eq!(of(first), (Some(0), None));
    let other = r#"{ name = "eth0", boot = true }, { name = "eth1", mac = "02:00:00:00:00:01" }"#;
    assert_eq!(of(other), (Some(0), Some(0)), "it stands beside the node's other addresses");
}

#[test]
fn a_claim_counts_for_the_bmc_and_system_of_its_node_only() {
    let snapshot = snapshot();
    let half = |system: &str| Claim { system: system.into(), ..claim("half1", "b4", &[5]) };
    let retired = Roll::call(&snapshot, &[claim("old", "late", &[6])]);
    assert_eq!(name(&snapshot, retired.by_mac(mac(6))), Some("old"));
    assert_eq!(name(&snapshot, Roll::call(&snapshot, &[half("node0")]).by_mac(mac(5))), Some("half1"));
    let void = [claim("n1", "b2", &[1]), claim("gone", "b1", &[2]), half("Node1")];
    assert_eq!(Roll::call(&snapshot, &void), Roll::default());
    assert_eq!(super::void(&snapshot, &void), ["gone".into(), "half1".into(), "n1".into()] as [Box<str>; 3]);
    // One that declares its addresses now keeps the claim, which counts for nothing.
    let resting = [claim("n1", "b1", &[1])];
    let declared = snapshot_of("//- nodes/n.toml\n[[node]]\nname = \"n1\"\nbmc = \"b1\"\nmacs = \"declared\"\n");
    assert_eq!(Roll::call(&declared, &resting), Roll::default());
    assert!(super::void(&declared, &resting).is_empty());
    // The claim on the new BMC outlives that on the old one.
    let moved = [claim("n1", "b2", &[1]), claim("n1", "b1", &[2])];
    assert!(super::void(&snapshot, &moved).is_empty());
    assert_eq!(name(&snapshot, Roll::call(&snapshot, &moved).by_mac(mac(2))), Some("n1"));
}

#[test]
fn an_xname_is_no_name_for_a_claim() {
    let renamed = "//- nodes/n.toml\n[[node]]\nname = \"n1\"\nxname = \"x1000c0s0b0n0\"\nbmc = \"b1\"\n";
    let roll = Roll::call(&snapshot_of(renamed), &[claim("x1000c0s0b0n0", "b1", &[1])]);
    assert_eq!(roll, Roll::default());
}

#[test]
fn stored_scripts_are_found_by_claims_too() {
    let script = crate::ipxe::Script::from_marked("#!ipxe\nexit 0\n");
    let boot = |name: &str, macs: Vec<MacAddr>| StoredBoot {
        name: name.into(),
        macs,
        nid: None,
        xname: None,
        serial: None,
        uuid: None,
        ips: Vec::new(),
        digest: script.digest(),
        script: script.clone(),
    };
    let boots = vec![boot("n1", vec![]), boot("n2", vec![mac(2)])];
    let snapshot = Snapshot::from_stored(
        Revision::commit("abc"),
        boots,
        crate::snapshot::Folded::default(),
        crate::snapshot::Reach::default(),
    );
    let claims = [claim("n1", "b1", &[1]), claim("n2", "b2", &[3]), claim("gone", "b3", &[4])];
    let roll = Roll::call(&snapshot, &claims);
    assert_eq!([1, 2, 3, 4].map(|last| roll.by_mac(mac(last))), [Some(0), None, None, None]);
    assert!(void(&snapshot, &claims).is_empty());
    assert!(super::claims(&snapshot, &record("b1", service(vec![system("1", &[1])])), &[]).is_empty());
}

fn any_claims() -> impl Strategy<Value = Vec<Claim>> {
    let node = prop::sample::select(vec!["n1", "n2", "n3", "half1", "half2", "told", "old", "gone"]);
    let bmc = prop::sample::select(vec!["b1", "b2", "b3", "b4", "late"]);
    let system = prop::sample::select(vec!["1", "Node0", "node1"]);
    let macs = prop::collection::btree_set(8_u8..0x10, 0..4);
    let claim = (node, bmc, system, macs, 0_i64..3).prop_map(|(node, bmc, system, macs, at)| Claim {
        node: node.into(),
        bmc: bmc.into(),
        system: system.into(),
        macs: macs.into_iter().map(mac).collect(),
        at,
    });
    prop::collection::vec(claim, 0..12)
}

/// Claims most of which count.
fn good_claims() -> impl Strategy<Value = Vec<Claim>> {
    let of = |(node, bmc, system): (&'static str, &'static str, &'static str)| {
        prop::collection::btree_set(8_u8..0x10, 0..4).prop_map(move |macs| Claim {
            system: system.into(),
            ..claim(node, bmc, &macs.into_iter().collect::<Vec<_>>())
        })
    };
    let all =
        [("n1", "b1", "1"), ("n2", "b2", "1"), ("n3", "b3", "1"), ("half1", "b4", "Node0"), ("half2", "b4", "Node1")];
    all.map(of).to_vec()
}

proptest! {
    #[test]
    fn the_order_of_claims_never_matters(
        (claims, shuffled) in any_claims().prop_flat_map(|claims| (Just(claims.clone()), Just(claims).prop_shuffle())),
    ) {
        let snapshot = snapshot();
        prop_assert_eq!(Roll::call(&snapshot, &claims), Roll::call(&snapshot, &shuffled));
    }

    /// An address boots the one node that counts as its claimant, and nobody where git declares it or several claim it.
    #[test]
    fn an_address_boots_one_node_or_none(claims in prop_oneof![any_claims(), good_claims()]) {
        let snapshot = snapshot();
        let roll = Roll::call(&snapshot, &claims);
        for mac in (0..0x20).map(mac) {
            let all = 0..snapshot.nodes().len();
            let claimants: Vec<usize> =
                all.filter(|node| roll.claim_of(*node).is_some_and(|claim| claim.macs.contains(&mac))).collect();
            let is_declared = snapshot.by_mac(mac).is_some() || mac == super::mac(0x0b);
            let expected = match &*claimants {
                [one] if !is_declared => Some(*one),
                _ => None,
            };
            prop_assert_eq!(roll.by_mac(mac), expected);
            prop_assert_eq!(roll.is_held(mac), !claimants.is_empty() && expected.is_none());
            prop_assert_eq!(roll.held().iter().any(|held| held.mac == mac), roll.is_held(mac));
        }
        for node in 0..snapshot.nodes().len() {
            let own = roll.claim_of(node);
            prop_assert!(own.is_none_or(|claim| claim.node == snapshot.nodes()[node].name));
            prop_assert!(own.is_none_or(|claim| claims.contains(claim)));
        }
    }

    /// Taking one claim away frees what only it stood against, and changes nothing else.
    #[test]
    fn a_claim_that_goes_frees_what_it_held(claims in good_claims(), at in any::<prop::sample::Index>()) {
        let snapshot = snapshot();
        let before = Roll::call(&snapshot, &claims);
        let mut rest = claims.clone();
        let gone = rest.remove(at.index(claims.len()));
        let after = Roll::call(&snapshot, &rest);
        for held in before.held() {
            let others: Vec<_> = held.nodes.iter().filter(|node| **node != gone.node).collect();
            if held.why == Why::Several && others.len() == 1 {
                prop_assert_eq!(name(&snapshot, after.by_mac(held.mac)), Some(&**others[0]));
            }
        }
        for mac in (0..0x20).map(mac).filter(|mac| !gone.macs.contains(mac)) {
            prop_assert_eq!(before.by_mac(mac), after.by_mac(mac));
        }
    }
}
