//! What a change costs, in numbers of nodes.

use super::{Change, Fate, MachineChange, Part, Reach, Subject};
use crate::model::NodeSet;

/// What a change comes to, in nodes but for the last two.
#[derive(Debug, Clone, Default)]
pub struct Costs {
    pub added: usize,
    /// By name. A renamed node is not among them.
    pub removed: NodeSet,
    pub renamed: usize,
    /// Of nodes that stay under their name: those with any difference.
    pub changed: usize,
    /// Of nodes that stay, renamed or not: those that get another kernel, or another kind of boot.
    pub kernel: usize,
    pub initrd: usize,
    pub params: usize,
    /// Those whose script differs in none of the above.
    pub other_script: usize,
    pub cloud_init: usize,
    /// Of nodes that stay: those that are served the same bytes, but are found by other keys than before.
    pub found: usize,
    /// Of nodes that stay: those that are served the same bytes by the same keys, so that muster compares or asks otherwise at once and
    /// their next boot brings nothing new.
    pub not_served: usize,
    /// Of nodes that stay or come: those that the change reaches at their next boot, and not before.
    pub next_boot: usize,
    /// BMCs without a declared node.
    pub bmcs: usize,
    /// Answers to machines that nobody declares.
    pub unknown: usize,
}

/// Counts the machines of a change.
#[must_use]
pub fn costs(change: &Change) -> Costs {
    let mut costs = Costs::default();
    let mut gone: Vec<&str> = Vec::new();
    for machine in &change.machines {
        match (machine.subject, &machine.fate) {
            (Subject::Bmc, _) => costs.bmcs += 1,
            (Subject::Unknown, _) => costs.unknown += 1,
            (Subject::Node, Fate::Removed) => gone.push(&machine.name),
            (Subject::Node, Fate::Added) => {
                costs.added += 1;
                costs.next_boot += usize::from(machine.reach() == Reach::NextBoot);
            }
            (Subject::Node, fate @ (Fate::Renamed { .. } | Fate::Changed)) => {
                let kind = if *fate == Fate::Changed { &mut costs.changed } else { &mut costs.renamed };
                *kind += 1;
                costs.stays(machine);
            }
        }
    }
    costs.removed = NodeSet::from_names(gone);
    costs
}

impl Costs {
    fn stays(&mut self, machine: &MachineChange) {
        let has =
            |keys: &[&str]| machine.values.iter().any(|change| keys.iter().any(|key| change.key.starts_with(key)));
        let script = machine.patch(Part::Script).is_some();
        let kernel = script && has(&["kernel", "boot.kind"]);
        let initrd = script && has(&["initrd"]);
        let params = script && has(&["params."]);
        self.kernel += usize::from(kernel);
        self.initrd += usize::from(initrd);
        self.params += usize::from(params);
        self.other_script += usize::from(script && !kernel && !initrd && !params);
        self.cloud_init += usize::from(machine.patches.iter().any(|patch| patch.part != Part::Script));
        match machine.reach() {
            Reach::NextBoot => self.next_boot += 1,
            Reach::Found => self.found += 1,
            Reach::Compared => self.not_served += 1,
        }
    }
}
