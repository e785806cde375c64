//! Retention of stored data.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use muster_core::model::File;
use muster_core::observed::{BootFetch, UnknownMac};

#[test]
fn an_accepted_commit_comes_back_whole_after_a_restart() {
    let place = Place::used();
    let (store, opened) = place.open();
    assert_eq!(opened, Opened::Existing);
    holds(&store, 1, &rows(100, "v1"));
    accept(&store, 2, &rows(50, "v2"));
    drop(store);
    let (store, _) = place.open();
    holds(&store, 2, &rows(50, "v2"));
    assert_eq!(store.accepted(10).unwrap(), [accepted(2), accepted(1)]);
    assert_eq!(store.accepted(1).unwrap(), [accepted(2)]);
}

#[test]
fn a_fresh_store_holds_nothing() {
    let place = Place::new();
    let (store, opened) = place.open();
    assert_eq!(opened, Opened::Fresh);
    assert_eq!(store.last_good().unwrap(), None);
    assert!(store.rendered().unwrap() == Rendered::default() && store.bodies().unwrap().is_empty());
    assert!(store.accepted(9).unwrap().is_empty() && store.fetches().unwrap().is_empty());
    assert!(store.unknown().unwrap().is_empty() && store.trouble().is_none());
}

#[test]
fn only_new_scripts_are_asked_for_and_old_ones_go() {
    let place = Place::used();
    let (store, _) = place.open();
    let asked = Cell::new(0);
    let mut next = rows(100, "v1");
    next[7] = row(7, "v2");
    next[8].digest = next[7].digest;
    let body = |row: &BootRow| {
        asked.set(asked.get() + 1);
        Cow::Owned(script(row))
    };

    store.accept(&accepted(2), &inputs(2), &rendered(&next), &body, &[happening(2)]).unwrap();
    assert_eq!(asked.get(), 1, "a known script was asked for");
    assert_eq!(store.bodies().unwrap().len(), 99);
    assert!(!store.bodies().unwrap().contains_key(&row(7, "v1").digest));
    store.accept(&accepted(3), &inputs(3), &rendered(&rows(100, "v1")), &body, &[happening(3)]).unwrap();
    assert_eq!(asked.get(), 3, "a dropped script was believed to be there");

    holds(&store, 3, &rows(100, "v1"));
}

#[test]
fn the_commit_that_is_stored_already_is_listed_once() {
    let place = Place::used();
    let (store, _) = place.open();
    accept(&store, 1, &rows(60, "v2"));
    assert_eq!(store.accepted(9).unwrap(), [accepted(1)]);
    holds(&store, 1, &rows(60, "v2"));
    accept(&store, 2, &rows(1, "v2"));
    accept(&store, 1, &rows(1, "v2"));
    assert_eq!(store.accepted(9).unwrap(), [accepted(1), accepted(2), accepted(1)]);
}

#[test]
fn what_an_earlier_version_stored_is_read_and_what_it_left_of_another_commit_is_not() {
    let place = Place::used();
    let last: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("last-good");
    type Touched<'t> = redb::Table<'t, &'static str, &'static [u8]>;

    let touch = |change: &dyn Fn(&mut Touched<'_>)| {
        let db = redb::Database::open(&place.file).unwrap();
        let txn = db.begin_write().unwrap();
        change(&mut txn.open_table(last).unwrap());
        txn.commit().unwrap();
    };

    let bare = |row: BootRow| BootRow { serial: None, uuid: None, ips: Vec::new(), ..row };
    let expected = Rendered { rows: rows(100, "v1").into_iter().map(bare).collect(), ..Rendered::default() };
    let other = accepted(2);
    let record = codec::encode(&shape::AcceptedRecord::from(&other)).unwrap();

    // An earlier version accepted another commit with the same rows, and does not know the data
    // next to them.
    touch(&|table| drop(table.insert("record", &*record).unwrap()));
    assert_eq!(place.open().0.rendered().unwrap(), expected);
    touch(&|table| drop(table.remove("beside").unwrap()));
    assert_eq!(place.open().0.rendered().unwrap(), expected);
}

