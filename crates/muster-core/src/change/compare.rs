//! The comparison itself: every machine of both sides, digests of what it is served first, texts only if those differ.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::inputs::{ClassPair, Inputs};
use super::keys::{self, Places};
use super::lines::{self, Hunk, Part};
use super::mask;
use super::pairs::{Pair, pairs};
use super::servers::Servers;
use super::texts::{self, Fill};
use super::values::{self, ValueChange};
use super::{Change, Fate, MachineChange, Patch, Subject};
use crate::model::NodeSet;
use crate::snapshot::{Answer, Snapshot};

/// The architectures that a machine may say it has, and that it says none.
const ASKS: [&str; 3] = ["?", "x86_64", "aarch64"];

/// Compares two Snapshots; with `only`, just the nodes of these names on either side, and nothing else.
#[must_use]
pub fn compare(base: &Arc<Snapshot>, head: &Arc<Snapshot>, only: Option<&BTreeSet<String>>) -> Change {
    compare_some(base, head, only, &|| false).unwrap_or_else(|| unreachable!("it is never stopped"))
}

/// Compares two Snapshots whole; nothing once `stop` returns true, which is asked before each machine.
#[must_use]
pub fn compare_until(base: &Arc<Snapshot>, head: &Arc<Snapshot>, stop: &(dyn Fn() -> bool + Sync)) -> Option<Change> {
    compare_some(base, head, None, stop)
}

fn compare_some(
    base: &Arc<Snapshot>,
    head: &Arc<Snapshot>,
    only: Option<&BTreeSet<String>>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Change> {
    let inputs = Inputs::new(base, head);
    let servers = Servers::new(base, head);
    let comparing = Comparing { base, head, inputs: &inputs, servers: &servers, known: Mutex::default() };
    let name = |snapshot: &Snapshot, at: Option<usize>| at.map(|at| snapshot.nodes()[at].name.to_string());
    let is_meant = |pair: &Pair| {
        let names = [name(base, pair.base), name(head, pair.head)];
        only.is_none_or(|only| names.iter().flatten().any(|name| only.contains(name)))
    };
    let pairs: Vec<Pair> = pairs(base, head).into_iter().filter(is_meant).collect();
    let compared: Option<Vec<Option<MachineChange>>> =
        pairs.into_par_iter().map(|pair| (!stop()).then(|| comparing.node(pair))).collect();
    let mut machines: Vec<MachineChange> = compared?.into_iter().flatten().collect();
    in_natural_order(&mut machines);

    if only.is_none() {
        let mut bmcs = comparing.bmcs();
        in_natural_order(&mut bmcs);
        machines.extend(bmcs);
        machines.extend(ASKS.iter().filter_map(|ask| comparing.unknown(ask)));
    }
    Some(Change { base: Arc::clone(base), head: Arc::clone(head), machines })
}

fn in_natural_order(machines: &mut [MachineChange]) {
    let names = NodeSet::from_names(machines.iter().map(|machine| &*machine.name));
    let place: HashMap<String, usize> = names.iter().zip(0..).collect();
    machines.sort_by_key(|machine| place.get(&*machine.name).copied());
}

struct Comparing<'s> {
    base: &'s Snapshot,
    head: &'s Snapshot,
    inputs: &'s Inputs<'s>,
    servers: &'s Servers<'s>,
    /// Patches by the digest of both texts: many nodes have the same documents.
    known: Mutex<HashMap<[u8; 32], Arc<[Hunk]>>>,
}

