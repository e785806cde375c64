//! Survey results, in the store and in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition};

use super::super::tables::{BMCS, CLAIMS, SETS};
use super::broken::{Disk, on};
use super::*;
use muster_core::observed::{
    BmcRecord, Claim, Depth, Failure, FailureKind, Firmware, Inventory, Memory, Observation, Observed, Outcome,
    PowerState, Reading, Root, Service, Shared, SharedSet, System, Trust, UnknownMac,
};

/// Returns the sets of one version of a machine.
fn sets(version: u8) -> [SharedSet; 3] {
    let attribute = |n: u8| (format!("Attribute{n}").into(), format!("{}", n.wrapping_mul(version + 1) % 5).into());
    let module = |n: u8| Memory { id: format!("DIMM{n}").into(), mib: Some(32_768), part_number: None };
    [
        SharedSet::Bios((0..40).map(attribute).collect()),
        SharedSet::Firmware(Firmware([("BMC".into(), format!("1.{version}").into())].into())),
        SharedSet::Inventory(Inventory { memory: (0..=version).map(module).collect(), ..Inventory::default() }),
    ]
}

/// Returns one survey of a machine in some version.
pub(super) fn seen(bmc: &str, at: i64, version: u8, depth: Depth) -> Observation {
    let mut shared = Shared::default();
    let mut named = sets(version).map(|set| match depth {
        Depth::Deep => Reading::Seen(shared.keep(set)),
        Depth::Sweep => Reading::Unasked,
    });

    let system = System {
        id: "1".into(),
        uri: "/redfish/v1/Systems/1".into(),
        power: Reading::Seen(if version.is_multiple_of(2) { PowerState::On } else { PowerState::Off }),
        bios: std::mem::take(&mut named[0]),
        inventory: std::mem::take(&mut named[2]),
        ..System::default()
    };

    let service = Service {
        root: Root { vendor: Some("Contoso".into()), ..Root::default() },
        systems: Reading::Seen(vec![system]),
        not_servers: Vec::new(),
        managers: Reading::Unasked,
        chassis: Reading::Unasked,
        firmware: std::mem::take(&mut named[1]),
        firmware_unread: None,
        quirks: Vec::new(),
        unread: Vec::new(),
    };

    Observation { shared, outcome: Outcome::Seen(Box::new(service)), ..failed(bmc, at, depth) }
}

pub(super) fn failed(bmc: &str, at: i64, depth: Depth) -> Observation {
    let url = if bmc.contains("://") { bmc.to_owned() } else { format!("https://{bmc}.example") };
    let outcome = Outcome::Failed(Failure::new(FailureKind::TimedOut, "no answer within 30 s"));
    let (trust, shared) = (Trust::Verified, Shared::default());
    Observation { bmc: bmc.into(), url: url.into(), at, depth, trust, authenticated: true, outcome, shared }
}

/// Returns the in-memory result of the same surveys, without sets that no record names.
pub(super) fn in_memory<'o>(observations: impl IntoIterator<Item = &'o Observation>) -> Observed {
    let mut observed = Observed::default();
    observations.into_iter().for_each(|observation| observed.take(observation));
    let named: BTreeSet<_> = observed.bmcs.values().flat_map(BmcRecord::digests).collect();
    let mut shared = Shared::default();
    observed.shared.iter().filter(|(digest, _)| named.contains(digest)).for_each(|(digest, set)| {
        shared.put(digest, set.clone());
    });
    Observed { shared, ..observed }
}

fn claim(node: &str, at: i64) -> Claim {
    let macs = vec![MacAddr([2, 0, 0, 0, 0, 1])];
    Claim { node: node.into(), bmc: format!("{node}-bmc").into(), system: "1".into(), macs, at }
}

