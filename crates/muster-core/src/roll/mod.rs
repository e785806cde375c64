//! Which machine is which node, where git leaves a node's MAC addresses to its BMC (`macs = "from-bmc"`).
//!
//! A [`Claim`] is made once ([`claims()`]), by the first survey of a node's BMC that can be believed, and is never changed
//! by a later one. A [`Roll`] is the index that follows from a Snapshot and all claims: a pure function of both, whatever
//! the order of the claims. What git declares is looked up in the Snapshot first and is never contested here; an address
//! that two nodes claim is held, and boots neither. This room does not know how a BMC is asked, where claims are kept, or
//! what a machine is answered.

mod declared;
mod held;
mod make;
mod system;

use std::collections::BTreeMap;

use crate::desired::{Desired, MacSource, Node};
use crate::model::MacAddr;
use crate::observed::Claim;
use crate::snapshot::Snapshot;

pub use declared::{declared, is_address, named, origin};
pub use held::{Held, Why};
pub use make::claims;
pub use system::{Unfound, system_of, unread_of};

/// The nodes by the MAC addresses that their BMCs reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roll {
    /// By address; the index of a node, or none where the address is held.
    macs: Vec<(MacAddr, Option<u32>)>,
    /// By the index of a node: its claim.
    claims: Vec<(u32, Claim)>,
    /// By address.
    held: Vec<Held>,
}

/// What a claim is worth under a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// The claim of the node of this index.
    Counts(usize),
    /// The node declares its addresses now; its claim waits for the day it does not.
    Rests,
    /// There is no such node, or it has another BMC or System.
    Void,
}

impl Roll {
    /// Calls the roll: sorts out which claims count under a commit, and which addresses they settle.
    ///
    /// A claim counts where its node exists, wishes `macs = "from-bmc"`, and still has the claim's BMC and System. The
    /// claim of a retired node counts too, so that its machine is refused and not taken for an unknown one. Of several
    /// claims of one node the oldest counts. Indices are those of [`Snapshot::nodes`].
    #[must_use]
    pub fn call(snapshot: &Snapshot, claims: &[Claim]) -> Self {
        let mut counting: Vec<(u32, &Claim)> = Vec::with_capacity(claims.len());
        for claim in claims {
            if let Worth::Counts(node) = worth(snapshot, claim) {
                counting.push((node as u32, claim));
            }
        }
        counting.sort_unstable_by(|a, b| (a.0, a.1.at, a.1).cmp(&(b.0, b.1.at, b.1)));
        counting.dedup_by_key(|(node, _)| *node);
        let mut claimants: BTreeMap<MacAddr, Vec<u32>> = BTreeMap::new();
        for (node, claim) in &counting {
            for mac in &claim.macs {
                let nodes = claimants.entry(*mac).or_default();
                if nodes.last() != Some(node) {
                    nodes.push(*node);
                }
            }
        }
        let mut roll = Self::default();
        let declared = Declared::of(snapshot, !claimants.is_empty());
        for (mac, nodes) in claimants {
            let why = declared.why(mac, &nodes);
            let found = if why.is_none() { nodes.first().copied() } else { None };
            roll.macs.push((mac, found));
            roll.held.extend(why.map(|why| Held::new(snapshot, mac, &nodes, why)));
        }
        roll.claims = counting.into_iter().map(|(node, claim)| (node, claim.clone())).collect();
        roll
    }

    /// Finds the index of the node that alone claims an address which git declares for nobody.
    #[must_use]
    pub fn by_mac(&self, mac: MacAddr) -> Option<usize> {
        self.settled(mac)?.map(|node| node as usize)
    }

    /// Tells whether an address that git declares for no node is claimed and boots nobody all the same.
    #[must_use]
    pub fn is_held(&self, mac: MacAddr) -> bool {
        self.settled(mac) == Some(None)
    }

    fn settled(&self, mac: MacAddr) -> Option<Option<u32>> {
        let found = self.macs.binary_search_by_key(&mac, |(mac, _)| *mac);
        found.ok().map(|at| self.macs[at].1)
    }

    /// Lists what stands against claims, by address.
    #[must_use]
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// Returns what stands against the claims of one address, if something does.
    #[must_use]
    pub fn held_by(&self, mac: MacAddr) -> Option<&Held> {
        let found = self.held.binary_search_by_key(&mac, |held| held.mac);
        found.ok().map(|at| &self.held[at])
    }

