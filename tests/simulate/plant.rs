//! Planted differences: as many as asked for, each seen, and the same for the same seed.

use std::collections::BTreeSet;

use super::{Sim, options, world};
use muster::simulate::Choices;

#[test]
fn every_managed_attribute_can_differ_and_once() {
    let mut one = world(&Choices::default());
    let planted = one.plant(1000, 5);
    let places: BTreeSet<(&str, &str)> = planted.iter().map(|planted| (&*planted.node, &*planted.attribute)).collect();
    assert_eq!(places.len(), planted.len());
    let of_a: Vec<&str> = places.iter().filter(|(node, _)| *node == "a").map(|(_, attribute)| *attribute).collect();
    let wished = [
        "accelerators.count",
        "accelerators.model",
        "bios.attributes.BootProfile",
        "bios.attributes.LogicalProc",
        "bios.attributes.Quiet",
        "bios.attributes.Ways",
        "bios.version",
        "drives.count",
        "firmware.BMC",
        "manufacturer",
        "memory_gib",
        "model",
        "nics.eth0.mac",
        "power",
        "processors.cores",
        "processors.count",
        "processors.model",
        "secure_boot",
        "serial",
        "uuid",
    ];
    assert_eq!(of_a, wished);
    for planted in &planted {
        assert_ne!(planted.wished, planted.planted, "{planted:?}");
    }
    let mut again = world(&Choices::default());
    assert_eq!(again.plant(1000, 5), planted);
    assert_eq!(format!("{again:?}"), format!("{one:?}"));
    assert_ne!(world(&Choices::default()).plant(5, 5), world(&Choices::default()).plant(5, 6));
}

#[test]
fn what_is_planted_is_seen_and_nothing_else_managed() {
    let mut world = world(&Choices::default());
    let planted = world.plant(3, 11);
    assert_eq!(planted.len(), 3);
    let sim = Sim::new();
    let before = sim.json(0, "/redfish/v1/Systems/1");
    let planted = sim.running().plant("a", "memory_gib", 1).unwrap();
    assert_eq!((planted.wished, planted.planted), (384.into(), 360.into()));
    let mut after = sim.json(0, "/redfish/v1/Systems/1");
    assert_eq!(after["MemorySummary"]["TotalSystemMemoryGiB"], 360);
    after["MemorySummary"] = before["MemorySummary"].clone();
    assert_eq!(after, before);
    assert!(sim.running().plant("a", "no.such", 1).is_none());
    assert!(sim.running().plant("b0", "uuid", 1).is_none(), "git does not state it");
    drop(Sim::of(world, options()));
}
