//! The interfaces of a machine: as EthernetInterfaces of its System, and as functions of network
//! adapters.

use serde_json::{Value, json};

use super::super::machine::{Machine, Phase};
use super::{View, collection, fine, link};
use muster_core::model::{Guid, MacAddr, Quirk};

/// One interface as a resource reports it.
struct Interface {
    id: String,
    mac: String,
    permanent: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Port,
    HostToBmc,
    Vlan,
}

/// The VLAN of an interface that repeats another's address.
const VLAN: u16 = 100;

fn all(view: &View<'_>, machine: &Machine) -> Vec<Interface> {
    let model = view.bmc.model;
    let in_post = matches!(machine.phase, Phase::PoweringOn { .. } | Phase::Post { .. });
    let mut all = Vec::new();
    let ports =
        (in_post && view.has(Quirk::NicsVanishInPost)) || view.has(Quirk::MacsUnderAdapters) || view.is_dark(machine);

    if !ports {
        for (at, mac) in macs(machine).enumerate() {
            let id = model.nic_id(at + 1);
            let mac = mac.to_string().to_uppercase();
            if at == 0 && view.has(Quirk::DuplicateNics) {
                let id = format!("{id}.{VLAN}");
                all.push(Interface { id, mac: mac.clone(), permanent: mac.clone(), kind: Kind::Vlan });
            }
            all.push(Interface { id, mac: mac.clone(), permanent: mac, kind: Kind::Port });
        }
        if view.has(Quirk::EmptyMac) {
            let next = macs(machine).count();
            for (at, mac) in ["Not Available", ""].into_iter().enumerate() {
                let id = model.nic_id(next + at + 1);
                all.push(Interface { id, mac: mac.into(), permanent: String::new(), kind: Kind::Port });
            }
        }
    }

    if view.has(Quirk::HostUsbNic) {
        let [.., d, e, f] = view.bmc.mac.0;
        let mac = MacAddr([0x7e, 0x8a, 0xe1, d, e, f]).to_string();
        all.push(Interface { id: "ToManager".into(), mac: mac.clone(), permanent: mac, kind: Kind::HostToBmc });
    }

    all
}

/// Iterates over the addresses of a machine's Ethernet ports.
pub fn macs(machine: &Machine) -> impl Iterator<Item = MacAddr> {
    machine.nics.iter().filter_map(|nic| nic.mac)
}

pub fn resource(view: &View<'_>, machine: &Machine, path: &[&str]) -> Option<Value> {
    let here = format!("Systems/{}/EthernetInterfaces", machine.id);
    let all = all(view, machine);
    match path {
        [] => {
            let ids: Vec<String> = all.into_iter().map(|interface| interface.id).collect();
            Some(collection(&here, "EthernetInterface", "Ethernet Interface", &ids))
        }
        [id] => Some(interface(view, &here, all.iter().find(|interface| interface.id == *id)?)),
        _ => None,
    }
}

fn interface(view: &View<'_>, here: &str, of: &Interface) -> Value {
    let mut told = json!({
        "@odata.id": format!("/redfish/v1/{here}/{}", of.id),
        "@odata.type": "#EthernetInterface.v1_12_0.EthernetInterface",
        "Id": of.id,
        "Name": format!("Ethernet Interface {}", of.id),
        "InterfaceEnabled": true,
        "MACAddress": of.mac,
        "LinkStatus": "LinkUp",
        "SpeedMbps": 25000,
        "Status": fine(),
    });

    if view.bmc.model.tells_permanent_mac() {
        told["PermanentMACAddress"] = of.permanent.as_str().into();
    }

    match of.kind {
        Kind::Port => told["EthernetInterfaceType"] = "Physical".into(),
        Kind::Vlan => {
            told["EthernetInterfaceType"] = "Virtual".into();
            told["VLAN"] = json!({ "VLANEnable": true, "VLANId": VLAN });
        }
        Kind::HostToBmc => {
            told["Name"] = "Host Ethernet Interface".into();
            told["Description"] = "Host Network Interface".into();
            told["EthernetInterfaceType"] = "Physical".into();
            let of = format!("Managers/{}/HostInterfaces/1", view.words().manager);
            told["Links"] = json!({ "HostInterface": link(of) });
        }
    }

    if view.has(Quirk::WrongOdataId) {
        told["@odata.id"] =
            format!("/redfish/v1/Managers/{}/EthernetInterfaces/{}", view.words().manager, of.id).into();
    }

    told
}

/// Renders the resources below a chassis' NetworkAdapters.
pub fn adapters(view: &View<'_>, machine: &Machine, chassis: &str, path: &[&str]) -> Option<Value> {
    let here = format!("Chassis/{chassis}/NetworkAdapters");
    let functions = format!("{here}/1/NetworkDeviceFunctions");
    let in_post = matches!(machine.phase, Phase::PoweringOn { .. } | Phase::Post { .. });
    let gone = (in_post && view.has(Quirk::NicsVanishInPost)) || view.is_dark(machine);
    let count = if gone { 0 } else { machine.nics.len() };

    match path {
        [] => Some(collection(&here, "NetworkAdapter", "Network Adapter", &["1".into()])),
        ["1"] => Some(json!({
            "@odata.id": format!("/redfish/v1/{here}/1"),
            "@odata.type": "#NetworkAdapter.v1_11_0.NetworkAdapter",
            "Id": "1",
            "Name": "Network Adapter",
            "Manufacturer": "Mellanox",
            "Model": "ConnectX-6",
            "Status": fine(),
            "NetworkDeviceFunctions": link(&functions),
        })),
        ["1", "NetworkDeviceFunctions"] => {
            let ids: Vec<String> = (1..=count).map(|at| at.to_string()).collect();
            Some(collection(&functions, "NetworkDeviceFunction", "Network Device Function", &ids))
        }
        ["1", "NetworkDeviceFunctions", id] => {
            let at: usize = id.parse().ok()?;
            let nic = machine.nics.get(at.checked_sub(1)?).filter(|_| at <= count)?;
            let mut told = json!({
                "@odata.id": format!("/redfish/v1/{functions}/{id}"),
                "@odata.type": "#NetworkDeviceFunction.v1_10_0.NetworkDeviceFunction",
                "Id": id,
                "Name": "Network Device Function",
                "NetDevFuncType": if nic.guid.is_some() { "InfiniBand" } else { "Ethernet" },
                "DeviceEnabled": true,
                "Status": fine(),
            });
            if let Some(mac) = nic.mac.filter(|_| !view.has(Quirk::MacsInBootOptions)) {
                told["Ethernet"] = json!({
                    "MACAddress": mac.to_string().to_uppercase(),
                    "PermanentMACAddress": mac.to_string().to_uppercase(),
                });
            }
            if let Some(Guid(guid)) = nic.guid {
                let text =
                    guid.chunks(2).map(|pair| format!("{:02X}{:02X}", pair[0], pair[1])).collect::<Vec<_>>().join(":");
                told["InfiniBand"] = json!({ "NodeGUID": text, "PermanentNodeGUID": text, "PermanentPortGUID": text });
            }
            Some(told)
        }
        _ => None,
    }
}
