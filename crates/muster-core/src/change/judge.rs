//! Guard rails: whether a change does more than the wishes let through without a word.
//!
//! The rails of both sides count, so that a change that takes one away is still judged by it; what is allowed is said by
//! the head alone. What is allowed counts no more.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::accounts;
use super::guard::{Breach, Broken, Judgement, Rail, StaleAllow};
use super::installers::Installers;
use super::mask::{self, Mask, Width};
use super::{Change, Fate, Fold, MachineChange, Part, Side, Subject, ValueChange};
use crate::desired::Guard;
use crate::model::{Origin, Place, Stated};
use crate::snapshot::Snapshot;

/// Judges a change of all machines by the rails of both sides; `folds` are all of [`fold()`](super::fold()).
///
/// Both sides were built: of stored bytes nobody knows the groups.
#[must_use]
pub fn judge(change: &Change, folds: &[Fold<'_>]) -> Judgement {
    let judging = Judging::new(change, folds);
    let allowed: BTreeSet<&str> = judging.head.allow.iter().map(|stated| &*stated.value).collect();
    let breaches = judging.breaches(&allowed);
    let stale = if allowed.is_empty() { Vec::new() } else { judging.stale() };
    Judgement { breaches, stale }
}

/// The machines of one fold that break a rail.
type Breaks<'j> = &'j dyn Fn(&MachineChange) -> bool;

struct Judging<'c> {
    change: &'c Change,
    folds: &'c [Fold<'c>],
    base: &'c Guard,
    head: &'c Guard,
}

