//! What is there and nobody declares: machines, BMCs, addresses that asked to boot; and BMCs of no node that are silent.

use std::collections::BTreeSet;

use super::node::World;
use super::{Class, Finding, Subject, Verdict};
use crate::desired::Protocol;
use crate::model::MacAddr;
use crate::observed::{BmcRecord, Reading, Service, System};
use crate::roll;

/// How many addresses that asked to boot are told; the newest tell the story.
const MAX_MACS: usize = 1_000;

/// Finds everything of presence that is no node's own.
pub fn findings(world: &World<'_>) -> Vec<Finding> {
    let mut all = silent_bmcs(world);
    all.extend(undeclared(world));
    all.extend(bmc_macs(world));
    all.extend(held_macs(world));
    all.extend(unknown_macs(world));
    all
}

fn finding(subject: Subject, verdict: Verdict, note: String, observed: Option<i64>) -> Finding {
    Finding {
        subject,
        class: Class::Presence,
        attribute: "".into(),
        verdict,
        wished: None,
        seen: None,
        note: Some(note.into()),
        origin: None,
        observed,
    }
}

/// Declared BMCs that no node is behind, and that could not be read.
fn silent_bmcs(world: &World<'_>) -> Vec<Finding> {
    let lonely = world.desired.bmcs.iter().filter(|bmc| !world.behind.contains_key(&*bmc.name));
    let mut all = Vec::new();
    for bmc in lonely.filter(|bmc| bmc.protocol != Protocol::None) {
        let record = world.observed.bmcs.get(&bmc.name);
        let (why, since): (Box<str>, _) = match record {
            None => ("it was never surveyed".into(), None),
            Some(BmcRecord { failure: Some(failure), failing_since, .. }) => {
                (failure.to_string().into(), *failing_since)
            }
            Some(_) => continue,
        };
        let seen = record.and_then(|record| record.seen);
        let mut told = finding(Subject::Bmc(bmc.name.clone()), Verdict::Unknown { why, since }, String::new(), seen);
        (told.note, told.origin) = (None, Some(bmc.origin));
        all.push(told);
    }
    all
}

/// Systems that no node is, and BMCs that nobody declares.
fn undeclared(world: &World<'_>) -> Vec<Finding> {
    let declared: BTreeSet<&str> = world.desired.bmcs.iter().map(|bmc| &*bmc.name).collect();
    let mut all = Vec::new();
    for record in world.observed.bmcs.values() {
        let is_declared = declared.contains(&*record.bmc);
        let Some(service) = record.service() else { continue };
        let Reading::Seen(systems) = &service.systems else { continue };
        let nodes = world.behind.get(&*record.bmc).map(Vec::as_slice).unwrap_or_default();
        let taken: BTreeSet<&str> = nodes
            .iter()
            .filter_map(|node| roll::system_of(node.system.as_deref(), service).ok())
            .map(|system| &*system.id)
            .collect();
        for system in systems.iter().filter(|system| !taken.contains(&*system.id)) {
            if roll::unread_of(service, system).is_some() {
                // Nobody knows whether it is a server, or there at all.
                continue;
            }
            if is_declared && nodes.iter().any(|node| node.system.is_none()) {
                // Which of the Systems the node is cannot be told; the node's own finding says so.
                continue;
            }
            let subject = Subject::System { bmc: record.bmc.clone(), system: system.id.clone() };
            let where_it_is = if is_declared { "no node is this System" } else { "nobody declares this BMC" };
            let note = format!("{where_it_is}: {}", who(service, system));
            all.push(finding(subject, Verdict::Drifted { since: record.seen }, note, record.seen));
        }
        if !is_declared && systems.is_empty() {
            let note = format!("nobody declares this BMC, at {}", record.url);
            all.push(finding(
                Subject::Bmc(record.bmc.clone()),
                Verdict::Drifted { since: record.seen },
                note,
                record.seen,
            ));
        }
    }
    all
}

fn who(service: &Service, system: &System) -> String {
    let facts = &system.facts;
    let words = [facts.manufacturer.as_deref(), facts.model.as_deref()];
    let mut text = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        text.push_str("a machine of no name");
    }
    if let Some(serial) = service.serial_of(system) {
        text.push_str(&format!(", serial {serial}"));
    }
    text
}

/// Declared addresses of BMCs that are not those that the BMC tells of itself.
fn bmc_macs(world: &World<'_>) -> Vec<Finding> {
    let mut all = Vec::new();
    for bmc in &world.desired.bmcs {
        let (Some(mac), Some(record)) = (bmc.mac, world.observed.bmcs.get(&bmc.name)) else { continue };
        if record.failure.is_some() {
            continue;
        }
        let managers = || record.service().and_then(|service| service.managers.seen()).into_iter().flatten();
        let seen: BTreeSet<MacAddr> = managers().filter_map(|manager| manager.macs.seen()).flatten().copied().collect();
        let unread = managers().find_map(|manager| match &manager.macs {
            Reading::Failed(failure) => Some(&failure.why),
            Reading::Seen(_) | Reading::Absent | Reading::Unasked => None,
        });
        if (seen.is_empty() && unread.is_none()) || seen.contains(&mac.value) {
            continue;
        }
        let verdict = match unread {
            Some(why) => {
                let why = format!("not all interfaces of the BMC could be read: {why}");
                Verdict::Unknown { why: why.into(), since: None }
            }
            None => Verdict::Drifted { since: record.seen_deep },
        };
        let seen = seen.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        all.push(Finding {
            subject: Subject::Bmc(bmc.name.clone()),
            class: Class::Identity,
            attribute: "bmc.mac".into(),
            seen: matches!(verdict, Verdict::Drifted { .. }).then(|| seen.into()),
            verdict,
            wished: Some(mac.value.to_string().into()),
            note: None,
            origin: Some(mac.origin),
            observed: record.seen_deep,
        });
    }
    all
}

/// Addresses that claims contradict each other or git about.
fn held_macs(world: &World<'_>) -> Vec<Finding> {
    let told = |held: &roll::Held| Finding {
        class: Class::Identity,
        attribute: "macs".into(),
        ..finding(Subject::Mac(held.mac), Verdict::Drifted { since: None }, held.to_string(), None)
    };
    world.roll.held().iter().map(told).collect()
}

/// Addresses that asked to boot and that nobody declares or claims.
fn unknown_macs(world: &World<'_>) -> Vec<Finding> {
    let claimed: BTreeSet<MacAddr> =
        world.observed.claims.iter().flat_map(|claim| claim.macs.iter().copied()).collect();
    let mut unknown: Vec<_> = world.observed.unknown.iter().collect();
    unknown.retain(|machine| world.snapshot.by_mac(machine.mac).is_none() && !claimed.contains(&machine.mac));
    unknown.sort_by_key(|machine| (std::cmp::Reverse(machine.last), machine.mac));
    unknown.truncate(MAX_MACS);
    unknown.sort_by_key(|machine| machine.mac);
    let told = |machine: &&crate::observed::UnknownMac| {
        let note = format!("it asked to boot from {}, and nobody claims it", machine.address);
        finding(Subject::Mac(machine.mac), Verdict::Drifted { since: Some(machine.first) }, note, Some(machine.last))
    };
    unknown.iter().map(told).collect()
}
