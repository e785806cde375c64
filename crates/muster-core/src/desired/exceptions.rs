//! Converts `[[exception]]` tables to [`Exception`]s.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::at::{At, Free, Scalar};
use super::attribute::{attribute_fault, nic_of};
use super::file::ExceptionTable;
use super::groups::{no_node, no_such_group};
use super::sources::{Findings, Here};
use super::suggest::did_you_mean;
use super::{Desired, Exception, values};
use crate::model::{Code, Diagnostic, NodeSet, Span};

/// Checks all tables against the declared nodes and groups.
pub fn lower(
    tables: Vec<(Here<'_>, At<ExceptionTable>)>,
    desired: &Desired,
    findings: &mut Findings,
) -> Vec<Exception> {
    let mut known = Known {
        index: desired.nodes.iter().zip(0..).map(|(node, at)| (&*node.name, at)).collect(),
        sorted: OnceCell::new(),
        everybody: OnceCell::new(),
        groups: HashMap::new(),
    };

    let mut all = Vec::with_capacity(tables.len());
    let mut left = MAX_EXCEPTED;
    for (here, table) in tables {
        let place = here.place(table.span);
        let exception = Lowering { here, desired, known: &mut known, findings }.exception(table);
        let Some(rest) = left.checked_sub(exception.as_ref().map_or(0, |exception| exception.nodes.len())) else {
            let message = format!("all [[exception]] tables together select over {MAX_EXCEPTED} nodes");
            findings.push(Diagnostic::new(Code::TooMany, place, message));
            break;
        };
        left = rest;
        all.extend(exception);
    }

    repeats(desired, &all, findings);
    all
}

/// The most nodes that all `[[exception]]` tables together select.
const MAX_EXCEPTED: usize = 4_000_000;

/// The nodes and groups that tables can name, each looked up once for all tables.
struct Known<'d> {
    index: HashMap<&'d str, u32>,
    /// The names of all nodes, sorted.
    sorted: OnceCell<Vec<&'d str>>,
    /// The names of all nodes as a set.
    everybody: OnceCell<NodeSet>,
    /// The members of the groups that were named so far.
    groups: HashMap<String, NodeSet>,
}

/// The state of checking one table.
struct Lowering<'a, 'd> {
    here: Here<'a>,
    desired: &'d Desired,
    known: &'a mut Known<'d>,
    findings: &'a mut Findings,
}

impl Lowering<'_, '_> {
    fn exception(&mut self, At { value: table, span }: At<ExceptionTable>) -> Option<Exception> {
        let ExceptionTable { nodes, attribute, seen, missing, owner, reason, expires } = table;
        let nodes = self.required(nodes, "nodes", span);
        let attribute = self.required(attribute, "attribute", span);
        let owner = self.required(owner, "owner", span);
        let expires = self.required(expires, "expires", span);
        let seen = self.seen(seen, missing, span);
        let nodes = nodes.and_then(|set| self.nodes(&set));

        let attribute = attribute.and_then(|path| self.attribute(path, nodes.as_deref().unwrap_or_default()));
        let owner = owner.and_then(|owner| self.owner(owner));
        let expires = expires.and_then(|date| {
            let hint = "write the last day on which it holds, such as 2026-12-31";
            values::date(&self.here, &date, hint, self.findings)
        });

        let attribute = attribute?;
        Some(Exception {
            nodes: nodes?,
            origin: self.here.origin(attribute.span),
            attribute: attribute.value.into(),
            seen: seen?,
            owner: owner?,
            reason: reason.map(|reason| reason.value.into()),
            expires: expires?,
        })
    }

    fn tell(&mut self, code: Code, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.findings.push(Diagnostic::new(code, self.here.place(span), message).maybe_hint(hint));
    }

    fn required<T>(&mut self, value: Option<At<T>>, key: &str, table: Span) -> Option<At<T>> {
        if value.is_none() {
            self.tell(Code::MissingKey, table, format!("an [[exception]] needs `{key}`"), None);
        }
        value
    }

    fn seen(&mut self, seen: Option<At<Scalar>>, missing: Option<At<bool>>, table: Span) -> Option<Option<Free>> {
        match (seen, missing) {
            (Some(At { value: Scalar(Free::List(_) | Free::Table(_)), span }), None) => {
                self.tell(Code::WrongType, span, "a string, number or boolean is wanted", None);
                None
            }
            (Some(seen), None) => Some(Some(seen.value.0)),
            (None, Some(missing)) if missing.value => Some(None),
            (None, None) => {
                let hint = "write the value that the machine shows: seen = 480; or missing = true where it shows none";
                self.tell(Code::MissingKey, table, "an [[exception]] needs `seen` or `missing`", Some(hint.into()));
                None
            }
            (Some(_), Some(missing)) => {
                self.tell(Code::BadValue, missing.span, "what was seen is not missing: state one of the two", None);
                None
            }
            (None, Some(missing)) => {
                let hint = "write the value that the machine shows: seen = 480".to_owned();
                self.tell(Code::BadValue, missing.span, "`missing` is true or not stated", Some(hint));
                None
            }
        }
    }

