//! Active nodes that no machine can be matched to, because they declare nothing that a booting machine sends.

use std::collections::{BTreeMap, BTreeSet};

use super::Class;
use crate::desired::{Desired, Findings, MacSource, Node, NodeState};
use crate::model::{Code, Diagnostic, NodeSet, Origin, is_placeholder, is_placeholder_uuid};

/// Finds the active nodes without a MAC address, UUID or serial number: one warning for each table, with its nodes.
///
/// Nodes whose addresses come from their BMCs are left out: a survey finds them.
pub fn unfindable(desired: &Desired, classes: &[Class], judged: &BTreeSet<u32>) -> Findings {
    let mut by_table: BTreeMap<Origin, Vec<&Node>> = BTreeMap::new();
    for node in &desired.nodes {
        let is_active = node.state.value == NodeState::Active && judged.contains(&node.class);
        let is_declared = classes[node.class as usize].macs.value == MacSource::Declared;
        if is_active && is_declared && !has_key(node) {
            by_table.entry(node.origin).or_default().push(node);
        }
    }

    by_table.into_iter().map(|(origin, nodes)| finding(desired, origin, &nodes)).collect()
}

/// Returns whether a node declares something that a booting machine sends and that identifies it.
fn has_key(node: &Node) -> bool {
    let has_serial = node.serial.as_ref().is_some_and(|serial| !is_placeholder(&serial.value));
    let has_uuid = node.uuid.is_some_and(|uuid| !is_placeholder_uuid(uuid.value));

    has_serial || has_uuid || node.nics.iter().any(|nic| nic.mac.is_some())
}

fn finding(desired: &Desired, origin: Origin, nodes: &[&Node]) -> Diagnostic {
    let who = NodeSet::from_names(nodes.iter().map(|node| &*node.name));
    let (declares, them) = match nodes {
        [_] => ("is active and declares", "it"),
        _ => ("are active and declare", "them"),
    };
    // iPXE has no setting for a GUID, so it identifies no machine that boots.
    let has_guid = nodes.iter().any(|node| node.nics.iter().any(|nic| nic.guid.is_some()));
    let guid = if has_guid { "; a GUID alone is not enough" } else { "" };
    let message = format!(
        "{who} {declares} no MAC address, UUID or serial number{guid}: no booting machine can be matched to {them}"
    );

    Diagnostic::new(Code::UnfindableNode, desired.sources.place(origin), message).hint(
        "declare the `mac` of an interface, a `uuid` or a `serial` (in a facts file, for example), or \
         `state = \"spare\"` until the machines are there",
    )
}
