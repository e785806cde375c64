//! The comparison itself: every machine of both sides, digests and inputs first, texts only where they may differ.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::inputs::{ClassPair, Inputs};
use super::lines::{self, Hunk, Part};
use super::mask;
use super::pairs::{Pair, pairs};
use super::values::{self, ValueChange};
use super::{Change, Fate, MachineChange, Patch, Subject};
use crate::model::NodeSet;
use crate::snapshot::{Answer, Snapshot, UnknownAnswer};

/// The architectures that a machine may say it has, and that it says none.
const ASKS: [&str; 3] = ["?", "x86_64", "aarch64"];

/// Compares two Snapshots; with `only`, just the nodes of these names on either side, and nothing else.
#[must_use]
pub fn compare(base: &Arc<Snapshot>, head: &Arc<Snapshot>, only: Option<&BTreeSet<String>>) -> Change {
    let inputs = Inputs::new(base, head);
    let comparing = Comparing { base, head, inputs: &inputs, known: Mutex::default() };
    let name = |snapshot: &Snapshot, at: Option<usize>| at.map(|at| snapshot.nodes()[at].name.to_string());
    let is_meant = |pair: &Pair| {
        let names = [name(base, pair.base), name(head, pair.head)];
        only.is_none_or(|only| names.iter().flatten().any(|name| only.contains(name)))
    };
    let pairs: Vec<Pair> = pairs(base, head).into_iter().filter(is_meant).collect();
    let mut machines: Vec<MachineChange> = pairs.into_par_iter().filter_map(|pair| comparing.node(pair)).collect();
    in_natural_order(&mut machines);
    if only.is_none() {
        let mut bmcs = comparing.bmcs();
        in_natural_order(&mut bmcs);
        machines.extend(bmcs);
        machines.extend(ASKS.iter().filter_map(|ask| comparing.unknown(ask)));
    }
    Change { base: Arc::clone(base), head: Arc::clone(head), machines }
}

fn in_natural_order(machines: &mut [MachineChange]) {
    let names = NodeSet::from_names(machines.iter().map(|machine| &*machine.name));
    let place: HashMap<String, usize> = names.iter().zip(0..).collect();
    machines.sort_by_key(|machine| place.get(&*machine.name).copied());
}

/// Writes one of the texts that a node is served, with marks for what differs by request; none where it gets none.
pub fn served(snapshot: &Snapshot, node: usize, part: Part) -> Option<String> {
    if snapshot.is_retired(node) {
        return None;
    }
    match part {
        Part::Script => match snapshot.answer(node) {
            Answer::Script(prepared) => Some(prepared.script.marked().to_owned()),
            Answer::Retired | Answer::Nothing => None,
        },
        // A Snapshot that was built writes every document.
        Part::Document(document) => snapshot.document(node, document).ok().flatten(),
    }
}

/// Writes what a machine is answered that nobody declares; empty where it is refused.
pub fn unknown(snapshot: &Snapshot, ask: &str) -> String {
    match snapshot.unknown((ask != "?").then_some(ask)) {
        UnknownAnswer::Again(script) => script.marked().to_owned(),
        UnknownAnswer::Boot(prepared) => prepared.script.marked().to_owned(),
        UnknownAnswer::Refused => String::new(),
    }
}

struct Comparing<'s> {
    base: &'s Snapshot,
    head: &'s Snapshot,
    inputs: &'s Inputs<'s>,
    /// Patches by the digest of both texts: many nodes have the same documents.
    known: Mutex<HashMap<[u8; 32], Arc<[Hunk]>>>,
}

