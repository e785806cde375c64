//! Claims from a survey that can be believed.

use super::is_of;
use super::system::system_of;
use crate::desired::{MacSource, Node};
use crate::model::{MacAddr, Quirk};
use crate::observed::{BmcRecord, Claim, FailureKind, NicKind, PostAge, PowerState, Reading, Service, System, Trust};
use crate::snapshot::Snapshot;

/// Lists the claims to be made after a survey: those of nodes behind the BMC that have none yet.
///
/// A survey is believed where it was the last try, succeeded, read everything, took a credential, and came over TLS that
/// was verified or pinned; and where it could see all of the node's interfaces. What it says of a node that has a claim
/// changes nothing. Only Ethernet interfaces count: no network boots by an InfiniBand GUID, a link to the BMC or a bond.
#[must_use]
pub fn claims(snapshot: &Snapshot, record: &BmcRecord, existing: &[Claim]) -> Vec<Claim> {
    let desired = snapshot.desired();
    let Some(service) = believed(record).filter(|_| !snapshot.is_stored()) else { return Vec::new() };
    let Some(bmc) = desired.bmcs.iter().position(|bmc| bmc.name == record.bmc) else { return Vec::new() };
    let behind = snapshot.nodes().iter().enumerate().filter(|(at, node)| {
        let is_from_bmc = snapshot.resolved().class(*at).macs.value == MacSource::FromBmc;
        is_from_bmc && node.bmc.is_some_and(|stated| stated.value as usize == bmc)
    });
    let unclaimed = behind.filter(|(_, node)| {
        let mut own = existing.iter().filter(|claim| claim.node == node.name);
        !own.any(|claim| is_of(desired, node, claim))
    });
    unclaimed.filter_map(|(_, node)| claim(node, record, service)).collect()
}

/// Returns what the last survey saw, where it can be believed.
fn believed(record: &BmcRecord) -> Option<&Service> {
    let is_deep = record.failure.is_none() && record.seen_deep == Some(record.tried);
    let is_sure = match record.trust {
        Trust::Verified | Trust::Pinned => record.authenticated,
        Trust::Plain | Trust::Unverified => false,
    };
    record.service().filter(|_| is_deep && is_sure)
}

fn claim(node: &Node, record: &BmcRecord, service: &Service) -> Option<Claim> {
    let system = system_of(node.system.as_deref(), service).ok()?;
    let macs = macs(service, system)?;
    // A System that was found by its URI is known by what git calls it.
    let other = node.system.as_deref().filter(|wanted| !wanted.eq_ignore_ascii_case(&system.id));
    let id = other.map_or_else(|| system.id.clone(), Into::into);
    Some(Claim { node: node.name.clone(), bmc: record.bmc.clone(), system: id, macs, at: record.tried })
}

/// Returns a machine's addresses, ascending; nothing where some may be missing or there are none.
fn macs(service: &Service, system: &System) -> Option<Vec<MacAddr>> {
    let Reading::Seen(nics) = &system.nics else { return None };
    if hides_nics(service, system) || lacks_nics(service, system) {
        return None;
    }
    let boots = nics.iter().filter(|nic| match nic.kind {
        NicKind::Ethernet => true,
        NicKind::Infiniband | NicKind::HostToBmc | NicKind::Virtual => false,
    });
    let mut macs: Vec<MacAddr> = boots.filter_map(|nic| nic.mac).collect();
    macs.sort_unstable();
    macs.dedup();
    (!macs.is_empty()).then_some(macs)
}

/// Tells whether a machine is in a state in which its BMC is known to leave interfaces out.
fn hides_nics(service: &Service, system: &System) -> bool {
    let has = |quirk| service.quirks.contains(&quirk);
    let power = system.power.seen();
    let is_leftover = system.post_age == Some(PostAge::Long);
    let may_post = (system.in_post == Some(true) && !is_leftover) || power.is_some_and(|power| power.is_moving());
    let is_off = matches!(power, Some(PowerState::Off));
    (has(Quirk::NicsVanishInPost) && may_post) || (has(Quirk::WrongWhileOff) && is_off)
}

/// Tells whether an interface may be missing because it could not be read. What is not there hides nothing.
fn lacks_nics(service: &Service, system: &System) -> bool {
    let may_hide = system.nics_unread.as_ref().is_some_and(|failure| failure.kind != FailureKind::Missing);
    let has = |quirk| service.quirks.contains(&quirk);
    may_hide || (has(Quirk::MacsUnderAdapters) && matches!(service.chassis, Reading::Failed(_)))
}
