//! One verdict a test.

use std::time::Duration;

use super::told;
use super::world::{T0, World, mac, of};
use crate::desired::FailOn;
use crate::drift::{Exit, Standing, exit};
use crate::model::Quirk;
use crate::observed::{
    Claim, Depth, Failure, FailureKind, PowerState, Reading, SecureBoot, Shared, SharedSet, UnknownMac,
};

fn bios(shared: &mut Shared, proc: &str) -> Reading<crate::observed::Digest> {
    let set = [("LogicalProc".into(), proc.into()), ("Sriov".into(), "Enabled".into())].into();
    Reading::Seen(shared.keep(SharedSet::Bios(set)))
}

#[test]
fn a_difference_is_drift_with_both_values_and_the_line_of_the_wish() {
    let mut world = World::new();
    world.survey("b1", |service, shared| of(service, 0).bios = bios(shared, "Enabled"));
    let drift = world.drift();
    assert_eq!(told(&drift.findings), ["n1 bios.attributes.LogicalProc: drifted Disabled -> Enabled"]);
    let origin = drift.findings[0].origin.unwrap();
    assert!(world.snapshot().desired().sources.describe(origin).starts_with("groups/g.toml:"));
    assert_eq!(drift.nodes[0].standing, Standing::Drifted);
    assert_eq!(exit(&drift, &[], None), Exit::Findings);
}

#[test]
fn a_staged_value_is_pending_and_a_wrong_staged_value_is_drift() {
    let mut world = World::new();
    world.survey("b1", |service, shared| {
        of(service, 0).bios = bios(shared, "Enabled");
        of(service, 0).bios_pending = [("LogicalProc".into(), "Disabled".into())].into();
    });
    world.survey("b2", |service, _| {
        of(service, 0).bios_pending = [("LogicalProc".into(), "Enabled".into())].into();
        of(service, 0).secure_boot = Reading::Seen(SecureBoot { enable: Some(false), current: Some(true) });
    });
    assert_eq!(
        told(&world.drift().findings),
        [
            "n1 bios.attributes.LogicalProc: pending Disabled -> Enabled; the wished value is staged and waits for a reset",
            "n2 bios.attributes.LogicalProc: drifted Disabled -> Enabled; it is staged for the next reset; what applies now is as wished",
            "n2 secure_boot: drifted true -> false; it is staged for the next reset; what applies now is as wished",
        ]
    );
}

#[test]
fn a_machine_between_states_is_settling() {
    let mut world = World::new();
    world.survey("b1", |service, shared| {
        of(service, 0).power = Reading::Seen(PowerState::PoweringOn);
        of(service, 0).bios = bios(shared, "Enabled");
    });
    world.survey("b2", |service, _| {
        of(service, 0).in_post = Some(true);
        of(service, 0).nics = Reading::Seen(Vec::new());
    });
    let last = world.observed.bmcs["b2"].seen.unwrap();
    let drift = world.drift_at(last + 60_000);
    let settling = told(&drift.findings);
    assert!(settling.contains(&"n1 power: settling on -> powering-on".to_owned()), "{settling:?}");
    assert!(settling.contains(&"n1 bios.attributes.LogicalProc: settling Disabled -> Enabled".to_owned()));
    assert_eq!(drift.nodes[0].standing, Standing::Settling);
    assert!(!drift.findings.iter().any(|finding| finding.verdict.standing() == Standing::Drifted));
    // An hour without a survey later it is neither quiet nor drift.
    let drift = world.drift_at(last + 3_600_000);
    assert_eq!(drift.nodes[0].standing, Standing::Unknown);
    assert_eq!(exit(&drift, &[], None), Exit::Unjudged);
}

#[test]
fn what_one_resource_hides_is_unknown_and_nothing_else_is() {
    let mut world = World::new();
    world.survey("b1", |service, _| {
        let failure = Failure::new(FailureKind::ServerError, "500 at /redfish/v1/Systems/1/Bios");
        of(service, 0).bios = Reading::Failed(failure);
    });
    let drift = world.drift();
    let why = "unknown (it could not be read: 500 at /redfish/v1/Systems/1/Bios)";
    assert_eq!(
        told(&drift.findings),
        [format!("n1 bios.attributes.LogicalProc: {why} Disabled"), format!("n1 bios.attributes.Sriov: {why} true")]
    );
    assert_eq!(drift.nodes[0].standing, Standing::Unknown);
    assert!(drift.nodes[0].in_sync > 5);
}