    /// Returns the claim of a node that counts, by the node's index.
    #[must_use]
    pub fn claim_of(&self, node: usize) -> Option<&Claim> {
        let found = self.claims.binary_search_by_key(&node, |(node, _)| *node as usize);
        found.ok().map(|at| &self.claims[at].1)
    }

    /// Iterates over the addresses by which a node boots because it claims them, ascending, by the node's index.
    pub fn macs_of(&self, node: usize) -> impl Iterator<Item = MacAddr> {
        let macs = self.claim_of(node).into_iter().flat_map(|claim| &claim.macs).copied();
        macs.filter(move |mac| self.by_mac(*mac) == Some(node))
    }
}

/// Lists the nodes whose claims are to be forgotten: those that are gone from git, or have another BMC or System there.
///
/// A claim is kept while its node declares its addresses or is retired, so that taking such a change back finds the
/// node's machine again. A Snapshot of stored scripts does not know BMCs, and tells nobody to be forgotten.
#[must_use]
pub fn void(snapshot: &Snapshot, claims: &[Claim]) -> Vec<Box<str>> {
    let mut worths: BTreeMap<&str, bool> = BTreeMap::new();
    for claim in claims.iter().filter(|_| !snapshot.is_stored()) {
        *worths.entry(&claim.node).or_insert(true) &= worth(snapshot, claim) == Worth::Void;
    }
    worths.into_iter().filter(|(_, is_void)| *is_void).map(|(node, _)| node.into()).collect()
}

fn worth(snapshot: &Snapshot, claim: &Claim) -> Worth {
    let desired = snapshot.desired();
    // By its name alone: a claim is never another node's because that has the name for an xname.
    let named = snapshot.by_name(&claim.node).filter(|at| snapshot.nodes()[*at].name == claim.node);
    let Some(at) = named else { return Worth::Void };
    let node = &snapshot.nodes()[at];
    if snapshot.is_stored() {
        // It knows neither BMCs nor layers; a node that declares an address does not rest on claims.
        let declares = node.nics.iter().any(|nic| nic.mac.is_some());
        return if declares { Worth::Rests } else { Worth::Counts(at) };
    }
    match (is_of(desired, node, claim), snapshot.resolved().class(at).macs.value) {
        (false, _) => Worth::Void,
        (true, MacSource::Declared) => Worth::Rests,
        (true, MacSource::FromBmc) if boots_as_declared(desired, node) => Worth::Rests,
        (true, MacSource::FromBmc) => Worth::Counts(at),
    }
}

/// Tells whether git states the address that a node boots by: then nothing that was seen stands beside it, and a claim rests.
#[must_use]
pub fn boots_as_declared(desired: &Desired, node: &Node) -> bool {
    desired.boot_nic(node).is_some_and(|(_, nic)| nic.mac.is_some())
}

/// Tells whether a claim was made from what is a node's BMC and System now.
fn is_of(desired: &Desired, node: &Node, claim: &Claim) -> bool {
    let bmc = node.bmc.is_some_and(|bmc| desired.bmcs[bmc.value as usize].name == claim.bmc);
    bmc && node.system.as_deref().is_none_or(|system| system.eq_ignore_ascii_case(&claim.system))
}

/// Who git says has an address.
struct Declared<'s> {
    snapshot: &'s Snapshot,
    bmcs: BTreeMap<MacAddr, &'s str>,
}

impl<'s> Declared<'s> {
    /// Knows what is declared; the BMCs only where `with_bmcs`.
    fn of(snapshot: &'s Snapshot, with_bmcs: bool) -> Self {
        let bmcs = snapshot.desired().bmcs.iter().filter(|_| with_bmcs);
        Self { snapshot, bmcs: bmcs.filter_map(|bmc| Some((bmc.mac?.value, &*bmc.name))).collect() }
    }

    /// Says what stands against the claims of an address.
    fn why(&self, mac: MacAddr, nodes: &[u32]) -> Option<Why> {
        let owner = self.snapshot.by_mac(mac);
        match (owner, self.bmcs.get(&mac), nodes) {
            (Some(owner), _, [one]) if owner == *one as usize => None,
            (Some(owner), _, _) => Some(Why::OfNode(self.snapshot.nodes()[owner].name.clone())),
            (None, Some(bmc), _) => Some(Why::OfBmc((*bmc).into())),
            (None, None, [] | [_]) => None,
            (None, None, [_, _, ..]) => Some(Why::Several),
        }
    }
}

#[cfg(test)]
mod tests;
