//! The service root, managers, chassis and firmware.

use serde_json::Value;

use super::system::facts;
use super::words::{at, fact, health, id, uuid};
use crate::observed::{Chassis, Firmware, Manager, Reading, Root};

/// Reads the service root.
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

/// Reads one manager, without its interfaces.
pub fn manager(value: &Value, uri: &str) -> Manager {
    Manager {
        id: id(value, uri),
        kind: fact(value, "ManagerType"),
        model: fact(value, "Model"),
        firmware: fact(value, "FirmwareVersion"),
        uuid: uuid(value, "UUID"),
        health: health(value),
        macs: Reading::Unasked,
    }
}

/// Reads one chassis.
pub fn chassis(value: &Value, uri: &str) -> Chassis {
    Chassis {
        id: id(value, uri),
        kind: fact(value, "ChassisType"),
        facts: facts(value),
        location: location(value),
        health: health(value),
    }
}

/// Joins what is told of a place: row, rack, unit, part (DSP0268, Resource Location).
fn location(value: &Value) -> Option<Box<str>> {
    let place = at(value, "Location");
    let named = [("Placement/Row", "row "), ("Placement/Rack", "rack "), ("Placement/RackOffset", "unit ")];
    let mut parts: Vec<String> =
        named.iter().filter_map(|(path, word)| Some(format!("{word}{}", fact(place, path)?))).collect();
    parts.extend(fact(place, "PartLocation/ServiceLabel").map(String::from));
    parts.extend(info(place));
    (!parts.is_empty()).then(|| parts.join(", ").into())
}

/// Reads Location's Info, whose parts InfoFormat names: `;;;;1` of `DataCenter;RoomName;Aisle;RackName;RackSlot` (Dell).
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

/// Reads the name and the version of one software; nothing where it tells no version.
pub fn software(value: &Value, uri: &str) -> Option<(Box<str>, Box<str>)> {
    let version = fact(value, "Version")?;
    let name = fact(value, "Name").filter(|name| !is_generic(name)).unwrap_or_else(|| id(value, uri));
    Some((name, version))
}

/// Tells whether a name says of every software the same.
fn is_generic(name: &str) -> bool {
    ["software inventory", "firmware inventory", "softwareinventory"].contains(&name.to_ascii_lowercase().as_str())
}

/// Joins versions by name; of equal names the second gets ` (2)`.
pub fn firmware(all: impl IntoIterator<Item = (Box<str>, Box<str>)>) -> Firmware {
    let mut firmware = Firmware::default();
    for (name, version) in all {
        let mut key = name.clone();
        let mut number = 2;
        while firmware.0.contains_key(&key) {
            key = format!("{name} ({number})").into();
            number += 1;
        }
        firmware.0.insert(key, version);
    }
    firmware
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
    fn equal_names_are_numbered() {
        let rows = [("NIC", "1"), ("NIC", "2"), ("BIOS", "3")].map(|(a, b)| (a.into(), b.into()));
        let firmware = firmware(rows);
        let names: Vec<&str> = firmware.0.keys().map(|name| &**name).collect();
        assert_eq!(names, ["BIOS", "NIC", "NIC (2)"]);
        assert_eq!(
            software(&json!({ "Name": "Software Inventory", "Version": "1" }), "/f/BMC").unwrap().0.as_ref(),
            "BMC"
        );
    }
}