#[test]
fn a_setting_that_a_machine_does_not_have_is_drift() {
    let world = World::new().edit("Sriov = true", "Sriov = true, Sriof = true");
    assert_eq!(
        told(&world.drift().findings)[0],
        "n1 bios.attributes.Sriof: drifted true; the machine has no such thing"
    );
}

#[test]
fn a_difference_counts_after_as_many_surveys_as_are_asked_for() {
    let mut world = World::new().wish("//- policy.toml\n[drift]\nconfirm = 2\n");
    world.survey("b1", |service, shared| of(service, 0).bios = bios(shared, "Enabled"));
    assert_eq!(world.drift().nodes[0].standing, Standing::Settling);
    world.survey_as("b1", Depth::Sweep, |service, _| {
        of(service, 0).bios = Reading::Unasked;
        of(service, 0).power = Reading::Seen(PowerState::Off);
    });
    let drift = world.drift();
    assert!(
        drift.findings.iter().all(|finding| finding.verdict.standing() == Standing::Settling),
        "a sweep reads no BIOS"
    );
    world.survey("b1", |service, shared| of(service, 0).bios = bios(shared, "Enabled"));
    assert_eq!(told(&world.drift().findings), ["n1 bios.attributes.LogicalProc: drifted Disabled -> Enabled"]);
}

#[test]
fn a_machine_in_anothers_place_is_one_finding() {
    let mut world = World::new();
    world.survey("b1", |service, shared| {
        let other = &mut World::new();
        other.survey("b2", |theirs, sets| {
            service.systems = theirs.systems.clone();
            shared.join(sets.clone());
        });
        of(service, 0).bios = bios(shared, "Enabled");
    });
    let failure = Failure::new(FailureKind::TimedOut, "no answer");
    world.fail("b2", &failure);
    assert_eq!(
        told(&world.drift().findings),
        ["n1 place: drifted System 1 of BMC b1; the machine here is that of n2", "n2 : unknown (timed-out: no answer)",]
    );
}

#[test]
fn machines_that_changed_places_are_two_findings() {
    let mut world = World::new();
    world.survey("b3", |service, _| {
        let Reading::Seen(systems) = &mut service.systems else { unreachable!() };
        let (one, other) = systems.split_at_mut(1);
        std::mem::swap(&mut one[0].facts, &mut other[0].facts);
        std::mem::swap(&mut one[0].nics, &mut other[0].nics);
    });
    let place = "drifted System";
    assert_eq!(
        told(&world.drift().findings),
        [
            format!(
                "n3 place: {place} Node0 of BMC b3 -> System Node1 of BMC b3, declared for n4; the machine here is that of n4"
            ),
            format!(
                "n4 place: {place} Node1 of BMC b3 -> System Node0 of BMC b3, declared for n3; the machine here is that of n3"
            ),
        ]
    );
}

#[test]
fn a_replaced_card_is_identity_drift_and_one_that_was_never_seen_is_unknown() {
    let mut world = World::new();
    world.survey("b1", |service, _| {
        let Reading::Seen(nics) = &mut of(service, 0).nics else { unreachable!() };
        nics[0].mac = Some(mac(0x99));
    });
    world.survey("b2", |service, _| {
        let Reading::Seen(nics) = &mut of(service, 0).nics else { unreachable!() };
        nics[0].mac = None;
    });
    let world = world.edit(
        r#"nics = [{ name = "eth0", mac = "02:00:00:00:00:0[3-4]" }]"#,
        r#"nics = [{ name = "eth0", mac = "02:00:00:00:00:0[3-4]" }, { name = "eth1", mac = "02:00:00:00:01:0[3-4]" }]"#,
    );
    let unseen = "unknown (the BMC has never shown it, nor another in its place)";
    assert_eq!(
        told(&world.drift().findings),
        [
            "n1 nics.eth0.mac: drifted 02:00:00:00:00:01 -> 02:00:00:00:00:99".to_owned(),
            "n2 nics.eth0.mac: drifted 02:00:00:00:00:02".to_owned(),
            format!("n3 nics.eth1.mac: {unseen} 02:00:00:00:01:03"),
            format!("n4 nics.eth1.mac: {unseen} 02:00:00:00:01:04"),
        ]
    );
}

