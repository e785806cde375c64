//! Checks for serial numbers and UUIDs that do not identify a machine: placeholders of firmware,
//! and shared values.
//!
//! Both are warnings. The vendor causes them, and nodes with a MAC address boot all the same; a
//! commit that was valid must not be refused because a later muster knows one more placeholder.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::sources::Findings;
use super::{Desired, Node};
use crate::model::{Code, Diagnostic, NodeSet, Origin, is_placeholder, is_placeholder_uuid, serial_key, uuid_key};

/// Reports every serial number and UUID that identifies no machine, one finding for all nodes of a
/// value.
pub fn unidentified(desired: &Desired, findings: &mut Findings) {
    let mut serials: BTreeMap<Vec<u8>, Stating<'_>> = BTreeMap::new();
    let mut uuids: BTreeMap<Uuid, Stating<'_>> = BTreeMap::new();
    for node in &desired.nodes {
        if let Some(serial) = &node.serial {
            serials.entry(serial_key(&serial.value).collect()).or_default().push((node, serial.origin));
        }
        if let Some(uuid) = node.uuid {
            uuids.entry(uuid_key(uuid.value)).or_default().push((node, uuid.origin));
        }
    }

    let serial = |node: &Node| node.serial.as_ref().map(|serial| serial.value.to_string()).unwrap_or_default();
    let is_made_up = |node: &Node| node.serial.as_ref().is_some_and(|serial| is_placeholder(&serial.value));
    tell(desired, ("serial number", "a chassis of several nodes has one"), serials, (serial, is_made_up), findings);
    let uuid = |node: &Node| node.uuid.map(|uuid| uuid.value.to_string()).unwrap_or_default();
    let is_made_up = |node: &Node| node.uuid.is_some_and(|uuid| is_placeholder_uuid(uuid.value));

    tell(desired, ("UUID", "both byte orders count as one"), uuids, (uuid, is_made_up), findings);
}

/// The nodes that state a value, in the order of files, each with the place.
type Stating<'d> = Vec<(&'d Node, Origin)>;

fn tell<K>(
    desired: &Desired,
    (what, why): (&str, &str),
    values: BTreeMap<K, Stating<'_>>,
    (text, is_made_up): (impl Fn(&Node) -> String, impl Fn(&Node) -> bool),
    findings: &mut Findings,
) {
    let mut shared: Vec<Stating<'_>> = Vec::new();
    for stating in values.into_values() {
        let (first, origin) = stating[0];
        if is_made_up(first) {
            let who = NodeSet::from_names(stating.iter().map(|(node, _)| &node.name));
            let message = format!("`{}` of {who} is what firmware reports where it was given no {what}", text(first));
            let finding = Diagnostic::new(Code::PlaceholderIdentity, desired.sources.place(origin), message);
            findings.push(finding.hint("no machine is found by it; leave it out"));
        } else if stating.iter().any(|(node, _)| node.name != first.name) {
            // Two nodes with one name are one mistake, which is reported as such.
            shared.push(stating);
        }
    }

    // A site of chassis with shared numbers gets one warning.
    shared.sort_by_key(|stating| stating[0].1);
    let Some(stating) = shared.first() else { return };
    let (first, origin) = stating[0];
    let who = NodeSet::from_names(stating.iter().map(|(node, _)| &node.name));

    let more = match shared.len() - 1 {
        0 => String::new(),
        1 => format!("; one more {what} is shared, too"),
        more => format!("; {more} more {what}s are shared, too"),
    };

    let message =
        format!("{who} have one and the same {what} {} ({why}): no machine is found by it{more}", text(first));
    let place = desired.sources.place(origin);
    let second = stating.iter().map(|(_, origin)| desired.sources.place(*origin)).find(|other| *other != place);
    let mut finding = Diagnostic::new(Code::SharedIdentity, place, message);
    if let Some(second) = second {
        finding = finding.related(second, "stated here, too");
    }

    findings.push(finding);
}
