//! Reads a server's interfaces from all resources that report them.

use std::collections::BTreeSet;

use super::gather::gather;
use super::walk::{Doc, Members, Part, Walk, parts};
use crate::quirks::Noted;
use crate::read::nics::{Found, Source, boot_option, function, interface, join, port};
use crate::read::words::{MAX_LIST, at, link};
use muster_core::model::MacAddr;
use muster_core::observed::{Failure, FailureKind, NicKind, Reading, SeenNic};

/// The most reports of interfaces of one server. The largest servers have some 100, in three
/// resources each.
const MAX_NICS: usize = 2048;

/// The facts that are known before a server's interfaces are read.
pub struct Around<'a> {
    /// The chassis that hold the server.
    pub chassis: &'a [&'a Doc],
    /// The reason for which the chassis or the managers' links to the host are not all known, if
    /// they are not.
    pub failure: Option<Failure>,
    /// The server's boot options.
    pub options: &'a Reading<Members>,
    /// The managers' ends of links to the host.
    pub host_links: &'a [MacAddr],
    pub in_post: Option<bool>,
}

/// Reads a server's interfaces. The second value is the reason for which some may be missing, if
/// any may; those that were read count all the same.
pub async fn nics(walk: &Walk<'_>, system: &Doc, around: Around<'_>) -> (Reading<Vec<SeenNic>>, Option<Failure>) {
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
            failure: options.failure(),
        },
        Reading::Failed(failure) => Part::of_failure(failure.clone()),
        Reading::Absent | Reading::Unasked => Part::default(),
    });

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

    if all.found.len() > MAX_NICS {
        all.found.truncate(MAX_NICS);
        let why = format!("{} reports more than {MAX_NICS} interfaces", system.uri);
        all.fail(Some(Failure::new(FailureKind::TooLarge, why)));
    }

    let failure = all.failure;
    let joined = join(all.found, around.host_links);
    if joined.repeated {
        walk.note(Noted::RepeatedMac);
    }
    if joined.nics.iter().any(|nic| nic.kind == NicKind::HostToBmc) {
        walk.note(Noted::HostLink);
    }

    let reading = match (joined.nics, &failure) {
        (nics, Some(failure)) if nics.is_empty() => Reading::Failed(failure.clone()),
        (nics, None) if nics.is_empty() && around.in_post == Some(true) => {
            walk.note(Noted::NoNicsInPost);
            let why = "the machine is in POST and reports no interface yet";
            Reading::Failed(Failure::new(FailureKind::Missing, why))
        }
        (nics, None) if nics.is_empty() && tells_nothing => Reading::Absent,
        (nics, _) => Reading::Seen(nics),
    };

    let is_partial = matches!(reading, Reading::Seen(_));
    (reading, failure.filter(|_| is_partial))
}

/// Reads the interfaces of a server's network adapters; `None` if neither it nor its chassis link
/// to any.
async fn adapters(walk: &Walk<'_>, system: &Doc, around: &Around<'_>) -> Option<Part<Found>> {
    let mut all = Part { found: Vec::new(), failure: around.failure.clone() };
    let mut adapters: Vec<Doc> = Vec::new();
    let mut owners: Vec<Doc> = Vec::new();
    let mut is_told = all.failure.is_some();

    match walk.members_of(system, "NetworkInterfaces").await {
        Reading::Seen(members) => {
            is_told = true;
            all.fail(members.failure());
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
                all.fail(members.failure());
                adapters.extend(members.found);
            }
            Reading::Failed(failure) => all.join(Part::of_failure(failure)),
            Reading::Absent | Reading::Unasked => {}
        }
    }

    let mut known: BTreeSet<Box<str>> = adapters.iter().map(|adapter| plain(&adapter.uri)).collect();
    for owner in owners {
        match link(at(&owner.body, "Links/NetworkAdapter")) {
            Some(adapter) if known.contains(&plain(&adapter)) => {}
            Some(adapter) => match walk.get(&adapter).await {
                Ok(adapter) => {
                    known.insert(plain(&adapter.uri));
                    adapters.push(adapter);
                }
                Err(failure) => all.join(Part::of_failure(failure)),
            },
            // Some services put the functions below the interface itself.
            None => adapters.push(owner),
        }
    }

    for part in gather(adapters.iter().map(|adapter| addresses(walk, adapter))).await {
        all.join(part);
    }
    (is_told || all.failure.is_some()).then_some(all)
}

/// Reads the addresses of one adapter: of its functions and of its ports. A function may have an
/// address of its own even if the others have theirs at the port.
async fn addresses(walk: &Walk<'_>, adapter: &Doc) -> Part<Found> {
    let mut all = match walk.members_of(adapter, "NetworkDeviceFunctions").await {
        Reading::Absent => listed_functions(walk, adapter).await,
        other => parts(other, function),
    };

    for key in ["Ports", "NetworkPorts"] {
        let ports = walk.members_of(adapter, key).await;
        let is_there = !matches!(ports, Reading::Absent);
        let ports = parts(ports, |value, uri| Some(port(value, uri)));
        all.join(Part { found: ports.found.into_iter().flatten().collect(), failure: ports.failure });
        // NetworkPorts is the older name of the same list.
        if is_there {
            break;
        }
    }

    all
}

/// Reads the functions that only an adapter's controllers link to.
async fn listed_functions(walk: &Walk<'_>, adapter: &Doc) -> Part<Found> {
    let controllers = at(&adapter.body, "Controllers").as_array().into_iter().flatten().take(MAX_LIST);
    let owners = controllers.map(|controller| Doc { uri: adapter.uri.clone(), body: controller.clone().into() });
    let owners: Vec<Doc> = owners.collect();
    let lists = gather(owners.iter().map(|owner| walk.listed_in(owner, "Links/NetworkDeviceFunctions"))).await;
    let mut all = Part::default();
    for list in lists {
        all.join(parts(list, function));
    }
    all
}

fn plain(uri: &str) -> Box<str> {
    uri.trim_end_matches('/').into()
}
