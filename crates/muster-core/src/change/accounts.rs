//! Where the accounts of BMCs go: to which addresses, and how well protected on their way.
//!
//! Whoever may write the cluster repository decides where this host sends passwords. So an account that goes to a new
//! address, or by another TLS mode, is a change of its own kind, whatever else the BMC is.

use std::collections::{BTreeMap, BTreeSet};

use super::Change;
use crate::desired::{Bmc, Protocol, Tls};
use crate::model::NodeSet;
use crate::model::clear_secret::cover_forms;
use crate::snapshot::Snapshot;

/// An account that BMCs are sent, as no BMC of the base is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The name of the credential; nothing if the host has one for each of the BMCs.
    pub credential: Option<Box<str>>,
    /// How it travels: `in clear text`, or the TLS mode.
    pub protection: &'static str,
    /// Places of BMCs in the head, ascending.
    pub bmcs: Vec<usize>,
    /// Their names, folded.
    pub set: String,
    /// The addresses, each once, in the order of BMCs.
    pub urls: Vec<Box<str>>,
}

/// What decides who gets an account.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Destination<'s> {
    credential: Option<&'s str>,
    url: &'s str,
    tls: &'static str,
    pin: Option<&'s str>,
}

fn destination(bmc: &Bmc) -> Option<Destination<'_>> {
    let url = bmc.url.as_ref().filter(|_| bmc.protocol == Protocol::Redfish)?;
    Some(Destination {
        credential: bmc.credentials.as_ref().map(|name| &*name.value),
        url: url.value.trim_end_matches('/'),
        tls: bmc.tls.as_str(),
        pin: bmc.tls_pin.as_ref().map(|pin| &*pin.value).filter(|_| bmc.tls == Tls::Pin),
    })
}

fn destinations(side: &Snapshot) -> impl Iterator<Item = (usize, Destination<'_>)> {
    side.desired().bmcs.iter().enumerate().filter_map(|(at, bmc)| Some((at, destination(bmc)?)))
}

/// Lists the accounts that the head sends where the base does not, by credential and protection.
#[must_use]
pub fn accounts(change: &Change) -> Vec<NewAccount> {
    let known: BTreeSet<Destination<'_>> = destinations(&change.base).map(|(_, to)| to).collect();
    let mut new: BTreeMap<(Option<&str>, &'static str), Vec<usize>> = BTreeMap::new();
    for (at, to) in destinations(&change.head).filter(|(_, to)| !known.contains(to)) {
        let is_clear = to.url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let protection = if is_clear { "in clear text" } else { to.tls };
        new.entry((to.credential, protection)).or_default().push(at);
    }

    let bmcs = &change.head.desired().bmcs;
    let one = |((credential, protection), places): ((Option<&str>, &'static str), Vec<usize>)| {
        let set = NodeSet::from_names(places.iter().map(|at| &*bmcs[*at].name)).to_string();
        let mut urls: Vec<Box<str>> =
            places.iter().filter_map(|at| Some(bmcs[*at].url.as_ref()?.value.clone())).collect();
        let mut known = BTreeSet::new();
        urls.retain(|url| known.insert(url.clone()));
        urls.iter_mut().for_each(|url| *url = cover_forms(url).into());
        NewAccount { credential: credential.map(Into::into), protection, bmcs: places, set, urls }
    };
    new.into_iter().map(one).collect()
}
