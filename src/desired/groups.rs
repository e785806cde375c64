//! Groups: their files, their order, and which nodes are in each.

use std::collections::{BTreeSet, HashMap};

use super::at::At;
use super::file::{ClusterFile, GroupFile};
use super::sources::{Findings, Here};
use super::suggest::did_you_mean;
use super::values;
use super::{Group, Source};
use crate::model::{Code, Diagnostic, GroupName, Layer, NodeSet, NodeSetError, Place, Span};

/// How many missing names one finding lists.
const NAMES_LISTED: usize = 3;

/// A group as it was read: its layer, and the expression that selects nodes.
#[derive(Debug)]
pub struct Draft {
    pub group: Group,
    path: Box<str>,
    nodes: Option<At<String>>,
}

/// Checks the group files against the order of layers; the result is sorted by name.
pub fn lower(
    here: &Here<'_>,
    cluster: &ClusterFile,
    files: Vec<(String, Here<'_>, GroupFile)>,
    findings: &mut Findings,
) -> Vec<Draft> {
    let order = order(here, cluster, &files, findings);
    let mut drafts = Vec::with_capacity(files.len());
    for (name, here, mut file) in files {
        let nodes = file.nodes.take();
        let table = file.take_layer();
        let rank = order.get(name.as_str()).copied();
        if rank.is_none() && !table.is_empty() {
            let message = format!("group `{name}` sets something, and `layers` in cluster.toml does not list it");
            let place = Place::file(here.path);
            let finding = Diagnostic::new(Code::GroupNotLayered, place, message);
            findings
                .push(finding.hint(format!("add \"{name}\" to `layers`, where it should win over those before it")));
        }
        let layer = Layer::Group(rank.unwrap_or(u16::MAX));
        let source = Source { file: here.file, layer, table };
        let group = Group { name: name.into(), rank, source, members: Vec::new() };
        drafts.push(Draft { group, path: here.path.into(), nodes });
    }
    drafts.sort_by(|a, b| a.group.name.cmp(&b.group.name));
    drafts
}

/// Returns the rank of each group that `layers` lists.
fn order<'c>(
    here: &Here<'_>,
    cluster: &'c ClusterFile,
    files: &[(String, Here<'_>, GroupFile)],
    findings: &mut Findings,
) -> HashMap<&'c str, u16> {
    let mut order = HashMap::new();
    for (rank, layer) in cluster.layers.iter().enumerate() {
        let name = layer.value.as_str();
        if !files.iter().any(|(other, _, _)| other == name) {
            let hint = did_you_mean(name, files.iter().map(|(other, _, _)| other.as_str()))
                .unwrap_or_else(|| format!("a group is a file: groups/{name}.toml"));
            let message = format!("`layers` lists the group `{name}`, which is not defined");
            findings.push(Diagnostic::new(Code::NoSuchGroup, here.place(layer.span), message).hint(hint));
        }
        if order.insert(name, rank as u16).is_some() {
            let message = format!("`layers` lists the group `{name}` twice");
            findings.push(Diagnostic::new(Code::DuplicateEntry, here.place(layer.span), message));
        }
    }
    order
}

/// Finds the groups that a `[[node]]` table names.
pub fn named(here: &Here<'_>, names: &[At<String>], drafts: &[Draft], findings: &mut Findings) -> Vec<u16> {
    let mut groups = BTreeSet::new();
    for name in names {
        match drafts.binary_search_by(|draft| (*draft.group.name).cmp(&name.value)) {
            Ok(at) => {
                if !groups.insert(at as u16) {
                    let message = format!("the group `{}` stands twice in one list", name.value);
                    findings.push(Diagnostic::new(Code::DuplicateEntry, here.place(name.span), message));
                }
            }
            Err(_) => findings.push(no_such_group(here.place(name.span), &name.value, names_of(drafts))),
        }
    }
    groups.into_iter().collect()
}

fn names_of(drafts: &[Draft]) -> impl Iterator<Item = &str> {
    drafts.iter().map(|draft| &*draft.group.name)
}

/// Tells of a group that is not defined.
pub fn no_such_group<'n>(place: Place, name: &str, known: impl Iterator<Item = &'n str>) -> Diagnostic {
    let hint = did_you_mean(name, known).unwrap_or_else(|| format!("a group is a file: groups/{name}.toml"));
    Diagnostic::new(Code::NoSuchGroup, place, format!("there is no group `{name}`")).hint(hint)
}

