//! Addresses that BMCs reported for nodes with `macs = "from-bmc"`, as declared facts: replicas and a lost store keep them.

use super::edits::Draft;
use super::facts::EmptyCells;
use super::{Adopted, Scope, World};
use crate::desired::{NicKind, Node};
use crate::model::MacAddr;
use crate::roll::Roll;

/// Declares the addresses of every selected node that claims some.
pub fn claimed(world: &World<'_>, draft: &mut Draft) {
    let cells = EmptyCells::of(world.tree);
    let roll = Roll::call(world.snapshot, &world.observed.claims);
    for (at, node) in world.snapshot.nodes().iter().enumerate() {
        let is_selected = match &world.options.scope {
            Scope::All => true,
            Scope::New => false,
            Scope::Nodes(nodes) => nodes.contains(&at),
        };
        let is_declared = |mac: &MacAddr| world.snapshot.by_mac(*mac).is_some();
        let macs: Vec<MacAddr> = roll.macs_of(at).filter(|mac| !is_declared(mac)).collect();
        if is_selected && !macs.is_empty() {
            declare(world, &cells, node, &macs, draft);
        }
    }
}

fn declare(world: &World<'_>, cells: &EmptyCells<'_>, node: &Node, macs: &[MacAddr], draft: &mut Draft) {
    let desired = world.snapshot.desired();
    let boot = desired.boot_nic(node).map(|(spec, _)| &*spec.name);
    let mut free: Vec<&str> = desired
        .nics(node)
        .filter(|(spec, nic)| spec.kind == NicKind::Ethernet && nic.mac.is_none())
        .map(|(spec, _)| &*spec.name)
        .collect();
    free.sort_by_key(|name| Some(*name) != boot);
    if free.len() < macs.len() {
        let list = macs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let lacks = macs.len() - free.len();
        draft.note(format!(
            "{}: claims {list}, and has {lacks} too few interfaces to declare them; add them to its `nics`",
            node.name
        ));
        return;
    }
    if macs.len() > 1 {
        draft.note(format!(
            "{}: its addresses went to its interfaces in their order; see that each is the right one",
            node.name
        ));
    }
    for (nic, mac) in free.iter().zip(macs) {
        let column = format!("nics.{nic}.mac");
        match cells.fill(&node.name, &column, &mac.to_string()) {
            Some(splice) => draft.splices.push(splice),
            None => draft.rows.add(&node.name, vec![(column.clone(), mac.to_string())]),
        }
        draft.adopted.push(Adopted::Value { name: node.name.to_string(), attribute: column, value: mac.to_string() });
    }
}