fn any_observation() -> impl Strategy<Value = (usize, u8, bool, bool, bool)> {
    (0..4usize, 0..4u8, any::<bool>(), prop::bool::weighted(0.15), prop::bool::weighted(0.3))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_store_holds_what_memory_would(
        surveys in prop::collection::vec(any_observation(), 1..40),
        reopen in prop::collection::vec(any::<bool>(), 40),
    ) {
        let names = ["x1000c0s0b0", "x1000c0s1b0", "https://10.1.0.3", "https://10.1.0.4"];
        let disk = Arc::new(Disk::default());
        let mut store = on(&disk, Duration::ZERO);
        let (mut all, mut batch) = (Vec::new(), Vec::new());

        for (at, (bmc, version, deep, fails, ends)) in (0..).zip(surveys) {
            let depth = if deep { Depth::Deep } else { Depth::Sweep };
            let observation =
                if fails { failed(names[bmc], at, depth) } else { seen(names[bmc], at, version, depth) };
            all.push(observation.clone());
            batch.push(observation);
            if ends {
                store.record_observations(&batch).unwrap();
                batch.clear();
                prop_assert_eq!(store.observed().unwrap(), in_memory(&all));
            }
            if reopen[at as usize] {
                drop(store);
                store = on(&disk, Duration::ZERO);
            }
        }

        store.record_observations(&batch).unwrap();
        let observed = store.observed().unwrap();
        prop_assert_eq!(store.trouble(), None);

        for (name, record) in &observed.bmcs {
            let stored = store.bmc_record(name).unwrap();
            prop_assert_eq!(stored.as_ref(), Some(record));
            let digests: Vec<_> = record.digests().collect();
            let shared = store.shared_of(&digests).unwrap();
            prop_assert!(digests.iter().all(|digest| shared.get(*digest) == observed.shared.get(*digest)));
            prop_assert!(digests.iter().all(|digest| shared.get(*digest).is_some()), "a set in use is gone");
        }

        prop_assert_eq!(observed, in_memory(&all));
    }
}

#[test]
fn a_deleted_store_is_the_same_after_the_same_surveys() {
    let surveys: Vec<Observation> = (0..60)
        .map(|n| seen(&format!("bmc{}", n % 20), n.into(), n % 7, if n < 20 { Depth::Deep } else { Depth::Sweep }))
        .collect();
    let place = Place::new();

    let both = [7, 60].map(|size| {
        let (store, _) = place.open();
        surveys.chunks(size).for_each(|batch| store.record_observations(batch).unwrap());
        let observed = store.observed().unwrap();
        drop(store);
        std::fs::remove_file(&place.file).unwrap();
        observed
    });

    assert_eq!(both[0], both[1]);
    assert_eq!(both[0], in_memory(&surveys));
    assert_eq!(both[0].bmcs.len(), 20);
}

#[test]
fn a_store_from_before_surveys_opens_and_gains_them() {
    let place = Place::used();
    {
        let db = Database::open(&place.file).unwrap();
        let names: Vec<String> = db
            .begin_read()
            .unwrap()
            .list_tables()
            .unwrap()
            .map(|table| redb::TableHandle::name(&table).to_owned())
            .collect();
        assert!(!names.iter().any(|name| name == "bmcs"), "a fresh store has the tables of old: {names:?}");
    }

    let (store, opened) = place.open();
    assert_eq!(opened, Opened::Existing);
    let has_served = |observed: Observed| Observed { boots: Some(BTreeMap::new()), ..observed };
    assert_eq!(store.observed().unwrap(), has_served(Observed::default()));
    assert!(store.claims().unwrap().is_empty() && store.refused_logins().unwrap().is_empty());
    assert_eq!(store.bmc_record("x").unwrap(), None);
    assert!(store.shared_of(&[sets(0)[0].digest()]).unwrap().is_empty());

    store.record_observations(&[seen("x", 1, 0, Depth::Deep)]).unwrap();
    drop(store);
    let (store, opened) = place.open();
    assert_eq!(opened, Opened::Existing);
    assert_eq!(store.observed().unwrap(), has_served(in_memory(&[seen("x", 1, 0, Depth::Deep)])));

    holds(&store, 1, &rows(100, "v1"));
}

fn count(place: &Place, table: TableDefinition<&[u8], &[u8]>) -> u64 {
    let db = Database::open(&place.file).unwrap();
    db.begin_read().unwrap().open_table(table).unwrap().len().unwrap()
}

