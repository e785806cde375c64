//! What a server is made of.

use super::gather::gather;
use super::walk::{Doc, Members, Part, Walk, parts};
use crate::observed::{Drive, Failure, Inventory, Processor, Reading};
use crate::redfish::read::parts::{ReadProcessor, device, drive, memory, processor};
use crate::redfish::read::words::{at, links, natural};

/// Reads a server's processors, memory and drives; absent where it links to none of them.
///
/// `boards` are the baseboards whose GPUs are this server's: they pose as Systems beside the only server of a BMC. `unknown`
/// says why a System that may be one could not be read.
pub async fn inventory(walk: &Walk<'_>, system: &Doc, boards: &[Doc], unknown: Option<&Failure>) -> Reading<Inventory> {
    let is_told =
        ["Processors", "Memory", "Storage", "SimpleStorage"].iter().any(|key| !at(&system.body, key).is_null());
    if !is_told {
        return Reading::Absent;
    }
    let (processors, modules, drives, board_gpus) = tokio::join!(
        async { parts(walk.members_of(system, "Processors").await, |value, uri| Some(processor(value, uri))) },
        async { parts(walk.members_of(system, "Memory").await, memory) },
        drives(walk, system),
        gather(boards.iter().map(|board| gpus(walk, board))),
    );
    let mut all = Inventory::default();
    let mut failed: Vec<&str> = Vec::new();
    let mut note = |name, part: bool| failed.extend(part.then_some(name));
    note("processors", processors.failure.is_some());
    note("memory", modules.failure.is_some());
    note("drives", drives.failure.is_some());
    let is_partly = unknown.is_some() || board_gpus.iter().any(|part| part.failure.is_some());
    let is_own = |part: &ReadProcessor| matches!(part, ReadProcessor::Gpu(_) | ReadProcessor::Other(_));
    let has_own = processors.found.iter().any(is_own);
    note("accelerators", processors.failure.is_some() || (is_partly && !has_own));
    for part in processors.found {
        match part {
            ReadProcessor::Cpu(part) => all.processors.push(part),
            ReadProcessor::Gpu(part) | ReadProcessor::Other(part) => all.accelerators.push(part),
            ReadProcessor::Nothing => {}
        }
    }
    if all.accelerators.is_empty() {
        all.accelerators.extend(board_gpus.into_iter().flat_map(|part| part.found));
    }
    (all.memory, all.drives) = (modules.found, drives.found);
    all.processors.sort_by(|a, b| natural(&a.id, &b.id).then_with(|| a.cmp(b)));
    all.accelerators.sort_by(|a, b| natural(&a.id, &b.id).then_with(|| a.cmp(b)));
    all.memory.sort_by(|a, b| natural(&a.id, &b.id).then_with(|| a.cmp(b)));
    all.drives.sort_by(|a, b| natural(&a.id, &b.id).then_with(|| a.cmp(b)));
    failed.sort_unstable();
    all.partial = failed.into_iter().map(Into::into).collect();
    Reading::Seen(all)
}

/// Reads the GPUs of a baseboard; its FPGAs are the board's own logic.
async fn gpus(walk: &Walk<'_>, board: &Doc) -> Part<Processor> {
    parts(walk.members_of(board, "Processors").await, |value, uri| match processor(value, uri) {
        ReadProcessor::Gpu(part) => Some(part),
        ReadProcessor::Cpu(_) | ReadProcessor::Other(_) | ReadProcessor::Nothing => None,
    })
}

/// Reads the drives of a server's Storage, or where that has none, the devices of its SimpleStorage.
async fn drives(walk: &Walk<'_>, system: &Doc) -> Part<Drive> {
    let mut all: Part<Drive> = Part::default();
    let mut linked = false;
    match walk.members_of(system, "Storage").await {
        Reading::Seen(Members { found, failed }) => {
            all.failure = failed.into_iter().next().map(|(_, failure)| failure);
            let mut uris: Vec<Box<str>> = Vec::new();
            for uri in found.iter().flat_map(|storage| links(at(&storage.body, "Drives"))) {
                if !uris.contains(&uri) {
                    uris.push(uri);
                }
            }
            linked = !uris.is_empty();
            for answer in gather(uris.iter().map(|uri| walk.get(uri))).await {
                match answer {
                    Ok(doc) => all.found.extend(drive(&doc.body, &doc.uri)),
                    Err(failure) => all.join(Part::of_failure(failure)),
                }
            }
        }
        Reading::Failed(failure) => all.failure = Some(failure),
        Reading::Absent | Reading::Unasked => {}
    }
    if linked || all.failure.is_some() {
        return all;
    }
    let simple = parts(walk.members_of(system, "SimpleStorage").await, |value, _| {
        let devices = at(value, "Devices").as_array().into_iter().flatten().enumerate();
        Some(devices.filter_map(|(number, value)| device(value, number)).collect::<Vec<_>>())
    });
    Part { found: simple.found.into_iter().flatten().collect(), failure: simple.failure }
}
