use super::*;
use crate::model::MacAddr;
use crate::observed::{
    BootSettings, Drive, Facts, Failure, FailureKind, Firmware, Memory, PartSummary, PowerState, Processor, Root,
    SecureBoot, SeenNic,
};

fn cpu(model: &str) -> Processor {
    Processor { model: Some(model.into()), cores: Some(32), ..Processor::default() }
}

fn inventory() -> Inventory {
    let module = || Memory { mib: Some(32_768), ..Memory::default() };
    Inventory {
        processors: vec![cpu("Xeon"), cpu("Xeon")],
        memory: vec![module(), module()],
        drives: vec![Drive { model: Some("P5510".into()), ..Drive::default() }, Drive::default()],
        ..Inventory::default()
    }
}

/// A service, and its only System.
fn machine(inventory: Inventory, shared: &mut Shared) -> (Service, System) {
    let nic = |last: u8, kind| SeenNic {
        mac: Some(MacAddr([2, 0, 0, 0, 0, last])),
        permanent: None,
        guid: None,
        kind,
        id: format!("NIC.{last}").into(),
        uri: "/redfish/v1/x".into(),
    };
    let system = System {
        id: "1".into(),
        facts: Facts { model: Some("R650".into()), ..Facts::default() },
        power: Reading::Seen(PowerState::On),
        nics: Reading::Seen(vec![nic(1, NicKind::Ethernet), nic(2, NicKind::HostToBmc)]),
        summary: PartSummary { processors: Some(1), ..PartSummary::default() },
        inventory: Reading::Seen(shared.keep(SharedSet::Inventory(inventory))),
        bios: Reading::Seen(shared.keep(SharedSet::Bios([("LogicalProc".into(), "Disabled".into())].into()))),
        boot: Reading::Seen(BootSettings {
            order: vec!["Boot0001".into(), "Boot0000".into()],
            ..BootSettings::default()
        }),
        secure_boot: Reading::Seen(SecureBoot { enable: Some(true), current: None }),
        ..System::default()
    };
    let firmware = SharedSet::Firmware(Firmware([("BMC".into(), "5.10".into())].into()));
    let service = Service {
        root: Root::default(),
        systems: Reading::Seen(vec![system.clone()]),
        not_servers: Vec::new(),
        managers: Reading::Unasked,
        chassis: Reading::Unasked,
        firmware: Reading::Seen(shared.keep(firmware)),
        firmware_unread: None,
        quirks: Vec::new(),
        unread: Vec::new(),
    };
    (service, system)
}

#[test]
fn all_that_was_seen_is_listed_by_path() {
    let mut shared = Shared::default();
    let (service, system) = machine(inventory(), &mut shared);
    let all = attributes(&service, &system, &shared);
    let listed: Vec<String> = all.iter().map(|(path, value)| format!("{path}={value}")).collect();
    let expected = [
        "accelerators.count=0",
        "bios.attributes.LogicalProc=Disabled",
        "boot.order=Boot0001,Boot0000",
        "drives.count=2",
        "firmware.BMC=5.10",
        "macs.02:00:00:00:00:01=NIC.1",
        "memory_gib=64",
        "model=R650",
        "power=on",
        "processors.cores=32",
        "processors.count=2",
        "processors.model=Xeon",
        "secure_boot=true",
    ];
    assert_eq!(listed, expected, "the link to the BMC is no NIC, and one drive without a model hides the models");
}

#[test]
fn what_was_read_in_part_is_not_listed() {
    let mut shared = Shared::default();
    let partial = ["drives", "memory", "processors"].map(Into::into).to_vec();
    let (service, system) = machine(Inventory { partial, ..inventory() }, &mut shared);
    let all = attributes(&service, &system, &shared);
    assert_eq!(all["processors.count"], "1", "the summary's");
    assert!(!all.contains_key("memory_gib") && !all.contains_key("drives.count"), "{all:?}");
    let all = attributes(&service, &system, &Shared::default());
    assert!(!all.keys().any(|path| path.starts_with("bios.") || path.starts_with("firmware.")), "{all:?}");
}

#[test]
fn changes_are_those_of_both_lists() {
    let mut shared = Shared::default();
    let (before, _) = machine(inventory(), &mut shared);
    let (_, mut system) = machine(inventory(), &mut shared);
    let mut newer = Shared::default();
    system.bios = Reading::Seen(newer.keep(SharedSet::Bios([("NumaNodes".into(), "4".into())].into())));
    system.inventory = Reading::Seen(
        newer.keep(SharedSet::Inventory(Inventory { processors: vec![cpu("Xeon"), cpu("Epyc")], ..inventory() })),
    );
    system.boot = Reading::Absent;
    let mut after = before.clone();
    after.systems = Reading::Seen(vec![system.clone()]);
    let listed = |after: &Service, newer: &Shared| -> Vec<String> {
        let all = changes(7, (&before, &shared), (after, newer));
        all.iter()
            .map(|change| {
                let text = |value: &Option<Box<str>>| value.as_deref().unwrap_or("-").to_owned();
                format!("{} {} {}->{}", change.system, change.path, text(&change.before), text(&change.after))
            })
            .collect()
    };
    let expected = [
        "1 bios.attributes.LogicalProc Disabled->-",
        "1 boot.order Boot0001,Boot0000->-",
        "1 processors.model Xeon->Epyc + Xeon",
        "1 bios.attributes.NumaNodes -->4",
    ];
    assert_eq!(listed(&after, &newer), expected);
    let failed = || Failure::new(FailureKind::ServerError, "500");
    (system.boot, system.bios) = (Reading::Failed(failed()), Reading::Unasked);
    system.nics = Reading::Failed(failed());
    let partial = vec!["processors".into()];
    system.inventory = Reading::Seen(newer.keep(SharedSet::Inventory(Inventory { partial, ..inventory() })));
    after.systems = Reading::Seen(vec![system]);
    after.firmware = Reading::Failed(failed());
    assert_eq!(listed(&after, &newer), [""; 0], "unknown is no change");
    assert_eq!(changes(7, (&before, &shared), (&before, &shared)), []);
}
