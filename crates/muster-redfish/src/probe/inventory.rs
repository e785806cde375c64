//! Reads the parts of a server.
//!
//! A list that the BMC does not report is not an empty list: such a part is recorded as unreported.

use std::collections::BTreeSet;

use serde_json::Value;

use super::gather::gather;
use super::walk::{Doc, Members, Part, Walk, parts};
use crate::read::parts::{ReadProcessor, device, drive, gpu, is_gpu, may_be_gpu, memory, processor};
use crate::read::words::{MAX_LIST, at, natural, told};
use muster_core::observed::{Drive, Failure, Inventory, Processor, Reading};

/// The facts that are known before a server's parts are read.
pub struct Beside<'a> {
    /// Baseboards whose GPUs belong to this server: they appear as Systems next to the only server
    /// of a BMC.
    pub boards: &'a [Doc],
    /// The chassis that hold the server.
    pub chassis: &'a [&'a Doc],
    /// The reason for which the chassis are not all known, if they are not.
    pub chassis_failure: Option<&'a Failure>,
    /// The reason for which a System that may be a baseboard of this server could not be read, if
    /// any.
    pub unknown: Option<&'a Failure>,
    /// Whether the machine is observed to be off: many services report empty lists then.
    pub is_off: bool,
}

/// A part of a server: the values found, the reason for missing ones, and whether any list of it is
/// reported at all.
struct Told<T> {
    part: Part<T>,
    is_told: bool,
}

impl<T> Told<T> {
    fn nothing() -> Self {
        Self { part: Part::default(), is_told: false }
    }

    /// Adds another list of the same part.
    fn join(&mut self, other: Self) {
        self.part.join(other.part);
        self.is_told |= other.is_told;
    }
}

/// Reads every member of a list; an unreported list counts as unreported, not as empty.
fn told_parts<T>(list: Reading<Members>, read: impl Fn(&Value, &str) -> Option<T>) -> Told<T> {
    let is_told = !matches!(list, Reading::Absent | Reading::Unasked);
    Told { part: parts(list, read), is_told }
}

/// Reads a server's processors, memory, accelerators and drives; absent if it reports none of them.
pub async fn inventory(walk: &Walk<'_>, system: &Doc, beside: &Beside<'_>) -> Reading<Inventory> {
    let (processors, modules, drives, board_gpus) = tokio::join!(
        async { told_parts(walk.members_of(system, "Processors").await, |value, uri| Some(processor(value, uri))) },
        async { told_parts(walk.members_of(system, "Memory").await, memory) },
        drives(walk, system, beside),
        gather(beside.boards.iter().map(|board| board_gpus(walk, board))),
    );

    let mut all = Inventory::default();
    let is_told = processors.is_told;
    let (mut has_gpus, processors) = (false, processors.part);
    for part in processors.found {
        match part {
            ReadProcessor::Cpu(part) => all.processors.push(part),
            ReadProcessor::Gpu(part) => {
                has_gpus = true;
                all.accelerators.push(part);
            }
            ReadProcessor::Other(part) => all.accelerators.push(part),
            ReadProcessor::Nothing => {}
        }
    }
    let processors = Told { part: Part { found: Vec::<Processor>::new(), failure: processors.failure }, is_told };

    let mut accelerators = Told::nothing();
    accelerators.part.fail(processors.part.failure.clone());
    if !has_gpus && all.accelerators.is_empty() {
        for part in board_gpus {
            accelerators.is_told |= !part.found.is_empty();
            accelerators.part.join(part);
        }
        accelerators.part.fail(beside.unknown.cloned());
    }
    if !has_gpus && accelerators.part.found.is_empty() {
        accelerators.join(pcie_gpus(walk, system, beside).await);
    }
    // A list of processors with accelerators in it shows that this service reports them there.
    accelerators.is_told |= !all.accelerators.is_empty();
    all.accelerators.append(&mut accelerators.part.found);
    (all.memory, all.drives) = (modules.part.found, drives.part.found);

    let is_empty = |count: usize, is_told: bool| !is_told || (count == 0 && beside.is_off);
    let states = [
        ("accelerators", accelerators.part.failure, is_empty(all.accelerators.len(), accelerators.is_told)),
        ("drives", drives.part.failure, is_empty(all.drives.len(), drives.is_told)),
        ("memory", modules.part.failure, is_empty(all.memory.len(), modules.is_told)),
        ("processors", processors.part.failure, is_empty(all.processors.len(), processors.is_told)),
    ];
    if states.iter().all(|(_, failure, is_untold)| failure.is_none() && *is_untold) {
        return Reading::Absent;
    }
    for (name, failure, is_untold) in states {
        if failure.is_some() {
            all.partial.push(name.into());
        } else if is_untold {
            all.untold.push(name.into());
        }
    }

    all.processors.sort_by(|a, b| natural(&a.id, &b.id).then_with(|| a.cmp(b)));
    all.accelerators.sort_by(|a, b| natural(&a.id, &b.id).then_with(|| a.cmp(b)));
    all.memory.sort_by(|a, b| natural(&a.id, &b.id).then_with(|| a.cmp(b)));
    all.drives.sort_by(|a, b| natural(&a.id, &b.id).then_with(|| a.cmp(b)));
    Reading::Seen(all)
}

