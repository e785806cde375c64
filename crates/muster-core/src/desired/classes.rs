//! Sorts nodes into classes, which have the same table, groups and sets, and expands each node.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::facts::Facts;
use super::load::Names;
use super::nics::MergedNics;
use super::nodes::{self, ClassNics, ClassState, ClassView, ExpandedNode};
use super::sources::{Findings, Here, Sources};
use super::{AppliedSet, Bmc, Class, Group, Network, Node, Source, bmcs, template};
use crate::model::{Layer, Origin, Stated};

/// The inputs for sorting nodes into classes and expanding them.
pub struct Classing<'a> {
    pub defaults: &'a Source,
    pub groups: &'a [Group],
    pub sets: &'a [AppliedSet],
    pub networks: &'a Arc<[Network]>,
    pub sources: &'a Sources,
}

impl Classing<'_> {
    /// Returns the classes, and every node in the order of files, tables and patterns.
    pub fn expand<'t>(
        &mut self,
        names: &Names<'t>,
        facts: &Facts<'t>,
        bmcs: &mut [Bmc],
        findings: &mut Findings,
    ) -> (Vec<Class>, Vec<Node>) {
        let groups_of = self.groups_of(names.all.len());
        let sets_of = self.sets_of(names.all.len());
        let mut engine = template::environment(self.networks);
        let mut classes: Vec<Class> = Vec::new();
        let mut class_nics: Vec<(ClassNics, ClassState)> = Vec::new();
        let mut known: HashMap<(u32, &[u16], &[u16]), u32> = HashMap::new();
        let (mut missed, mut found_places) = (Findings::new(), HashSet::new());

        let mut plan_of: Vec<(u32, u32, u32)> = Vec::with_capacity(names.all.len());
        for (table, plan) in names.plans.iter().enumerate() {
            for item in 0..plan.names.len() as u32 {
                let node = (plan.first + item) as usize;
                let (groups, sets) = (groups_of[node].as_slice(), sets_of[node].as_slice());
                let class = *known.entry((table as u32, groups, sets)).or_insert_with(|| {
                    let layers = self.layers(&names.tables[table], groups, sets);
                    let merged = self.nics(&layers, findings);
                    let place = |origin| self.sources.place(origin);
                    let nics = merged.finish(&place, findings);
                    missed.extend(merged.missed.iter().cloned());
                    found_places.extend(merged.found.iter().cloned());
                    let columns = ClassNics::new(&merged, plan.count, &mut engine, findings);
                    class_nics.push((columns, state(&layers)));
                    classes.push(Class { table: table as u32, groups: groups.to_vec(), sets: sets.to_vec(), nics });
                    (classes.len() - 1) as u32
                });
                plan_of.push((table as u32, item, class));
            }
        }

        let bmc_index: HashMap<Box<str>, u32> = bmcs.iter().zip(0..).map(|(bmc, at)| (bmc.name.clone(), at)).collect();
        let sorted = OnceLock::new();
        let ground = nodes::Ground { facts, engine: &engine, bmcs: &bmc_index, sorted: &sorted };

        let expanded: Vec<_> = plan_of
            .par_iter()
            .map(|(table, item, class)| {
                let plan = &names.plans[*table as usize];
                let mut found = Findings::new();
                let (nics, state) = &class_nics[*class as usize];
                let table = &names.tables[*table as usize].table;
                let view = ClassView { index: *class, nics, table, state: *state };
                (nodes::node(plan, *item as usize, view, &ground, &mut found), found)
            })
            .collect();

        let mut all = Vec::with_capacity(expanded.len());
        for (ExpandedNode { node, of_bmc, taken }, found) in expanded {
            findings.extend(found);
            found_places.extend(taken);
            for (bmc, fact, cell) in of_bmc {
                bmcs::take_fact(&mut bmcs[bmc as usize], fact, &cell, findings);
            }
            all.push(node);
        }

        // An `unset` is valid if it takes effect in at least one class.
        findings.extend(missed.into_iter().filter(|finding| !found_places.contains(&finding.place)));
        (classes, all)
    }

    /// Returns the groups of every node: weakest layer first, those without a layer last, by name.
    fn groups_of(&self, nodes: usize) -> Vec<Vec<u16>> {
        let mut order: Vec<u16> = (0..self.groups.len() as u16).collect();
        order.sort_by_key(|at| (self.groups[usize::from(*at)].rank.unwrap_or(u16::MAX), *at));
        let mut groups_of = vec![Vec::new(); nodes];
        for at in order {
            for node in &self.groups[usize::from(at)].members {
                groups_of[*node as usize].push(at);
            }
        }
        groups_of
    }

    /// Returns the `[[set]]` tables of every node, weakest first.
    fn sets_of(&self, nodes: usize) -> Vec<Vec<u16>> {
        let mut sets_of = vec![Vec::new(); nodes];
        for (at, set) in self.sets.iter().enumerate() {
            for node in &set.nodes {
                sets_of[*node as usize].push(at as u16);
            }
        }
        sets_of
    }

    /// Lists the layers of a class, weakest first.
    fn layers<'s>(&'s self, table: &'s Source, groups: &[u16], sets: &[u16]) -> Vec<&'s Source> {
        let groups = groups.iter().map(|at| &self.groups[usize::from(*at)].source);
        let sets = sets.iter().map(|at| &self.sets[usize::from(*at)].source);
        std::iter::once(self.defaults).chain(groups).chain([table]).chain(sets).collect()
    }

    fn nics(&self, layers: &[&Source], findings: &mut Findings) -> MergedNics {
        let mut merged = MergedNics::default();
        for source in layers {
            let here = Here { path: self.sources.path(source.file), file: source.file, layer: source.layer };
            merged.lay(&here, &source.table, self.networks, findings);
        }
        merged
    }
}

/// Returns the state that the layers of a class set for its nodes; the strongest layer counts.
fn state(layers: &[&Source]) -> ClassState {
    let mut state = ClassState::default();
    for source in layers {
        let Some(at) = &source.table.state else { continue };
        let origin = Origin { file: source.file, at: at.span.start as u32, layer: source.layer };
        let stated = Some(Stated::new(at.value, origin));
        match source.layer {
            Layer::Set(_) => state.strong = stated,
            Layer::BuiltIn
            | Layer::Boot
            | Layer::BootArch
            | Layer::Defaults
            | Layer::Group(_)
            | Layer::Node
            | Layer::Facts => state.weak = stated,
        }
    }

    state
}
