//! What BMCs show of a boot's end: a machine that was off or starting after it runs something else, or nothing.
//!
//! Only what a survey saw counts, by this host's clock: BMCs have clocks of their own, and many are wrong. A machine that
//! was reset between two surveys is not noticed.

use std::collections::HashMap;

use crate::desired::Desired;
use crate::observed::{BmcRecord, PostAge, PowerState, Service, System};
use crate::roll;

/// How long a machine may still be said to start after it fetched its script, in milliseconds: firmware that fetches by the
/// network counts that as its own work.
const POST_GRACE: i64 = 10 * 60 * 1000;

/// The indices of the nodes behind each BMC, by the BMC's name.
pub type Nodes = HashMap<Box<str>, Vec<u32>>;

/// Notes behind which BMC each node is.
#[must_use]
pub fn nodes_behind(desired: &Desired) -> Nodes {
    let mut all = Nodes::new();
    for (node, at) in desired.nodes.iter().zip(0..) {
        if let Some(bmc) = node.bmc {
            all.entry(desired.bmcs[bmc.value as usize].name.clone()).or_default().push(at);
        }
    }
    all
}

/// Lists the nodes behind a BMC that a survey at a time saw off or starting, and the time that their boots ended before.
pub fn ended<'a>(
    desired: &'a Desired,
    nodes: &'a Nodes,
    bmc: &str,
    service: &'a Service,
    at: i64,
) -> impl Iterator<Item = (usize, i64)> + use<'a> {
    let behind = nodes.get(bmc).map_or(&[][..], Vec::as_slice);
    behind.iter().filter_map(move |node| {
        let own = desired.nodes.get(*node as usize)?;
        let system = roll::system_of(own.system.as_deref(), service).ok()?;
        Some((*node as usize, end(system, at)?))
    })
}

/// Finds the last time at which what is remembered of a BMC shows a System off or starting.
#[must_use]
pub fn last_end(record: &BmcRecord, wanted: Option<&str>) -> Option<i64> {
    let runs = record.history.runs().iter();
    runs.filter_map(|run| end(roll::system_of(wanted, &run.state).ok()?, run.last)).max()
}

fn end(system: &System, at: i64) -> Option<i64> {
    match (system.power.seen(), system.in_post) {
        (Some(PowerState::Off | PowerState::PoweringOn | PowerState::PoweringOff), _) => Some(at),
        // Services that show a state of POST while the operating system runs do not date it, or date it long ago.
        (Some(PowerState::On | PowerState::Paused) | None, Some(true)) => {
            let is_recent = system.post_age == Some(PostAge::Recent);
            is_recent.then(|| at.saturating_sub(POST_GRACE))
        }
        (Some(PowerState::On | PowerState::Paused) | None, Some(false) | None) => None,
    }
}
