//! Which nodes are in each group: those whose tables name it, and those that its expression selects.
//!
//! A group may select other groups (`@other`). Each group is resolved after all groups that it selects, so the names and
//! the order of group files have no meaning. The walk keeps its own stack: a chain of groups is as long as a site makes it.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::Group;
use super::at::At;
use super::groups::{Draft, no_node, no_such_group};
use super::sources::Findings;
use crate::model::{Code, Diagnostic, GroupName, NodeSet, NodeSetError, Place, Span};

/// Returns the groups with their members; `said` has the nodes that name each group themselves.
pub fn join(
    drafts: Vec<Draft>,
    names: &[Box<str>],
    index: &HashMap<&str, u32>,
    said: Vec<Vec<u32>>,
    findings: &mut Findings,
) -> Vec<Group> {
    let mut membership = Membership {
        drafts: &drafts,
        names,
        index,
        everybody: OnceCell::new(),
        members: said,
        selected: HashMap::new(),
        findings,
    };
    let mut named: Vec<Option<Vec<Named>>> = (0..drafts.len()).map(|at| membership.named(at)).collect();
    for at in membership.order(&mut named) {
        if named[at].is_some() {
            membership.select(at);
        }
    }

    let members = membership.members;
    drafts.into_iter().zip(members).map(|(draft, members)| Group { members, ..draft.group }).collect()
}

/// A group that an expression names.
#[derive(Clone, Copy)]
struct Named {
    /// The index of the group's draft.
    group: usize,
    /// The bytes of the file that name it.
    span: Span,
}

/// How far the walk has come with a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    /// On the stack: a group that is selected from here and is open closes a circle.
    Open,
    Done,
}

struct Membership<'a> {
    drafts: &'a [Draft],
    names: &'a [Box<str>],
    index: &'a HashMap<&'a str, u32>,
    /// The set behind `@*`.
    everybody: OnceCell<NodeSet>,
    /// The members of each group as far as they are known: ascending, each once, once the group is resolved.
    members: Vec<Vec<u32>>,
    /// The members of the groups that other groups select.
    selected: HashMap<usize, NodeSet>,
    findings: &'a mut Findings,
}

impl Membership<'_> {
    /// Lists the groups that a group's expression names; nothing if the expression is missing or wrong.
    fn named(&mut self, at: usize) -> Option<Vec<Named>> {
        let drafts = self.drafts;
        let expression = drafts[at].nodes.as_ref()?;
        let groups = match NodeSet::groups_of(&expression.value) {
            Ok(groups) => groups,
            Err(error) => {
                self.bad_expression(at, expression, &error);
                return None;
            }
        };

        let mut all = Vec::with_capacity(groups.len());
        for GroupName { name, at: part } in groups {
            let span = expression.within(part);
            if name == "*" {
                continue;
            }
            match self.find(&name) {
                Some(group) => all.push(Named { group, span }),
                None => {
                    let known = self.drafts.iter().map(|draft| &*draft.group.name);
                    self.findings.push(no_such_group(self.place(at, span), &name, known));
                    return None;
                }
            }
        }
        Some(all)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.drafts.binary_search_by(|draft| (*draft.group.name).cmp(name)).ok()
    }

    /// Returns all groups, each after those that it selects; the expression of a group that closes a circle is dropped.
    fn order(&mut self, named: &mut [Option<Vec<Named>>]) -> Vec<usize> {
        let mut order = Vec::with_capacity(named.len());
        let mut visits = vec![Visit::New; named.len()];
        for start in 0..named.len() {
            if visits[start] != Visit::New {
                continue;
            }
            visits[start] = Visit::Open;
            let mut stack = vec![(start, 0)];
            while let Some((at, next)) = stack.last_mut() {
                let at = *at;
                let Some(&Named { group, span }) = named[at].as_ref().and_then(|named| named.get(*next)) else {
                    visits[at] = Visit::Done;
                    order.push(at);
                    stack.pop();
                    continue;
                };
                *next += 1;
                match visits[group] {
                    Visit::New => {
                        visits[group] = Visit::Open;
                        stack.push((group, 0));
                    }
                    Visit::Open => {
                        self.cycle(&stack, group, span);
                        named[at] = None;
                    }
                    Visit::Done => {}
                }
            }
        }
        order
    }

    /// Adds what a group's expression selects to the group's members. The groups that it names are resolved.
    fn select(&mut self, at: usize) {
        let drafts = self.drafts;
        let Some(expression) = drafts[at].nodes.as_ref() else { return };
        let selected = match self.parse(expression) {
            Ok(selected) => selected,
            Err(error) => return self.bad_expression(at, expression, &error),
        };

        let mut missing = Vec::new();
        for name in selected.iter() {
            match self.index.get(name.as_str()) {
                Some(node) => self.members[at].push(*node),
                None => missing.push(name),
            }
        }
        if !missing.is_empty() {
            let place = self.place(at, expression.span);
            self.findings.push(no_node(place, &missing, self.names.iter().map(|name| &**name)));
        }
        self.members[at].sort_unstable();
        self.members[at].dedup();
    }

    fn parse(&mut self, expression: &At<String>) -> Result<NodeSet, NodeSetError> {
        for GroupName { name, .. } in NodeSet::groups_of(&expression.value)? {
            let Some(group) = self.find(&name) else { continue };
            let members = self.members[group].iter().map(|node| &self.names[*node as usize]);
            self.selected.entry(group).or_insert_with(|| NodeSet::from_names(members));
        }
        NodeSet::parse(&expression.value, &|name| match name {
            "*" => Some(self.everybody.get_or_init(|| NodeSet::from_names(self.names)).clone()),
            name => self.selected.get(&self.find(name)?).cloned(),
        })
    }

    fn bad_expression(&mut self, at: usize, expression: &At<String>, error: &NodeSetError) {
        let place = self.place(at, expression.within(error.at()));
        let finding = Diagnostic::new(Code::BadNodeSet, place, error.to_string());
        self.findings.push(finding.maybe_hint(error.hint()));
    }

    /// Reports that the group on top of the stack selects one that is open.
    fn cycle(&mut self, stack: &[(usize, usize)], group: usize, span: Span) {
        let Some((at, _)) = stack.last() else { return };
        let start = stack.iter().position(|(open, _)| *open == group).unwrap_or_default();
        let round = stack[start..].iter().map(|(open, _)| *open).chain([group]);
        let names: Vec<String> = round.map(|open| format!("@{}", self.drafts[open].group.name)).collect();
        let message = format!("groups select each other in a circle: {}", shortened(&names).join(" -> "));
        self.findings.push(Diagnostic::new(Code::GroupCycle, self.place(*at, span), message));
    }

    fn place(&self, at: usize, span: Span) -> Place {
        Place::at(self.drafts[at].path.clone(), span)
    }
}

/// How many groups of a circle a message lists; a circle can be as long as there are groups.
const GROUPS_LISTED: usize = 12;

/// Cuts the middle out of a long list of names.
fn shortened(names: &[String]) -> Vec<&str> {
    let half = GROUPS_LISTED / 2;
    if names.len() <= GROUPS_LISTED {
        return names.iter().map(String::as_str).collect();
    }
    let (first, last) = (&names[..half], &names[names.len() - half..]);
    first.iter().map(String::as_str).chain(["..."]).chain(last.iter().map(String::as_str)).collect()
}
