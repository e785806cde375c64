//! Determines the nodes in each group, and the nodes that each `[[set]]` table selects.
//!
//! The members of a group are the nodes whose tables name it, those that its expression selects,
//! and those that a `[[set]]` adds. Groups and sets may select other groups (`@other`). Each is
//! resolved after its dependencies, so the names and the order of files do not matter. The walk
//! keeps its own stack, because a chain of groups can be of any length.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::at::At;
use super::groups::{Draft, no_node, no_such_group};
use super::sets::SetDraft;
use super::sources::Findings;
use super::{AppliedSet, Group};
use crate::model::{Code, Diagnostic, GroupName, NodeSet, NodeSetError, Place};

/// The most nodes that all `[[set]]` tables together select: four tables for each node of the
/// largest commit.
const MAX_SELECTED: usize = 4_000_000;

/// The declared nodes, and the groups that their tables name.
pub struct Declared<'a> {
    pub names: &'a [Box<str>],
    pub index: &'a HashMap<&'a str, u32>,
    /// For each group, the nodes whose tables name it.
    pub said: Vec<Vec<u32>>,
}

/// Returns the groups with their members, and the sets with their nodes.
pub fn join(
    drafts: Vec<Draft>,
    sets: Vec<SetDraft<'_>>,
    declared: Declared<'_>,
    findings: &mut Findings,
) -> (Vec<Group>, Vec<AppliedSet>) {
    let Declared { names, index, said } = declared;
    let mut nodes = said;
    nodes.resize(drafts.len() + sets.len(), Vec::new());
    let mut membership = Membership {
        drafts: &drafts,
        sets: &sets,
        names,
        index,
        everybody: OnceCell::new(),
        sorted: OnceCell::new(),
        touching: HashMap::new(),
        is_sound: vec![false; drafts.len() + sets.len()],
        nodes,
        selected: HashMap::new(),
        findings,
    };
    let edges = membership.edges();
    for at in membership.order(&edges) {
        membership.select(at);
    }
    membership.bound();

    let mut nodes = membership.nodes;
    let of_sets = nodes.split_off(drafts.len());
    let groups = drafts.into_iter().zip(nodes).map(|(draft, members)| Group { members, ..draft.group });
    (groups.collect(), sets.into_iter().zip(of_sets).map(|(set, nodes)| set.applied(nodes)).collect())
}

/// A dependency of a group or a set, and the place that states it.
struct Edge {
    to: usize,
    place: Place,
}

/// The progress of the walk with a group or a set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    /// On the stack: a dependency on it from here closes a cycle.
    Open,
    Done,
}

/// The state of the walk. Indices: groups first, then sets.
struct Membership<'a> {
    drafts: &'a [Draft],
    sets: &'a [SetDraft<'a>],
    names: &'a [Box<str>],
    index: &'a HashMap<&'a str, u32>,
    /// The set behind `@*`.
    everybody: OnceCell<NodeSet>,
    /// The names of all nodes, sorted.
    sorted: OnceCell<Vec<&'a str>>,
    /// The sets that add nodes to a group or remove them, by the group; in their order.
    touching: HashMap<u16, Vec<usize>>,
    /// Whether the expression of each can be resolved.
    is_sound: Vec<bool>,
    /// The known nodes of each: ascending and unique once it is resolved.
    nodes: Vec<Vec<u32>>,
    /// The members of the groups that others select.
    selected: HashMap<usize, NodeSet>,
    findings: &'a mut Findings,
}

impl<'a> Membership<'a> {
    /// Returns the expression of a group or set, and the path of its file.
    fn expression(&self, at: usize) -> Option<(&'a str, &'a At<String>)> {
        let (drafts, sets) = (self.drafts, self.sets);
        match drafts.get(at) {
            Some(draft) => Some((&draft.path, draft.nodes.as_ref()?)),
            None => sets.get(at - drafts.len()).map(|set| (set.here.path, &set.nodes)),
        }
    }