#[test]
fn sets_go_with_the_last_record_that_names_them() {
    let place = Place::new();
    let (store, _) = place.open();
    let both = [seen("a", 1, 0, Depth::Deep), seen("b", 1, 0, Depth::Deep), seen("c", 1, 1, Depth::Deep)];
    store.record_observations(&both).unwrap();
    store.forget_bmcs(&["a", "nobody"]).unwrap();
    assert_eq!(store.observed().unwrap(), in_memory(&both[1..]));
    drop(store);

    assert_eq!(count(&place, SETS), 6);
    let (store, _) = place.open();
    store.forget_bmcs(&["b"]).unwrap();
    drop(store);
    assert_eq!(count(&place, SETS), 3, "the sets of version 1");
    let (store, _) = place.open();
    assert_eq!(store.observed().unwrap(), in_memory(&both[2..]));

    store.forget_bmcs(&["c"]).unwrap();
    drop(store);
    assert_eq!(count(&place, SETS), 0);
}

#[test]
fn undeclared_bmcs_are_bounded_and_declared_ones_stay() {
    let place = Place::new();
    let (store, _) = place.open();
    let strangers: Vec<Observation> =
        (0..MAX_UNDECLARED as i64 + 3).map(|n| failed(&format!("https://bmc{n:05}"), 100 + n, Depth::Deep)).collect();
    store.record_observations(&[seen("declared", 1, 0, Depth::Deep)]).unwrap();
    store.record_observations(&strangers[..9_000]).unwrap();
    drop(store);

    let (store, _) = place.open();
    store.record_observations(&[failed("https://bmc00001", 99_999, Depth::Sweep)]).unwrap();
    store.record_observations(&strangers[9_000..]).unwrap();
    let kept = store.observed().unwrap();
    assert_eq!(kept.bmcs.len(), MAX_UNDECLARED + 1);
    assert!(kept.bmcs.contains_key("declared") && kept.shared.len() == 3);
    let gone: Vec<&Observation> = strangers.iter().filter(|one| !kept.bmcs.contains_key(&one.bmc)).collect();

    let gone: Vec<&str> = gone.iter().map(|one| &*one.bmc).collect();
    assert_eq!(gone, ["https://bmc00000", "https://bmc00002", "https://bmc00003"], "1 was tried again");
}

fn spoil(place: &Place, change: impl FnOnce(&redb::WriteTransaction)) {
    let db = Database::open(&place.file).unwrap();
    let txn = db.begin_write().unwrap();
    change(&txn);
    txn.commit().unwrap();
}

#[test]
fn records_that_cannot_be_read_are_skipped_and_told_of() {
    let place = Place::new();
    let (store, _) = place.open();
    let surveys = ["a", "b", "c"].map(|name| seen(name, 1, 0, Depth::Deep));
    store.record_observations(&surveys).unwrap();
    store.put_claims(&[claim("nid1", 1), claim("nid2", 2)]).unwrap();
    drop(store);
    let bios = sets(0)[0].digest();

    spoil(&place, |txn| {
        txn.open_table(BMCS).unwrap().insert("a", &b"\x01of another version"[..]).unwrap();
        txn.open_table(BMCS).unwrap().insert("b", &b"\x02\xff\xff\xff\xffgarbage"[..]).unwrap();
        txn.open_table(SETS).unwrap().insert(&bios.0[..], &b""[..]).unwrap();
        txn.open_table(CLAIMS).unwrap().insert("nid1", &b"\x01\x05\x00\x00\x00\x50hello"[..]).unwrap();
    });

    let (store, opened) = place.open();
    assert_eq!(opened, Opened::Existing, "one bad record moves no store aside");
    assert_eq!(store.trouble(), None, "nothing was read yet");
    let observed = store.observed().unwrap();
    assert_eq!(observed.bmcs.keys().map(|name| &**name).collect::<Vec<_>>(), ["c"]);
    assert_eq!((observed.shared.len(), observed.shared.get(bios)), (2, None));
    assert_eq!(observed.claims, [claim("nid2", 2)]);

    assert_eq!(store.claims().unwrap(), [claim("nid2", 2)]);
    let told = store.trouble().unwrap();
    assert!(told.contains("1 records of another version") && told.contains("3 corrupt"), "{told}");
    assert!(told.contains("BMC a"), "{told}");
    assert_eq!(store.bmc_record("b").unwrap(), None);
    assert!(store.shared_of(&[bios]).unwrap().is_empty());

    // Records of a new survey are complete again.
    let again = ["a", "b", "c"].map(|name| seen(name, 2, 0, Depth::Deep));
    store.record_observations(&again).unwrap();
    store.put_claims(&[claim("nid1", 3)]).unwrap();
    let observed = store.observed().unwrap();
    assert_eq!(store.trouble(), None);
    assert_eq!(observed.shared, in_memory(&again).shared);

    assert_eq!(observed.bmcs["a"], in_memory(&again).bmcs["a"], "its history begins anew");
    assert_eq!(observed.bmcs["c"], in_memory(surveys.iter().chain(&again)).bmcs["c"]);
}

