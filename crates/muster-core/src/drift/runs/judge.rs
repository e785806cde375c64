//! One node: which recorded boot is its last, and what that comes to.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ended::last_end;
use super::{CLOCK_SLACK, Doubt, Known, Run, teller};
use crate::desired::Desired;
use crate::model::MacAddr;
use crate::observed::{Boot, Booted, Observed, Teller};
use crate::roll::Roll;
use crate::snapshot::{Answer, Snapshot};

/// Everything that is known of boots, by the name that a machine booted as.
#[derive(Default)]
pub struct Records {
    all: BTreeMap<Box<str>, Booted>,
    /// The names whose last believed boot was by a MAC address.
    by_mac: HashMap<MacAddr, BTreeSet<Box<str>>>,
}

impl Records {
    /// Takes what is remembered of boots, ended by what is remembered of BMCs.
    pub fn of(boots: &BTreeMap<Box<str>, Booted>, desired: &Desired, observed: &Observed) -> Self {
        let mut records = Self::default();
        for (name, booted) in boots {
            let _ = records.put(name, booted.clone());
        }
        for node in &desired.nodes {
            let Some(booted) = records.all.get_mut(&node.name) else { continue };
            let bmc = node.bmc.and_then(|bmc| observed.bmcs.get(&desired.bmcs[bmc.value as usize].name));
            if let Some(at) = bmc.and_then(|record| last_end(record, node.system.as_deref())) {
                booted.reset(at);
            }
        }
        records
    }

    pub fn get(&self, name: &str) -> Option<&Booted> {
        self.all.get(name)
    }

    /// Puts what is known under a name in place of what was; returns the MAC addresses of which something else is true now.
    pub fn put(&mut self, name: &str, booted: Booted) -> [Option<MacAddr>; 2] {
        let mac = |booted: &Booted| booted.last.as_ref().and_then(|boot| boot.mac);
        let new = mac(&booted);
        let old = self.all.insert(name.into(), booted).as_ref().and_then(mac);
        if old != new {
            if let Some(old) = old
                && let Some(names) = self.by_mac.get_mut(&old)
            {
                names.remove(name);
            }
            if let Some(new) = new {
                self.by_mac.entry(new).or_default().insert(name.into());
            }
        }
        [old, new]
    }

    /// Finds the last boot that a machine made by a MAC address under another name.
    fn elsewhere(&self, mac: MacAddr, name: &str) -> Option<(&str, &Boot)> {
        let names = self.by_mac.get(&mac)?.iter().filter(|other| &***other != name);
        let boots = names.filter_map(|other| Some((&**other, self.all.get(other)?.last.as_ref()?)));
        boots.max_by_key(|(_, boot)| boot.at)
    }
}

/// Lists the MAC addresses by which a node boots today.
pub fn macs(snapshot: &Snapshot, roll: &Roll, node: usize) -> Vec<MacAddr> {
    let declared = snapshot.nodes()[node].nics.iter().filter_map(|nic| nic.mac.map(|mac| mac.value));
    declared.chain(roll.macs_of(node)).collect()
}

/// Judges a node, by its index, at a time in unix milliseconds.
pub fn judge(snapshot: &Snapshot, roll: &Roll, records: &Records, node: usize, now: i64) -> Run {
    let Answer::Script(today) = snapshot.answer(node) else { return Run::Idle };
    let name = &*snapshot.nodes()[node].name;
    let macs = macs(snapshot, roll, node);
    let own = records.get(name).map(|booted| settled(snapshot, node, booted));
    let own = own.as_deref();
    let believed = own.and_then(|booted| booted.last.as_ref());
    // The machine of a MAC address that git has taken away is another's, whatever name it booted as.
    let ours = believed.filter(|boot| boot.mac.is_none_or(|mac| macs.contains(&mac)));
    let elsewhere = macs.iter().filter_map(|mac| records.elsewhere(*mac, name)).max_by_key(|(_, boot)| boot.at);
    let (boot, booted_as) = match (ours, elsewhere) {
        (Some(own), Some((other, boot))) if boot.at > own.at => (boot, Some(other)),
        (Some(own), _) => (own, None),
        (None, Some((other, boot))) => (boot, Some(other)),
        (None, None) => return Run::Unknown(unbelieved(snapshot, roll, own)),
    };
    let uncounted = own.and_then(|booted| booted.uncounted.as_ref()).filter(|other| other.digest != boot.digest);
    if boot.at > now.saturating_add(CLOCK_SLACK) {
        return Run::Unknown(Doubt::Ahead(boot.clone()));
    }
    if let Some(at) = boot.reset {
        return Run::Unknown(Doubt::Reset { boot: boot.clone(), at });
    }
    let is_current = boot.digest == today.digest;
    match uncounted {
        Some(other) if is_current => Run::Unknown(Doubt::Later { boot: boot.clone(), uncounted: other.clone() }),
        uncounted => {
            let known =
                Known { boot: boot.clone(), booted_as: booted_as.map(Into::into), uncounted: uncounted.cloned() };
            if is_current { Run::Current(known) } else { Run::Stale(known) }
        }
    }
}

/// Believes a fetch from an address that git has come to declare for the node since.
fn settled<'b>(snapshot: &Snapshot, node: usize, booted: &'b Booted) -> Cow<'b, Booted> {
    match &booted.uncounted {
        Some(boot) if teller(snapshot, node, Some(boot.address)) == Teller::Own => {
            Cow::Owned(Booted { last: Some(boot.clone()), uncounted: None })
        }
        Some(_) | None => Cow::Borrowed(booted),
    }
}

/// Says why nothing that is recorded under a node's name is a boot of it.
fn unbelieved(snapshot: &Snapshot, roll: &Roll, own: Option<&Booted>) -> Doubt {
    let Some(booted) = own else { return Doubt::Never };
    if let Some((boot, mac)) = booted.last.as_ref().and_then(|boot| Some((boot, boot.mac?))) {
        let now = snapshot.by_mac(mac).or_else(|| roll.by_mac(mac)).map(|at| snapshot.nodes()[at].name.clone());
        return Doubt::OtherMachine { boot: boot.clone(), mac, now };
    }
    booted.uncounted.clone().map_or(Doubt::Never, Doubt::Unconfirmed)
}
