//! Boot options, Secure Boot, and the BIOS with its settings resource and its registry.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::super::build::BiosSettings;
use super::super::machine::Machine;
use super::interfaces::macs;
use super::{View, collection, link};
use muster_core::model::Quirk;

pub fn options(view: &View<'_>, machine: &Machine, path: &[&str]) -> Option<Value> {
    let here = format!("Systems/{}/BootOptions", machine.id);
    let all = &machine.boot.options;
    match path {
        [] => {
            let ids: Vec<String> = all.iter().map(|(reference, _)| reference.to_string()).collect();
            Some(collection(&here, "BootOption", "Boot Option", &ids))
        }
        [id] => {
            let (reference, name) = all.iter().find(|(reference, _)| **reference == **id)?;
            let mut told = json!({
                "@odata.id": format!("/redfish/v1/{here}/{id}"),
                "@odata.type": "#BootOption.v1_0_6.BootOption",
                "Id": id,
                "Name": "Boot Option",
                "BootOptionReference": &**reference,
                "DisplayName": &**name,
                "BootOptionEnabled": true,
            });
            if let Some(device) = device(view, machine, name) {
                told["UefiDevicePath"] = device.into();
            }
            Some(told)
        }
        _ => None,
    }
}

/// Returns the UEFI device path of a network boot option (UEFI 2.10, section 10.3.4.11).
fn device(view: &View<'_>, machine: &Machine, name: &str) -> Option<String> {
    let slot: usize = name.strip_prefix("UEFI PXE IPv4 Slot ")?.split(' ').next()?.parse().ok()?;
    let nth = machine.nics[..slot.min(machine.nics.len())].iter().filter(|nic| nic.mac.is_some()).count();
    let mac = macs(machine).nth(nth.checked_sub(1)?)?;
    let mut path = format!("PciRoot(0x{slot})/Pci(0x1,0x0)/Pci(0x0,0x0)/MAC(");
    if view.is_dark(machine) {
        return None;
    }
    for byte in mac.0 {
        let _ = write!(path, "{byte:02X}");
    }
    path.push_str(",0x1)/IPv4(0.0.0.0,0x0,DHCP,0.0.0.0,0.0.0.0,0.0.0.0)");
    Some(path)
}

pub fn secure_boot(machine: &Machine) -> Value {
    json!({
        "@odata.id": format!("/redfish/v1/Systems/{}/SecureBoot", machine.id),
        "@odata.type": "#SecureBoot.v1_1_2.SecureBoot",
        "Id": "SecureBoot",
        "Name": "UEFI Secure Boot",
        "SecureBootEnable": machine.staged.secure_boot.unwrap_or(machine.secure_boot),
        "SecureBootCurrentBoot": if machine.secure_boot { "Enabled" } else { "Disabled" },
        "SecureBootMode": "UserMode",
    })
}

/// The registry of BIOS settings that some services have.
const REGISTRY: &str = "BiosAttributeRegistry.v1_0_0";

pub fn bios(view: &View<'_>, machine: &Machine) -> Value {
    let here = format!("Systems/{}/Bios", machine.id);
    let mut told = json!({
        "@odata.id": format!("/redfish/v1/{here}"),
        "@odata.type": "#Bios.v1_2_3.Bios",
        "Id": "Bios",
        "Name": "BIOS Configuration",
        "Attributes": settings(view, &machine.build.bios),
        "@Redfish.Settings": {
            "@odata.type": "#Settings.v1_3_5.Settings",
            "SettingsObject": link(format!("{here}/Settings")),
            "SupportedApplyTimes": ["OnReset"],
        },
    });

    if view.has(Quirk::EnumDisplayNames) {
        told["AttributeRegistry"] = REGISTRY.into();
    }
    told
}

pub fn bios_settings(view: &View<'_>, machine: &Machine) -> Value {
    json!({
        "@odata.id": format!("/redfish/v1/Systems/{}/Bios/Settings", machine.id),
        "@odata.type": "#Bios.v1_2_3.Bios",
        "Id": "Settings",
        "Name": "BIOS Configuration Pending Settings",
        "Attributes": settings(view, &machine.staged.bios),
    })
}

fn settings(view: &View<'_>, settings: &BiosSettings) -> Map<String, Value> {
    if !view.has(Quirk::EnumDisplayNames) {
        return settings.clone();
    }
    let shown = |value: &Value| match value {
        Value::String(text) => Value::from(display_name(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.clone(),
    };
    settings.iter().map(|(name, value)| (name.clone(), shown(value))).collect()
}

/// Returns the display name of a value: `MaxPerformance` is `Max Performance`.
fn display_name(value: &str) -> Cow<'_, str> {
    let splits = |a: u8, b: u8| a.is_ascii_lowercase() && b.is_ascii_uppercase();
    if !value.as_bytes().windows(2).any(|pair| splits(pair[0], pair[1])) {
        return Cow::Borrowed(value);
    }
    let mut name = String::new();
    let mut before = ' ';

    for letter in value.chars() {
        if before.is_ascii_lowercase() && letter.is_ascii_uppercase() {
            name.push(' ');
        }
        name.push(letter);
        before = letter;
    }

    Cow::Owned(name)
}

pub fn registries(view: &View<'_>, path: &[&str]) -> Option<Value> {
    match path {
        [] => Some(collection("Registries", "MessageRegistryFile", "Registry File", &["Bios".into()])),
        ["Bios"] => Some(json!({
            "@odata.id": "/redfish/v1/Registries/Bios",
            "@odata.type": "#MessageRegistryFile.v1_1_5.MessageRegistryFile",
            "Id": "Bios",
            "Name": "BIOS Attribute Registry File",
            "Registry": REGISTRY,
            "Languages": ["en"],
            "Location": [{ "Language": "en", "Uri": format!("/redfish/v1/Registries/Bios/{REGISTRY}.json") }],
        })),
        ["Bios", file] if file.strip_suffix(".json") == Some(REGISTRY) => {
            let all = view.machines.first().map(|machine| &*machine.build.bios);
            let entries: Vec<Value> = all.into_iter().flatten().map(|(name, value)| entry(name, value)).collect();
            Some(json!({
                "@odata.type": "#AttributeRegistry.v1_3_8.AttributeRegistry",
                "Id": REGISTRY,
                "Name": "BIOS Attribute Registry",
                "Language": "en",
                "OwningEntity": view.words().vendor,
                "RegistryVersion": "1.0.0",
                "RegistryEntries": { "Attributes": entries },
            }))
        }
        _ => None,
    }
}

fn entry(name: &str, value: &Value) -> Value {
    let mut told = json!({ "AttributeName": name, "DisplayName": display_name(name), "ReadOnly": false });
    told["Type"] = match value {
        Value::Bool(_) => "Boolean",
        Value::Number(_) => "Integer",
        Value::String(_) | Value::Null | Value::Array(_) | Value::Object(_) => "Enumeration",
    }
    .into();

    if let Value::String(text) = value {
        let mut names = vec![text.as_str(), "Enabled", "Disabled"];
        names.dedup();
        told["Value"] = names
            .into_iter()
            .map(|name| json!({ "ValueName": name, "ValueDisplayName": display_name(name) }))
            .collect();
    }

    told
}
