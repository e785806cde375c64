//! A server's interfaces, from every place that tells of them.

use super::gather::gather;
use super::walk::{Doc, Members, Part, Walk, parts};
use crate::model::MacAddr;
use crate::observed::{Failure, FailureKind, NicKind, Reading, SeenNic};
use crate::redfish::quirks::Noted;
use crate::redfish::read::nics::{Found, Source, boot_option, function, interface, join, port};
use crate::redfish::read::words::{at, link, links};

/// What is known before a server's interfaces are read.
pub struct Around<'a> {
    /// The chassis that hold the server.
    pub chassis: Vec<&'a Doc>,
    /// Why the chassis or the managers' links to the host are not all known, if they are not.
    pub failure: Option<Failure>,
    /// The server's boot options.
    pub options: &'a Reading<Members>,
    /// The managers' ends of links to the host.
    pub host_links: &'a [MacAddr],
    pub in_post: Option<bool>,
}

/// Reads a server's interfaces. A list that may lack some is a failure: unknown is not absent.
pub async fn nics(walk: &Walk<'_>, system: &Doc, around: Around<'_>) -> Reading<Vec<SeenNic>> {
    let (interfaces, adapters) =
        tokio::join!(walk.members_of(system, "EthernetInterfaces"), adapters(walk, system, &around));
    let tells_nothing =
        matches!(interfaces, Reading::Absent) && adapters.is_none() && matches!(around.options, Reading::Absent);
    let mut all = parts(interfaces, interface);
    if all.failure.is_none() && all.found.iter().all(|found| found.nic.kind == NicKind::HostToBmc) {
        walk.note(Noted::NoInterfaces);
    }
    all.join(adapters.unwrap_or_default());
    all.join(match around.options {
        Reading::Seen(options) => Part {
            found: options.found.iter().filter_map(|doc| boot_option(&doc.body, &doc.uri)).collect(),
            failure: options.failed.first().map(|(_, failure)| failure.clone()),
        },
        Reading::Failed(failure) => Part::of_failure(failure.clone()),
        Reading::Absent | Reading::Unasked => Part::default(),
    });
    if let Some(failure) = all.failure {
        return Reading::Failed(failure);
    }
    let only = |source| {
        let real = |found: &&Found| found.nic.kind != NicKind::HostToBmc;
        let mut real = all.found.iter().filter(real).peekable();
        real.peek().is_some() && real.all(|found| found.source >= source)
    };
    if only(Source::BootOption) {
        walk.note(Noted::BootOptionMacs);
    } else if only(Source::Function) {
        walk.note(Noted::AdapterMacs);
    }
    let joined = join(all.found, around.host_links);
    if joined.repeated {
        walk.note(Noted::RepeatedMac);
    }
    if joined.nics.iter().any(|nic| nic.kind == NicKind::HostToBmc) {
        walk.note(Noted::HostLink);
    }
    match joined.nics {
        nics if nics.is_empty() && around.in_post == Some(true) => {
            walk.note(Noted::NoNicsInPost);
            Reading::Failed(Failure::new(FailureKind::Missing, "the machine is in POST and tells of no interface yet"))
        }
        nics if nics.is_empty() && tells_nothing => Reading::Absent,
        nics => Reading::Seen(nics),
    }
}

/// Reads the interfaces of a server's network adapters; nothing where neither it nor its chassis link to any.
async fn adapters(walk: &Walk<'_>, system: &Doc, around: &Around<'_>) -> Option<Part<Found>> {
    let mut all = Part { found: Vec::new(), failure: around.failure.clone() };
    let mut adapters: Vec<Doc> = Vec::new();
    let mut owners: Vec<Doc> = Vec::new();
    let mut is_told = all.failure.is_some();
    match walk.members_of(system, "NetworkInterfaces").await {
        Reading::Seen(members) => {
            is_told = true;
            all.failure = all.failure.or(members.failed.into_iter().next().map(|(_, failure)| failure));
            owners = members.found;
        }
        Reading::Failed(failure) => all.join(Part::of_failure(failure)),
        Reading::Absent | Reading::Unasked => {}
    }
    let lists = gather(around.chassis.iter().map(|chassis| walk.members_of(chassis, "NetworkAdapters"))).await;
    for list in lists {
        match list {
            Reading::Seen(members) => {
                is_told = true;
                all.failure = all.failure.or(members.failed.into_iter().next().map(|(_, failure)| failure));
                adapters.extend(members.found);
            }
            Reading::Failed(failure) => all.join(Part::of_failure(failure)),
            Reading::Absent | Reading::Unasked => {}
        }
    }
    for owner in owners {
        match link(at(&owner.body, "Links/NetworkAdapter")) {
            Some(adapter) if has(&adapters, &adapter) => {}
            Some(adapter) => match walk.get(&adapter).await {
                Ok(adapter) => adapters.push(adapter),
                Err(failure) => all.join(Part::of_failure(failure)),
            },
            // Some services hang the functions below the interface itself.
            None => adapters.push(owner),
        }
    }
    for part in gather(adapters.iter().map(|adapter| addresses(walk, adapter))).await {
        all.join(part);
    }
    (is_told || all.failure.is_some()).then_some(all)
}

fn has(docs: &[Doc], uri: &str) -> bool {
    docs.iter().any(|doc| doc.uri.trim_end_matches('/') == uri.trim_end_matches('/'))
}

/// Reads the addresses of one adapter: of its functions, or where they have none, of its ports.
async fn addresses(walk: &Walk<'_>, adapter: &Doc) -> Part<Found> {
    let functions = match walk.members_of(adapter, "NetworkDeviceFunctions").await {
        Reading::Absent => listed_functions(walk, adapter).await,
        other => parts(other, function),
    };
    if !functions.found.is_empty() || functions.failure.is_some() {
        return functions;
    }
    let mut all = Part::default();
    for key in ["Ports", "NetworkPorts"] {
        let ports = parts(walk.members_of(adapter, key).await, |value, uri| Some(port(value, uri)));
        all.join(Part { found: ports.found.into_iter().flatten().collect(), failure: ports.failure });
        if !all.found.is_empty() {
            break;
        }
    }
    all
}

/// Reads the functions that only an adapter's controllers link to.
async fn listed_functions(walk: &Walk<'_>, adapter: &Doc) -> Part<Found> {
    let controllers = at(&adapter.body, "Controllers").as_array().into_iter().flatten();
    let uris: Vec<Box<str>> =
        controllers.flat_map(|controller| links(at(controller, "Links/NetworkDeviceFunctions"))).collect();
    let mut all = Part::default();
    for answer in gather(uris.iter().map(|uri| walk.get(uri))).await {
        match answer {
            Ok(doc) => all.found.extend(function(&doc.body, &doc.uri)),
            Err(failure) => all.join(Part::of_failure(failure)),
        }
    }
    all
}