    fn nodes(&mut self, set: &At<String>) -> Option<Vec<u32>> {
        let known = &mut self.known.groups;
        let names = |nodes: &[u32]| NodeSet::from_names(nodes.iter().map(|at| &*self.desired.nodes[*at as usize].name));
        let parsed = NodeSet::groups_of(&set.value).and_then(|groups| {
            let mut missing = None;
            for group in groups {
                if known.contains_key(&group.name) {
                    continue;
                }
                if group.name == "*" {
                    known.insert(group.name, NodeSet::from_names(self.desired.nodes.iter().map(|node| &*node.name)));
                } else if let Some(found) = self.desired.group(&group.name) {
                    known.insert(group.name, names(&found.members));
                } else {
                    missing.get_or_insert(group);
                }
            }
            match missing {
                Some(group) => Ok(Err(group)),
                None => NodeSet::parse(&set.value, &|name| known.get(name).cloned()).map(Ok),
            }
        });

        let selected = match parsed {
            Ok(Ok(selected)) => selected,
            Ok(Err(group)) => {
                let place = self.here.place(set.within(group.at));
                let finding = no_such_group(place, &group.name, &self.desired.groups, |group| &group.name);
                self.findings.push(finding);
                return None;
            }
            Err(error) => {
                self.tell(Code::BadNodeSet, set.within(error.at()), error.to_string(), error.hint());
                return None;
            }
        };

        let mut nodes: Vec<u32> =
            selected.iter().filter_map(|name| self.known.index.get(name.as_str()).copied()).collect();
        let everybody =
            self.known.everybody.get_or_init(|| NodeSet::from_names(self.desired.nodes.iter().map(|node| &*node.name)));

        // The set was evaluated before, so it is within the bounds.
        for unknown in NodeSet::unknown_names(&set.value, everybody).unwrap_or_default() {
            let names = self.known.sorted.get_or_init(|| {
                let mut names: Vec<&str> = self.known.index.keys().copied().collect();
                names.sort_unstable();
                names
            });
            self.findings.push(no_node(self.here.place(set.within(unknown.at)), &unknown.names, names));
        }

        nodes.sort_unstable();
        Some(nodes)
    }

    fn attribute(&mut self, path: At<String>, nodes: &[u32]) -> Option<At<String>> {
        if let Some((fault, hint)) = attribute_fault(&path.value) {
            self.tell(Code::BadValue, path.span, fault, hint);
            return None;
        }

        if let Some(nic) = nic_of(&path.value) {
            let nics = |at: &u32| self.desired.nics(&self.desired.nodes[*at as usize]).map(|(spec, _)| &*spec.name);
            if let Some(node) = nodes.iter().find(|at| !nics(at).any(|name| name == nic)) {
                let hint = did_you_mean(nic, nics(node));
                let message = format!("`{}` has no interface `{nic}`", self.desired.nodes[*node as usize].name);
                self.tell(Code::NoSuchNic, path.span, message, hint);
            }
        }

        Some(path)
    }

    fn owner(&mut self, owner: At<String>) -> Option<Box<str>> {
        if owner.value.trim().is_empty() {
            self.tell(Code::BadValue, owner.span, "somebody answers for an exception", None);
            return None;
        }
        Some(owner.value.into())
    }
}

/// Reports exceptions that repeat an earlier one for a node.
fn repeats(desired: &Desired, all: &[Exception], findings: &mut Findings) {
    let mut first: HashMap<(u32, &str, Option<String>), &Exception> = HashMap::new();
    for exception in all {
        let seen = exception.seen.as_ref().map(text);
        let mut told = false;
        for node in &exception.nodes {
            let other = *first.entry((*node, &exception.attribute, seen.clone())).or_insert(exception);
            if !std::ptr::eq(other, exception) && !std::mem::replace(&mut told, true) {
                let name = &desired.nodes[*node as usize].name;
                let message = format!("this value of `{}` is excepted for `{name}` twice", exception.attribute);
                let place = desired.sources.place(exception.origin);
                let finding = Diagnostic::new(Code::DuplicateException, place, message);
                findings.push(finding.related(desired.sources.place(other.origin), "first excepted here"));
            }
        }
    }
}

/// Returns a value in the form in which drift compares it: a number equals the same number in
/// quotes.
fn text(value: &Free) -> String {
    match value {
        Free::Text(text) => text.clone(),
        Free::Integer(number) => number.to_string(),
        Free::Float(number) => number.to_string(),
        Free::Boolean(value) => value.to_string(),
        Free::List(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Free::Table(table) => table.values().map(|at| text(&at.value)).collect::<Vec<_>>().join(","),
    }
}
