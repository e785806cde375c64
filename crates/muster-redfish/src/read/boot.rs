//! Parses the boot settings, boot options and firmware settings of a System.

use std::collections::BTreeMap;

use serde_json::Value;

use super::nics::path_mac;
use super::words::{at, fact, flag, id, text, told};
use muster_core::observed::{BootOption, BootSettings, PendingBoot, Reading, SecureBoot};

/// Parses the Boot object of a System, without its boot options; absent if it has none.
pub fn settings(system: &Value) -> Reading<BootSettings> {
    let boot = at(system, "Boot");
    if !boot.is_object() {
        return Reading::Absent;
    }

    Reading::Seen(BootSettings {
        enabled: told(boot, "BootSourceOverrideEnabled"),
        target: told(boot, "BootSourceOverrideTarget"),
        mode: told(boot, "BootSourceOverrideMode"),
        http_uri: fact(boot, "HttpBootUri"),
        order: order(boot).unwrap_or_default(),
        options: Vec::new(),
        pending: None,
    })
}

/// The longest boot order; firmware menus have some dozens of entries.
const MAX_ORDER: usize = 1024;

fn order(boot: &Value) -> Option<Vec<Box<str>>> {
    let list = at(boot, "BootOrder").as_array()?;
    Some(list.iter().take(MAX_ORDER).filter_map(text).map(|entry| reference(&entry).into()).collect())
}

/// Returns the reference of an entry of BootOrder, to which some services append the option's name.
pub fn reference(entry: &str) -> &str {
    match entry.split_once([':', ' ']) {
        Some((reference, _)) if is_boot_number(reference) => reference,
        Some(_) | None => entry,
    }
}

/// Returns whether a text is `Boot` and four hex digits (UEFI 2.10, section 3.1).
fn is_boot_number(text: &str) -> bool {
    text.strip_prefix("Boot").is_some_and(|hex| hex.len() == 4 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Compares the settings object of a System with the current settings; only differences are
/// pending.
pub fn pending(now: &BootSettings, staged: &Value) -> Option<Box<PendingBoot>> {
    let boot = at(staged, "Boot");
    let differs = |key: &str, now: &Option<Box<str>>| told(boot, key).filter(|value| Some(value) != now.as_ref());
    let order = order(boot).filter(|order| !order.is_empty() && *order != now.order);
    let pending = PendingBoot {
        enabled: differs("BootSourceOverrideEnabled", &now.enabled),
        target: differs("BootSourceOverrideTarget", &now.target),
        mode: differs("BootSourceOverrideMode", &now.mode),
        order,
    };
    (pending != PendingBoot::default()).then(|| Box::new(pending))
}

/// Parses one boot option.
pub fn option(value: &Value, uri: &str) -> BootOption {
    let reference = told(value, "BootOptionReference").unwrap_or_else(|| id(value, uri));
    let name = fact(value, "DisplayName").or_else(|| fact(value, "Alias"));
    BootOption { reference, name, mac: told(value, "UefiDevicePath").and_then(|path| path_mac(&path)) }
}

/// The most BIOS settings; the largest machines have under 1,000.
const MAX_ATTRIBUTES: usize = 8192;

/// The longest name and value of a BIOS setting, in bytes; AMI's map of its menu has 6 kB.
const MAX_ATTRIBUTE: usize = 64 << 10;

/// Returns the attributes of a Bios resource as text, without nulls and passwords.
///
/// Some services (HPE Cray EX nC) write an object with the current value in it. A table without
/// settings counts as not reported, because several services return it while the machine is off.
pub fn attributes(bios: &Value) -> Option<BTreeMap<Box<str>, Box<str>>> {
    let attributes = at(bios, "Attributes").as_object()?;
    let told = attributes.iter().filter(|(name, _)| !is_password(name) && name.len() <= MAX_ATTRIBUTE);
    let told = told.filter_map(|(name, value)| Some((name.as_str().into(), attribute(value)?)));
    let all: BTreeMap<Box<str>, Box<str>> =
        told.filter(|(_, value): &(Box<str>, Box<str>)| value.len() <= MAX_ATTRIBUTE).collect();
    (1..=MAX_ATTRIBUTES).contains(&all.len()).then_some(all)
}

/// Lists the attributes of a Bios resource without a readable value.
pub fn untold_attributes(bios: &Value) -> Vec<Box<str>> {
    let attributes = at(bios, "Attributes").as_object().into_iter().flatten();
    let is_told = |value: &Value| attribute(value).is_some_and(|value| value.len() <= MAX_ATTRIBUTE);
    let untold = attributes.filter(|(name, value)| name.len() <= MAX_ATTRIBUTE && !is_told(value));
    untold.take(MAX_ATTRIBUTES).map(|(name, _)| name.as_str().into()).collect()
}

fn is_password(name: &str) -> bool {
    const WORD: &[u8] = b"password";
    name.len().checked_sub(WORD.len()).is_some_and(|at| name.as_bytes()[at..].eq_ignore_ascii_case(WORD))
}

fn attribute(value: &Value) -> Option<Box<str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(_) | Value::Bool(_) | Value::Array(_) => Some(value.to_string().into()),
        // Only an object with a current value in it reports a value.
        Value::Object(object) => {
            let current = ["current_value", "CurrentValue", "Value"].iter().find_map(|key| object.get(*key));
            current.and_then(attribute)
        }
    }
}

/// Parses the SecureBoot resource.
pub fn secure_boot(value: &Value) -> SecureBoot {
    let current = match told(value, "SecureBootCurrentBoot").as_deref() {
        Some("Enabled") => Some(true),
        Some("Disabled") => Some(false),
        Some(_) | None => None,
    };
    SecureBoot { enable: flag(value, "SecureBootEnable"), current }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn composite_entries_are_references_and_names_of_other_vendors_stay() {
        for (entry, want) in [
            ("Boot0019: NVMe disk", "Boot0019"),
            ("Boot001A", "Boot001A"),
            ("ME0-PXE-IP4", "ME0-PXE-IP4"),
            ("Bootable: x", "Bootable: x"),
        ] {
            assert_eq!(reference(entry), want);
        }
    }

    #[test]
    fn only_what_differs_is_pending() {
        let system = json!({ "Boot": { "BootSourceOverrideTarget": "None", "BootOrder": ["Boot0001", "Boot0002"] } });
        let now = settings(&system).seen().cloned().unwrap();
        assert_eq!(pending(&now, &system), None);
        assert_eq!(pending(&now, &json!({ "Boot": { "BootOrder": [] } })), None);
        let staged = json!({ "Boot": { "BootSourceOverrideTarget": "Pxe", "BootOrder": ["Boot0001: a", "Boot0002"] } });
        let pending = pending(&now, &staged).unwrap();
        assert_eq!((pending.target.as_deref(), &pending.order), (Some("Pxe"), &None));
    }

    #[test]
    fn attributes_are_text_and_passwords_stay_behind() {
        let bios = json!({ "Attributes": {
            "A": "On", "B": 7, "C": true, "D": null, "E": "", "SetupPassword": "x",
            "F": { "AllowableValues": ["a"], "current_value": "a" },
        } });
        let told = attributes(&bios).unwrap();
        let told: Vec<(&str, &str)> = told.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(told, [("A", "On"), ("B", "7"), ("C", "true"), ("E", ""), ("F", "a")]);
        assert_eq!(attributes(&json!({})), None);
        assert_eq!(attributes(&json!({ "Attributes": {} })), None, "an empty table tells nothing");
    }
}
