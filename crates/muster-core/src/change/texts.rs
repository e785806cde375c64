//! The texts that a machine is served, with holes for what the request decides and both sides fill alike.

use super::lines::Part;
use super::servers::Vantage;
use super::{MachineChange, Subject};
use crate::desired::template::SERVER_MARK;
use crate::ipxe::Hole;
use crate::model::MacAddr;
use crate::snapshot::{Answer, Snapshot, UnknownAnswer};

/// The holes of a machine's texts that the two sides fill with different values, so that they are filled here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fill {
    /// Where the machine asks from, if that makes a difference to the URL by which it reaches muster.
    pub server_for: Option<Vantage>,
    /// Whether a machine that asks by its name is called by another of the same MAC addresses.
    pub mac: bool,
}

impl Fill {
    fn server(self, snapshot: &Snapshot, text: String) -> String {
        let stated = self.server_for.and_then(|vantage| snapshot.server_for(vantage.address()));
        match stated {
            Some(url) if text.contains(SERVER_MARK) => text.replace(SERVER_MARK, url),
            // Only the host knows.
            Some(_) | None => text,
        }
    }
}

/// Writes one of a machine's texts on both sides; nothing on a side that serves it none.
pub fn sides(base: &Snapshot, head: &Snapshot, machine: &MachineChange, part: Part) -> [Option<String>; 2] {
    let with = |fill: Fill| match machine.subject {
        Subject::Node => [
            machine.base.and_then(|at| of_node(base, at, part, fill)),
            machine.head.and_then(|at| of_node(head, at, part, fill)),
        ],
        Subject::Bmc => [None, None],
        Subject::Unknown => [base, head].map(|side| of_unknown(side, &machine.name, fill)),
    };
    let filled = with(machine.fill);
    // One side may say outright what the other is filled with at this one place.
    if filled[0] == filled[1] { with(Fill::default()) } else { filled }
}

/// Writes one of the texts that a node is served; nothing if it gets none.
fn of_node(snapshot: &Snapshot, node: usize, part: Part, fill: Fill) -> Option<String> {
    if snapshot.is_retired(node) {
        return None;
    }
    let text = match part {
        Part::Script => match snapshot.answer(node) {
            Answer::Script(prepared) => {
                let text = prepared.script.marked();
                match snapshot.first_mac(node).filter(|_| fill.mac) {
                    Some(mac) => text.replace(Hole::Who.mark(), &format!("mac={mac}")),
                    None => text.to_owned(),
                }
            }
            Answer::Retired | Answer::Nothing => return None,
        },
        // A Snapshot that was built writes every document.
        Part::Document(document) => snapshot.document(node, document).ok().flatten()?,
    };
    Some(fill.server(snapshot, text))
}

/// Writes the answer to an unknown machine; nothing if it is refused.
fn of_unknown(snapshot: &Snapshot, ask: &str, fill: Fill) -> Option<String> {
    let text = match snapshot.unknown((ask != "?").then_some(ask)) {
        UnknownAnswer::Again(script) => script.marked().to_owned(),
        UnknownAnswer::Boot(prepared) => prepared.script.marked().to_owned(),
        UnknownAnswer::Refused => return None,
    };
    Some(fill.server(snapshot, text))
}

/// Tells whether a machine that asks by its name is sent back by another MAC address, though it has the same ones.
pub fn is_called_otherwise(old: (&Snapshot, usize), new: (&Snapshot, usize)) -> bool {
    let macs = |(snapshot, node): (&Snapshot, usize)| {
        let mut all: Vec<MacAddr> =
            snapshot.nodes()[node].nics.iter().filter_map(|nic| nic.mac).map(|mac| mac.value).collect();
        all.sort_unstable();
        all
    };
    old.0.first_mac(old.1) != new.0.first_mac(new.1) && macs(old) == macs(new)
}
