//! Processors, memory modules and drives.

use serde_json::{Value, json};

use super::super::build::Parts;
use super::super::machine::Machine;
use super::{View, collection, fine, link};
use muster_core::model::{Arch, Quirk};

pub fn processors(machine: &Machine, path: &[&str]) -> Option<Value> {
    let here = format!("Systems/{}/Processors", machine.id);
    let (cpus, gpus) = (&machine.build.processors, &machine.build.accelerators);
    match path {
        [] => {
            let cpus = (1..=cpus.count).map(|at| format!("CPU{at}"));
            let ids: Vec<String> = cpus.chain((1..=gpus.count).map(|at| format!("GPU{at}"))).collect();
            Some(collection(&here, "Processor", "Processor", &ids))
        }
        [id] => {
            let within =
                |number: &str, parts: &Parts| number.parse::<u32>().is_ok_and(|at| (1..=parts.count).contains(&at));
            let mut told = json!({
                "@odata.id": format!("/redfish/v1/{here}/{id}"),
                "@odata.type": "#Processor.v1_20_0.Processor",
                "Id": id,
                "Name": id,
                "Socket": id,
                "Status": fine(),
            });
            if id.strip_prefix("CPU").is_some_and(|at| within(at, cpus)) {
                told["ProcessorType"] = "CPU".into();
                told["Model"] = (&*cpus.model).into();
                told["TotalCores"] = cpus.cores.into();
                told["TotalThreads"] = (cpus.cores * 2).into();
                let (arch, set) = match machine.build.arch {
                    Arch::X86_64 => ("x86", "x86-64"),
                    Arch::Aarch64 => ("ARM", "ARM-A64"),
                };
                told["ProcessorArchitecture"] = arch.into();
                told["InstructionSet"] = set.into();
                told["Manufacturer"] = maker(&cpus.model).into();
            } else if id.strip_prefix("GPU").is_some_and(|at| within(at, gpus)) {
                told["ProcessorType"] = "GPU".into();
                told["Model"] = (&*gpus.model).into();
                told["Manufacturer"] = maker(&gpus.model).into();
            } else {
                return None;
            }
            Some(told)
        }
        _ => None,
    }
}

fn maker(model: &str) -> &'static str {
    let makers = [("AMD", "AMD"), ("Intel", "Intel(R) Corporation"), ("Neoverse", "ARM"), ("MI", "AMD")];
    makers.into_iter().find(|(part, _)| model.contains(part)).map_or("NVIDIA", |(_, maker)| maker)
}

/// Returns the number of memory slots of a machine: sixteen, or as many as are filled if there are
/// more.
fn sockets(machine: &Machine) -> usize {
    machine.build.memory.len().max(16)
}

pub fn memory(machine: &Machine, path: &[&str]) -> Option<Value> {
    let here = format!("Systems/{}/Memory", machine.id);
    match path {
        [] => {
            let ids: Vec<String> = (1..=sockets(machine)).map(|at| format!("DIMM{at}")).collect();
            Some(collection(&here, "Memory", "Memory", &ids))
        }
        [id] => {
            let at: usize = id.strip_prefix("DIMM")?.parse().ok()?;
            let mut told = json!({
                "@odata.id": format!("/redfish/v1/{here}/{id}"),
                "@odata.type": "#Memory.v1_20_0.Memory",
                "Id": id,
                "Name": id,
                "DeviceLocator": id,
            });
            match machine.build.memory.get(at.checked_sub(1)?) {
                Some(mib) => {
                    told["Status"] = fine();
                    told["CapacityMiB"] = (*mib).into();
                    told["MemoryDeviceType"] = "DDR5".into();
                    told["MemoryType"] = "DRAM".into();
                    told["OperatingSpeedMhz"] = 4800.into();
                    told["Manufacturer"] = "Samsung".into();
                    told["PartNumber"] = format!("M321R-{}G", mib / 1024).into();
                    let serial = super::super::chance::number(0, &[&machine.serial, id]);
                    told["SerialNumber"] = format!("{:08X}", serial as u32).into();
                }
                None if at <= sockets(machine) => told["Status"] = json!({ "State": "Absent" }),
                None => return None,
            }
            Some(told)
        }
        _ => None,
    }
}

pub fn storage(view: &View<'_>, machine: &Machine, path: &[&str]) -> Option<Value> {
    let here = format!("Systems/{}/Storage", machine.id);
    let drives = &machine.build.drives;
    match path {
        [] => Some(collection(&here, "Storage", "Storage", &["1".into()])),
        ["1"] => {
            let links: Vec<Value> = (1..=drives.count).map(|at| link(format!("{here}/1/Drives/{at}"))).collect();
            Some(json!({
                "@odata.id": format!("/redfish/v1/{here}/1"),
                "@odata.type": "#Storage.v1_18_0.Storage",
                "Id": "1",
                "Name": "Storage",
                "Status": fine(),
                "Drives@odata.count": links.len(),
                "Drives": links,
            }))
        }
        ["1", "Drives", id] => {
            let at: u32 = id.parse().ok().filter(|at| (1..=drives.count).contains(at))?;
            Some(json!({
                "@odata.id": format!("/redfish/v1/{here}/1/Drives/{at}"),
                "@odata.type": "#Drive.v1_20_0.Drive",
                "Id": id,
                "Name": format!("Drive {at}"),
                "Manufacturer": "Samsung",
                "Model": &*drives.model,
                "SerialNumber": format!("S{:010X}", super::super::chance::number(1, &[&machine.serial, id]) & 0xff_ffff_ffff),
                "CapacityBytes": 960_197_124_096_u64,
                "MediaType": "SSD",
                "Protocol": "NVMe",
                "Status": fine(),
                "Links": { "Chassis": link(format!("Chassis/{}", view.chassis_of(machine))) },
            }))
        }
        _ => None,
    }
}

/// Returns whether a part of a System requires a paid license.
pub fn is_licensed(view: &View<'_>, path: &[&str]) -> bool {
    view.has(Quirk::Unlicensed) && matches!(path, ["Systems", _, "Bios", ..])
}