/// Reads the GPUs of a baseboard; its FPGAs are the board's own logic.
async fn board_gpus(walk: &Walk<'_>, board: &Doc) -> Part<Processor> {
    parts(walk.members_of(board, "Processors").await, |value, uri| match processor(value, uri) {
        ReadProcessor::Gpu(part) => Some(part),
        ReadProcessor::Cpu(_) | ReadProcessor::Other(_) | ReadProcessor::Nothing => None,
    })
}

/// Reads the GPUs among the PCIe devices: of the System, of the chassis that hold it, or in HPE's
/// list of devices.
async fn pcie_gpus(walk: &Walk<'_>, system: &Doc, beside: &Beside<'_>) -> Told<Processor> {
    let mut devices: Told<Doc> = told_docs(walk.listed_in(system, "PCIeDevices").await);
    // Some services have a collection instead of the schema's list of links.
    if devices.part.found.is_empty() && at(&system.body, "PCIeDevices").is_object() {
        devices = told_docs(walk.members_of(system, "PCIeDevices").await);
    }
    for chassis in beside.chassis {
        for key in ["PCIeDevices", "Oem/Hpe/Links/Devices"] {
            devices.join(told_docs(walk.members_of(chassis, key).await));
        }
        devices.join(told_docs(walk.listed_in(chassis, "Links/PCIeDevices").await));
    }
    devices.part.fail(beside.chassis_failure.cloned());

    let mut known = BTreeSet::new();
    let mut all = Told { part: Part { found: Vec::new(), failure: devices.part.failure }, is_told: devices.is_told };
    for device in devices.part.found.iter().filter(|device| known.insert(device.uri.trim_end_matches('/'))) {
        let mut judged = is_gpu(&device.body, &[]);
        if judged.is_none() && may_be_gpu(&device.body) {
            let functions = parts(walk.members_of(device, "PCIeFunctions").await, |value, _| Some(value.clone()));
            all.part.fail(functions.failure);
            judged = is_gpu(&device.body, &functions.found);
        }
        if judged == Some(true) {
            all.part.found.push(gpu(&device.body, &device.uri));
        }
    }
    all
}

fn told_docs(list: Reading<Members>) -> Told<Doc> {
    let is_told = !matches!(list, Reading::Absent | Reading::Unasked);
    let part = match list {
        Reading::Seen(members) => Part { failure: members.failure(), found: members.found },
        Reading::Failed(failure) => Part::of_failure(failure),
        Reading::Absent | Reading::Unasked => Part::default(),
    };
    Told { part, is_told }
}