#[test]
fn claims_and_unknown_machines_are_part_of_what_is_observed() {
    let place = Place::new();
    let (store, _) = place.open();
    let address = std::net::IpAddr::from([10, 0, 0, 7]);
    let mac = MacAddr([2, 0, 0, 0, 0, 9]);
    let unknown = UnknownMac { mac, first: 1, last: 2, count: 3, address, user_agent: "iPXE".into() };
    store.record_unknown(std::slice::from_ref(&unknown)).unwrap();
    store.put_claims(&[claim("nid2", 1), claim("nid1", 1), claim("nid3", 1)]).unwrap();

    store.put_claims(&[claim("nid2", 5)]).unwrap();
    store.forget_claims(&["nid3", "nobody"]).unwrap();
    store.put_claims(&[]).unwrap();
    store.forget_claims(&[]).unwrap();
    drop(store);
    let (store, _) = place.open();
    let observed = store.observed().unwrap();

    assert_eq!(observed.claims, [claim("nid1", 1), claim("nid2", 5)]);
    assert_eq!(observed.claims, store.claims().unwrap());
    assert_eq!(observed.unknown, [unknown]);
}

#[test]
fn refused_logins_stay_refused_until_told_otherwise() {
    let refused = |bmc: &str, credential: &str, at| RefusedLogin { bmc: bmc.into(), credential: credential.into(), at };
    let place = Place::new();
    let (store, _) = place.open();
    for (bmc, credential, at) in [("b1", "rack", 1), ("b2", "rack", 2), ("b1", "lab", 3), ("b1", "rack", 4)] {
        store.set_refused_login(&refused(bmc, credential, at)).unwrap();
    }
    store.forget_bmcs(&["b2"]).unwrap();

    drop(store);
    let (store, _) = place.open();
    let all = [refused("b1", "lab", 3), refused("b1", "rack", 4), refused("b2", "rack", 2)];
    assert_eq!(store.refused_logins().unwrap(), all);
    store.forget_refused_logins(&["b1", "b9"]).unwrap();
    store.forget_refused_logins(&[]).unwrap();

    assert_eq!(store.refused_logins().unwrap(), all[2..]);
}

#[test]
fn a_store_opened_for_any_wishes_keeps_its_own_or_goes_to_the_first() {
    let place = Place::used();
    let (store, opened) = Store::open_any(&place.file, NOW).unwrap();
    assert_eq!(opened, Opened::Existing);
    holds(&store, 1, &rows(100, "v1"));
    store.record_observations(&[failed("x", 1, Depth::Deep)]).unwrap();
    drop(store);
    assert_eq!(place.open().0.observed().unwrap().bmcs.len(), 1);

    let place = Place::new();
    for expected in [Opened::Fresh, Opened::Existing] {
        let (store, opened) = Store::open_any(&place.file, NOW).unwrap();
        assert_eq!(opened, expected);
        store.record_observations(&[failed("x", 1, Depth::Deep)]).unwrap();
    }
    let (store, opened) = place.open();
    assert_eq!((opened, store.observed().unwrap().bmcs.len()), (Opened::Existing, 1));
    drop(store);
    let other = Identity { repository: "/srv/other.git".into(), ..ours() };
    let error = Store::open(&place.file, &other, NOW).err().expect("it was claimed");
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    assert_eq!(Store::open_any(&place.file, NOW).unwrap().1, Opened::Existing);
}