#[test]
fn a_script_without_bound_is_refused_and_nothing_changes() {
    let place = Place::used();
    let (store, _) = place.open();
    let error = store
        .accept(&accepted(2), &inputs(2), &rendered(&rows(1, "v2")), &|_| Cow::Owned(vec![0; MAX_BODY_BYTES + 1]), &[])
        .unwrap_err();
    assert!(matches!(&error, StoreError::TooLarge { what, .. } if what.contains("nid000000")), "{error}");
    holds(&store, 1, &rows(100, "v1"));
    accept(&store, 2, &rows(1, "v2"));
}

#[test]
fn a_thousand_accepted_commits_are_remembered() {
    let place = Place::new();
    let (store, _) = place.open();
    let most = MAX_ACCEPTED as u32;
    for n in 1..=most + 5 {
        accept(&store, n, &[]);
    }
    let all = store.accepted(usize::MAX).unwrap();
    assert_eq!(all.len(), MAX_ACCEPTED);
    assert_eq!((all[0].nodes, all[MAX_ACCEPTED - 1].nodes), (most + 5, 6));
}

#[test]
fn a_hundred_thousand_scripts_are_stored_once() {
    let place = Place::new();
    let (store, _) = place.open();
    let rows = rows(100_000, "v1");
    let big = |row: &BootRow| Cow::Owned([&script(row)[..], &[b' '; 1_200]].concat());
    let start = Instant::now();
    store.accept(&accepted(1), &inputs(1), &rendered(&rows), &big, &[]).unwrap();
    eprintln!("first accept of 100,000: {:?}", start.elapsed());

    let start = Instant::now();
    store.accept(&accepted(2), &inputs(2), &rendered(&rows), &|_| panic!("asked for a known script"), &[]).unwrap();
    eprintln!("second accept: {:?}", start.elapsed());
    drop(store);
    let start = Instant::now();
    let (store, _) = place.open();
    eprintln!("open: {:?}, {} MB", start.elapsed(), std::fs::metadata(&place.file).unwrap().len() >> 20);

    assert_eq!(store.rendered().unwrap(), rendered(&rows));
    assert_eq!(store.bodies().unwrap().len(), 100_000);
}

fn fetch(node: &str, at: i64) -> BootFetch {
    BootFetch {
        node: node.into(),
        at,
        address: IpAddr::from([10, 0, 0, 7]),
        user_agent: "iPXE/1.21.1".into(),
        revision: Revision::commit(&"a".repeat(40)),
        digest: [7; 32],
        mac: (at % 2 == 0).then_some(MacAddr([2, 0, 0, 0, 0, 7])),
        arch: (at % 3 == 0).then(|| "x86_64".into()),
    }
}

fn unknown(n: u32, last: i64) -> UnknownMac {
    let [a, b, c, d] = n.to_be_bytes();
    let address = IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 9]);
    UnknownMac { mac: MacAddr([2, 0, a, b, c, d]), first: 1, last, count: 3, address, user_agent: "x".into() }
}

#[test]
fn the_last_fetch_of_each_node_is_kept() {
    let place = Place::new();
    let (store, _) = place.open();
    store.record_fetches(&[fetch("nid1", 1), fetch("nid2", 2), fetch("nid1", 3)]).unwrap();
    store.record_fetches(&[fetch("nid2", 6)]).unwrap();
    store.record_fetches(&[]).unwrap();
    drop(store);
    assert_eq!(place.open().0.fetches().unwrap(), [fetch("nid1", 3), fetch("nid2", 6)]);
}

