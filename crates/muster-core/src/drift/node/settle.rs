//! Whether a machine is between two states, so that what it shows now may not be what it shows soon.
//!
//! Firmware changes what a BMC shows, and so does a change of power. Both end: a state that lasts longer than any POST is a
//! leftover of the service (Supermicro's X13 shows one while the operating system runs), and what differs is judged.

use super::View;
use crate::drift::{Settling, Verdict};
use crate::observed::{BmcRecord, MAX_RUNS, PostAge, Service, System};

/// Why a difference does not count yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsettled {
    Settling(Settling),
    /// It cannot be told whether the machine is between two states.
    Unknown(&'static str),
}

const UNDATED: &str = "the BMC reports that the machine is in POST, and not since when";
const NOT_SEEN_SINCE: &str = "the machine was between two states when it was last surveyed, and was not surveyed since";

impl Unsettled {
    /// Finds out at a time in unix milliseconds; nothing for a machine whose state counts.
    pub fn new(view: View<'_>, record: &BmcRecord, now: i64) -> Option<Self> {
        let kind = state(view.system)?;
        if kind == Settling::Post && view.system.post_age == Some(PostAge::Long) {
            return None;
        }
        let last = record.seen.unwrap_or(now);
        if now.saturating_sub(last) > PostAge::LONGEST_POST {
            return Some(Self::Unknown(NOT_SEEN_SINCE));
        }
        if kind == Settling::Post && view.system.post_age == Some(PostAge::Recent) {
            return Some(Self::Settling(kind));
        }

        // The BMC does not date it, so that only what earlier surveys saw bounds it.
        let of_system = |service: &Service| {
            let mut systems = service.systems.seen().into_iter().flatten();
            systems.find(|system| system.id == view.system.id).is_some_and(|system| state(system).is_some())
        };
        let runs = record.history.runs();
        let between = runs.iter().rev().take_while(|run| of_system(&run.state)).count();
        let since = runs.get(runs.len() - between).map_or(last, |run| run.first);
        if last.saturating_sub(since) > PostAge::LONGEST_POST {
            return None;
        }
        let has_begun = between < runs.len();
        match kind {
            Settling::Post if !has_begun => Some(Self::Unknown(UNDATED)),
            // More runs may have been, and been forgotten.
            Settling::Power if between == MAX_RUNS => Some(Self::Unknown(UNDATED)),
            Settling::Post | Settling::Power | Settling::Unconfirmed { .. } => Some(Self::Settling(kind)),
        }
    }

    /// Returns the verdict of a difference that does not count yet.
    pub fn verdict(&self, record_seen: Option<i64>) -> Verdict {
        match self {
            Self::Settling(kind) => Verdict::Settling(kind.clone()),
            Self::Unknown(why) => Verdict::Unknown { why: (*why).into(), since: record_seen },
        }
    }
}

/// Tells between which states a machine is, if it is.
fn state(system: &System) -> Option<Settling> {
    match (system.power.seen(), system.in_post) {
        (Some(power), _) if power.is_moving() => Some(Settling::Power),
        (_, Some(true)) => Some(Settling::Post),
        _ => None,
    }
}
