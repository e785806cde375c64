use super::*;
use crate::observed::{
    BootOption, BootSettings, FailureKind, Inventory, NotServer, PowerState, Root, SharedSet, Unread,
};

fn bios(value: &str) -> SharedSet {
    SharedSet::Bios([("LogicalProc".into(), value.into()), ("Other".into(), "1".into())].into())
}

/// A machine that is on, as a sweep sees it.
fn system(id: &str) -> System {
    let uri = format!("/redfish/v1/Systems/{id}").into();
    System { id: id.into(), uri, power: Reading::Seen(PowerState::On), ..System::default() }
}

fn service(systems: Vec<System>) -> Service {
    Service {
        root: Root::default(),
        systems: Reading::Seen(systems),
        not_servers: Vec::new(),
        managers: Reading::Unasked,
        chassis: Reading::Unasked,
        firmware: Reading::Unasked,
        firmware_unread: None,
        quirks: Vec::new(),
        unread: Vec::new(),
    }
}

fn failure() -> Failure {
    Failure::new(FailureKind::TimedOut, "no answer within 30 s")
}

fn observation(at: i64, depth: Depth, outcome: Outcome, shared: Shared) -> Observation {
    let (bmc, url) = ("b".into(), "https://b.example".into());
    Observation { bmc, url, at, depth, trust: Trust::Verified, authenticated: true, outcome, shared }
}

fn sweep(at: i64, service: Service) -> Observation {
    observation(at, Depth::Sweep, Outcome::Seen(Box::new(service)), Shared::default())
}

/// A deep survey of system 1 with these BIOS settings.
fn deep(at: i64, set: SharedSet) -> Observation {
    let mut shared = Shared::default();
    let bios = Reading::Seen(shared.keep(set));
    let inventory = Reading::Seen(shared.keep(SharedSet::Inventory(Inventory::default())));
    let found = service(vec![System { bios, inventory, nics: Reading::Absent, ..system("1") }]);
    observation(at, Depth::Deep, Outcome::Seen(Box::new(found)), shared)
}

fn seen(observed: &Observed) -> (&BmcRecord, &System) {
    let record = &observed.bmcs["b"];
    (record, &record.service().unwrap().systems.seen().unwrap()[0])
}

fn after(observations: impl IntoIterator<Item = Observation>) -> Observed {
    let mut observed = Observed::default();
    observations.into_iter().for_each(|observation| observed.take(&observation));
    observed
}

fn noted(observed: &Observed) -> Vec<(i64, &str, Option<&str>, Option<&str>)> {
    let changes = observed.bmcs["b"].history.changes().iter();
    changes.map(|change| (change.at, &*change.path, change.before.as_deref(), change.after.as_deref())).collect()
}

#[test]
fn a_failure_takes_nothing_away_and_says_since_when() {
    let failed = |at| observation(at, Depth::Sweep, Outcome::Failed(failure()), Shared::default());
    let observed = after([deep(1, bios("on")), failed(2), failed(3)]);
    let (record, system) = seen(&observed);
    assert_eq!((record.tried, record.seen, record.seen_deep), (3, Some(1), Some(1)));
    assert_eq!((record.failure.as_ref(), record.failing_since), (Some(&failure()), Some(2)));
    assert!(system.bios.seen().is_some());
    let observed = after([deep(1, bios("on")), failed(2), sweep(4, service(vec![super::tests::system("1")]))]);
    let (record, _) = seen(&observed);
    assert_eq!((record.failure.as_ref(), record.failing_since, record.seen), (None, None, Some(4)));
}

#[test]
fn a_sweep_leaves_what_it_does_not_ask_for() {
    let mut first = deep(1, bios("on"));
    let Outcome::Seen(found) = &mut first.outcome else { unreachable!() };
    found.not_servers = vec![NotServer { id: "HGX".into(), why: "a GPU baseboard".into() }];
    let Reading::Seen(systems) = &mut found.systems else { unreachable!() };
    systems[0].bios_pending = [("LogicalProc".into(), "off".into())].into();
    let option = BootOption { reference: "Boot0001".into(), name: None, mac: None };
    let boot = BootSettings { options: vec![option], ..BootSettings::default() };
    systems[0].boot = Reading::Seen(boot.clone());
    let mut swept =
        service(vec![System { boot: Reading::Seen(BootSettings { options: Vec::new(), ..boot }), ..system("1") }]);
    swept.not_servers.clone_from(&found.not_servers);
    let kept = (**found).clone();
    let observed = after([first, sweep(2, swept.clone())]);
    assert_eq!(observed.bmcs["b"].service(), Some(&kept));
    assert_eq!(observed.bmcs["b"].history.runs().len(), 1, "the sweep saw the same");
    swept.not_servers.clear();
    assert!(swept.clone().over(&kept).not_servers.is_empty(), "what reads the Systems judges them");
    swept.systems = Reading::Unasked;
    assert_eq!(swept.over(&kept), kept);
}

