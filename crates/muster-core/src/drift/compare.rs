//! All nodes of a Snapshot against all that was observed.

use rayon::prelude::*;

use super::coverage::Coverage;
use super::exceptions::Exceptions;
use super::identity::{self, Roster, Whereabouts};
use super::node::{self, Judged, World};
use super::runs::Records;
use super::{Drift, Excused, Finding, Verdict, presence};
use crate::model::clear_secret::{SecretMask, SecretNumbers};
use crate::observed::Observed;
use crate::roll::Roll;
use crate::snapshot::Snapshot;

/// What a comparison is told beside what it compares.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How many surveys must show a difference before it counts; where none is said, the policy's number.
    pub confirm: Option<u32>,
    /// The indices of the nodes to compare, in the order of the report; where none are said, all of them, and all that nobody declares.
    pub nodes: Option<Vec<usize>>,
}

/// Compares what is wished with what was seen, at a time in unix milliseconds.
#[must_use]
pub fn compare(snapshot: &Snapshot, observed: &Observed, now: i64, options: &Options) -> Drift {
    let desired = &**snapshot.desired();
    let exceptions = Exceptions::of(desired, now);
    let (whereabouts, roster) = rayon::join(|| Whereabouts::of(observed), || Roster::of(desired));
    let world = World {
        snapshot,
        desired,
        observed,
        whereabouts,
        roster,
        roll: Roll::call(snapshot, &observed.claims),
        behind: identity::behind(desired),
        exceptions: &exceptions,
        records: observed.boots.as_ref().map(|boots| Records::of(boots, desired, observed)),
        now,
        confirm: options.confirm.unwrap_or_else(|| u32::from(desired.policy.confirm)),
    };
    let all = || snapshot.select("@*").expect("the group of all nodes is always there").nodes;
    let order = options.nodes.clone().unwrap_or_else(all);
    let judged: Vec<Judged> = order.par_iter().map(|at| node::judge(&world, *at)).collect();
    let (mut nodes, mut findings, mut coverage) = (Vec::with_capacity(judged.len()), Vec::new(), Coverage::default());
    for Judged { drift, findings: told, covered } in judged {
        if let Some((attributes, managed)) = covered {
            coverage.add(attributes, managed);
        }
        nodes.push(drift);
        findings.extend(told);
    }
    if options.nodes.is_none() {
        findings.extend(presence::findings(&world));
    }
    findings.iter_mut().for_each(|finding| hide(&desired.secrets, finding));
    let judged: std::collections::BTreeSet<usize> = order.into_iter().collect();
    let mut warnings = exceptions.unused(|node| judged.contains(&(node as usize)));
    warnings.iter_mut().for_each(|warning| warning.cover(&desired.secrets));
    let (cluster, revision) = (desired.cluster.name.clone(), snapshot.revision().clone());
    Drift { at: now, cluster, revision, nodes, findings, coverage, warnings }
}

/// Hides the secrets of a finding, such as a password that is expected of a BIOS. That of a value and that which was found
/// in its place have different numbers.
fn hide(mask: &SecretMask, finding: &mut Finding) {
    if mask.is_empty() {
        return;
    }
    let mut numbers = SecretNumbers::default();
    for value in [&mut finding.wished, &mut finding.seen].into_iter().flatten() {
        *value = mask.cover_value(&finding.attribute, value, &mut numbers).into();
    }
    let words = match &mut finding.verdict {
        Verdict::Excepted(Excused::Exception { owner, reason, .. }) => [Some(owner), reason.as_mut()],
        Verdict::Unknown { why, .. } => [Some(why), None],
        Verdict::Excepted(Excused::Maintenance) | Verdict::Drifted { .. } | Verdict::Pending | Verdict::Settling(_) => {
            [None, None]
        }
    };
    for text in words.into_iter().flatten().chain(&mut finding.note) {
        *text = mask.cover_numbered(text, &mut numbers).into();
    }
}
