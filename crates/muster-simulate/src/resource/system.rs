//! One server as a ComputerSystem, its boot settings resource, and the GPU baseboard that is not a
//! server.

use serde_json::{Map, Value, json};

use super::super::boot::{ENABLED, MODES};
use super::super::machine::{Boot, Machine, Phase};
use super::{BASEBOARD, View, fine, link, power, status, without_interfaces};
use muster_core::model::{BOOT_TARGETS, Quirk};

/// The resets that a machine supports (DSP0268, Resource ResetType).
pub const RESETS: [&str; 7] =
    ["On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "ForceOn", "PowerCycle"];

pub fn system(view: &View<'_>, machine: &Machine) -> Value {
    let words = view.words();
    let build = &*machine.build;
    let here = format!("Systems/{}", machine.id);

    let mut all = json!({
        "@odata.id": format!("/redfish/v1/{here}"),
        "@odata.type": "#ComputerSystem.v1_22_0.ComputerSystem",
        "Id": &*machine.id,
        "Name": "System",
        "SystemType": "Physical",
        "Manufacturer": &*build.manufacturer,
        "Model": &*build.model,
        "PartNumber": "P46605-004",
        "AssetTag": "",
        "HostName": &*machine.node,
        "PowerState": power(machine.phase),
        "BiosVersion": &*build.bios_version,
        "Status": status(machine),
        "Boot": boot(view, machine, &machine.boot),
        "Processors": link(format!("{here}/Processors")),
        "Memory": link(format!("{here}/Memory")),
        "Storage": link(format!("{here}/Storage")),
        "Bios": link(format!("{here}/Bios")),
        "SecureBoot": link(format!("{here}/SecureBoot")),
        "Links": {
            "Chassis": [link(format!("Chassis/{}", view.chassis_of(machine)))],
            "ManagedBy": [link(format!("Managers/{}", words.manager))],
        },
    });

    let dark = view.is_dark(machine);
    all["MemorySummary"] = json!({
        "TotalSystemMemoryGiB": if dark { 0 } else { build.memory_gib() },
        "Status": fine(),
    });

    all["ProcessorSummary"] = json!({
        "Count": if dark { 0 } else { build.processors.count },
        "Model": &*build.processors.model,
        "Status": fine(),
    });

    identity(view, machine, &mut all);
    progress(view, machine, &mut all);
    if !without_interfaces(view) {
        all["EthernetInterfaces"] = link(format!("{here}/EthernetInterfaces"));
    }
    if view.has(Quirk::WrongCase) {
        all["Bios"] = json!({ "@odata.id": format!("/redfish/v1/{here}/Bios").to_ascii_lowercase() });
    }

    if view.has(Quirk::BootSettingsResource) {
        all["@Redfish.Settings"] = json!({
            "@odata.type": "#Settings.v1_3_5.Settings",
            "SettingsObject": link(format!("{here}/SD")),
        });
    }

    all["Actions"] = json!({ "#ComputerSystem.Reset": reset(view, machine) });
    all
}

fn identity(view: &View<'_>, machine: &Machine, all: &mut Value) {
    all["SKU"] = "P26254-B21".into();
    all["SerialNumber"] = (&*machine.serial).into();
    if view.has(Quirk::TagInSku) {
        all["SKU"] = (&*machine.serial).into();
        all["SerialNumber"] = format!("CNBOARD{:06X}", machine.uuid.as_u128() & 0xff_ffff).into();
    }

    if view.has(Quirk::SharedSerial) {
        all["SerialNumber"] = (&*view.bmc.serial).into();
    }
    if view.has(Quirk::PlaceholderIdentity) {
        all["SerialNumber"] = "          ".into();
        all["SKU"] = "To be filled by O.E.M.".into();
    }

    all["UUID"] = machine.uuid.to_string().into();
    if view.has(Quirk::EmptyUuid) {
        all["UUID"] = "".into();
    }
}

/// Adds the progress of POST, which early services do not report.
fn progress(view: &View<'_>, machine: &Machine, all: &mut Value) {
    if view.words().redfish < "1.11.0" {
        return;
    }
    let state = match machine.phase {
        Phase::Off | Phase::PoweringOff { .. } => "None",
        Phase::PoweringOn { .. } => "PrimaryProcessorInitializationStarted",
        Phase::Post { .. } => "PCIResourceConfigStarted",
        Phase::On => "OSRunning",
    };
    all["BootProgress"] = json!({ "LastState": state });
}

/// Returns the boot settings: the current or the staged ones.
fn boot(view: &View<'_>, machine: &Machine, boot: &Boot) -> Value {
    let mut all = Map::new();
    all.insert("BootOptions".into(), link(format!("Systems/{}/BootOptions", machine.id)));
    let composite = |reference: &str| {
        let name = boot.options.iter().find(|(other, _)| **other == *reference).map_or("", |(_, name)| name);
        format!("{reference}: {name}")
    };

    let order = boot.order.iter();
    let order: Vec<String> = if view.has(Quirk::CompositeBootOrder) {
        order.map(|reference| composite(reference)).collect()
    } else {
        order.map(ToString::to_string).collect()
    };

    all.insert("BootOrder".into(), order.into());
    if view.has(Quirk::NoBootOverride) {
        return all.into();
    }
    let mut put = |key: &str, value: &str, words: &[&str]| {
        all.insert(key.into(), value.into());
        all.insert(format!("{key}@Redfish.AllowableValues"), words.into());
    };

    put("BootSourceOverrideEnabled", &boot.enabled, &ENABLED);
    put("BootSourceOverrideMode", &boot.mode, &MODES);
    if view.has(Quirk::SchemalessTargets) {
        put("BootSourceOverrideTarget", &boot.target, &["None", "Pxe", "Hdd", "CD/DVD", "USB Key", "BIOS Setup"]);
        // Such services have no mode (ironcore-dev/metal-operator#982).
        all.remove("BootSourceOverrideMode");
        all.remove("BootSourceOverrideMode@Redfish.AllowableValues");
    } else {
        put("BootSourceOverrideTarget", &boot.target, &BOOT_TARGETS);
        all.insert("HttpBootUri".into(), if boot.http_uri.is_empty() { Value::Null } else { (&*boot.http_uri).into() });
    }

    all.into()
}

fn reset(view: &View<'_>, machine: &Machine) -> Value {
    let target = format!("/redfish/v1/Systems/{}/Actions/ComputerSystem.Reset", machine.id);
    if view.has(Quirk::ResetByActionInfo) {
        let info = format!("/redfish/v1/Systems/{}/ResetActionInfo", machine.id);
        return json!({ "target": target, "@Redfish.ActionInfo": info });
    }
    json!({ "target": target, "ResetType@Redfish.AllowableValues": RESETS })
}

/// Returns the resource that lists the resets.
pub fn reset_info(machine: &Machine) -> Value {
    json!({
        "@odata.id": format!("/redfish/v1/Systems/{}/ResetActionInfo", machine.id),
        "@odata.type": "#ActionInfo.v1_4_2.ActionInfo",
        "Id": "ResetActionInfo",
        "Name": "Reset Action Info",
        "Parameters":
            [{ "Name": "ResetType", "Required": true, "DataType": "String", "AllowableValues": RESETS }],
    })
}

/// Returns the resource in which boot settings are staged.
pub fn settings(view: &View<'_>, machine: &Machine) -> Value {
    let staged = machine.staged.boot.as_deref().unwrap_or(&machine.boot);
    json!({
        "@odata.id": format!("/redfish/v1/Systems/{}/SD", machine.id),
        "@odata.type": "#ComputerSystem.v1_22_0.ComputerSystem",
        "Id": "SD",
        "Name": "System Settings",
        "Boot": boot(view, machine, staged),
    })
}

/// Returns a GPU baseboard: no boot, no interfaces, no reset.
pub fn baseboard(view: &View<'_>) -> Value {
    json!({
        "@odata.id": format!("/redfish/v1/Systems/{BASEBOARD}"),
        "@odata.type": "#ComputerSystem.v1_22_0.ComputerSystem",
        "Id": BASEBOARD,
        "Name": BASEBOARD,
        "Description": "Computer System",
        "SystemType": "Physical",
        "Manufacturer": "NVIDIA",
        "PowerState": "On",
        "MemorySummary": { "TotalSystemMemoryGiB": 632, "Status": fine() },
        "ProcessorSummary": { "Status": { "State": "Disabled", "Health": "OK" } },
        "Status": fine(),
        "UUID": super::super::world::uuid_of(0, &["baseboard", &view.bmc.name]),
        "Links": { "ManagedBy": [link(format!("Managers/{}", view.words().manager))] },
    })
}