impl Comparing<'_> {
    fn node(&self, pair: Pair) -> Option<MachineChange> {
        let Pair { base, head, fate } = pair;
        let (own, name) = match (base, head) {
            (_, Some(at)) => (at, self.head.nodes()[at].name.clone()),
            (Some(at), None) => (at, self.base.nodes()[at].name.clone()),
            (None, None) => return None,
        };
        let mut machine =
            MachineChange { subject: Subject::Node, name, base, head, fate, values: Vec::new(), patches: Vec::new() };
        if let (Some(old), Some(new)) = (base, head) {
            self.both(old, new, &mut machine);
            let is_changed = machine.fate != Fate::Changed || !machine.values.is_empty() || !machine.patches.is_empty();
            return is_changed.then_some(machine);
        }
        let side = if head.is_some() { self.head } else { self.base };
        machine.patches = Part::ALL.into_iter().filter_map(|part| self.patch(&machine, part)).collect();
        let class = side.nodes()[own].class;
        let script = values::of_script(side, own);
        let all = [values::of_node(side, own), values::of_class(side, class), script];
        for values in all {
            let nothing = values::Values::default();
            let (old, new) = if head.is_some() { (nothing, values) } else { (values, nothing) };
            machine.values.extend(values::differences(old, new));
        }
        // The patch tells these, and in their order.
        machine.values.retain(|change| !change.key.starts_with("params."));
        Some(machine)
    }

    fn both(&self, old: usize, new: usize, machine: &mut MachineChange) {
        let (base, head) = (self.base, self.head);
        let classes = self.inputs.classes(base.nodes()[old].class, head.nodes()[new].class);
        let values = values::differences(values::of_node(base, old), values::of_node(head, new));
        let is_same_script = match (base.answer(old), head.answer(new)) {
            (Answer::Script(one), Answer::Script(other)) => one.digest == other.digest,
            (Answer::Retired, Answer::Retired) | (Answer::Nothing, Answer::Nothing) => true,
            (Answer::Script(_) | Answer::Retired | Answer::Nothing, _) => false,
        };
        let is_same = classes.is_same && values.is_empty();
        for part in Part::ALL {
            let equal = if part == Part::Script { is_same_script } else { is_same };
            if !equal {
                machine.patches.extend(self.patch(machine, part));
            }
        }
        machine.values = values;
        machine.values.extend(classes.values.iter().cloned());
        self.causes(old, new, &classes, machine);
    }

    /// Adds the values that only say why bytes differ.
    fn causes(&self, old: usize, new: usize, classes: &ClassPair, machine: &mut MachineChange) {
        let script = machine.patch(Part::Script).is_some();
        let documents = machine.patches.iter().any(|patch| patch.part != Part::Script);
        let mut causes: Vec<ValueChange> = Vec::new();
        if script {
            causes = values::differences(values::of_script(self.base, old), values::of_script(self.head, new));
        }
        if script || documents {
            let known = |key: &str, causes: &[ValueChange]| causes.iter().any(|cause| *cause.key == *key);
            let of_documents = classes.of_documents.iter();
            let reaches = |cause: &ValueChange| cause.key.starts_with("vars.") || documents;
            let more: Vec<_> = of_documents.filter(|cause| reaches(cause) && !known(&cause.key, &causes)).collect();
            causes.extend(more.into_iter().cloned());
            causes.extend(self.of_cluster(new, script, documents));
        }
        if documents {
            causes.extend(self.of_files(new));
        }
        machine.values.extend(causes);
    }

    /// Lists what differs of the cluster, and of the networks that a node is in; of all networks where nothing else does.
    fn of_cluster(&self, new: usize, script: bool, documents: bool) -> Vec<ValueChange> {
        let desired = self.head.desired();
        let specs = desired.nics(&desired.nodes[new]);
        let own: Vec<String> = specs
            .filter_map(|(spec, _)| spec.network)
            .map(|at| format!("networks.{}.", desired.networks[usize::from(at.value)].name))
            .collect();
        let reaches = |change: &&ValueChange| match &*change.key {
            "cluster.retry_delay" => script,
            "cluster.name" => documents,
            key => key == "cluster.advertise" || own.iter().any(|own| key.starts_with(own.as_str())),
        };
        self.inputs.cluster.iter().filter(reaches).cloned().collect()
    }

    /// Lists the files that differ and that a node's class names; all that differ where it names none of them, since
    /// templates include others.
    fn of_files(&self, new: usize) -> Vec<ValueChange> {
        let class = self.head.resolved().class(new);
        let named = class.user_data.iter().chain(&class.vendor_data);
        let named: Vec<String> = named.map(|file| format!("cloud-init/{}", file.value)).collect();
        let is_named = |change: &&ValueChange| named.iter().any(|name| **name == *change.key);
        let own: Vec<ValueChange> = self.inputs.files.iter().filter(is_named).cloned().collect();
        if own.is_empty() { self.inputs.files.clone() } else { own }
    }

    fn patch(&self, machine: &MachineChange, part: Part) -> Option<Patch> {
        let old = machine.base.and_then(|at| served(self.base, at, part));
        let new = machine.head.and_then(|at| served(self.head, at, part));
        if old == new {
            return None;
        }
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        Some(Patch { part, hunks: self.hunks(part, &old, &new) })
    }

    fn hunks(&self, part: Part, old: &str, new: &str) -> Arc<[Hunk]> {
        let mut digest = Sha256::new_with_prefix(part.as_str());
        digest.update((old.len() as u64).to_le_bytes());
        digest.update(old);
        digest.update(new);
        let key: [u8; 32] = digest.finalize().into();
        if let Some(known) = self.known.lock().expect("nobody panics with it").get(&key) {
            return Arc::clone(known);
        }
        let mut found = lines::hunks(part, &mask::without_boundary(old), &mask::without_boundary(new));
        if found.is_empty() {
            found = lines::hunks(part, old, new);
        }
        let found: Arc<[Hunk]> = found.into();
        self.known.lock().expect("nobody panics with it").insert(key, Arc::clone(&found));
        found
    }

    /// Compares BMCs; those that a node stands behind on all their sides are part of it.
    fn bmcs(&self) -> Vec<MachineChange> {
        let names = |snapshot: &Snapshot| -> BTreeMap<Box<str>, usize> {
            snapshot.desired().bmcs.iter().zip(0..).map(|(bmc, at)| (bmc.name.clone(), at)).collect()
        };
        let of_nodes = |snapshot: &Snapshot| -> BTreeSet<usize> {
            snapshot.nodes().iter().filter_map(|node| node.bmc).map(|bmc| bmc.value as usize).collect()
        };
        let (old, new) = (names(self.base), names(self.head));
        let (old_nodes, new_nodes) = (of_nodes(self.base), of_nodes(self.head));
        let all: BTreeSet<&Box<str>> = old.keys().chain(new.keys()).collect();
        let mut changes = Vec::new();
        for name in all {
            let (base, head) = (old.get(name).copied(), new.get(name).copied());
            let covered =
                base.is_none_or(|at| old_nodes.contains(&at)) && head.is_none_or(|at| new_nodes.contains(&at));
            let was = base.map(|at| values::of_bmc(self.base, at)).unwrap_or_default();
            let is = head.map(|at| values::of_bmc(self.head, at)).unwrap_or_default();
            let values = values::differences(was, is);
            if covered || values.is_empty() {
                continue;
            }
            let fate = match (base, head) {
                (None, _) => Fate::Added,
                (_, None) => Fate::Removed,
                (Some(_), Some(_)) => Fate::Changed,
            };
            let (subject, name) = (Subject::Bmc, name.clone());
            changes.push(MachineChange { subject, name, base, head, fate, values, patches: Vec::new() });
        }
        changes
    }

    fn unknown(&self, ask: &str) -> Option<MachineChange> {
        let (old, new) = (unknown(self.base, ask), unknown(self.head, ask));
        (old != new).then(|| MachineChange {
            subject: Subject::Unknown,
            name: ask.into(),
            base: None,
            head: None,
            fate: Fate::Changed,
            values: Vec::new(),
            patches: vec![Patch { part: Part::Script, hunks: self.hunks(Part::Script, &old, &new) }],
        })
    }
}
