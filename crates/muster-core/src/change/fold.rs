//! Equal changes once, under all machines that they are equal for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::lines::{self, Part};
use super::mask::{self, Identity, Mask, Width};
use super::naming::Naming;
use super::shown::Shown;
use super::{Change, Fate, MachineChange, Reach, Subject, Value, ValueChange};
use crate::desired::DIGEST_DIGITS;
use crate::model::NodeSet;
use crate::snapshot::Snapshot;

/// How many lines before and after a change are told with it.
const AROUND: usize = 2;

/// Into how many folds equal lines in different places are parted at most.
const MAX_APART: usize = 4;

/// The bytes of a digest that are told: enough that no two changes of a site's life share one.
const DIGEST_BYTES: usize = DIGEST_DIGITS / 2;

/// An equal change of some machines.
///
/// What belongs to each machine alone stands in its texts as a hole, `<name>`; of a fold of one machine nothing does. So does
/// what the request decides, such as `<server>`. If a text says `<name>` itself, the hole is called `<name 2>`.
#[derive(Debug)]
pub struct Fold<'c> {
    /// In natural order of their names.
    pub machines: Vec<&'c MachineChange>,
    /// Their names, folded.
    pub set: String,
    /// The first digits of a SHA-256 over what changes, for whom, and to which values of its own. It does not depend on
    /// lines or commits, so a squash or a rebase that changes the same has the same.
    pub digest: String,
    pub values: Vec<FoldedValue>,
    pub patches: Vec<(Part, Vec<MaskedHunk>)>,
    width: Width,
    naming: Naming,
}

/// One value of a fold; the places are those of its first machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldedValue {
    pub change: ValueChange,
    /// How many other places state it for the other machines.
    pub more_places: usize,
}

/// What stands in the place of some lines, and the lines around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedHunk {
    /// Lines of the first machine that stay.
    pub before: Vec<String>,
    pub removed: Vec<String>,
    pub added: Vec<String>,
    pub after: Vec<String>,
}

/// One machine's change with its own values covered, and whether it can be told from that again.
#[derive(Default)]
struct Masked {
    width: Width,
    old: Mask,
    new: Mask,
    key: [u8; 32],
    /// Its own values that are not the same on both sides, where its lines change, and by which keys it is found.
    own: Vec<u8>,
    /// Of the lines around what only comes or only goes.
    around: [u8; 32],
}

/// The lines that are taken away, and those that stand in their place.
type Sides = (Vec<String>, Vec<String>);

#[derive(Clone, Default)]
struct Content {
    values: Vec<ValueChange>,
    patches: Vec<(Part, Vec<Sides>)>,
}

/// Folds a change: nodes first, most machines first, then by fate and name. Every machine is in exactly one fold.
#[must_use]
pub fn fold(change: &Change) -> Vec<Fold<'_>> {
    let mut masked: Vec<Masked> =
        change.machines.par_iter().map(|machine| Masked::of(change, machine, Width::Narrow)).collect();
    let (alone, mut groups): (Vec<_>, Vec<_>) = equal(masked.iter()).into_iter().partition(|places| places.len() == 1);
    // A number may stand anywhere by chance, so it is covered only where that makes machines equal.
    let alone: Vec<usize> = alone.into_iter().flatten().collect();
    let mut wide: Vec<Masked> =
        alone.par_iter().map(|at| Masked::of(change, &change.machines[*at], Width::Wide)).collect();
    for places in equal(wide.iter()) {
        groups.push(places.iter().map(|place| alone[*place]).collect());
        if places.len() > 1 {
            places.iter().for_each(|place| masked[alone[*place]] = std::mem::take(&mut wide[*place]));
        }
    }
    let mut groups: Vec<Vec<usize>> = groups.into_iter().flat_map(|places| apart(&masked, places)).collect();
    groups.sort_by_key(|places| {
        let first = &change.machines[places[0]];
        (first.subject, Reverse(places.len()), rank(&first.fate), places[0])
    });
    groups.par_iter().map(|places| one(change, &masked, places)).collect()
}

/// Groups machines whose changes are equal; each group, and their list, in the order of places.
fn equal<'m>(masked: impl Iterator<Item = &'m Masked>) -> Vec<Vec<usize>> {
    let mut equal: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    for (at, masked) in masked.enumerate() {
        equal.entry(masked.key).or_default().push(at);
    }
    let mut groups: Vec<Vec<usize>> = equal.into_values().collect();
    groups.sort();
    groups
}