impl Comparing<'_> {
    fn node(&self, pair: Pair) -> Option<MachineChange> {
        let Pair { base, head, fate } = pair;
        let name = match (base, head) {
            (_, Some(at)) => self.head.nodes()[at].name.clone(),
            (Some(at), None) => self.base.nodes()[at].name.clone(),
            (None, None) => return None,
        };
        let differences = keys::differences(self.base, self.head, Places { base, head });
        let mut machine = MachineChange {
            subject: Subject::Node,
            name,
            base,
            head,
            fate,
            values: Vec::new(),
            keys: differences.keys,
            patches: Vec::new(),
            fill: Fill::default(),
        };
        if let (Some(old), Some(new)) = (base, head) {
            self.both(old, new, &mut machine);
            machine.values.extend(differences.values);
            let is_changed = machine.fate != Fate::Changed
                || !machine.values.is_empty()
                || !machine.keys.is_empty()
                || !machine.patches.is_empty();
            return is_changed.then_some(machine);
        }
        self.one(&mut machine);
        Some(machine)
    }

    /// Describes a machine that only one side has.
    fn one(&self, machine: &mut MachineChange) {
        machine.patches = Part::ALL.into_iter().filter_map(|part| self.patch(machine, part)).collect();
        let (side, own) = match (machine.base, machine.head) {
            (_, Some(at)) => (self.head, at),
            (Some(at), None) => (self.base, at),
            (None, None) => return,
        };

        let class = side.nodes()[own].class;
        let all = [values::of_node(side, own), values::of_class(side, class), values::of_script(side, own)];
        for values in all {
            let nothing = values::Values::default();
            let (old, new) = if machine.head.is_some() { (nothing, values) } else { (values, nothing) };
            machine.values.extend(values::differences(old, new));
        }
        // The patch tells these, and in their order.
        machine.values.retain(|change| !change.key.starts_with("params."));
    }

    fn both(&self, old: usize, new: usize, machine: &mut MachineChange) {
        let (base, head) = (self.base, self.head);
        let nodes = [&base.nodes()[old], &head.nodes()[new]];
        machine.fill = Fill {
            server_for: self.servers.vantage(&nodes),
            mac: texts::is_called_otherwise((base, old), (head, new)),
        };
        for part in Part::ALL {
            if self.may_differ(part, old, new, machine.fill) {
                machine.patches.extend(self.patch(machine, part));
            }
        }

        let classes = self.inputs.classes(nodes[0].class, nodes[1].class);
        machine.values = values::differences(values::of_node(base, old), values::of_node(head, new));
        machine.values.extend(classes.values.iter().cloned());
        self.causes(new, old, &classes, machine);
    }

    /// Tells whether the two sides may serve different bytes, by digests alone.
    fn may_differ(&self, part: Part, old: usize, new: usize, fill: Fill) -> bool {
        let (base, head) = (self.base, self.head);
        match part {
            Part::Script => match (base.answer(old), head.answer(new)) {
                (Answer::Script(one), Answer::Script(other)) => {
                    let needs_server = one.script.needs_server() || other.script.needs_server();
                    one.digest != other.digest || fill.mac || (needs_server && fill.server_for.is_some())
                }
                (Answer::Retired, Answer::Retired) | (Answer::Nothing, Answer::Nothing) => false,
                (Answer::Script(_) | Answer::Retired | Answer::Nothing, _) => true,
            },
            Part::Document(document) => {
                let (one, other) = (base.document_digest(old, document), head.document_digest(new, document));
                let needs_server = [one, other].into_iter().flatten().any(|digest| digest.needs_server());
                one != other || (needs_server && fill.server_for.is_some())
            }
        }
    }

    /// Adds the values that only say why bytes differ.
    fn causes(&self, new: usize, old: usize, classes: &ClassPair, machine: &mut MachineChange) {
        let script = machine.patch(Part::Script).is_some();
        let documents = machine.patches.iter().any(|patch| patch.part != Part::Script);
        let mut causes: Vec<ValueChange> = Vec::new();
        if script {
            causes = values::differences(values::of_script(self.base, old), values::of_script(self.head, new));
        }
        if script || documents {
            let known = |key: &str, causes: &[ValueChange]| causes.iter().any(|cause| *cause.key == *key);
            let reaches =
                |cause: &ValueChange| documents || cause.key.starts_with("vars.") || cause.key.starts_with("order of ");
            let of_documents = classes.of_documents.iter();
            let more: Vec<_> = of_documents.filter(|cause| reaches(cause) && !known(&cause.key, &causes)).collect();
            causes.extend(more.into_iter().cloned());
            causes.extend(self.of_cluster(new, script, documents, machine.fill));
        }
        if documents {
            causes.extend(self.of_files(new));
        }
        machine.values.extend(causes);
    }

    /// Lists what differs of the cluster, and of the networks that a node is in; of all networks, what decides by which
    /// URL it reaches muster.
    fn of_cluster(&self, new: usize, script: bool, documents: bool, fill: Fill) -> Vec<ValueChange> {
        let desired = self.head.desired();
        let specs = desired.nics(&desired.nodes[new]);
        let own: Vec<String> = specs
            .filter_map(|(spec, _)| spec.network)
            .map(|at| format!("networks.{}.", desired.networks[usize::from(at.value)].name))
            .collect();
        let reaches = |change: &&ValueChange| match &*change.key {
            "cluster.retry_delay" => script,
            "cluster.name" => documents,
            key => {
                let is_own = own.iter().any(|own| key.starts_with(own.as_str()));
                is_own || key == "cluster.advertise" || (fill.server_for.is_some() && decides_server(key))
            }
        };
        self.inputs.cluster.iter().filter(reaches).cloned().collect()
    }

    /// Lists the files that differ and that a node's class names; all that differ where it names none of them, since
    /// templates include others.
    fn of_files(&self, new: usize) -> Vec<ValueChange> {
        let class = self.head.resolved().class(new);
        let named = class.user_data.iter().chain(&class.vendor_data).chain(&class.network_config);
        let named: Vec<String> = named.map(|file| format!("cloud-init/{}", file.value)).collect();
        let is_named = |change: &&ValueChange| named.iter().any(|name| **name == *change.key);
        let own: Vec<ValueChange> = self.inputs.files.iter().filter(is_named).cloned().collect();
        if own.is_empty() { self.inputs.files.clone() } else { own }
    }

    fn patch(&self, machine: &MachineChange, part: Part) -> Option<Patch> {
        let [old, new] = texts::sides(self.base, self.head, machine, part);
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
            let (keys, patches, fill) = (Vec::new(), Vec::new(), Fill::default());
            changes.push(MachineChange { subject, name, base, head, fate, values, keys, patches, fill });
        }
        changes
    }

    fn unknown(&self, ask: &str) -> Option<MachineChange> {
        let fill = Fill { server_for: self.servers.vantage(&[]), mac: false };
        let mut machine = MachineChange {
            subject: Subject::Unknown,
            name: ask.into(),
            base: None,
            head: None,
            fate: Fate::Changed,
            values: Vec::new(),
            keys: Vec::new(),
            patches: Vec::new(),
            fill,
        };
        machine.patches.push(self.patch(&machine, Part::Script)?);

        let arch = (ask != "?").then_some(ask);
        machine.values = values::differences(values::of_unknown(self.base, arch), values::of_unknown(self.head, arch));
        let reaches = |change: &&ValueChange| {
            change.key.starts_with("cluster.") || (fill.server_for.is_some() && decides_server(&change.key))
        };
        machine.values.extend(self.inputs.cluster.iter().filter(reaches).cloned());
        Some(machine)
    }
}

/// Tells whether a value decides by which URL a machine reaches muster.
fn decides_server(key: &str) -> bool {
    key == "cluster.advertise" || key.ends_with(".advertise") || key.ends_with(".cidr")
}