/// Tells of names that a node set selects and no node bears; at least one.
pub fn no_node<'n>(place: Place, missing: &[String], known: impl Iterator<Item = &'n str>) -> Diagnostic {
    let listed = missing.iter().take(NAMES_LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>();
    let more = missing.len().saturating_sub(NAMES_LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!("no node is called {}{more}", listed.join(", "));
    let hint = missing.first().and_then(|name| did_you_mean(name, known));
    Diagnostic::new(Code::NoSuchNode, place, message).maybe_hint(hint)
}

/// Joins what nodes say of themselves with what groups select, and returns the groups with their members.
pub fn join(
    drafts: Vec<Draft>,
    names: &[Box<str>],
    index: &HashMap<&str, u32>,
    said: Vec<Vec<u32>>,
    findings: &mut Findings,
) -> Vec<Group> {
    let mut membership =
        Membership { drafts: &drafts, names, index, said, done: HashMap::new(), open: Vec::new(), findings };
    let members: Vec<Vec<u32>> = (0..drafts.len()).map(|at| membership.members(at)).collect();
    let groups = drafts.into_iter().zip(members);
    groups.map(|(draft, members)| Group { members, ..draft.group }).collect()
}

/// The walk over groups that select each other.
struct Membership<'a> {
    drafts: &'a [Draft],
    names: &'a [Box<str>],
    index: &'a HashMap<&'a str, u32>,
    said: Vec<Vec<u32>>,
    done: HashMap<usize, NodeSet>,
    /// The groups whose expressions are being resolved, outermost first.
    open: Vec<usize>,
    findings: &'a mut Findings,
}

impl Membership<'_> {
    /// Returns the members of a group, ascending.
    fn members(&mut self, at: usize) -> Vec<u32> {
        let selected = self.resolve(at);
        let mut members = std::mem::take(&mut self.said[at]);
        let mut missing = Vec::new();
        for name in selected.iter() {
            match self.index.get(name.as_str()) {
                Some(node) => members.push(*node),
                None => missing.push(name),
            }
        }
        if let Some(expression) = self.drafts[at].nodes.as_ref().filter(|_| !missing.is_empty()) {
            let place = self.place(at, expression.span);
            self.findings.push(no_node(place, &missing, self.names.iter().map(|name| &**name)));
        }
        members.sort_unstable();
        members.dedup();
        members
    }

    /// Returns what a group's expression selects, resolving the groups that it names first.
    fn resolve(&mut self, at: usize) -> NodeSet {
        if let Some(set) = self.done.get(&at) {
            return set.clone();
        }
        let Some(expression) = &self.drafts[at].nodes else { return NodeSet::default() };
        self.open.push(at);
        let set = self.parse(at, expression);
        self.open.pop();
        self.done.insert(at, set.clone());
        set
    }

    fn parse(&mut self, at: usize, expression: &At<String>) -> NodeSet {
        let mut known: HashMap<String, NodeSet> = HashMap::new();
        let named = match NodeSet::groups_of(&expression.value) {
            Ok(named) => named,
            Err(error) => {
                self.bad_expression(at, expression, &error);
                return NodeSet::default();
            }
        };
        for GroupName { name, at: part } in named {
            if name == "*" {
                known.insert(name, NodeSet::from_names(self.names.iter().map(|name| &**name)));
                continue;
            }
            let Ok(other) = self.drafts.binary_search_by(|draft| (*draft.group.name).cmp(&name)) else {
                self.findings.push(no_such_group(
                    self.place(at, expression.within(part)),
                    &name,
                    names_of(self.drafts),
                ));
                return NodeSet::default();
            };
            if self.open.contains(&other) {
                self.cycle(at, other, expression.within(part));
                return NodeSet::default();
            }
            let said = NodeSet::from_names(self.said[other].iter().map(|node| &*self.names[*node as usize]));
            known.insert(name, self.resolve(other).union(&said));
        }
        match NodeSet::parse(&expression.value, &|name| known.get(name).cloned()) {
            Ok(set) => set,
            Err(error) => {
                self.bad_expression(at, expression, &error);
                NodeSet::default()
            }
        }
    }

    fn bad_expression(&mut self, at: usize, expression: &At<String>, error: &NodeSetError) {
        let place = self.place(at, expression.within(error.at()));
        let finding = Diagnostic::new(Code::BadNodeSet, place, error.to_string());
        self.findings.push(finding.maybe_hint(error.hint()));
    }

    fn cycle(&mut self, at: usize, other: usize, span: Span) {
        let start = self.open.iter().position(|open| *open == other).unwrap_or_default();
        let round = self.open[start..].iter().chain([&other]).map(|at| format!("@{}", self.drafts[*at].group.name));
        let message = format!("groups select each other in a circle: {}", round.collect::<Vec<_>>().join(" -> "));
        self.findings.push(Diagnostic::new(Code::GroupCycle, self.place(at, span), message));
    }

    fn place(&self, at: usize, span: Span) -> Place {
        Place::at(self.drafts[at].path.clone(), span)
    }
}

/// Checks the name that a file gives to a group, boot configuration or network.
pub fn file_name<'p>(path: &'p str, findings: &mut Findings) -> Option<&'p str> {
    let name = path.rsplit('/').next()?.strip_suffix(".toml")?;
    values::check_name(|| Place::file(path), name, findings).then_some(name)
}
