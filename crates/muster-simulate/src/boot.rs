//! The boot menu of a machine, and the BMC's spelling of boot settings.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::machine::{Boot, Nic};
use muster_core::desired::Free;
use muster_core::model::BOOT_TARGETS;

/// The states of a boot override (DSP0268, ComputerSystem BootSourceOverrideEnabled).
pub const ENABLED: [&str; 3] = ["Disabled", "Once", "Continuous"];

/// The modes of a boot override.
pub const MODES: [&str; 2] = ["UEFI", "Legacy"];

/// Finds a word in the BMC's spelling, ignoring case.
pub fn spelled(text: &str, words: &[&str]) -> Option<Box<str>> {
    words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(|word| (*word).into())
}

impl Boot {
    /// Creates the menu of a machine, and the settings that its class expects.
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

        let target = word("boot.target", &BOOT_TARGETS, "None");

        // A target without an override boots nothing.
        let otherwise = if &*target == "None" { "Disabled" } else { "Continuous" };
        Self {
            enabled: word("boot.override", &ENABLED, otherwise),
            target,
            mode: word("boot.mode", &MODES, "UEFI"),
            http_uri: Box::default(),
            options: Arc::from(options),
            order,
        }
    }
}

/// Finds a reference that no option has and that is not declared.
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

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::model::MacAddr;

    fn boot(wished: &[(&str, Free)]) -> Boot {
        let nic = |last| Nic { name: None, mac: Some(MacAddr([2, 0, 0, 0, 0, last])), guid: None, declared: true };
        let expect = wished.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect();
        Boot::new(&[nic(1), nic(2)], &expect)
    }

    fn text(text: &str) -> Free {
        Free::Text(text.into())
    }

    #[test]
    fn what_is_wished_of_a_boot_is_true() {
        let order = Free::List(vec![text("Boot0007"), text("Linux"), text("Boot0001")]);
        let made = boot(&[("boot.order", order), ("boot.target", text("uefihttp")), ("boot.mode", text("legacy"))]);
        assert_eq!((&*made.enabled, &*made.target, &*made.mode), ("Continuous", "UefiHttp", "Legacy"));
        let name =
            |reference: &str| made.options.iter().find(|(other, _)| **other == *reference).map(|(_, name)| &**name);
        assert_eq!(made.order.len(), 3);
        assert_eq!((&*made.order[0], &*made.order[2]), ("Boot0007", "Boot0001"));

        assert_eq!(name(&made.order[1]), Some("Linux"));
        assert!(made.order.iter().all(|reference| name(reference).is_some()));
        let mut references: Vec<&str> = made.options.iter().map(|(reference, _)| &**reference).collect();
        references.sort_unstable();
        references.dedup();

        assert_eq!(references.len(), made.options.len());
    }

    #[test]
    fn without_wishes_the_menu_is_tried_in_its_order() {
        let made = boot(&[]);
        assert_eq!((&*made.enabled, &*made.target), ("Disabled", "None"));
        assert_eq!(made.order.len(), made.options.len());
    }
}
