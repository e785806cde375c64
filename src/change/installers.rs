//! Who comes to boot by what wipes disks.

use std::collections::BTreeSet;

use super::{Change, MachineChange, Subject};
use crate::desired::{BootKind, Unknown};
use crate::snapshot::{Answer, Snapshot};

/// Which boots wipe disks: those of kind `install`, and those of these names.
pub struct Installers<'g> {
    pub names: BTreeSet<&'g str>,
}

impl Installers<'_> {
    /// Tells whether a machine boots by an installer that did not, or that another machine than before does.
    pub fn come_to(&self, change: &Change, machine: &MachineChange) -> bool {
        let (old, new) = (&change.base, &change.head);
        match machine.subject {
            Subject::Node => {
                let was = machine.base.is_some_and(|at| self.has(old, at));
                let is = match machine.head {
                    Some(at) => self.has(new, at),
                    // What is declared no more boots as all that never was.
                    None => self.has_unknown(new),
                };
                is && (!was || is_another(machine))
            }
            Subject::Bmc => false,
            // Nobody boots before it said its architecture.
            Subject::Unknown => &*machine.name != "?" && self.has_unknown(new) && !self.has_unknown(old),
        }
    }

    fn has(&self, snapshot: &Snapshot, node: usize) -> bool {
        match snapshot.answer(node) {
            Answer::Script(_) => {
                snapshot.resolved().class(node).boot.is_some_and(|boot| self.is_one(snapshot, boot.value))
            }
            Answer::Retired | Answer::Nothing => false,
        }
    }

    fn has_unknown(&self, snapshot: &Snapshot) -> bool {
        match snapshot.desired().cluster.unknown {
            Unknown::Boot(boot) => self.is_one(snapshot, boot.value),
            Unknown::Refuse | Unknown::Retry => false,
        }
    }

    fn is_one(&self, snapshot: &Snapshot, boot: u16) -> bool {
        let boot = &snapshot.desired().boots[usize::from(boot)];
        boot.kind == BootKind::Install || self.names.contains(&*boot.name)
    }
}

/// Tells whether what a node boots by is what another machine has.
fn is_another(machine: &MachineChange) -> bool {
    machine.values.iter().any(|change| {
        let is_identity = change.key.ends_with(".mac") || matches!(&*change.key, "serial" | "uuid" | "macs");
        is_identity && change.new.is_some() && &*change.key != "bmc.mac"
    })
}