#[test]
fn claimed_addresses_that_change_are_drift() {
    let mut world =
        World::new().edit(r#"nics = [{ name = "eth0", mac = "02:00:00:00:00:0[1-2]" }]"#, r#"macs = "from-bmc""#);
    let claim = |number: u8, macs: Vec<_>| Claim {
        node: format!("n{number}").into(),
        bmc: format!("b{number}").into(),
        system: "1".into(),
        macs,
        at: T0,
    };
    world.observed.claims = vec![claim(1, vec![mac(1)]), claim(2, vec![mac(7)])];
    assert_eq!(told(&world.drift().findings), ["n2 macs: drifted 02:00:00:00:00:07 -> 02:00:00:00:00:02"]);
}

#[test]
fn a_node_without_its_claim_is_unknown_and_two_claims_on_one_address_are_drift() {
    let mut world =
        World::new().edit(r#"nics = [{ name = "eth0", mac = "02:00:00:00:00:0[1-2]" }]"#, r#"macs = "from-bmc""#);
    let why = "unknown (no survey over verified or pinned TLS has reported its addresses yet)";
    assert_eq!(told(&world.drift().findings), [format!("n1 macs: {why}"), format!("n2 macs: {why}")]);
    let claim = |node: &str, bmc: &str, macs: Vec<_>| Claim {
        node: node.into(),
        bmc: bmc.into(),
        system: "1".into(),
        macs,
        at: T0,
    };
    world.observed.claims = vec![claim("n1", "b1", vec![mac(1), mac(9)]), claim("n2", "b2", vec![mac(2), mac(9)])];
    let told = told(&world.drift().findings);
    let last = told.last().unwrap();
    assert!(
        last.starts_with("02:00:00:00:00:09 macs: drifted; ") && last.contains("n1") && last.contains("n2"),
        "{last}"
    );
}

#[test]
fn systems_that_are_not_there_are_presence() {
    let mut world = World::new();
    world.survey("b3", |service, _| {
        let Reading::Seen(systems) = &mut service.systems else { unreachable!() };
        systems[1].id = "Node7".into();
        systems[1].uri = "/redfish/v1/Systems/Node7".into();
        systems[1].facts.serial = Some("SN77".into());
        systems[1].nics = Reading::Seen(Vec::new());
    });
    let told = told(&world.drift().findings);
    assert_eq!(told[0], "n4 : drifted; the BMC has no such System");
    assert_eq!(told[1], "b3/Node7 : drifted; no node is this System: a machine of no name, serial SN77");
}

#[test]
fn addresses_that_ask_and_nobody_claims_are_presence() {
    let mut world = World::new();
    let asked =
        |mac| UnknownMac { mac, first: T0, last: T0, count: 1, address: [10, 0, 0, 9].into(), user_agent: "".into() };
    world.observed.unknown = vec![asked(mac(1)), asked(mac(0x77))];
    let note = "it asked to boot from 10.0.0.9, and nobody claims it";
    let drift = world.drift();
    assert_eq!(told(&drift.findings), [format!("02:00:00:00:00:77 : drifted; {note}")]);
    let only_drift_of_nodes = FailOn::parse("undeclared>1").unwrap();
    assert_eq!(exit(&drift, &[only_drift_of_nodes], None), Exit::AsWished);
}

const EXCEPTION: &str = r#"
//- exceptions/e.toml
[[exception]]
nodes = "n1"
attribute = "memory_gib"
seen = 480
owner = "ops"
reason = "a module is on order"
expires = "2026-06-01"
"#;

#[test]
fn an_exception_excuses_the_one_value_until_its_day_ends() {
    let mut world = World::new().wish(EXCEPTION);
    world.survey("b1", |service, _| of(service, 0).summary.memory_gib = Some(480));
    let day = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let drift = world.drift_at(day("2026-06-01T23:59:59Z"));
    assert_eq!(told(&drift.findings), ["n1 memory_gib: excepted 512 -> 480"]);
    assert_eq!(exit(&drift, &[], None), Exit::AsWished);
    let late = world.drift_at(day("2026-06-02T00:00:00Z"));
    assert_eq!(told(&late.findings), ["n1 memory_gib: drifted 512 -> 480; ops's exception ended with 2026-06-01"]);
    world.survey("b1", |service, _| of(service, 0).summary.memory_gib = Some(448));
    let other = world.drift_at(day("2026-06-01T00:00:00Z"));
    assert_eq!(told(&other.findings), ["n1 memory_gib: drifted 512 -> 448; ops's exception is for `480` only"]);
    assert_eq!(other.warnings.len(), 1);
}

#[test]
fn an_exception_that_excuses_nothing_is_a_warning() {
    let drift = World::new().wish(EXCEPTION).drift();
    assert_eq!(drift.warnings[0].code.as_str(), "unused-exception");
    assert_eq!(drift.warnings[0].place.file.as_ref(), "exceptions/e.toml");
}

#[test]
fn maintenance_excuses_and_retirement_ends_it() {
    let mut world = World::new().edit("name = \"n[1-2]\"", "name = \"n[1-2]\"\nstate = \"maintenance\"");
    world.survey("b1", |service, _| of(service, 0).summary.memory_gib = Some(480));
    assert_eq!(told(&world.drift().findings), ["n1 memory_gib: excepted 512 -> 480"]);
    let world = world.edit("\"maintenance\"", "\"retired\"");
    assert_eq!(world.drift().nodes[0].standing, Standing::NotObservable);
}

#[test]
fn what_a_machine_tells_while_it_is_off_is_not_believed_of_those_that_lie() {
    let mut world = World::new().edit("power = \"on\"", "power = \"off\"");
    world.survey("b1", |service, _| {
        service.quirks = vec![Quirk::WrongWhileOff];
        of(service, 0).power = Reading::Seen(PowerState::Off);
        of(service, 0).summary.memory_gib = Some(0);
    });
    let told = told(&world.drift().findings);
    assert_eq!(told[0], "n1 memory_gib: unknown (this BMC tells wrong values while the machine is off) 512");
}

#[test]
fn conditions_decide_what_a_script_is_told() {
    let mut world = World::new();
    world.survey("b1", |service, _| of(service, 0).summary.memory_gib = Some(480));
    world.fail("b2", &Failure::new(FailureKind::Refused, "nothing listens"));
    let drift = world.drift();
    let exit = |conditions: &[&str]| {
        let conditions: Vec<FailOn> = conditions.iter().map(|text| FailOn::parse(text).unwrap()).collect();
        exit(&drift, &conditions, Some(Duration::from_secs(24 * 3600)))
    };
    assert_eq!(exit(&[]), Exit::Findings);
    assert_eq!(exit(&["unknown"]), Exit::Unjudged);
    assert_eq!(exit(&["unknown>25%"]), Exit::AsWished);
    assert_eq!(exit(&["unknown>24%", "drift>1"]), Exit::Unjudged);
    assert_eq!(exit(&["stale"]), Exit::AsWished);
    assert_eq!(exit(&["stale>30m"]), Exit::Unjudged);
}

#[test]
fn what_a_wrong_clock_dated_into_the_future_is_stale() {
    let mut drift = World::new().drift();
    let newest = drift.nodes.iter().filter_map(|node| node.seen).max().expect("all were seen");
    let stale = [FailOn::parse("stale>24h").unwrap()];
    for (ahead, expected) in [(60_000, Exit::AsWished), (3_600_000, Exit::Unjudged), (i64::MAX / 2, Exit::Unjudged)] {
        drift.at = newest - ahead;
        assert_eq!(exit(&drift, &stale, None), expected, "{ahead} ms ahead");
    }
}

#[test]
fn the_same_world_twice_gives_the_same_findings() {
    let world = || {
        let mut world = World::new();
        world.survey("b3", |service, _| of(service, 1).summary.memory_gib = Some(480));
        world
    };
    let (one, other) = (world().drift(), world().drift());
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}