#[test]
fn ten_thousand_unclaimed_machines_are_kept_and_the_oldest_forgotten() {
    let place = Place::new();
    let (store, _) = place.open();
    let most = MAX_UNKNOWN as u32;
    let all: Vec<UnknownMac> = (0..most).map(|n| unknown(n, i64::from(n) + 10)).collect();
    store.record_unknown(&all).unwrap();
    assert_eq!(store.unknown().unwrap().len(), MAX_UNKNOWN);
    store.record_unknown(&[unknown(0, 99_999), unknown(most, 99_998), unknown(most + 1, 99_997)]).unwrap();
    let kept = store.unknown().unwrap();
    assert_eq!(kept.len(), MAX_UNKNOWN);
    assert_eq!(kept[0], unknown(0, 99_999), "seen again, so not the oldest");
    assert_eq!(kept[1], unknown(3, 13), "1 and 2 were the oldest");
    assert_eq!(kept[MAX_UNKNOWN - 1], unknown(most + 1, 99_997));
}

fn any_file() -> impl Strategy<Value = File> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| File::Bytes(bytes.into())),
        any::<u64>().prop_map(|bytes| File::TooLarge { bytes }),
        prop::sample::select(vec![File::Unread, File::Symlink, File::Submodule, File::BadName]),
    ]
}

proptest! {
    #[test]
    fn any_tree_survives_being_stored(files in prop::collection::btree_map(".{1,30}", any_file(), 0..20)) {
        let mut tree = Tree::default();
        for (path, file) in files {
            tree.insert(path, file);
        }
        let folded = publish::fold_tree(&tree).unwrap();
        prop_assert_eq!(publish::unfold_tree(&folded).unwrap(), tree);
    }

    #[test]
    fn spoiled_records_are_refused_and_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in 0..40usize) {
        let mut folded = publish::fold_tree(&inputs(1)).unwrap();
        let at = at.index(folded.len());
        folded[at] = byte;
        folded.truncate(folded.len() - cut.min(at));
        let _ = publish::unfold_tree(&folded);
        let _ = codec::decode::<shape::FetchRecord>(&folded, "spoiled");
    }
}

#[test]
fn times_that_are_yet_to_come_are_forgotten_first() {
    let place = Place::new();
    let (store, _) = place.open();
    let most = MAX_UNKNOWN as u32;
    let year = 365 * 86_400_000;
    // Recorded while the clock was a year ahead; then it was corrected, and then it started in
    // 1970.
    let ahead: Vec<UnknownMac> = (0..most).map(|n| unknown(n, year + i64::from(n))).collect();
    store.record_unknown(&ahead).unwrap();
    store.record_unknown(&[unknown(most, 1_000)]).unwrap();
    store.record_unknown(&[unknown(most + 1, 10)]).unwrap();
    let kept: Vec<i64> = store.unknown().unwrap().iter().map(|machine| machine.last).filter(|at| *at < year).collect();
    assert_eq!(kept, [1_000, 10], "whatever is new stays");
}

#[test]
fn what_nodes_booted_is_kept_beside_their_fetches() {
    let place = Place::used();
    let (store, _) = place.open();
    store.record_fetches(&[fetch("n1", 10), fetch("n2", 20)]).unwrap();

    // The state that an earlier version leaves: unattributed fetches do not count.
    let told = store.booted().unwrap();
    assert!(told.len() == 2 && told["n1"].last.is_none() && told["n1"].uncounted.as_ref().unwrap().at == 10);
    let mut booted = told["n1"].clone();
    booted.last = booted.uncounted.take();
    store.record_booted([("n1", &booted)]).unwrap();
    drop(store);

    let (store, _) = place.open();
    assert_eq!(store.booted().unwrap()["n1"], booted);
    assert_eq!(store.observed().unwrap().boots.unwrap()["n1"], booted);

    // An earlier version ran in between.
    store.record_fetches(&[fetch("n1", 30)]).unwrap();
    let told = &store.booted().unwrap()["n1"];
    assert_eq!((told.last.as_ref(), told.uncounted.as_ref().map(|boot| boot.at)), (booted.last.as_ref(), Some(30)));
}

#[test]
fn a_store_that_no_server_wrote_knows_nothing_of_boots() {
    let place = Place::new();
    let (store, _) = place.open();
    assert_eq!(store.observed().unwrap().boots, None);
    accept(&store, 1, &rows(1, "v1"));
    assert_eq!(store.observed().unwrap().boots, Some(BTreeMap::new()), "one that serves and knows of none");
}
