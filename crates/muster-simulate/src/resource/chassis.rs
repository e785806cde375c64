//! Chassis, and the network adapters in them.

use serde_json::{Value, json};

use super::super::machine::Machine;
use super::{View, collection, fine, interfaces, link};
use muster_core::desired::BmcKind;
use muster_core::model::Quirk;

pub fn resource(view: &View<'_>, path: &[&str]) -> Option<Value> {
    let outer = view.words().chassis;
    let [id, rest @ ..] = path else {
        let mut ids = vec![outer.to_owned()];
        if view.machines.len() > 1 {
            ids.extend(view.machines.iter().map(|machine| machine.id.to_string()).filter(|id| id != outer));
        }
        if view.has(Quirk::DeadMembers) {
            ids.push("Gone".into());
        }
        return Some(collection("Chassis", "Chassis", "Chassis", &ids));
    };

    let machine = view.machines.iter().find(|machine| view.chassis_of(machine) == *id);
    if machine.is_none() && *id != outer {
        return None;
    }

    match rest {
        [] => Some(chassis(view, id, machine)),
        ["NetworkAdapters", rest @ ..] => interfaces::adapters(view, machine?, id, rest),
        _ => None,
    }
}

fn chassis(view: &View<'_>, id: &str, machine: Option<&Machine>) -> Value {
    let words = view.words();
    let kind = match (view.bmc.kind, machine.is_some() && view.machines.len() > 1) {
        (BmcKind::Node, true) => "Blade",
        (BmcKind::Node, false) if view.machines.len() > 1 => "Enclosure",
        (BmcKind::Node, false) => "RackMount",
        (BmcKind::Chassis, _) => "Enclosure",
        (BmcKind::Switch, _) => "Module",
        (BmcKind::Pdu, _) => "Other",
    };

    let mut told = json!({
        "@odata.id": format!("/redfish/v1/Chassis/{id}"),
        "@odata.type": "#Chassis.v1_25_0.Chassis",
        "Id": id,
        "Name": "Chassis",
        "ChassisType": kind,
        "Manufacturer": words.manufacturer,
        "Model": words.model,
        "SerialNumber": &*view.bmc.serial,
        "PowerState": "On",
        "Status": fine(),
    });

    let mut links = json!({ "ManagedBy": [link(format!("Managers/{}", words.manager))] });
    if let Some(machine) = machine {
        links["ComputerSystems"] = json!([link(format!("Systems/{}", machine.id))]);
        told["NetworkAdapters"] = link(format!("Chassis/{id}/NetworkAdapters"));
        told["SerialNumber"] = (&*machine.serial).into();
    }

    if view.has(Quirk::PlaceholderIdentity) {
        told["SerialNumber"] = "          ".into();
    }
    told["Links"] = links;
    told["Location"] =
        json!({ "Placement": { "Row": "1", "Rack": "R1", "RackOffsetUnits": "EIA_310", "RackOffset": 7 } });

    told
}
