//! What a machine boots: its menu, and the words that a BMC uses where people write them another way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::machine::{Boot, Nic};
use crate::desired::Free;

/// The boot targets of the schema that our machines offer (DSP0268, ComputerSystem BootSource).
pub const TARGETS: [&str; 8] = ["None", "Pxe", "Cd", "Usb", "Hdd", "BiosSetup", "UefiTarget", "UefiHttp"];

/// The states of a boot override (DSP0268, ComputerSystem BootSourceOverrideEnabled).
pub const ENABLED: [&str; 3] = ["Disabled", "Once", "Continuous"];

/// The modes of a boot override.
pub const MODES: [&str; 2] = ["UEFI", "Legacy"];

/// Finds a word in the BMC's spelling.
pub fn spelled(text: &str, words: &[&str]) -> Option<Box<str>> {
    words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(|word| (*word).into())
}

impl Boot {
    /// Makes the menu of a machine, and the settings that its class expects.
    pub(super) fn new(nics: &[Nic], expect: &BTreeMap<String, Free>) -> Self {
        let wished = match expect.get("boot.order") {
            Some(Free::List(items)) => items
                .iter()
                .filter_map(|item| match item {
                    Free::Text(text) => Some(text.as_str()),
                    Free::Integer(_) | Free::Float(_) | Free::Boolean(_) | Free::List(_) | Free::Table(_) => None,
                })
                .collect(),
            Some(_) | None => Vec::new(),
        };
        let mut names: Vec<Box<str>> = Vec::new();
        for (at, _) in nics.iter().enumerate().filter(|(_, nic)| nic.mac.is_some()) {
            let mut name = String::new();
            let _ = write!(name, "UEFI PXE IPv4 Slot {} Port 1", at + 1);
            names.push(name.into());
        }
        names.push("Linux".into());
        names.push("UEFI Shell".into());
        let mut options: Vec<(Box<str>, Box<str>)> = Vec::new();
        let is_reference = |text: &str| {
            text.strip_prefix("Boot").is_some_and(|rest| rest.len() == 4 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let mut order = Vec::new();
        for item in &wished {
            let reference: Box<str> = if is_reference(item) { (*item).into() } else { free(&options, &wished) };
            if !options.iter().any(|(other, _)| *other == reference) {
                let known = names.iter().position(|name| !is_reference(item) && **name == **item);
                let name = match known {
                    Some(at) => names.remove(at),
                    None if is_reference(item) && !names.is_empty() => names.remove(0),
                    None => (*item).into(),
                };
                options.push((reference.clone(), name));
            }
            order.push(reference);
        }
        for name in names {
            let reference = free(&options, &wished);
            options.push((reference, name));
        }
        if order.is_empty() {
            order = options.iter().map(|(reference, _)| reference.clone()).collect();
        }
        let word = |path: &str, words: &[&str], otherwise: &str| match expect.get(path) {
            Some(Free::Text(text)) => spelled(text, words).unwrap_or_else(|| text.as_str().into()),
            Some(_) | None => otherwise.into(),
        };
        Self {
            enabled: word("boot.override", &ENABLED, "Disabled"),
            target: word("boot.target", &TARGETS, "None"),
            mode: word("boot.mode", &MODES, "UEFI"),
            http_uri: Box::default(),
            options: Arc::from(options),
            order,
        }
    }
}

/// Finds a reference that no option has and nobody wishes.
fn free(options: &[(Box<str>, Box<str>)], wished: &[&str]) -> Box<str> {
    let mut at = 0;
    loop {
        let reference = format!("Boot{at:04X}");
        if !options.iter().any(|(other, _)| **other == *reference) && !wished.contains(&reference.as_str()) {
            return reference.into();
        }
        at += 1;
    }
}