/// Reads the drives of a server: of its Storage and of HPE's SmartStorage, which list the drives of
/// different controllers. Without those, reads the devices of its SimpleStorage, or the drives of
/// its chassis.
async fn drives(walk: &Walk<'_>, system: &Doc, beside: &Beside<'_>) -> Told<Drive> {
    let storages = told_docs(walk.members_of(system, "Storage").await);
    let mut docs: Told<Doc> =
        Told { part: Part { found: Vec::new(), failure: storages.part.failure }, is_told: storages.is_told };
    for storage in &storages.part.found {
        docs.join(told_docs(walk.listed_in(storage, "Drives").await));
    }
    docs.join(smart_storage(walk, system).await);

    if docs.part.found.is_empty() && docs.part.failure.is_none() {
        let simple = walk.members_of(system, "SimpleStorage").await;
        let simple = told_parts(simple, |value, _| {
            let devices = at(value, "Devices").as_array().into_iter().flatten().take(MAX_LIST).enumerate();
            Some(devices.filter_map(|(number, value)| device(value, number)).collect::<Vec<_>>())
        });
        let found: Vec<Drive> = simple.part.found.into_iter().flatten().collect();
        docs.is_told |= simple.is_told;
        docs.part.fail(simple.part.failure.clone());
        if !found.is_empty() {
            return Told { part: Part { found, failure: simple.part.failure }, is_told: true };
        }
        for chassis in beside.chassis {
            docs.join(told_docs(walk.listed_in(chassis, "Links/Drives").await));
            docs.join(told_docs(walk.members_of(chassis, "Drives").await));
        }
    }

    // A drive in two lists is one drive, by its resource or its serial number.
    let mut known = BTreeSet::new();
    let mut is_new = |doc: &Doc| {
        let serial = told(&doc.body, "SerialNumber").map(|serial| format!("serial {serial}"));
        let by_uri = known.insert(doc.uri.trim_end_matches('/').to_owned());
        by_uri && serial.is_none_or(|serial| known.insert(serial))
    };
    let own = docs.part.found.iter().filter(|doc| is_new(doc));
    let found = own.filter_map(|doc| drive(&doc.body, &doc.uri)).collect();
    Told { part: Part { found, failure: docs.part.failure }, is_told: docs.is_told }
}

/// Reads the drives in HPE's own storage tree: controllers, and the drives of each.
async fn smart_storage(walk: &Walk<'_>, system: &Doc) -> Told<Doc> {
    const PLACES: [&str; 4] = [
        "Oem/Hpe/Links/SmartStorage",
        "Oem/Hp/Links/SmartStorage",
        "Oem/Hp/links/SmartStorage",
        "Oem/Hpe/SmartStorage",
    ];

    let Some(place) = PLACES.into_iter().find(|place| !at(&system.body, place).is_null()) else {
        return Told::nothing();
    };

    let storage = match walk.part(system, place).await {
        Reading::Seen(storage) => storage,
        Reading::Failed(failure) => return Told { part: Part::of_failure(failure), is_told: true },
        Reading::Absent | Reading::Unasked => return Told::nothing(),
    };

    let mut all: Told<Doc> = Told::nothing();
    for kind in ["ArrayControllers", "HostBusAdapters"] {
        let controllers = members_at(walk, &storage, kind).await;
        all.is_told |= controllers.is_told;
        all.part.fail(controllers.part.failure);
        for controller in &controllers.part.found {
            all.join(members_at(walk, controller, "PhysicalDrives").await);
        }
    }

    all
}

/// Reads a collection that HPE's resources link to under one of three keys.
async fn members_at(walk: &Walk<'_>, owner: &Doc, key: &str) -> Told<Doc> {
    for place in [format!("Links/{key}"), format!("links/{key}"), key.to_owned()] {
        let list = told_docs(walk.members_of(owner, &place).await);
        if list.is_told {
            return list;
        }
    }
    Told::nothing()
}
