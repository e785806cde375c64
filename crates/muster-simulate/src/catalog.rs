//! The unmanaged BIOS settings and firmware rows of every machine, by name.

use std::collections::BTreeMap;

use super::build::BiosSettings;
use super::chance;

const AREAS: [&str; 12] =
    ["Proc", "Mem", "Pcie", "Usb", "Sata", "Nvme", "Net", "Power", "Boot", "Security", "Serial", "Numa"];

const FEATURES: [&str; 20] = [
    "Prefetch",
    "Interleave",
    "LinkSpeed",
    "Controller",
    "Mode",
    "Policy",
    "Timeout",
    "Retry",
    "Redirection",
    "Profile",
    "Scrub",
    "Refresh",
    "OptionRom",
    "HotPlug",
    "Aspm",
    "Virtualization",
    "WakeOn",
    "Watchdog",
    "Throttle",
    "Detection",
];

/// Creates `count` BIOS settings: two thirds enumerations, the rest integers and booleans.
pub fn bios(count: usize) -> BiosSettings {
    (0..count)
        .map(|at| {
            let (area, feature) = (AREAS[at % AREAS.len()], FEATURES[at / AREAS.len() % FEATURES.len()]);
            let round = at / (AREAS.len() * FEATURES.len());
            let name = if round == 0 { format!("{area}{feature}") } else { format!("{area}{feature}{}", round + 1) };
            let number = chance::number(0, &[&name]);
            let value = match number % 9 {
                0 | 1 => "Enabled".into(),
                2 | 3 => "Disabled".into(),
                4 => "Auto".into(),
                5 => "MaxPerformance".into(),
                6 => (number / 9 % 256).into(),
                7 => (number / 9).is_multiple_of(2).into(),
                _ => "Gen4".into(),
            };
            (name, value)
        })
        .collect()
}

const PARTS: [&str; 10] =
    ["BMC", "CPLD", "Backplane", "Power Supply", "NIC", "NVMe Drive", "VRM", "Retimer", "TPM", "Fan Controller"];

/// Creates `count` rows of firmware.
pub fn firmware(count: usize) -> BTreeMap<Box<str>, Box<str>> {
    (0..count)
        .map(|at| {
            let (part, number) = (PARTS[at % PARTS.len()], at / PARTS.len() + 1);
            let name = if number == 1 { part.to_owned() } else { format!("{part} {number}") };
            let chance = chance::number(1, &[&name]);
            (name.into(), format!("{}.{:02}.{}", 1 + chance % 9, chance / 9 % 40, chance / 360 % 100).into())
        })
        .collect()
}
