//! Writes observations to the store, and derives the MAC addresses that nodes claim.

use std::collections::BTreeSet;

use crate::desired::{MacSource, Node};
use crate::observed::{Claim, FailureKind, Observation, Outcome};
use crate::roll;
use crate::snapshot::Snapshot;
use crate::store::{RefusedLogin, Store, StoreError};

/// Records observations, and returns all claims if there are new ones.
///
/// Only this server's own surveys make claims; `snapshot` is `None` for imported observations.
///
/// # Errors
/// The store cannot write. Either nothing was recorded, or only the claims were not.
pub fn keep(
    store: &Store,
    snapshot: Option<&Snapshot>,
    observations: &[Observation],
) -> Result<Option<Vec<Claim>>, StoreError> {
    store.record_observations(observations)?;
    let Some(snapshot) = snapshot else { return Ok(None) };
    let bmcs = claiming(snapshot, observations);
    if bmcs.is_empty() {
        return Ok(None);
    }

    let existing = store.claims()?;
    let mut new = Vec::new();
    for bmc in bmcs {
        let Some(record) = store.bmc_record(&bmc)? else { continue };
        // A node is behind one BMC, so claims from the survey of another do not matter here.
        new.extend(roll::claims(snapshot, &record, &existing));
    }

    if new.is_empty() {
        return Ok(None);
    }

    store.put_claims(&new)?;
    store.claims().map(Some)
}

/// Lists the BMCs with a node that boots by the addresses that its BMC reports.
fn claiming(snapshot: &Snapshot, observations: &[Observation]) -> BTreeSet<Box<str>> {
    let seen: BTreeSet<&str> = observations.iter().map(|observation| &*observation.bmc).collect();
    let bmcs = &snapshot.desired().bmcs;
    let named = from_bmc(snapshot).filter_map(|node| node.bmc.map(|bmc| &*bmcs[bmc.value as usize].name));
    named.filter(|bmc| seen.contains(bmc)).map(Into::into).collect()
}

/// Iterates over the nodes that boot by the addresses that their BMC reports.
pub fn from_bmc(snapshot: &Snapshot) -> impl Iterator<Item = &Node> {
    snapshot.nodes().iter().filter(|node| {
        // A snapshot of stored scripts has no classes.
        let class = snapshot.resolved().classes.get(node.class as usize);
        class.is_some_and(|class| class.macs.value == MacSource::FromBmc)
    })
}

/// Counts the nodes that can be found only by a claim.
pub fn resting_on_claims(snapshot: &Snapshot) -> usize {
    from_bmc(snapshot).filter(|node| !roll::boots_as_declared(snapshot.desired(), node)).count()
}

/// Forgets which BMCs refused their credential, and returns them; all of them if `bmcs` is empty.
///
/// # Errors
/// The store cannot be read or written.
pub fn retry_logins(store: &Store, bmcs: &[Box<str>]) -> Result<Vec<Box<str>>, StoreError> {
    let mut refused: Vec<Box<str>> = store.refused_logins()?.into_iter().map(|refused| refused.bmc).collect();
    refused.retain(|bmc| bmcs.is_empty() || bmcs.contains(bmc));
    refused.dedup();
    store.forget_refused_logins(&refused.iter().map(|bmc| &**bmc).collect::<Vec<_>>())?;
    Ok(refused)
}

/// Records which BMCs refused their credential, so that it is not tried again after a restart.
///
/// # Errors
/// The store cannot write.
pub fn refused(
    store: &Store,
    observations: &[Observation],
    credential_of: impl Fn(&str) -> Option<Box<str>>,
) -> Result<(), StoreError> {
    for observation in observations.iter().filter(|observation| is_refusal(observation)) {
        if let Some(credential) = credential_of(&observation.bmc) {
            store.set_refused_login(&RefusedLogin { bmc: observation.bmc.clone(), credential, at: observation.at })?;
        }
    }
    Ok(())
}

/// Returns whether a survey ended because the BMC refused the credential.
#[must_use]
pub fn is_refusal(observation: &Observation) -> bool {
    matches!(&observation.outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Unauthorised)
}
