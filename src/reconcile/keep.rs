//! What surveys found, to the store; and what follows from it: the MAC addresses that nodes claim.

use std::collections::BTreeSet;

use crate::observed::{Claim, FailureKind, Observation, Outcome};
use crate::roll;
use crate::snapshot::Snapshot;
use crate::store::{RefusedLogin, Store, StoreError};

/// Takes in what surveys found, and returns all claims where there are new ones.
///
/// Only surveys of our own claim; `snapshot` is none for those of others.
///
/// # Errors
/// The store cannot write. Nothing was taken in, or only the claims were not.
pub fn keep(
    store: &Store,
    snapshot: Option<&Snapshot>,
    observations: &[Observation],
) -> Result<Option<Vec<Claim>>, StoreError> {
    store.record_observations(observations)?;
    let Some(snapshot) = snapshot else { return Ok(None) };
    let mut claims = None;
    for bmc in claiming(snapshot, observations) {
        let Some(record) = store.bmc_record(&bmc)? else { continue };
        let existing = match claims.take() {
            Some(claims) => claims,
            None => store.claims()?,
        };
        let new = roll::claims(snapshot, &record, &existing);
        if !new.is_empty() {
            store.put_claims(&new)?;
        }
        claims = Some(if new.is_empty() { existing } else { store.claims()? });
    }
    Ok(claims)
}

/// Lists the BMCs behind which a node boots by the addresses that its BMC reports.
fn claiming(snapshot: &Snapshot, observations: &[Observation]) -> BTreeSet<Box<str>> {
    let seen: BTreeSet<&str> = observations.iter().map(|observation| &*observation.bmc).collect();
    let desired = snapshot.desired();
    let from_bmc = desired.nodes.iter().filter(|node| {
        let class = snapshot.resolved().classes.get(node.class as usize);
        class.is_some_and(|class| class.macs.value == crate::desired::MacSource::FromBmc)
    });
    let bmcs = from_bmc.filter_map(|node| node.bmc.map(|bmc| &*desired.bmcs[bmc.value as usize].name));
    bmcs.filter(|bmc| seen.contains(bmc)).map(Into::into).collect()
}

/// Records which BMCs refused their credential, so that nobody tries it again after a restart.
///
/// # Errors
/// The store cannot write.
pub fn refused(
    store: &Store,
    observations: &[Observation],
    credential_of: impl Fn(&str) -> Option<Box<str>>,
) -> Result<(), StoreError> {
    for observation in observations {
        let Outcome::Failed(failure) = &observation.outcome else { continue };
        if failure.kind != FailureKind::Unauthorised {
            continue;
        }
        if let Some(credential) = credential_of(&observation.bmc) {
            store.set_refused_login(&RefusedLogin { bmc: observation.bmc.clone(), credential, at: observation.at })?;
        }
    }
    Ok(())
}
