//! What surveys claim.

use super::*;

#[test]
fn the_first_survey_that_can_be_believed_claims() {
    let snapshot = snapshot();
    let machine = || service(vec![system("Self", &[4, 1])]);
    let made = claims(&snapshot, &record("b1", machine()), &[]);
    let expected = Claim { system: "Self".into(), at: 100, ..claim("n1", "b1", &[1, 4]) };
    assert_eq!(made, std::slice::from_ref(&expected));
    assert_eq!(claims(&snapshot, &record("undeclared", machine()), &[]), []);
    // Sticky: another machine behind the BMC is for drift to tell.
    let other = record("b1", service(vec![system("Self", &[8])]));
    assert_eq!(claims(&snapshot, &other, &made), []);
    // A claim of a BMC that the node had before is none of this one's.
    let former = Claim { bmc: "b2".into(), ..expected };
    assert_eq!(claims(&snapshot, &other, &[former]).len(), 1);
}

#[test]
fn what_cannot_be_believed_claims_nothing() {
    type Change = fn(&mut Observation);
    let machine = || observation("b1", service(vec![system("1", &[1])]));
    let doubts: [(&str, Change); 5] = [
        ("plain", |o| o.trust = Trust::Plain),
        ("unverified", |o| o.trust = Trust::Unverified),
        ("anonymous", |o| o.authenticated = false),
        ("sweep", |o| o.depth = Depth::Sweep),
        ("failed", |o| o.outcome = Outcome::Failed(Failure::new(FailureKind::TimedOut, "no answer"))),
    ];
    let snapshot = snapshot();
    for (what, change) in doubts {
        let mut doubted = machine();
        change(&mut doubted);
        assert_eq!(claims(&snapshot, &record_of(&doubted), &[]), [], "{what}");
    }
    let mut pinned = machine();
    pinned.trust = Trust::Pinned;
    assert_eq!(claims(&snapshot, &record_of(&pinned), &[]).len(), 1);
    // A sweep after a deep survey does not lend it its trust, nor does a failure leave it standing.
    for later in [Depth::Sweep, Depth::Deep] {
        let mut observed = Observed::default();
        observed.take(&Observation { trust: Trust::Unverified, ..machine() });
        let failed = Outcome::Failed(Failure::new(FailureKind::TimedOut, "no answer"));
        let mut second = Observation { at: 200, depth: later, ..machine() };
        if later == Depth::Deep {
            second.outcome = failed;
        }
        observed.take(&second);
        assert_eq!(claims(&snapshot, &observed.bmcs["b1"], &[]), []);
    }
}

#[test]
fn only_a_whole_view_of_the_interfaces_claims() {
    type Change = fn(&mut Service);
    let claims_with = |change: &dyn Fn(&mut Service)| {
        let mut service = service(vec![system("1", &[1])]);
        change(&mut service);
        claims(&snapshot(), &record("b1", service), &[]).len()
    };
    let own = |service: &mut Service, change: fn(&mut System)| {
        let Reading::Seen(systems) = &mut service.systems else { panic!("it was seen") };
        change(&mut systems[0]);
    };
    type OfSystem = fn(&mut System);
    let states: [(Option<Quirk>, OfSystem, usize); 8] = [
        (None, |s| s.nics_unread = Some(Failure::new(FailureKind::ServerError, "an adapter failed")), 0),
        (None, |s| s.nics_unread = Some(Failure::new(FailureKind::Missing, "an adapter is not there")), 1),
        (Some(Quirk::NicsVanishInPost), |s| s.in_post = Some(true), 0),
        (None, |s| s.in_post = Some(true), 1),
        (Some(Quirk::NicsVanishInPost), |s| s.power = Reading::Seen(PowerState::PoweringOn), 0),
        (Some(Quirk::NicsVanishInPost), |s| s.in_post = Some(false), 1),
        (Some(Quirk::WrongWhileOff), |s| s.power = Reading::Seen(PowerState::Off), 0),
        (None, |s| s.nics = Reading::Failed(Failure::new(FailureKind::TimedOut, "no answer")), 0),
    ];
    for (quirk, change, made) in states {
        let all = |service: &mut Service| {
            service.quirks.extend(quirk);
            own(service, change);
        };
        assert_eq!(claims_with(&all), made, "{quirk:?}");
    }
    let chassis: Change = |service| {
        service.quirks.push(Quirk::MacsUnderAdapters);
        service.chassis = Reading::Failed(Failure::new(FailureKind::TimedOut, "no answer"));
    };
    assert_eq!(claims_with(&chassis), 0);
}

