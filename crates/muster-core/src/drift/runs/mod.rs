//! Which node runs what: the last boot of each that can be believed, beside what it would boot today.
//!
//! [`Runs`] is kept up to date boot by boot, so that whoever asks for its counts or for a page of it waits for no walk over
//! all nodes; that it comes to the same as a look at everything at once is a law that tests hold. It knows neither who
//! records boots nor where they are kept.

mod ended;
mod judge;
mod kept;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::MacAddr;
use crate::observed::{Boot, Observed, Teller};
use crate::roll::Roll;
use crate::snapshot::Snapshot;

pub use ended::{Nodes, ended, last_end, nodes_behind};
pub(super) use judge::{Records, judge};
pub use kept::{Runs, Tally};

/// How far ahead of the clock a boot may lie: clocks that are kept by NTP are stepped by less.
pub const CLOCK_SLACK: i64 = 5 * 60 * 1000;

/// What one node runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// It booted the script that it would be given today.
    Current(Known),
    /// It booted another script than it would be given today.
    Stale(Known),
    /// What it runs cannot be told, which is never fine.
    Unknown(Doubt),
    /// Git gives it nothing to boot: it is retired, or no layer names a boot configuration.
    Idle,
}

/// A boot that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub boot: Boot,
    /// The name that the machine booted as, where git has given its MAC address to this node since.
    pub booted_as: Option<Box<str>>,
    /// A later fetch that is not counted, where it got another script.
    pub uncounted: Option<Boot>,
}

/// Why it cannot be told what a node runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// No boot is recorded: it never booted from here, or the record was lost.
    Never,
    /// The script was fetched from an address that is not the node's own, and cloud-init did not confirm it.
    Unconfirmed(Boot),
    /// The machine that booted is not this node any more: git has taken its MAC address away.
    OtherMachine {
        boot: Boot,
        mac: MacAddr,
        /// The node that has the address today.
        now: Option<Box<str>>,
    },
    /// The recorded time is yet to come: this host's clock went back, and nothing can be told to be before or after it.
    Ahead(Boot),
    /// The machine was off or starting after the boot, at a time in unix milliseconds, and no boot came after that.
    Reset { boot: Boot, at: i64 },
    /// It seems to run today's script, but after that boot somebody fetched another for it, who may have been the node.
    Later { boot: Boot, uncounted: Boot },
}

impl Doubt {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Unconfirmed(_) => "unconfirmed",
            Self::OtherMachine { .. } => "other_machine",
            Self::Ahead(_) => "ahead",
            Self::Reset { .. } => "reset",
            Self::Later { .. } => "later",
        }
    }

    /// Says it in words that are the same for all nodes of which it holds.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Never => "no boot is recorded",
            Self::Unconfirmed(_) => {
                "its script was fetched from an address that git does not declare for it, and cloud-init did not confirm it"
            }
            Self::OtherMachine { now: Some(_), .. } => {
                "the machine that booted is another node by its MAC address today"
            }
            Self::OtherMachine { now: None, .. } => {
                "the machine that booted has a MAC address that git no longer gives it"
            }
            Self::Ahead(_) => "its last boot lies in the future: this host's clock went back",
            Self::Reset { .. } => "its BMC showed it off or starting after its last recorded boot",
            Self::Later { .. } => {
                "another script was fetched for it later, from an address that git does not declare for it"
            }
        }
    }

    /// Returns the fetch that is in doubt, where there is one.
    #[must_use]
    pub const fn boot(&self) -> Option<&Boot> {
        match self {
            Self::Never => None,
            Self::Unconfirmed(boot)
            | Self::OtherMachine { boot, .. }
            | Self::Ahead(boot)
            | Self::Reset { boot, .. }
            | Self::Later { boot, .. } => Some(boot),
        }
    }
}

impl Run {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Current(_) => "current",
            Self::Stale(_) => "stale",
            Self::Unknown(_) => "unknown",
            Self::Idle => "idle",
        }
    }

    /// Returns the boot that is believed, where what the node runs is known.
    #[must_use]
    pub const fn known(&self) -> Option<&Known> {
        match self {
            Self::Current(known) | Self::Stale(known) => Some(known),
            Self::Unknown(_) | Self::Idle => None,
        }
    }
}

/// Judges all nodes by what was observed, at a time in unix milliseconds; by the index of the node.
#[must_use]
pub fn all(snapshot: &Snapshot, observed: &Observed, now: i64) -> Vec<Run> {
    let roll = Roll::call(snapshot, &observed.claims);
    let none = BTreeMap::new();
    let records = Records::of(observed.boots.as_ref().unwrap_or(&none), snapshot.desired(), observed);
    (0..snapshot.nodes().len()).map(|node| judge(snapshot, &roll, &records, node, now)).collect()
}

/// Tells whose an address is that speaks for a node, by the node's index.
///
/// For a node that has addresses, one that git gives nobody is a stranger's: whoever reaches this host has one, and could
/// fetch a script and confirm its boot.
#[must_use]
pub fn teller(snapshot: &Snapshot, node: usize, address: Option<IpAddr>) -> Teller {
    let Some(address) = address else { return Teller::Another };
    match snapshot.by_ip(address) {
        Some(own) if own == node => Teller::Own,
        Some(_) => Teller::Another,
        None => {
            let mut own = snapshot.nodes()[node].nics.iter().flat_map(|nic| &nic.ips).map(|ip| ip.value).peekable();
            // Networks that share an address each have their own machine with it.
            if own.peek().is_none() || own.any(|own| own == address) { Teller::Nobody } else { Teller::Another }
        }
    }
}