    /// Lists the dependencies of each group and set.
    fn edges(&mut self) -> Vec<Vec<Edge>> {
        let count = self.drafts.len() + self.sets.len();
        let mut edges: Vec<Vec<Edge>> = (0..count).map(|at| self.named(at)).collect();
        for (at, set) in self.sets.iter().enumerate() {
            for (group, span) in set.joins.iter().chain(&set.leaves) {
                self.touching.entry(*group).or_default().push(at);
                edges[usize::from(*group)].push(Edge { to: self.drafts.len() + at, place: set.here.place(*span) });
            }
        }
        edges
    }

    /// Lists the groups that an expression names; empty if it is missing or invalid.
    fn named(&mut self, at: usize) -> Vec<Edge> {
        let Some((path, expression)) = self.expression(at) else { return Vec::new() };
        let groups = match NodeSet::groups_of(&expression.value) {
            Ok(groups) => groups,
            Err(error) => {
                self.bad_expression(path, expression, &error);
                return Vec::new();
            }
        };

        let mut all = Vec::with_capacity(groups.len());
        for GroupName { name, at: part } in groups {
            let place = Place::at(path, expression.within(part));
            if name == "*" {
                continue;
            }
            match self.find(&name) {
                Some(to) => all.push(Edge { to, place }),
                None => {
                    self.findings.push(no_such_group(place, &name, self.drafts, |draft| &draft.group.name));
                    return Vec::new();
                }
            }
        }
        self.is_sound[at] = true;
        all
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.drafts.binary_search_by(|draft| (*draft.group.name).cmp(name)).ok()
    }

    /// Returns all groups and sets, each after its dependencies; drops the expression of one that
    /// closes a cycle.
    fn order(&mut self, edges: &[Vec<Edge>]) -> Vec<usize> {
        let mut order = Vec::with_capacity(edges.len());
        let mut visits = vec![Visit::New; edges.len()];

        // The position on the stack of each open one.
        let mut heights = vec![0; edges.len()];
        for start in 0..edges.len() {
            if visits[start] != Visit::New {
                continue;
            }
            (visits[start], heights[start]) = (Visit::Open, 0);
            let mut stack = vec![(start, 0)];
            while let Some((at, next)) = stack.last_mut() {
                let at = *at;
                let Some(Edge { to, place }) = edges[at].get(*next) else {
                    visits[at] = Visit::Done;
                    order.push(at);
                    stack.pop();
                    continue;
                };
                *next += 1;
                match visits[*to] {
                    Visit::New => {
                        (visits[*to], heights[*to]) = (Visit::Open, stack.len());
                        stack.push((*to, 0));
                    }
                    Visit::Open => {
                        self.cycle(&stack[heights[*to]..], place.clone());
                        self.is_sound[at] = false;
                    }
                    Visit::Done => {}
                }
            }
        }

        order
    }

    /// Finds the nodes of a group or a set, whose dependencies are all resolved.
    fn select(&mut self, at: usize) {
        let mut nodes = std::mem::take(&mut self.nodes[at]);
        if let Some((path, expression)) = self.expression(at).filter(|_| self.is_sound[at]) {
            match self.parse(expression) {
                Ok(selected) => self.take(path, expression, &selected, &mut nodes),
                Err(error) => self.bad_expression(path, expression, &error),
            }
        }

        if at < self.drafts.len() {
            self.apply_sets(at as u16, &mut nodes);
        }
        nodes.sort_unstable();
        nodes.dedup();

        self.nodes[at] = nodes;
    }

    fn parse(&mut self, expression: &At<String>) -> Result<NodeSet, NodeSetError> {
        for GroupName { name, .. } in NodeSet::groups_of(&expression.value)? {
            let Some(group) = self.find(&name) else { continue };
            let members = self.nodes[group].iter().map(|node| &self.names[*node as usize]);
            self.selected.entry(group).or_insert_with(|| NodeSet::from_names(members));
        }
        NodeSet::parse(&expression.value, &|name| match name {
            "*" => Some(self.everybody.get_or_init(|| NodeSet::from_names(self.names)).clone()),
            name => self.selected.get(&self.find(name)?).cloned(),
        })
    }

