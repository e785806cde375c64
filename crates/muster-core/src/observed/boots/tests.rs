use proptest::prelude::*;

use super::*;

const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const POOL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 9, 9));
const DESK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 7, 7, 7));

fn boot(at: i64, address: IpAddr) -> Boot {
    Boot::new(at, address, Revision::commit("abc"), [at as u8; 32], None)
}

fn last(booted: &Booted) -> Option<(i64, Option<i64>)> {
    booted.last.as_ref().map(|boot| (boot.at, boot.confirmed))
}

#[test]
fn a_strangers_text_is_cut_and_cannot_break_a_line() {
    assert_eq!(&*bounded("iPXE/1.21\r\nX: y", MAX_USER_AGENT), "iPXE/1.21??X: y");
    assert_eq!(bounded(&"ü".repeat(500), MAX_USER_AGENT).chars().count(), MAX_USER_AGENT);
}

#[test]
fn a_fetch_from_elsewhere_is_no_boot_until_cloud_init_speaks_from_there() {
    let mut booted = Booted::default();
    booted.fetched(boot(1, POOL), Teller::Nobody);
    assert_eq!(last(&booted), None);
    assert!(!booted.confirmed(2, DESK, Teller::Nobody), "another address speaks for nobody");
    assert!(!booted.confirmed(2, POOL, Teller::Another), "nor does one that is another node's");
    assert!(booted.confirmed(3, POOL, Teller::Nobody));
    assert_eq!((last(&booted), &booted.uncounted), (Some((1, Some(3))), &None));
}

#[test]
fn a_strangers_fetch_takes_nothing_away_and_does_not_take_the_word_of_a_true_boot() {
    let mut booted = Booted::default();
    booted.fetched(boot(1, OWN), Teller::Own);
    booted.fetched(boot(2, DESK), Teller::Nobody);
    assert_eq!(last(&booted), Some((1, None)));
    assert!(booted.confirmed(3, OWN, Teller::Own));
    assert_eq!(last(&booted), Some((1, Some(3))), "the word is that of the boot that waited for it");
    assert_eq!(booted.uncounted.as_ref().map(|boot| boot.at), Some(2));
    // It booted by a pool's address then: nothing else can have made cloud-init speak again.
    assert!(booted.confirmed(4, OWN, Teller::Own));
    assert_eq!((last(&booted), &booted.uncounted), (Some((2, Some(4))), &None));
    assert!(!booted.confirmed(5, OWN, Teller::Own), "it is confirmed already");
}

#[test]
fn the_order_counts_and_not_the_clock() {
    let mut booted = Booted::default();
    booted.fetched(boot(100, OWN), Teller::Own);
    booted.fetched(boot(7, OWN), Teller::Own);
    assert_eq!(last(&booted), Some((7, None)));
}

#[test]
fn a_reset_counts_after_the_boot_only() {
    let mut booted = Booted::default();
    assert!(!booted.reset(5), "there is nothing that it could end");
    booted.fetched(boot(10, OWN), Teller::Own);
    assert!(!booted.reset(10) && booted.reset(11) && !booted.reset(11) && booted.reset(12));
    booted.fetched(boot(20, OWN), Teller::Own);
    assert_eq!(booted.last.as_ref().and_then(|boot| boot.reset), None, "it booted since");
}

#[test]
fn what_is_written_is_read_again() {
    let mut booted = Booted::default();
    booted.fetched(Boot { mac: Some(MacAddr([2, 0, 0, 0, 0, 1])), ..boot(10, OWN) }, Teller::Own);
    booted.fetched(boot(255, DESK), Teller::Nobody);
    let json = serde_json::to_value(&booted).unwrap();
    assert_eq!(json["last"]["digest"], "0a".repeat(32));
    assert_eq!(serde_json::from_value::<Booted>(json.clone()).unwrap(), booted);
    let bytes = postcard::to_stdvec(&booted).unwrap();
    assert_eq!(postcard::from_bytes::<Booted>(&bytes).unwrap(), booted);
    for bad in ["0a".repeat(31), "0g".repeat(32), "ü".repeat(32)] {
        let mut other = json.clone();
        other["last"]["digest"] = bad.into();
        assert!(serde_json::from_value::<Booted>(other).is_err());
    }
}

fn any_teller() -> impl Strategy<Value = (IpAddr, Teller)> {
    prop_oneof![Just((OWN, Teller::Own)), Just((POOL, Teller::Nobody)), Just((DESK, Teller::Another))]
}

proptest! {
    /// A boot that is believed came from the node's own address, or cloud-init spoke after it; and whatever strangers ask,
    /// what the node fetched from its own address last is not forgotten for it.
    #[test]
    fn only_what_can_be_told_is_believed(told in prop::collection::vec((any::<bool>(), any_teller()), 0..20)) {
        let mut booted = Booted::default();
        let mut own = None;
        for (at, (is_fetch, (address, teller))) in (1..).zip(told) {
            if is_fetch {
                booted.fetched(boot(at, address), teller);
                own = if teller == Teller::Own { Some(at) } else { own };
            } else {
                booted.confirmed(at, address, teller);
            }
            if let Some(boot) = &booted.last {
                prop_assert!(boot.address == OWN || boot.confirmed.is_some_and(|confirmed| confirmed > boot.at));
            }
            prop_assert!(own.is_none_or(|own| booted.last.as_ref().is_some_and(|boot| boot.at >= own)));
            prop_assert!(booted.uncounted.as_ref().is_none_or(|boot| boot.address != OWN));
        }
    }
}
