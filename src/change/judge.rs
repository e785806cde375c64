//! Guard rails: whether a change does more than the wishes let through without a word.
//!
//! The rails of both sides count, so that a change that takes one away is still judged by it; what is allowed is said by
//! the head alone. What is allowed counts no more.

use std::collections::{BTreeMap, BTreeSet};

use super::guard::{Breach, Broken, Judgement, Rail, StaleAllow};
use super::installers::Installers;
use super::{Change, Fate, Fold, MachineChange, Side, Subject};
use crate::desired::Guard;
use crate::model::{Origin, Place, Stated};

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
        let is_removed = |machine: &MachineChange| is_node(machine) && machine.fate == Fate::Removed;
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
        let most = |most: u32| move |count: usize| (count > most as usize).then_some(Rail::MaxRemovals(most));
        all.extend(self.number((base.max_removals, head.max_removals), &removed, most));
        all.extend(self.emptied(allowed));
        all.extend(self.install(allowed));
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

    /// Finds the groups that had nodes and have none; one whose very nodes are in a new group has another name only.
    fn emptied(&self, allowed: &BTreeSet<&str>) -> Option<Breach> {
        let head = self.head.emptied.map(|origin| (Side::Head, origin));
        let stated = head.or(self.base.emptied.map(|origin| (Side::Base, origin)))?;
        let (old, new) = (self.change.base.desired(), self.change.head.desired());
        let gone = old.groups.iter().filter(|group| {
            let has_nodes = |name: &str| new.group(name).is_some_and(|group| !group.members.is_empty());
            !group.members.is_empty() && !has_nodes(&group.name)
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

    /// Tells whether a group that the base does not have holds exactly the nodes of these places in the base.
    fn is_renamed(&self, members: &BTreeSet<usize>) -> bool {
        let (old, new) = (self.change.base.desired(), self.change.head.desired());
        // Whoever comes into a new group differs in its groups, and is among these.
        let nodes = self.change.machines.iter().filter(|machine| machine.subject == Subject::Node);
        let was: BTreeMap<usize, Option<usize>> =
            nodes.filter_map(|machine| Some((machine.head?, machine.base))).collect();
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
        let installers = Installers { names };
        let folds = self.broken(allowed, &|machine| installers.come_to(self.change, machine));
        (!folds.is_empty()).then(|| self.breach(Rail::Install, stated, folds))
    }
}

/// Tells whether a machine is one of the nodes at these places of the base.
fn is_among(places: &BTreeSet<usize>, machine: &MachineChange) -> bool {
    machine.subject == Subject::Node && machine.base.is_some_and(|at| places.contains(&at))
}
