//! Parses the service root, managers, chassis and firmware.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::system::facts;
use super::words::{at, fact, health, id, told, uuid};
use muster_core::model::is_placeholder;
use muster_core::observed::{Chassis, Firmware, Manager, Reading, Root};

/// Parses the service root.
pub fn root(value: &Value) -> Root {
    let oem = at(value, "Oem").as_object();
    let tag = oem.into_iter().flat_map(|oem| oem.values()).find_map(|oem| fact(oem, "ServiceTag"));
    Root {
        vendor: fact(value, "Vendor"),
        product: fact(value, "Product"),
        redfish_version: fact(value, "RedfishVersion"),
        uuid: uuid(value, "UUID"),
        name: fact(value, "ServiceIdentification").or(tag),
    }
}

/// Parses one manager, without its interfaces.
pub fn manager(value: &Value, uri: &str) -> Manager {
    Manager {
        id: id(value, uri),
        kind: fact(value, "ManagerType"),
        model: fact(value, "Model"),
        firmware: fact(value, "FirmwareVersion"),
        uuid: uuid(value, "UUID"),
        health: health(value),
        macs: Reading::Unasked,
        in_use: Vec::new(),
    }
}

/// Parses one chassis.
pub fn chassis(value: &Value, uri: &str) -> Chassis {
    Chassis {
        id: id(value, uri),
        kind: fact(value, "ChassisType"),
        facts: facts(value),
        location: location(value),
        health: health(value),
    }
}

/// Joins the reported parts of a location: row, rack, unit, part (DSP0268, Resource Location).
fn location(value: &Value) -> Option<Box<str>> {
    let place = at(value, "Location");
    let named = [("Placement/Row", "row "), ("Placement/Rack", "rack "), ("Placement/RackOffset", "unit ")];
    let mut parts: Vec<String> =
        named.iter().filter_map(|(path, word)| Some(format!("{word}{}", fact(place, path)?))).collect();
    parts.extend(fact(place, "PartLocation/ServiceLabel").map(String::from));
    parts.extend(info(place));
    (!parts.is_empty()).then(|| parts.join(", ").into())
}

/// Parses Location's Info, whose parts InfoFormat names: `;;;;1` of
/// `DataCenter;RoomName;Aisle;RackName;RackSlot` (Dell).
fn info(place: &Value) -> Option<String> {
    let info = fact(place, "Info")?;
    let Some(format) = fact(place, "InfoFormat") else { return Some(info.into()) };
    let (names, values): (Vec<&str>, Vec<&str>) = (format.split(';').collect(), info.split(';').collect());
    if names.len() != values.len() || names.len() < 2 {
        return Some(info.into());
    }
    let named = names.iter().zip(values).filter(|(_, value)| !value.trim().is_empty());
    let parts: Vec<String> = named.map(|(name, value)| format!("{} {}", name.trim(), value.trim())).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Parses the name and the version of a software component; the version is empty if it is not
/// reported.
pub fn software(value: &Value, uri: &str) -> (Box<str>, Box<str>) {
    // A version of zeros and dots counts; any other such text would be a placeholder.
    let is_told =
        |version: &str| !is_placeholder(version) || version.bytes().all(|byte| b"0123456789.".contains(&byte));
    let version = told(value, "Version").filter(|version| is_told(version)).unwrap_or_default();
    let name = fact(value, "Name").filter(|name| !is_generic(name)).unwrap_or_else(|| id(value, uri));
    (name, version)
}

/// Returns whether a name is the same for all software.
fn is_generic(name: &str) -> bool {
    ["software inventory", "firmware inventory", "softwareinventory"].contains(&name.to_ascii_lowercase().as_str())
}

/// Groups versions by name. Parts of the same name are one entry with each version once, because
/// neither a service's order nor its ids, which may contain the version, identify the part.
pub fn firmware(all: impl IntoIterator<Item = (Box<str>, Box<str>)>) -> Firmware {
    let mut versions: BTreeMap<Box<str>, BTreeSet<Box<str>>> = BTreeMap::new();
    for (name, version) in all {
        versions.entry(name).or_default().insert(version);
    }
    let joined = |versions: BTreeSet<Box<str>>| {
        // If one version of a name is unknown, the others do not determine the entry.
        let is_told = versions.iter().all(|version| !version.is_empty());
        if is_told { versions.into_iter().collect::<Vec<_>>().join(" + ") } else { String::new() }
    };
    Firmware(versions.into_iter().map(|(name, versions)| (name, joined(versions).into())).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_one_line() {
        let value = json!({ "Location": { "Placement": { "Row": "North", "Rack": "WEB43", "RackOffset": 12 } } });
        assert_eq!(chassis(&value, "/c/1").location.as_deref(), Some("row North, rack WEB43, unit 12"));
        let dell =
            json!({ "Location": { "Info": ";;;;1", "InfoFormat": "DataCenter;RoomName;Aisle;RackName;RackSlot" } });
        assert_eq!(chassis(&dell, "/c/1").location.as_deref(), Some("RackSlot 1"));
        assert_eq!(chassis(&json!({ "Location": {} }), "/c/1").location, None);
    }

    #[test]
    fn equal_names_are_one_entry_in_whatever_order_they_come() {
        let rows = [("NIC", "2"), ("NIC", "1"), ("NIC", "1"), ("BIOS", "3"), ("DIMM", ""), ("DIMM", "4")];
        let mut rows = rows.map(|(name, version)| (name.into(), version.into()));
        let one = firmware(rows.clone());
        rows.reverse();
        assert_eq!(one, firmware(rows));
        let told: Vec<(&str, &str)> = one.0.iter().map(|(name, version)| (&**name, &**version)).collect();
        assert_eq!(told, [("BIOS", "3"), ("DIMM", ""), ("NIC", "1 + 2")]);
    }

    #[test]
    fn a_software_without_a_version_is_named_all_the_same() {
        let read = |value: Value| software(&value, "/f/BMC");
        assert_eq!(read(json!({ "Name": "Software Inventory", "Version": "1" })), ("BMC".into(), "1".into()));
        assert_eq!(read(json!({ "Name": "CPLD", "Version": null })), ("CPLD".into(), "".into()));
        assert_eq!(read(json!({ "Name": "CPLD", "Version": "N/A" })), ("CPLD".into(), "".into()));
        assert_eq!(read(json!({ "Name": "CPLD", "Version": "0.00" })), ("CPLD".into(), "0.00".into()));
    }
}