/// Parts machines for which equal lines come or go in different places, unless these are so many that a computed value
/// must stand there.
fn apart(masked: &[Masked], places: Vec<usize>) -> Vec<Vec<usize>> {
    let mut by_around: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    for at in &places {
        by_around.entry(masked[*at].around).or_default().push(*at);
    }
    if by_around.len() > MAX_APART { vec![places] } else { by_around.into_values().collect() }
}

/// The gravest first.
const fn rank(fate: &Fate) -> u8 {
    match fate {
        Fate::Removed => 0,
        Fate::Changed => 1,
        Fate::Renamed { .. } => 2,
        Fate::Added => 3,
    }
}

fn one<'c>(change: &'c Change, masked: &[Masked], places: &[usize]) -> Fold<'c> {
    let machines: Vec<&MachineChange> = places.iter().map(|at| &change.machines[*at]).collect();
    let set = NodeSet::from_names(machines.iter().map(|machine| &*machine.name)).to_string();
    let mut digest = Sha256::new_with_prefix(masked[places[0]].key);
    digest.update(&set);
    places.iter().for_each(|at| digest.update(&masked[*at].own));
    let digest = digest.finalize().iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let shown = Shown::new(change, machines[0]);
    let first = &*shown.machine;
    // One machine has nothing to be equal to.
    let covers = (machines.len() > 1).then(|| &masked[places[0]]);
    let content = match covers {
        None => Content::exact(first),
        Some(masked) => Content::covered(first, &masked.old, &masked.new),
    };
    let values = content.values.into_iter().enumerate();
    let values = values.map(|(at, change)| FoldedValue { more_places: more_places(&machines, at), change });
    let patches = content.patches.into_iter();
    let patches = patches.map(|(part, hunks)| (part, around(&shown, part, hunks, covers))).collect();
    let (values, width) = (Vec::from_iter(values), masked[places[0]].width);
    let mut fold = Fold { machines, set, digest, values, patches, width, naming: Naming::default() };
    fold.name_holes(covers);
    fold
}

fn more_places(machines: &[&MachineChange], at: usize) -> usize {
    let place = |value: &Option<Value>| {
        let spot = value.as_ref().and_then(|value| value.spot.as_ref());
        spot.map(|spot| (spot.path.clone(), spot.line))
    };
    let places = machines.iter().map(|machine| &machine.values[at]);
    let places: BTreeSet<_> = places.map(|value| (place(&value.old), place(&value.new))).collect();
    places.len() - 1
}

/// Adds the lines around each hunk, from the old text of the first machine.
fn around(shown: &Shown<'_>, part: Part, hunks: Vec<Sides>, covers: Option<&Masked>) -> Vec<MaskedHunk> {
    let text = shown.old_text(part);
    let old = lines::lines(part, &text);
    let exact = &shown.machine.patch(part).expect("the fold is made of it").hunks;
    let cover = |line: &&str| covers.map_or_else(|| (*line).to_owned(), |masked| masked.old.cover(line));
    let mut all = Vec::with_capacity(hunks.len());
    for (at, (removed, added)) in hunks.into_iter().enumerate() {
        let start = exact[at].before as usize;
        let end = start + exact[at].removed.len();
        let limit = at.checked_sub(1).map_or(0, |last| exact[last].before as usize + exact[last].removed.len());
        // What stands between two hunks is told once, before the second.
        let next = exact.get(at + 1).map_or(old.len(), |next| (next.before as usize).saturating_sub(AROUND));
        let before = old[start.saturating_sub(AROUND).max(limit)..start].iter().map(cover).collect();
        let after = old[end..(end + AROUND).min(next.max(end)).min(old.len())].iter().map(cover).collect();
        all.push(MaskedHunk { before, removed, added, after });
    }
    all
}

impl Content {
    fn exact(machine: &MachineChange) -> Self {
        let owned = |lines: &[Box<str>]| lines.iter().map(|line| line.to_string()).collect();
        let patches = machine.patches.iter().map(|patch| {
            let hunks = patch.hunks.iter().map(|hunk| (owned(&hunk.removed), owned(&hunk.added)));
            (patch.part, hunks.collect())
        });
        Self { values: machine.values.clone(), patches: patches.collect() }
    }

