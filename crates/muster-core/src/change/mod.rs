//! What a change means: the difference of two Snapshots, machine by machine, and folded.
//!
//! A machine is in the result exactly if what it is served differs by a byte, whatever it asks by, or a value differs that
//! muster compares with the machine or asks it by. Bytes decide; values only explain, and a difference that none of them
//! explains is said to be one. Nodes are matched by name, and those that were renamed by who they are. This room knows
//! neither git nor who reads the result.

mod accounts;
mod compare;
mod costs;
mod fold;
mod guard;
mod inputs;
mod installers;
mod judge;
mod keys;
mod lines;
mod mask;
mod naming;
mod pairs;
mod servers;
mod shown;
#[cfg(test)]
mod tests;
mod texts;
mod values;

use std::sync::Arc;

use crate::snapshot::Snapshot;

pub use accounts::{NewAccount, accounts};
pub use compare::{compare, compare_until};
pub use costs::{Costs, costs};
pub use fold::{Fold, FoldedValue, MaskedHunk, fold};
pub use guard::{Breach, Broken, Judgement, Rail, StaleAllow};
pub use judge::judge;
pub use keys::KeyChange;
pub use lines::{Hunk, Part, hunks, lines};
pub use servers::Vantage;
pub use texts::Fill;
pub use values::{Spot, Value, ValueChange};

/// The difference of two Snapshots.
pub struct Change {
    pub base: Arc<Snapshot>,
    pub head: Arc<Snapshot>,
    /// What differs of each machine that differs: nodes, then BMCs that serve no node, each in natural order, then
    /// machines that nobody declares.
    pub machines: Vec<MachineChange>,
}

/// What a machine is to the wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Node,
    /// A BMC without a declared node.
    Bmc,
    /// Any machine that nobody declares; its name is the architecture that it says it has, or `?`.
    Unknown,
}

/// The effect on a machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    Added,
    Removed,
    Renamed { from: Box<str> },
    Changed,
}

impl Fate {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Renamed { .. } => "renamed",
            Self::Changed => "changed",
        }
    }
}

/// How a change gets to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Its bytes differ: the machine gets them when it boots next.
    NextBoot,
    /// The node is served the same bytes, but to others than before: a key finds it that did not, or the other way round.
    Found,
    /// Nothing that it is served differs: only what muster compares it with, and asks it by.
    Compared,
}

/// What differs of one machine.
#[derive(Debug, Clone)]
pub struct MachineChange {
    pub subject: Subject,
    /// Its name on the side of the head; of a removed one, on that of the base.
    pub name: Box<str>,
    /// Its index on each side that has it, among nodes or BMCs.
    pub base: Option<usize>,
    pub head: Option<usize>,
    pub fate: Fate,
    pub values: Vec<ValueChange>,
    /// The keys by which only one side finds it.
    pub keys: Vec<KeyChange>,
    /// The parts whose bytes differ, in the order of [`Part::ALL`].
    pub patches: Vec<Patch>,
    /// How the texts are filled that the patches compare.
    pub fill: Fill,
}

/// What differs of one text.
///
/// Of vendor-data the line that keeps its parts apart is left out: it follows from the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    pub part: Part,
    pub hunks: Arc<[Hunk]>,
}

impl MachineChange {
    /// Tells how the change gets to the machine.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match (self.patches.is_empty(), self.keys.is_empty()) {
            (false, _) => Reach::NextBoot,
            (true, false) => Reach::Found,
            (true, true) => Reach::Compared,
        }
    }

    /// Tells whether bytes differ and no value says why.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        let explains = |change: &ValueChange| {
            let key = &*change.key;
            !key.starts_with("expect.") && !key.starts_with("found by ") && key != "macs"
        };
        self.fate == Fate::Changed && !self.patches.is_empty() && !self.values.iter().any(explains)
    }

    /// Returns the patch of one part, where its bytes differ.
    #[must_use]
    pub fn patch(&self, part: Part) -> Option<&Patch> {
        self.patches.iter().find(|patch| patch.part == part)
    }
}

impl Change {
    /// Tells whether no machine differs in anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }

    /// Writes the text of one part of a machine on one side, as [`Patch`] compares it; empty where it is served none.
    #[must_use]
    pub fn text(&self, machine: &MachineChange, part: Part, side: Side) -> String {
        let [old, new] = texts::sides(&self.base, &self.head, machine, part);
        let text = match side {
            Side::Base => old,
            Side::Head => new,
        };
        let text = text.unwrap_or_default();
        if part == Part::Script { text } else { mask::without_boundary(&text) }
    }
}

/// A side of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Base,
    Head,
}
