//! What holds of every world.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::world::{World, mac, options, system, texts};
use crate::adopt::{Options, Scope};
use crate::observed::System;

/// A BMC that nobody declares: three numbers of its address, and its Systems.
type Stranger = ((u8, u8, u8), Vec<Shown>);

/// What a System shows: a serial number and addresses, out of few, so that many are shared.
type Shown = (Option<u8>, Vec<u8>, bool);

fn strangers() -> impl Strategy<Value = Vec<Stranger>> {
    let shown = (prop::option::of(10_u8..40), prop::collection::vec(10_u8..60, 0..3), any::<bool>());
    let systems = prop_oneof![6 => prop::collection::vec(shown.clone(), 1..2), 2 => prop::collection::vec(shown, 0..4)];
    prop::collection::vec(((0_u8..6, 2_u8..5, 1_u8..30), systems), 0..12)
}

fn url((kind, a, b): (u8, u8, u8)) -> String {
    match kind {
        0 => format!("https://[fd00::{a:x}:{b:x}]"),
        1 => format!("https://{}-{a}.bmc.example:8443", char::from(b'a' + b % 26)),
        _ => format!("https://10.{}.{a}.{b}", kind / 4 + 1),
    }
}

fn systems(shown: &[Shown]) -> Vec<System> {
    let one = |(at, (serial, macs, is_other)): (usize, &Shown)| {
        let macs: std::collections::BTreeSet<u8> = macs.iter().copied().collect();
        let macs: Vec<_> = macs.into_iter().map(mac).collect();
        let mut system = system(&format!("Node{at}"), serial.map(|serial| format!("SN{serial}")).as_deref(), &macs);
        if *is_other {
            system.facts.model = Some("R2 {{ x }} [1-2] \"q\"".into());
        }
        system
    };
    shown.iter().enumerate().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_that_was_seen_is_declared_and_drift_finds_none_of_it(
        strangers in strangers(),
        expect in any::<bool>(),
    ) {
        let mut world = World::new();
        let strangers: BTreeMap<String, Vec<Shown>> = strangers.into_iter().map(|(at, shown)| (url(at), shown)).collect();
        for (url, shown) in &strangers {
            world.stranger(url, systems(shown));
        }
        let asked = Options { expect, groups: vec!["g".into()], ..options() };
        let adoption = world.adopted(&asked);
        let count: usize = strangers.values().map(Vec::len).sum();
        prop_assert_eq!(adoption.counts().0, count, "{}", texts(&adoption));
        prop_assert_eq!(adoption.counts().1, strangers.values().filter(|shown| shown.is_empty()).count());
        prop_assert_eq!(&adoption, &world.adopt(&asked).unwrap());
        // None of it is drift, not even what --expect wishes.
        let (before, after) = world.drifts(&adoption);
        prop_assert!(after.findings.len() <= before.findings.len());
        let strange = after.findings.iter().find(|finding| finding.attribute.is_empty());
        prop_assert!(strange.is_none(), "{strange:?}\n{}", texts(&adoption));
    }

    #[test]
    fn what_is_replaced_changes_its_own_row_and_nothing_else(serial in 50_u8..90, number in 100_u8..200, node in 1_u8..3) {
        let mut world = World::new();
        let name = format!("nid000{node}");
        let kept = (node == 2).then_some(crate::model::MacAddr([2, 0, 0, 0, 1, 2]));
        let macs: Vec<_> = std::iter::once(mac(number)).chain(kept).collect();
        let machine = system("1", Some(&format!("SN{serial}")), &macs);
        world.survey(&name, &format!("https://10.1.0.{node}"), vec![machine]);
        let adoption = world.adopted(&Options { scope: Scope::All, ..options() });
        prop_assert_eq!(adoption.edits.len(), 1);
        let edit = &adoption.edits[0];
        let before = edit.before.as_deref().unwrap_or_default();
        let changed: Vec<_> = before.split('\n').zip(edit.after.split('\n')).filter(|(a, b)| a != b).collect();
        prop_assert_eq!(changed.len(), 1);
        prop_assert!(changed[0].1.starts_with(&name));
        prop_assert_eq!(before.split('\n').count(), edit.after.split('\n').count());
    }
}