    fn covered(machine: &MachineChange, old: &Mask, new: &Mask) -> Self {
        let cover = |lines: &[Box<str>], mask: &Mask| lines.iter().map(|line| mask.cover(line)).collect();
        let value = |value: &Option<Value>, key: &str, mask: &Mask| {
            value
                .as_ref()
                .map(|value| Value { text: mask.cover_whole(key, &value.text).into(), spot: value.spot.clone() })
        };
        let values = machine.values.iter().map(|change| ValueChange {
            key: change.key.clone(),
            old: value(&change.old, &change.key, old),
            new: value(&change.new, &change.key, new),
        });
        let patches = machine.patches.iter().map(|patch| {
            let hunks = patch.hunks.iter().map(|hunk| (cover(&hunk.removed, old), cover(&hunk.added, new)));
            (patch.part, hunks.collect())
        });
        Self { values: values.collect(), patches: patches.collect() }
    }

    /// Puts a machine's own values back.
    fn filled(&self, old: &Mask, new: &Mask) -> Self {
        let fill = |lines: &[String], mask: &Mask| lines.iter().map(|line| mask.fill(line)).collect();
        let value = |value: &Option<Value>, mask: &Mask| {
            value.as_ref().map(|value| Value { text: mask.fill(&value.text).into(), spot: value.spot.clone() })
        };
        let values = self.values.iter().map(|change| ValueChange {
            key: change.key.clone(),
            old: value(&change.old, old),
            new: value(&change.new, new),
        });
        let patches = self.patches.iter().map(|(part, hunks)| {
            let hunks = hunks.iter().map(|(removed, added)| (fill(removed, old), fill(added, new)));
            (*part, hunks.collect())
        });
        Self { values: values.collect(), patches: patches.collect() }
    }

    /// Adds all but the places of values to a digest, each text with its length.
    fn feed(&self, digest: &mut Sha256) {
        let mut put = |text: &str| {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        };
        for change in &self.values {
            put(&change.key);
            for value in [&change.old, &change.new] {
                put(if value.is_some() { "+" } else { "-" });
                put(value.as_ref().map_or("", |value| &value.text));
            }
        }
        for (part, hunks) in &self.patches {
            put(part.as_str());
            for (removed, added) in hunks {
                for (which, lines) in [("-", removed), ("+", added)] {
                    put(which);
                    put(&lines.len().to_string());
                    lines.iter().for_each(|line| put(line));
                }
            }
        }
    }
}

impl Masked {
    fn of(change: &Change, machine: &MachineChange, width: Width) -> Self {
        let (base, head) = identities(change, machine, width);
        let (old, new) = Mask::both(&base, &head);
        let mut content = Content::covered(machine, &old, &new);
        let mut digest = Sha256::new();
        digest.update([machine.subject as u8, rank(&machine.fate), machine.reach() as u8]);
        let (mut one, mut other) = (Sha256::new(), Sha256::new());
        content.filled(&old, &new).feed(&mut one);
        Content::exact(machine).feed(&mut other);
        if one.finalize() != other.finalize() {
            // Something in it only looks like a hole: it stays as it is, and alone.
            content = Content::exact(machine);
            digest.update(machine.name.as_bytes());
        }
        content.feed(&mut digest);
        let mut own = own(&base, &head);
        own.extend(places(change, machine));
        Self { width, around: around_digest(machine, &old), key: digest.finalize().into(), own, old, new }
    }
}

fn identities(change: &Change, machine: &MachineChange, width: Width) -> (Vec<Identity>, Vec<Identity>) {
    let list = |snapshot, at: Option<usize>| match (machine.subject, at) {
        (Subject::Node, Some(at)) => mask::identities(snapshot, at, width),
        (Subject::Bmc, Some(at)) => mask::bmc_identities(snapshot, at),
        (Subject::Unknown, _) | (_, None) => Vec::new(),
    };
    (list(&change.base, machine.base), list(&change.head, machine.head))
}

/// Writes the values of one machine that are not the same on both sides.
fn own(base: &[Identity], head: &[Identity]) -> Vec<u8> {
    let mut text = Vec::new();
    for (which, side, other) in [("old", base, head), ("new", head, base)] {
        for identity in side.iter().filter(|identity| !other.contains(identity)) {
            text.extend(format!("{which}\0{}\0{}\0", identity.what, identity.value).into_bytes());
        }
    }
    text
}

