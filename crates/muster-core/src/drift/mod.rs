//! Desired against observed: a verdict for every managed attribute of every node.
//!
//! [`compare()`] is a pure function of a Snapshot, what was observed, and a time. Values are compared in canonical form
//! ([`mod@canonical`]); what could not be read is unknown and never in sync; what is not managed is not judged. This room
//! What a node runs is judged by its last boot that can be believed ([`runs`]), where anybody remembers boots. This room
//! does not know where observations come from, how a report looks, or what would be done about drift.

pub mod canonical;
mod compare;
mod coverage;
mod exceptions;
mod exit;
mod identity;
mod look;
mod node;
mod presence;
pub mod runs;

#[cfg(test)]
mod tests;

use crate::model::{Diagnostic, MacAddr, Origin, Revision};

pub use compare::{Options, compare};
pub use coverage::Coverage;
pub use exit::{Exit, exit};

/// The attribute's path of what a node booted: no wish states it, so no exception can name it.
const SCRIPT: &str = "script";

/// Everything that a comparison found, in the natural order of nodes.
#[derive(Debug, Clone)]
pub struct Drift {
    /// The time that the comparison was made for, in unix milliseconds.
    pub at: i64,
    pub cluster: Box<str>,
    pub revision: Revision,
    /// Every node that was compared.
    pub nodes: Vec<NodeDrift>,
    /// Everything that is not in sync: by node, then by attribute; what is no node's comes last.
    pub findings: Vec<Finding>,
    pub coverage: Coverage,
    /// Exceptions that excuse nothing, and the like.
    pub warnings: Vec<Diagnostic>,
}

/// What a node comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDrift {
    pub name: Box<str>,
    pub origin: Origin,
    /// The gravest of its verdicts.
    pub standing: Standing,
    /// Whether a BMC could show it; one that none can is told of by its boots alone.
    pub is_observable: bool,
    /// When the BMC was last seen, in unix milliseconds; none where it never was, or cannot be.
    pub seen: Option<i64>,
    /// How many of its attributes were judged.
    pub judged: u32,
    /// How many of those are in sync.
    pub in_sync: u32,
}

/// The gravest verdict of a node, lightest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Nobody can observe it, and nothing is found of it: it has no BMC, or one whose protocol is "none"; or it is retired.
    NotObservable,
    InSync,
    Excepted,
    Settling,
    Pending,
    Unknown,
    Drifted,
}

/// One thing that is not as it is wished, or of which that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub subject: Subject,
    pub class: Class,
    /// The attribute's path, such as `bios.attributes.LogicalProc`; empty for the subject as a whole.
    pub attribute: Box<str>,
    pub verdict: Verdict,
    /// As it was written.
    pub wished: Option<Box<str>>,
    /// As it was seen.
    pub seen: Option<Box<str>>,
    /// An additional sentence, if the values are not enough.
    pub note: Option<Box<str>>,
    /// Where the wish is stated.
    pub origin: Option<Origin>,
    /// When what it rests on was seen, in unix milliseconds.
    pub observed: Option<i64>,
}

/// The subject of a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Node(Box<str>),
    Bmc(Box<str>),
    /// An undeclared System of a BMC.
    System {
        bmc: Box<str>,
        system: Box<str>,
    },
    /// An address that asked to boot and that nobody claims.
    Mac(MacAddr),
}

/// The kind of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Presence,
    Identity,
    Inventory,
    Firmware,
    Bios,
    Boot,
    Power,
    /// The node runs a script that git no longer says.
    StaleBoot,
}

/// What is judged of an attribute. In sync is no finding, so it is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Drifted {
        /// When the difference was first seen, in unix milliseconds.
        since: Option<i64>,
    },
    /// The wished value is staged in the BMC and waits for a reset.
    Pending,
    Settling(Settling),
    Excepted(Excused),
    Unknown {
        why: Box<str>,
        /// Since when it cannot be told, in unix milliseconds.
        since: Option<i64>,
    },
}

/// Why a difference does not count yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settling {
    Power,
    Post,
    /// Fewer surveys than `confirm` saw it.
    Unconfirmed {
        surveys: u32,
        of: u32,
    },
}

/// Why a difference is excused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excused {
    /// An entry under `exceptions/`.
    Exception { owner: Box<str>, reason: Option<Box<str>>, until: jiff::civil::Date, origin: Origin },
    /// The node's state is `maintenance`.
    Maintenance,
}

impl Class {
    /// Every class, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Presence,
        Self::Identity,
        Self::Inventory,
        Self::Firmware,
        Self::Bios,
        Self::Boot,
        Self::Power,
        Self::StaleBoot,
    ];

    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Identity => "identity",
            Self::Inventory => "inventory",
            Self::Firmware => "firmware",
            Self::Bios => "bios",
            Self::Boot => "boot",
            Self::Power => "power",
            Self::StaleBoot => "stale boot",
        }
    }

    /// Returns the class of an attribute's path.
    #[must_use]
    pub fn of(attribute: &str) -> Self {
        match attribute.split('.').next().unwrap_or_default() {
            "" => Self::Presence,
            "serial" | "uuid" | "nics" | "macs" | "bmc" | "place" => Self::Identity,
            "firmware" => Self::Firmware,
            "bios" if attribute == "bios.version" => Self::Firmware,
            "bios" | "secure_boot" => Self::Bios,
            "boot" => Self::Boot,
            "power" => Self::Power,
            SCRIPT => Self::StaleBoot,
            _ => Self::Inventory,
        }
    }
}

impl Standing {
    /// Every standing, lightest first.
    pub const ALL: [Self; 7] = [
        Self::NotObservable,
        Self::InSync,
        Self::Excepted,
        Self::Settling,
        Self::Pending,
        Self::Unknown,
        Self::Drifted,
    ];

    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotObservable => "not observable",
            Self::InSync => "in sync",
            Self::Excepted => "excepted",
            Self::Settling => "settling",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
            Self::Drifted => "drifted",
        }
    }
}

impl Verdict {
    /// Returns the standing that one such verdict gives a node.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self {
            Self::Drifted { .. } => Standing::Drifted,
            Self::Pending => Standing::Pending,
            Self::Settling(_) => Standing::Settling,
            Self::Excepted(_) => Standing::Excepted,
            Self::Unknown { .. } => Standing::Unknown,
        }
    }
}
