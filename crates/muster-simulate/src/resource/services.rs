//! Managers and the firmware inventory.

use serde_json::{Value, json};

use super::{View, collection, fine, link};
use muster_core::model::Quirk;

/// The time of a manager's clock; the simulated world has no date of its own.
const NOW: &str = "2026-01-01T00:00:00+00:00";

pub fn managers(view: &View<'_>, path: &[&str]) -> Option<Value> {
    let words = view.words();
    let here = format!("Managers/{}", words.manager);
    match path {
        [] => Some(collection("Managers", "Manager", "Manager", &[words.manager.into()])),
        [id, rest @ ..] if *id == words.manager => match rest {
            [] => Some(manager(view, &here)),
            ["EthernetInterfaces"] => {
                let path = format!("{here}/EthernetInterfaces");
                Some(collection(&path, "EthernetInterface", "Ethernet Interface", &["eth0".into()]))
            }
            ["EthernetInterfaces", "eth0"] => Some(json!({
                "@odata.id": format!("/redfish/v1/{here}/EthernetInterfaces/eth0"),
                "@odata.type": "#EthernetInterface.v1_12_0.EthernetInterface",
                "Id": "eth0",
                "Name": "Manager Ethernet Interface",
                "InterfaceEnabled": true,
                "MACAddress": view.bmc.mac.to_string().to_uppercase(),
                "PermanentMACAddress": view.bmc.mac.to_string().to_uppercase(),
                "LinkStatus": "LinkUp",
                "Status": fine(),
            })),
            ["HostInterfaces"] if view.has(Quirk::HostUsbNic) => {
                let path = format!("{here}/HostInterfaces");
                Some(collection(&path, "HostInterface", "Host Interface", &["1".into()]))
            }
            ["HostInterfaces", "1"] if view.has(Quirk::HostUsbNic) => Some(json!({
                "@odata.id": format!("/redfish/v1/{here}/HostInterfaces/1"),
                "@odata.type": "#HostInterface.v1_3_2.HostInterface",
                "Id": "1",
                "Name": "Host Interface",
                "HostInterfaceType": "NetworkHostInterface",
                "InterfaceEnabled": true,
            })),
            _ => None,
        },
        _ => None,
    }
}

fn manager(view: &View<'_>, here: &str) -> Value {
    let words = view.words();
    let servers = view.machines.iter().map(|machine| link(format!("Systems/{}", machine.id)));
    let servers: Vec<Value> = servers.collect();

    let mut told = json!({
        "@odata.id": format!("/redfish/v1/{here}"),
        "@odata.type": "#Manager.v1_20_0.Manager",
        "Id": words.manager,
        "Name": "Manager",
        "ManagerType": "BMC",
        "Model": words.manager_model,
        "FirmwareVersion": view.bmc.firmware.get("BMC").map_or("1.00.0", |version| version),
        "UUID": view.bmc.uuid,
        "DateTime": if view.has(Quirk::OddDates) { "0000-00-00T00:00:00" } else { NOW },
        "DateTimeLocalOffset": "+00:00",
        "PowerState": "On",
        "Status": fine(),
        "EthernetInterfaces": link(format!("{here}/EthernetInterfaces")),
        "Links": {
            "ManagerForServers@odata.count": servers.len(),
            "ManagerForServers": servers,
            "ManagerForChassis": [link(format!("Chassis/{}", words.chassis))],
        },
    });

    if view.has(Quirk::HostUsbNic) {
        told["HostInterfaces"] = link(format!("{here}/HostInterfaces"));
    }
    told
}

pub fn update(view: &View<'_>, path: &[&str]) -> Option<Value> {
    let here = "UpdateService/FirmwareInventory";
    match path {
        [] => Some(json!({
            "@odata.id": "/redfish/v1/UpdateService",
            "@odata.type": "#UpdateService.v1_14_0.UpdateService",
            "Id": "UpdateService",
            "Name": "Update Service",
            "ServiceEnabled": true,
            "Status": fine(),
            "FirmwareInventory": link(here),
        })),
        ["FirmwareInventory"] => {
            let mut ids: Vec<String> = view.bmc.firmware.keys().map(|name| id_of(name)).collect();
            ids.extend(bios_row(view).map(|_| BIOS_ROW.to_owned()));
            Some(collection(here, "SoftwareInventory", "Firmware Inventory", &ids))
        }
        ["FirmwareInventory", id] => {
            let rows = view.bmc.firmware.iter().map(|(name, version)| (&**name, &**version));
            let bios = bios_row(view).map(|version| (BIOS_NAME, version));
            let (name, version) = rows.chain(bios).find(|(name, _)| id_of(name) == *id)?;
            let mut told = json!({
                "@odata.id": format!("/redfish/v1/{here}/{id}"),
                "@odata.type": "#SoftwareInventory.v1_11_0.SoftwareInventory",
                "Id": id,
                "Name": name,
                "Version": version,
                "Updateable": true,
                "Status": fine(),
            });
            if view.has(Quirk::OddDates) {
                told["ReleaseDate"] = "00:00:00Z".into();
            }
            Some(told)
        }
        _ => None,
    }
}

const BIOS_NAME: &str = "System BIOS";
const BIOS_ROW: &str = "System-BIOS";

/// Returns the version in the BIOS row; `None` if a row of that name is declared, or the BMC does
/// not have exactly one server.
fn bios_row<'v>(view: &View<'v>) -> Option<&'v str> {
    match view.machines {
        [machine] if !view.bmc.firmware.contains_key(BIOS_NAME) => Some(&machine.build.bios_version),
        _ => None,
    }
}

/// Returns a row's Id: its name, with characters replaced that a URI cannot hold.
fn id_of(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || ".-_".contains(letter) { letter } else { '-' })
        .collect()
}