#[test]
fn only_what_can_boot_is_claimed() {
    let mut machine = system("1", &[]);
    let kinds = [NicKind::Infiniband, NicKind::HostToBmc, NicKind::Virtual];
    let no_boot = |from| (from..).zip(kinds).map(|(last, kind)| nic(last, kind));
    machine.nics = Reading::Seen(no_boot(1).collect());
    assert_eq!(claims(&snapshot(), &record("b1", service(vec![machine.clone()])), &[]), []);
    let silent = SeenNic { mac: None, ..nic(9, NicKind::Ethernet) };
    machine.nics = Reading::Seen(no_boot(1).chain([silent, nic(8, NicKind::Ethernet)]).collect());
    let made = claims(&snapshot(), &record("b1", service(vec![machine])), &[]);
    assert_eq!(made[0].macs, [mac(8)]);
}

#[test]
fn a_system_found_by_its_uri_counts_under_its_wanted_name() {
    let snapshot = snapshot();
    let ids = [("a", "Node0", 1), ("b", "NODE1", 2)];
    let systems = ids
        .map(|(id, part, last)| System { uri: format!("/redfish/v1/Systems/{part}/").into(), ..system(id, &[last]) });
    let made = claims(&snapshot, &record("b4", service(systems.to_vec())), &[]);
    assert_eq!(made.iter().map(|claim| &*claim.system).collect::<Vec<_>>(), ["Node0", "Node1"]);
    let roll = Roll::call(&snapshot, &made);
    assert_eq!(name(&snapshot, roll.by_mac(mac(2))), Some("half2"));
    assert_eq!(claims(&snapshot, &record("b4", service(systems.to_vec())), &made), []);
}

#[test]
fn a_system_is_found_or_it_is_said_why_not() {
    let id = |wanted: Option<&str>, service: &Service| system_of(wanted, service).map(|found| found.id.to_string());
    let many = service(vec![system("1", &[]), system("System.A", &[]), system("system.a", &[])]);
    assert_eq!(id(Some("1"), &many), Ok("1".into()));
    assert_eq!(id(Some("system.a"), &many), Ok("system.a".into()));
    assert_eq!(id(Some("SYSTEM.A"), &many), Err(Unfound::Several));
    assert_eq!(id(Some("2"), &many), Err(Unfound::None));
    assert_eq!(id(None, &many), Err(Unfound::Several));
    assert_eq!(id(None, &service(vec![])), Err(Unfound::None));
    let mut one = service(vec![system("1", &[])]);
    assert_eq!(id(None, &one), Ok("1".into()));
    let failure = Failure::new(FailureKind::ServerError, "it failed");
    one.unread.push(Unread { uri: "/redfish/v1/Systems/1/Memory/3".into(), failure: failure.clone() });
    assert_eq!((id(None, &one), id(Some("2"), &one)), (Ok("1".into()), Err(Unfound::None)));
    one.unread.push(Unread { uri: "/redfish/v1/Systems/2/".into(), failure: failure.clone() });
    let unread = Err(Unfound::Unread(failure.clone()));
    assert_eq!(
        (id(None, &one), id(Some("2"), &one), id(Some("1"), &one)),
        (unread.clone(), unread.clone(), Ok("1".into()))
    );
    let mut listed = service(vec![system("1", &[]), system("Capabilities", &[])]);
    let dead =
        |kind| Unread { uri: "/redfish/v1/Systems/Capabilities".into(), failure: Failure::new(kind, "it failed") };
    listed.unread = vec![dead(FailureKind::Missing)];
    assert_eq!((id(None, &listed), id(Some("1"), &listed)), (Ok("1".into()), Ok("1".into())));
    listed.unread = vec![dead(FailureKind::ServerError)];
    assert_eq!(id(None, &listed), unread);
    let with = |systems| Service { systems, ..service(vec![]) };
    assert_eq!(id(None, &with(Reading::Failed(failure))), unread);
    // A root that lost its links may have Systems all the same.
    assert!(matches!(id(Some("1"), &with(Reading::Absent)), Err(Unfound::Unread(_))));
    assert!(matches!(id(None, &with(Reading::Unasked)), Err(Unfound::Unread(_))));
}

proptest! {
    /// Whatever later surveys say, what was claimed stays, and what survey claims counts or is held.
    #[test]
    fn a_claim_is_sticky(surveys in prop::collection::vec(prop::collection::vec(1_u8..0x10, 0..4), 1..5)) {
        let snapshot = snapshot();
        let mut all: Vec<Claim> = Vec::new();
        for macs in &surveys {
            let before = all.clone();
            all.extend(claims(&snapshot, &record("b1", service(vec![system("1", macs)])), &before));
            prop_assert!(all.starts_with(&before) && all.len() <= 1);
        }
        let first = surveys.iter().find(|macs| !macs.is_empty());
        let mut expected: Vec<MacAddr> = first.into_iter().flatten().map(|last| mac(*last)).collect();
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(all.first().map(|claim| claim.macs.clone()).unwrap_or_default(), expected.clone());
        let roll = Roll::call(&snapshot, &all);
        prop_assert!(expected.iter().all(|mac| roll.by_mac(*mac) == Some(0) || roll.is_held(*mac)));
    }
}