    /// Adds the nodes with these names, and reports every name of the expression that no node has.
    fn take(&mut self, path: &str, expression: &At<String>, selected: &NodeSet, nodes: &mut Vec<u32>) {
        nodes.extend(selected.iter().filter_map(|name| self.index.get(name.as_str())));

        let everybody = self.everybody.get_or_init(|| NodeSet::from_names(self.names));
        // The expression was evaluated before, so it is within the bounds.
        for unknown in NodeSet::unknown_names(&expression.value, everybody).unwrap_or_default() {
            let place = Place::at(path, expression.within(unknown.at));
            let names = self.sorted.get_or_init(|| sorted(self.names));
            self.findings.push(no_node(place, &unknown.names, names));
        }
    }

    /// Adds the nodes of sets to a group, then removes those of others.
    fn apply_sets(&mut self, group: u16, members: &mut Vec<u32>) {
        let Some(touching) = self.touching.get(&group) else { return };
        for at in touching {
            if self.sets[*at].joins.iter().any(|(other, _)| *other == group) {
                members.extend_from_slice(&self.nodes[self.drafts.len() + at]);
            }
        }

        let mut left: HashSet<u32> = members.iter().copied().collect();
        for at in touching {
            let set = &self.sets[*at];
            let Some((_, span)) = set.leaves.iter().find(|(other, _)| *other == group) else { continue };
            let taken = self.nodes[self.drafts.len() + at].iter().filter(|node| left.remove(*node)).count();
            if taken == 0 {
                let name = &self.drafts[usize::from(group)].group.name;
                let message = format!("none of these nodes is in the group `{name}`");
                self.findings.push(Diagnostic::new(Code::UnsetNothing, set.here.place(*span), message));
            }
        }

        members.retain(|node| left.contains(node));
    }

    /// Drops the nodes of sets beyond the limit for all of them together.
    fn bound(&mut self) {
        let mut left = MAX_SELECTED;
        for (set, nodes) in self.sets.iter().zip(&mut self.nodes[self.drafts.len()..]) {
            match left.checked_sub(nodes.len()) {
                Some(rest) => left = rest,
                None => {
                    let message = format!("all [[set]] tables together select over {MAX_SELECTED} nodes");
                    self.findings.push(Diagnostic::new(Code::TooMany, set.here.place(set.nodes.span), message));
                    nodes.clear();
                }
            }
        }
    }

    fn bad_expression(&mut self, path: &str, expression: &At<String>, error: &NodeSetError) {
        let place = Place::at(path, expression.within(error.at()));
        let finding = Diagnostic::new(Code::BadNodeSet, place, error.to_string());
        self.findings.push(finding.maybe_hint(error.hint()));
    }

    /// Reports a cycle in which each group or set depends on the next, and the last on the first.
    fn cycle(&mut self, circle: &[(usize, usize)], place: Place) {
        let mut round: Vec<Option<usize>> = circle.iter().take(GROUPS_LISTED).map(|(open, _)| Some(*open)).collect();
        if circle.len() >= GROUPS_LISTED {
            round.truncate(GROUPS_LISTED / 2);
            round.push(None);
            round.extend(circle[circle.len() - GROUPS_LISTED / 2 + 1..].iter().map(|(open, _)| Some(*open)));
        }
        round.push(circle.first().map(|(open, _)| *open));
        let name = |open: Option<usize>| open.map_or_else(|| "...".to_owned(), |open| self.label(open));
        let names: Vec<String> = round.into_iter().map(name).collect();
        let message = format!("groups select each other in a circle: {}", names.join(" -> "));
        self.findings.push(Diagnostic::new(Code::GroupCycle, place, message));
    }

    fn label(&self, at: usize) -> String {
        match self.drafts.get(at) {
            Some(draft) => format!("@{}", draft.group.name),
            None => format!("[[set]] {}", self.sets[at - self.drafts.len()].nodes.value),
        }
    }
}

fn sorted(names: &[Box<str>]) -> Vec<&str> {
    let mut names: Vec<&str> = names.iter().map(|name| &**name).collect();
    names.sort_unstable();
    names
}

/// The most groups of a cycle in a message; a cycle can be as long as there are groups.
const GROUPS_LISTED: usize = 12;
