//! What the guard rails say of a change, as values, in words and as findings. It judges nothing itself.

use std::collections::BTreeSet;

use super::Side;
use crate::model::text::{plural, verb};
use crate::model::{Code, Diagnostic, Place};

/// How many digests a finding tells.
const MAX_TOLD: usize = 20;

/// What the rails of both sides say of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// In the order of [`Rail`]'s variants.
    pub breaches: Vec<Breach>,
    /// What the head allows and nothing needs, in its order.
    pub stale: Vec<StaleAllow>,
}

/// A rail that a change breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    pub rail: Rail,
    /// How many nodes break it, those that are allowed aside; of [`Rail::Install`], machines that nobody declares
    /// count by architecture.
    pub count: usize,
    /// Which side states it; the head where both do and it breaks either.
    pub side: Side,
    /// Where that side states it.
    pub place: Place,
    /// Counted from 1.
    pub line: u32,
    /// What breaks it and is not allowed; never empty. Allowing all of them mends it.
    pub folds: Vec<Broken>,
}

/// A rail with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rail {
    MaxNodes(u32),
    MaxPercent {
        percent: u8,
        /// How many nodes the base has.
        of: usize,
    },
    MaxRemovals {
        most: u32,
        /// How many of them are not gone by name: newly retired, or their machine boots something else by another name.
        others: usize,
    },
    /// These groups, by name, lose their last node.
    Emptied(Vec<Box<str>>),
    Install,
    /// An account of a BMC goes where none of these went.
    Accounts,
}

/// A fold that breaks a rail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// As of [`Fold::set`](super::Fold::set).
    pub set: String,
    /// What `allow` must name.
    pub digest: String,
    /// How many machines of it break the rail.
    pub count: usize,
}

/// A digest that the head allows and that is of nothing in the change that needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleAllow {
    pub digest: Box<str>,
    /// In the head.
    pub place: Place,
    /// Counted from 1.
    pub line: u32,
}

impl Judgement {
    /// Tells whether the change may be made.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.breaches.is_empty()
    }

    /// Lists the digests that must be allowed, each once, in the order of breaches and folds.
    #[must_use]
    pub fn to_allow(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let folds = self.breaches.iter().flat_map(|breach| &breach.folds);
        all.extend(folds.map(|fold| &*fold.digest).filter(|digest| known.insert(digest)));
        all
    }

    /// Tells it as findings about the head.
    #[must_use]
    pub fn findings(&self) -> Vec<Diagnostic> {
        self.breaches.iter().map(Breach::finding).chain(self.stale.iter().map(StaleAllow::finding)).collect()
    }
}

impl Rail {
    /// Returns the key that states it.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::MaxNodes(_) => "max_nodes",
            Self::MaxPercent { .. } => "max_percent",
            Self::MaxRemovals { .. } => "max_removals",
            Self::Emptied(_) => "emptied",
            Self::Install => "install",
            Self::Accounts => "accounts",
        }
    }
}

impl Breach {
    /// Says in one sentence without a full stop what breaks the rail.
    #[must_use]
    pub fn told(&self) -> String {
        let count = self.count;
        let nodes = plural(count, "node");
        let (s, is) = (verb(count, "s", ""), verb(count, "is", "are"));
        match &self.rail {
            Rail::MaxNodes(most) => format!("{nodes} change{s}, and `max_nodes` is {most}"),
            Rail::MaxPercent { percent, of } => {
                format!("{nodes} change{s} beside {of} there were, and `max_percent` is {percent}")
            }
            Rail::MaxRemovals { most, others: 0 } => format!("{nodes} {is} removed, and `max_removals` is {most}"),
            Rail::MaxRemovals { most, others } => format!(
                "{nodes} {is} removed ({others} of them retired, or renamed to boot something else), and `max_removals` \
                 is {most}"
            ),
            Rail::Emptied(groups) => {
                let names = groups.iter().map(|group| format!("`{group}`")).collect::<Vec<_>>().join(", ");
                let lose = if groups.len() == 1 { "loses its" } else { "lose their" };
                format!("{names} {lose} last node, which `emptied` guards")
            }
            Rail::Install => {
                let machines = if self.folds.iter().any(|fold| fold.set.is_empty()) { "machines" } else { "nodes" };
                let who = if count == 1 { machines.trim_end_matches('s') } else { machines };
                format!("{count} {who} would come to boot by an installer, which `install` guards")
            }
            Rail::Accounts => {
                let machines = if count == 1 { "1 machine".to_owned() } else { format!("{count} machines") };
                format!(
                    "BMC accounts would go to new addresses, or by other TLS modes, for {machines}, which `accounts` guards"
                )
            }
        }
    }

    fn finding(&self) -> Diagnostic {
        let mut message = self.told();
        let place = match self.side {
            Side::Head => self.place.clone(),
            Side::Base => {
                message.push_str(&format!(" ({}:{} before this change)", self.place.file, self.line));
                Place::file(self.place.file.clone())
            }
        };
        let told = self.folds.iter().take(MAX_TOLD).map(|fold| format!("\"{}\"", fold.digest));
        let mut digests = told.collect::<Vec<_>>().join(", ");
        if let Some(more) = self.folds.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
            digests.push_str(&format!(" and {more} more that `muster diff` tells"));
        }
        let hint = format!("if it is wished, add to `allow` in [guard] of policy.toml: {digests}");
        Diagnostic::new(Code::GuardRail, place, message).hint(hint)
    }
}

impl StaleAllow {
    fn finding(&self) -> Diagnostic {
        let message = format!("`{}` allows nothing that this change does", self.digest);
        let hint = "take it out; where it was meant for this change, that has become another since: see `muster diff`";
        Diagnostic::new(Code::StaleAllow, self.place.clone(), message).hint(hint)
    }
}
