//! Surveys one BMC: from a client to an [`Observation`].
//!
//! A bad resource costs only that resource and the part of the machine that depends on it. It never
//! makes a list shorter that then appears complete.

mod expand;
mod gather;
mod inventory;
mod nics;
mod service;
mod systems;
mod walk;

use serde_json::Value;

use self::gather::gather;
use self::systems::{Beside, Listed, Placed};
use self::walk::{Doc, Walk};
use super::Client;
use super::quirks::{Evidence, applying};
use super::read::service::root;
use super::read::words::natural;
use muster_core::observed::{
    Depth, Failure, FailureKind, Observation, Outcome, Reading, Service, Shared, SharedSet, System,
};

/// Surveys one BMC.
///
/// `name` is the key of its record, and `url` the origin from the cluster repository or the command
/// line. `now` returns Unix milliseconds, and is called at the end of the survey. The outcome is a
/// failure only if no System could be judged.
pub async fn survey(client: &Client, name: &str, url: &str, depth: Depth, now: impl Fn() -> i64) -> Observation {
    let walk = Walk::new(client);
    let mut shared = Shared::default();
    let clock = client.clock().unwrap_or_else(&now);
    let outcome = match read(&walk, depth, clock, &mut shared).await {
        Ok(service) => Outcome::Seen(Box::new(service)),
        Err(failure) => Outcome::Failed(failure),
    };

    Observation {
        bmc: name.into(),
        url: url.into(),
        at: now(),
        depth,
        trust: client.trust(),
        authenticated: client.authenticated(),
        outcome,
        shared,
    }
}

/// Reads a service. `clock` is the time of the BMC's clock if it reports it, else of this host's,
/// in Unix milliseconds.
async fn read(walk: &Walk<'_>, depth: Depth, clock: i64, shared: &mut Shared) -> Result<Service, Failure> {
    let top = Doc { uri: "/redfish/v1".into(), body: walk.client().root().clone().into() };
    walk.note_root(&top);
    let listed = match walk.members_of(&top, "Systems").await {
        Reading::Seen(members) => Some(systems::sort(walk, &top, members).await),
        // A root without the link has no Systems; one with a link to nothing is broken.
        Reading::Absent if top.body.get("Systems").is_some() => {
            let failure = Failure::new(FailureKind::Malformed, "GET /redfish/v1: `Systems` is not a link");
            walk.fail("/redfish/v1/Systems", &failure);
            return Err(failure);
        }
        Reading::Absent | Reading::Unasked => None,
        Reading::Failed(failure) => return Err(reason(walk, &top, failure).await),
    };

    if let Some(listed) = &listed
        && listed.servers.is_empty()
        && listed.not_servers.is_empty()
        && let Some(failure) = listed.open()
    {
        return Err(failure.clone());
    }

    let mut service = Service {
        root: root(&top.body),
        systems: Reading::Absent,
        not_servers: Vec::new(),
        managers: Reading::Unasked,
        chassis: Reading::Unasked,
        firmware: Reading::Unasked,
        firmware_unread: None,
        quirks: Vec::new(),
        unread: Vec::new(),
    };

    let found = match depth {
        Depth::Sweep => {
            let own = |listed: &Listed| listed.servers.iter().map(|doc| systems::own(doc, clock)).collect();
            listed.as_ref().map(own)
        }
        Depth::Deep => deep(walk, &top, listed.as_ref(), clock, &mut service, shared).await,
    };

    let mut bodies: Vec<Value> = Vec::new();
    if let Some(listed) = listed {
        bodies = listed.servers.iter().map(|doc| (*doc.body).clone()).collect();
        service.not_servers = listed.not_servers;
        let unknown = listed.unknown.iter().map(|(uri, failure)| systems::unknown(uri, failure, depth));
        let mut all: Vec<System> = found.unwrap_or_default().into_iter().chain(unknown).collect();
        all.sort_by(|a, b| natural(&a.id, &b.id));
        service.systems = Reading::Seen(all);
    }

    let client = walk.client();
    let evidence =
        Evidence { root: client.root().clone(), systems: bodies, noted: walk.noted(), client: client.seen() };
    service.quirks = applying(&evidence);
    service.unread = walk.unread();

    Ok(service)
}

/// Reads everything of a BMC except the Systems' own resources; returns the servers.
async fn deep(
    walk: &Walk<'_>,
    top: &Doc,
    listed: Option<&Listed>,
    clock: i64,
    service: &mut Service,
    shared: &mut Shared,
) -> Option<Vec<System>> {
    let machines = async {
        let (managers, chassis) = tokio::join!(service::managers(walk, top), service::all_chassis(walk, top));
        let servers = listed.map_or(&[][..], |listed| &listed.servers);
        let placed: Vec<Placed> = chassis.docs.into_iter().map(Placed::new).collect();
        let beside = Beside {
            chassis: &placed,
            chassis_failed: &chassis.failed,
            host_links: &managers.host_links,
            host_links_unread: managers.host_links_unread.as_ref(),
            boards: listed.map_or(&[][..], |listed| &listed.boards),
            is_only: servers.len() == 1,
            unknown: listed.and_then(Listed::open),
        };
        let found = gather(servers.iter().map(|doc| systems::deep(walk, doc, &beside, clock))).await;
        (managers.managers, chassis.chassis, found)
    };

    let ((managers, chassis, found), (firmware, firmware_unread)) =
        tokio::join!(machines, service::all_firmware(walk, top));
    service.managers = managers;
    service.chassis = chassis;
    service.firmware = firmware.map(|set| shared.keep(SharedSet::Firmware(set)));
    service.firmware_unread = firmware_unread;
    let found = found.into_iter().map(|(system, sets)| {
        shared.join(sets);
        system
    });

    Some(found.collect())
}

/// Finds the reason for which the Systems cannot be read. Some BMCs refuse them with a bare 403,
/// and only say elsewhere that the factory password must be changed.
async fn reason(walk: &Walk<'_>, top: &Doc, failure: Failure) -> Failure {
    if failure.kind != FailureKind::Forbidden {
        return failure;
    }
    for key in ["Chassis", "Managers"] {
        if let Reading::Failed(other) = walk.part(top, key).await
            && other.kind == FailureKind::PasswordChange
        {
            return other;
        }
    }
    failure
}