#[test]
fn a_sweep_does_not_hide_what_a_deep_survey_could_not_read() {
    let broken = |uri: &str| Unread { uri: uri.into(), failure: failure() };
    let mut first = deep(1, bios("on"));
    let Outcome::Seen(found) = &mut first.outcome else { unreachable!() };
    found.unread = vec![broken("/redfish/v1/Chassis/1"), broken("/redfish/v1/Systems/1/")];
    let mut swept = service(vec![system("1")]);
    swept.unread = vec![broken("/redfish/v1/Systems/2")];
    let observed = after([first.clone(), sweep(2, swept.clone()), sweep(3, swept.clone())]);
    let (record, _) = seen(&observed);
    let unread: Vec<&str> = record.service().unwrap().unread.iter().map(|unread| &*unread.uri).collect();
    assert_eq!(unread, ["/redfish/v1/Chassis/1", "/redfish/v1/Systems/2"], "Systems/1 was read by the sweep");
    assert_eq!(record.history.runs().len(), 2);
    // A deep survey and the sweeps after it are one run where nothing changes.
    let Outcome::Seen(found) = &mut first.outcome else { unreachable!() };
    found.unread.truncate(1);
    let mut again = first.clone();
    again.at = 4;
    let quiet = |at| sweep(at, service(vec![system("1")]));
    let observed = after([first, quiet(2), quiet(3), again, quiet(5)]);
    let run = &observed.bmcs["b"].history.runs()[0];
    assert_eq!((run.surveys, run.deep, run.last), (5, 2, 5));
    let observed = after([deep(1, bios("on")), sweep(2, swept), deep(3, bios("on"))]);
    assert!(observed.bmcs["b"].service().unwrap().unread.is_empty(), "a deep survey tries all");
}

#[test]
fn systems_that_could_not_be_read_once_keep_their_settings() {
    let mut lost = service(Vec::new());
    lost.systems = Reading::Failed(failure());
    let mut lost_deep = sweep(2, lost);
    lost_deep.depth = Depth::Deep;
    let mut observed = after([deep(1, bios("on")), lost_deep]);
    let record = &observed.bmcs["b"];
    assert_eq!(record.service().unwrap().systems, Reading::Failed(failure()), "unknown is not as it was");
    assert_eq!((record.seen, record.seen_deep), (Some(2), Some(1)), "not all of it was read");
    observed.take(&sweep(3, service(vec![system("1")])));
    let (record, system) = seen(&observed);
    assert!(system.bios.seen().is_some() && system.inventory.seen().is_some());
    assert_eq!(record.history.changes(), []);
}

#[test]
fn what_could_not_be_read_is_no_change_and_what_changed_meanwhile_is() {
    let mut blind = deep(2, bios("on"));
    let Outcome::Seen(found) = &mut blind.outcome else { unreachable!() };
    let Reading::Seen(systems) = &mut found.systems else { unreachable!() };
    systems[0].bios = Reading::Failed(failure());
    systems[0].power = Reading::Failed(failure());
    let observed = after([deep(1, bios("on")), blind.clone()]);
    assert!(matches!(seen(&observed).1.bios, Reading::Failed(_)), "it is unknown");
    assert_eq!(noted(&observed), []);
    let observed = after([deep(1, bios("on")), blind.clone(), deep(3, bios("on"))]);
    assert_eq!(noted(&observed), []);
    let observed = after([deep(1, bios("on")), blind, deep(3, bios("off"))]);
    assert_eq!(noted(&observed), [(3, "bios.attributes.LogicalProc", Some("on"), Some("off"))]);
}

#[test]
fn changes_are_noted_once_and_with_both_values() {
    let off = || sweep(3, service(vec![System { power: Reading::Seen(PowerState::Off), ..system("1") }]));
    let bare = SharedSet::Bios([("Other".into(), "1".into())].into());
    let observed = after([deep(1, bios("on")), deep(2, bios("off")), off(), off(), deep(5, bare)]);
    let expected = [
        (2, "bios.attributes.LogicalProc", Some("on"), Some("off")),
        (3, "power", Some("on"), Some("off")),
        (5, "bios.attributes.LogicalProc", Some("off"), None),
        (5, "power", Some("off"), Some("on")),
    ];
    assert_eq!(noted(&observed), expected);
}

#[test]
fn a_record_survives_postcard_and_json() {
    let observed = after([deep(1, bios("on")), deep(2, bios("off")), sweep(3, service(vec![system("1")]))]);
    let bytes = postcard::to_stdvec(&observed).unwrap();
    assert_eq!(postcard::from_bytes::<Observed>(&bytes).unwrap(), observed);
    let text = serde_json::to_string(&observed).unwrap();
    assert_eq!(serde_json::from_str::<Observed>(&text).unwrap(), observed);
}