/// Writes where the lines of a machine change, and by which keys it is found: what makes its change this one and no other.
fn places(change: &Change, machine: &MachineChange) -> Vec<u8> {
    let mut digest = Sha256::new();
    let mut put = |text: &str| {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    };
    for patch in &machine.patches {
        put(patch.part.as_str());
        for hunk in patch.hunks.iter() {
            put(&format!("{} {}", hunk.before, hunk.after));
            for line in [&hunk.above, &hunk.below] {
                put(if line.is_some() { "+" } else { "-" });
                put(line.as_deref().unwrap_or_default());
            }
        }
    }
    for key in &machine.keys {
        let name = |side: &Snapshot, at: Option<usize>| at.map(|at| side.nodes()[at].name.clone()).unwrap_or_default();
        let (base, head) = (name(&change.base, key.base), name(&change.head, key.head));
        [key.what, &key.text, &base, &head].into_iter().for_each(&mut put);
    }
    digest.finalize().to_vec()
}

/// Digests the lines around those that only come or only go, with a machine's own values covered: what is replaced says by
/// itself where it stands.
fn around_digest(machine: &MachineChange, old: &Mask) -> [u8; 32] {
    let mut digest = Sha256::new();
    for patch in &machine.patches {
        let moving = patch.hunks.iter().filter(|hunk| hunk.removed.is_empty() || hunk.added.is_empty());
        for line in moving.flat_map(|hunk| [&hunk.above, &hunk.below]) {
            let line = line.as_ref().map(|line| old.cover(line)).unwrap_or_default();
            digest.update((line.len() as u64).to_le_bytes());
            digest.update(line);
        }
    }
    digest.finalize().into()
}

impl Fold<'_> {
    /// Names the holes in all texts.
    fn name_holes(&mut self, covers: Option<&Masked>) {
        let mut texts: Vec<&str> = Vec::new();
        for value in &self.values {
            texts.extend([&value.change.old, &value.change.new].into_iter().flatten().map(|value| &*value.text));
        }
        for hunk in self.patches.iter().flat_map(|(_, hunks)| hunks) {
            texts.extend(hunk.lines().map(String::as_str));
        }
        let marks = covers.into_iter().flat_map(|masked| masked.old.holes().chain(masked.new.holes()));
        let naming = Naming::new(&texts, marks.map(|(mark, _)| mark));

        for value in &mut self.values {
            for value in [&mut value.change.old, &mut value.change.new].into_iter().flatten() {
                value.text = naming.write(&value.text).into();
            }
        }
        for hunk in self.patches.iter_mut().flat_map(|(_, hunks)| hunks) {
            hunk.lines_mut().for_each(|line| *line = naming.write(line));
        }
        self.naming = naming;
    }

    /// Lists the names of the holes that each request fills, or that follow from the rest of the text: `server`, `path`,
    /// `who`, `again`, `bootif` and `boundary`, or with a number if a text says the same itself.
    pub fn request_holes(&self) -> impl Iterator<Item = &str> {
        self.naming.of_requests()
    }

    /// Returns what the machines are to the wishes.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.machines[0].subject
    }

    /// Returns what becomes of the machines; of renamed ones, of the first.
    #[must_use]
    pub fn fate(&self) -> &Fate {
        &self.machines[0].fate
    }

    /// Tells whether bytes differ and no value says why.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        self.machines[0].is_unexplained()
    }

    /// Tells how the change gets to the machines.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.machines[0].reach()
    }

    /// Returns the values of one machine that stand as holes in the texts of the fold, by the names of the holes.
    ///
    /// With them in their place, the fold's lines are the machine's own to the byte.
    #[must_use]
    pub fn holes(&self, change: &Change, machine: &MachineChange) -> BTreeMap<String, String> {
        if self.machines.len() == 1 {
            return BTreeMap::new();
        }
        let (base, head) = identities(change, machine, self.width);
        let (old, new) = Mask::both(&base, &head);
        let all: BTreeMap<&str, &str> = old.holes().chain(new.holes()).collect();
        let own = self.naming.names().filter_map(|(name, mark)| Some((name.to_owned(), (*all.get(mark)?).to_owned())));
        own.collect()
    }
}

impl MaskedHunk {
    fn lines(&self) -> impl Iterator<Item = &String> {
        self.before.iter().chain(&self.removed).chain(&self.added).chain(&self.after)
    }

    fn lines_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.before.iter_mut().chain(&mut self.removed).chain(&mut self.added).chain(&mut self.after)
    }
}