impl<'c> Judging<'c> {
    fn new(change: &'c Change, folds: &'c [Fold<'c>]) -> Self {
        let (base, head) = (&change.base.desired().policy.guard, &change.head.desired().policy.guard);
        Self { change, folds, base, head }
    }

    fn breaches(&self, allowed: &BTreeSet<&str>) -> Vec<Breach> {
        let mut all = Vec::new();
        let is_node = |machine: &MachineChange| machine.subject == Subject::Node;
        let is_removed = |machine: &MachineChange| is_node(machine) && self.is_lost(machine);
        let (nodes, removed) = (self.broken(allowed, &is_node), self.broken(allowed, &is_removed));
        let (base, head) = (self.base, self.head);
        let most = |most: u32| move |count: usize| (count > most as usize).then_some(Rail::MaxNodes(most));
        all.extend(self.number((base.max_nodes, head.max_nodes), &nodes, most));
        let of = self.change.base.nodes().len();
        let share = |percent: u8| {
            move |count: usize| {
                let is_over = of > 0 && count as u128 * 100 > of as u128 * u128::from(percent);
                is_over.then_some(Rail::MaxPercent { percent, of })
            }
        };
        all.extend(self.number((base.max_percent, head.max_percent), &nodes, share));
        let is_hidden = |machine: &MachineChange| is_removed(machine) && machine.fate != Fate::Removed;
        let others: usize = self.broken(allowed, &is_hidden).iter().map(|fold| fold.count).sum();
        let most =
            |most: u32| move |count: usize| (count > most as usize).then_some(Rail::MaxRemovals { most, others });
        all.extend(self.number((base.max_removals, head.max_removals), &removed, most));
        all.extend(self.emptied(allowed));
        all.extend(self.install(allowed));
        all.extend(self.accounts(allowed));
        all
    }

    /// Lists what the head allows and nothing needs.
    fn stale(&self) -> Vec<StaleAllow> {
        let breaches = self.breaches(&BTreeSet::new());
        let needed: BTreeSet<&str> =
            breaches.iter().flat_map(|breach| &breach.folds).map(|fold| &*fold.digest).collect();
        let stale = self.head.allow.iter().filter(|stated| !needed.contains(&*stated.value));
        let stale = stale.map(|stated| {
            let (place, line) = self.place(Side::Head, stated.origin);
            StaleAllow { digest: stated.value.clone(), place, line }
        });
        stale.collect()
    }

    /// Lists the folds that are not allowed and that have machines that break something.
    fn broken(&self, allowed: &BTreeSet<&str>, breaks: Breaks<'_>) -> Vec<Broken> {
        let open = self.folds.iter().filter(|fold| !allowed.contains(&*fold.digest));
        let counted = open.map(|fold| (fold, fold.machines.iter().filter(|machine| breaks(machine)).count()));
        let broken = counted.filter(|(_, count)| *count > 0).map(|(fold, count)| {
            // Names of architectures make no set of nodes.
            let set = if fold.subject() == Subject::Unknown { String::new() } else { fold.set.clone() };
            Broken { set, digest: fold.digest.clone(), count }
        });
        broken.collect()
    }

    /// Judges by a number; the head's first, so that it is told where both are passed.
    fn number<T: Copy, F: Fn(usize) -> Option<Rail>>(
        &self,
        (base, head): (Option<Stated<T>>, Option<Stated<T>>),
        folds: &[Broken],
        judge: impl Fn(T) -> F,
    ) -> Option<Breach> {
        let count = folds.iter().map(|fold| fold.count).sum();
        let sides = [(Side::Head, head), (Side::Base, base)];
        sides.into_iter().find_map(|(side, stated)| {
            let stated = stated?;
            let rail = judge(stated.value)(count)?;
            Some(self.breach(rail, (side, stated.origin), folds.to_vec()))
        })
    }

    fn breach(&self, rail: Rail, (side, origin): (Side, Origin), folds: Vec<Broken>) -> Breach {
        let (place, line) = self.place(side, origin);
        Breach { rail, count: folds.iter().map(|fold| fold.count).sum(), side, place, line, folds }
    }

    fn place(&self, side: Side, origin: Origin) -> (Place, u32) {
        let snapshot = match side {
            Side::Base => &self.change.base,
            Side::Head => &self.change.head,
        };
        let sources = &snapshot.desired().sources;
        (sources.place(origin), sources.line(origin.file, origin.at))
    }

    /// Tells whether a node is served no more: it is gone, newly retired, or a node of another name has its machine and boots
    /// something else.
    fn is_lost(&self, machine: &MachineChange) -> bool {
        let (base, head) = (&self.change.base, &self.change.head);
        match (&machine.fate, machine.base, machine.head) {
            (Fate::Removed, _, _) => true,
            (Fate::Added, _, _) | (_, None, _) | (_, _, None) => false,
            (fate, Some(old), Some(new)) => {
                let is_retired = head.is_retired(new) && !base.is_retired(old);
                let is_renamed = matches!(fate, Fate::Renamed { .. });
                is_retired || (is_renamed && !boots_the_same(self.change, machine, (old, new)))
            }
        }
    }

    /// Finds the groups that had nodes and have none. Nodes that are retired count for nothing if any other was there; a
    /// group whose very nodes are in a new group that does the same has another name only.
    fn emptied(&self, allowed: &BTreeSet<&str>) -> Option<Breach> {
        let head = self.head.emptied.map(|origin| (Side::Head, origin));
        let stated = head.or(self.base.emptied.map(|origin| (Side::Base, origin)))?;
        let (base, head) = (&self.change.base, &self.change.head);
        let serves = |side: &Snapshot, members: &[u32]| members.iter().any(|at| !side.is_retired(*at as usize));
        let gone = base.desired().groups.iter().filter(|group| {
            let left = head.desired().group(&group.name).map(|group| &group.members[..]).unwrap_or_default();
            let loses_all = !group.members.is_empty() && left.is_empty();
            loses_all || (serves(base, &group.members) && !serves(head, left))
        });

        let mut members: BTreeSet<usize> = BTreeSet::new();
        let mut groups: Vec<Box<str>> = Vec::new();
        for group in gone {
            let own: BTreeSet<usize> = group.members.iter().map(|at| *at as usize).collect();
            let folds = self.broken(allowed, &|machine| is_among(&own, machine));
            if !folds.is_empty() && !self.is_renamed(&own) {
                groups.push(group.name.clone());
                members.extend(own);
            }
        }
        let folds = self.broken(allowed, &|machine| is_among(&members, machine));
        (!folds.is_empty()).then(|| self.breach(Rail::Emptied(groups), stated, folds))
    }

    /// Tells whether a group that the base does not have holds exactly the nodes of these places in the base, and none of
    /// them differs in anything but the names of its groups.
    fn is_renamed(&self, members: &BTreeSet<usize>) -> bool {
        let (old, new) = (self.change.base.desired(), self.change.head.desired());
        // A node that comes into a new group differs in its groups, and is among these.
        let nodes = || self.change.machines.iter().filter(|machine| machine.subject == Subject::Node);
        let is_same = |change: &ValueChange| matches!(&*change.key, "groups" | "order of groups" | "name");
        let mut own = nodes().filter(|machine| is_among(members, machine));
        if !own.all(|machine| machine.values.iter().all(is_same)) {
            return false;
        }

        let was: BTreeMap<usize, Option<usize>> =
            nodes().filter_map(|machine| Some((machine.head?, machine.base))).collect();
        let fresh = new.groups.iter().filter(|group| old.group(&group.name).is_none());
        fresh.into_iter().any(|group| {
            let before: Option<BTreeSet<usize>> =
                group.members.iter().map(|at| was.get(&(*at as usize)).copied().flatten()).collect();
            before.as_ref() == Some(members)
        })
    }

    fn install(&self, allowed: &BTreeSet<&str>) -> Option<Breach> {
        let (base, head) = (&self.base.install, &self.head.install);
        let stated = head.as_ref().map(|stated| (Side::Head, stated.origin));
        let stated = stated.or(base.as_ref().map(|stated| (Side::Base, stated.origin)))?;
        let names = [base, head].into_iter().flatten().flat_map(|stated| &stated.value).map(|name| &**name).collect();
        let installers = Installers::new(self.change, names);
        let folds = self.broken(allowed, &|machine| installers.come_to(self.change, machine));
        (!folds.is_empty()).then(|| self.breach(Rail::Install, stated, folds))
    }

    fn accounts(&self, allowed: &BTreeSet<&str>) -> Option<Breach> {
        let head = self.head.accounts.map(|origin| (Side::Head, origin));
        let stated = head.or(self.base.accounts.map(|origin| (Side::Base, origin)))?;
        let new: BTreeSet<usize> = accounts(self.change).into_iter().flat_map(|account| account.bmcs).collect();
        let folds = self.broken(allowed, &|machine| match (machine.subject, machine.head) {
            (Subject::Node, Some(at)) => {
                self.change.head.nodes()[at].bmc.is_some_and(|bmc| new.contains(&(bmc.value as usize)))
            }
            (Subject::Bmc, Some(at)) => new.contains(&at),
            (Subject::Node | Subject::Bmc, None) | (Subject::Unknown, _) => false,
        });
        (!folds.is_empty()).then(|| self.breach(Rail::Accounts, stated, folds))
    }
}

/// Tells whether two nodes boot the same, but for what is each one's own.
fn boots_the_same(change: &Change, machine: &MachineChange, (old, new): (usize, usize)) -> bool {
    let covered = |side: &Snapshot, node: usize, text: String| {
        let own = mask::identities(side, node, Width::Narrow);
        Mask::both(&own, &[]).0.cover(&text)
    };
    let base = covered(&change.base, old, change.text(machine, Part::Script, Side::Base));
    let head = covered(&change.head, new, change.text(machine, Part::Script, Side::Head));
    base == head
}

/// Tells whether a machine is one of the nodes at these places of the base.
fn is_among(places: &BTreeSet<usize>, machine: &MachineChange) -> bool {
    machine.subject == Subject::Node && machine.base.is_some_and(|at| places.contains(&at))
}
