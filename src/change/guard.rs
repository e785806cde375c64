//! Guard rails: whether a change does more than the wishes let through without a word.
//!
//! The rails of both sides count, so that a change that takes one away is still judged by it; what is allowed is said by
//! the head alone. What is allowed counts no more.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Fate, Fold, MachineChange, Side, Subject};
use crate::desired::{BootKind, Guard, Unknown};
use crate::model::{Code, Diagnostic, Origin, Place, Stated};
use crate::snapshot::{Answer, Snapshot};

/// How many digests a finding tells.
const MAX_TOLD: usize = 20;

/// What the rails of both sides say of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// In the order of [`Rail`]'s variants.
    pub breaches: Vec<Breach>,
    /// What the head allows and nothing needs, in its order.
    pub stale: Vec<StaleAllow>,
}

/// A rail that a change breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    pub rail: Rail,
    /// How many nodes break it, those that are allowed aside; of [`Rail::Install`], machines that nobody declares
    /// count by architecture.
    pub count: usize,
    /// Which side states it; the head where both do and it breaks either.
    pub side: Side,
    /// Where that side states it.
    pub place: Place,
    /// Counted from 1.
    pub line: u32,
    /// What breaks it and is not allowed; never empty. Allowing all of them mends it.
    pub folds: Vec<Broken>,
}

/// A rail with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rail {
    MaxNodes(u32),
    MaxPercent {
        percent: u8,
        /// How many nodes the base has.
        of: usize,
    },
    MaxRemovals(u32),
    /// These groups, by name, lose their last node.
    Emptied(Vec<Box<str>>),
    Install,
}

/// A fold that breaks a rail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// As of [`Fold::set`].
    pub set: String,
    /// What `allow` must name.
    pub digest: String,
    /// How many machines of it break the rail.
    pub count: usize,
}

/// A digest that the head allows and that is of nothing in the change that needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleAllow {
    pub digest: Box<str>,
    /// In the head.
    pub place: Place,
    /// Counted from 1.
    pub line: u32,
}

/// Judges a change of all machines by the rails of both sides; `folds` are all of [`fold()`](super::fold).
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

impl Judgement {
    /// Tells whether the change may be made.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.breaches.is_empty()
    }

    /// Lists the digests that must be allowed, each once, in the order of breaches and folds.
    #[must_use]
    pub fn to_allow(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let folds = self.breaches.iter().flat_map(|breach| &breach.folds);
        all.extend(folds.map(|fold| &*fold.digest).filter(|digest| known.insert(digest)));
        all
    }

    /// Tells it as findings about the head.
    #[must_use]
    pub fn findings(&self) -> Vec<Diagnostic> {
        self.breaches.iter().map(Breach::finding).chain(self.stale.iter().map(StaleAllow::finding)).collect()
    }
}

impl Rail {
    /// Returns the key that states it.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::MaxNodes(_) => "max_nodes",
            Self::MaxPercent { .. } => "max_percent",
            Self::MaxRemovals(_) => "max_removals",
            Self::Emptied(_) => "emptied",
            Self::Install => "install",
        }
    }
}

impl Breach {
    /// Says in one sentence without a full stop what breaks the rail.
    #[must_use]
    pub fn told(&self) -> String {
        let count = self.count;
        let nodes = if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
        let (s, is) = if count == 1 { ("s", "is") } else { ("", "are") };
        match &self.rail {
            Rail::MaxNodes(most) => format!("{nodes} change{s}, and `max_nodes` is {most}"),
            Rail::MaxPercent { percent, of } => {
                format!("{nodes} change{s} beside {of} there were, and `max_percent` is {percent}")
            }
            Rail::MaxRemovals(most) => format!("{nodes} {is} removed, and `max_removals` is {most}"),
            Rail::Emptied(groups) => {
                let names = groups.iter().map(|group| format!("`{group}`")).collect::<Vec<_>>().join(", ");
                let lose = if groups.len() == 1 { "loses its" } else { "lose their" };
                format!("{names} {lose} last node, which `emptied` guards")
            }
            Rail::Install => {
                let machines = if self.folds.iter().any(|fold| fold.set.is_empty()) { "machines" } else { "nodes" };
                let who = if count == 1 { machines.trim_end_matches('s') } else { machines };
                format!("{count} {who} would come to boot by an installer, which `install` guards")
            }
        }
    }

    fn finding(&self) -> Diagnostic {
        let mut message = self.told();
        let place = match self.side {
            Side::Head => self.place.clone(),
            Side::Base => {
                message.push_str(&format!(" ({}:{} before this change)", self.place.file, self.line));
                Place::file(self.place.file.clone())
            }
        };
        let told = self.folds.iter().take(MAX_TOLD).map(|fold| format!("\"{}\"", fold.digest));
        let mut digests = told.collect::<Vec<_>>().join(", ");
        if let Some(more) = self.folds.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
            digests.push_str(&format!(" and {more} more that `muster diff` tells"));
        }
        let hint = format!("if it is wished, add to `allow` in [guard] of policy.toml: {digests}");
        Diagnostic::new(Code::GuardRail, place, message).hint(hint)
    }
}

impl StaleAllow {
    fn finding(&self) -> Diagnostic {
        let message = format!("`{}` allows nothing that this change does", self.digest);
        let hint = "take it out; where it was meant for this change, that has become another since: see `muster diff`";
        Diagnostic::new(Code::StaleAllow, self.place.clone(), message).hint(hint)
    }
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

/// Which boots wipe disks: those of kind `install`, and those of these names.
struct Installers<'g> {
    names: BTreeSet<&'g str>,
}

impl Installers<'_> {
    /// Tells whether a machine boots by an installer that did not, or that another machine than before does.
    fn come_to(&self, change: &Change, machine: &MachineChange) -> bool {
        let (old, new) = (&change.base, &change.head);
        match machine.subject {
            Subject::Node => {
                let was = machine.base.is_some_and(|at| self.has(old, at));
                let is = match machine.head {
                    Some(at) => self.has(new, at),
                    // What is declared no more boots as all that never was.
                    None => self.has_unknown(new),
                };
                is && (!was || is_another(machine))
            }
            Subject::Bmc => false,
            // Nobody boots before it said its architecture.
            Subject::Unknown => &*machine.name != "?" && self.has_unknown(new) && !self.has_unknown(old),
        }
    }

    fn has(&self, snapshot: &Snapshot, node: usize) -> bool {
        match snapshot.answer(node) {
            Answer::Script(_) => {
                snapshot.resolved().class(node).boot.is_some_and(|boot| self.is_one(snapshot, boot.value))
            }
            Answer::Retired | Answer::Nothing => false,
        }
    }

    fn has_unknown(&self, snapshot: &Snapshot) -> bool {
        match snapshot.desired().cluster.unknown {
            Unknown::Boot(boot) => self.is_one(snapshot, boot.value),
            Unknown::Refuse | Unknown::Retry => false,
        }
    }

    fn is_one(&self, snapshot: &Snapshot, boot: u16) -> bool {
        let boot = &snapshot.desired().boots[usize::from(boot)];
        boot.kind == BootKind::Install || self.names.contains(&*boot.name)
    }
}

/// Tells whether what a node boots by is what another machine has.
fn is_another(machine: &MachineChange) -> bool {
    machine.values.iter().any(|change| {
        let is_identity = change.key.ends_with(".mac") || matches!(&*change.key, "serial" | "uuid" | "macs");
        is_identity && change.new.is_some() && &*change.key != "bmc.mac"
    })
}
