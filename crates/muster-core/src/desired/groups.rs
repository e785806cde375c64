//! Groups: their files and their order.

use std::collections::{BTreeSet, HashMap};

use super::at::At;
use super::file::{ClusterFile, GroupFile};
use super::sources::{Findings, Here};
use super::suggest::did_you_mean_sorted;
use super::values;
use super::{Group, LayerTable, Source, limits};
use crate::model::{Code, Diagnostic, Layer, NodeSet, Place};

/// The most missing names in one finding.
const NAMES_LISTED: usize = 3;

/// A parsed group: its layer, and the expression that selects nodes.
#[derive(Debug)]
pub struct Draft {
    pub group: Group,
    pub path: Box<str>,
    pub nodes: Option<At<String>>,
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
        let mut table = LayerTable { state: file.state.take(), ..file.take_layer() };
        limits::layer(&here, &mut table, findings);
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
    let mut names: Vec<&str> = files.iter().map(|(name, ..)| name.as_str()).collect();
    names.sort_unstable();

    for (rank, layer) in cluster.layers.iter().enumerate() {
        let name = layer.value.as_str();
        if names.binary_search(&name).is_err() {
            let hint = did_you_mean_sorted(name, &names, |name| name).unwrap_or_else(|| {
                format!("make groups/{name}.toml, which may be empty, or take the name out of `layers`")
            });
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
        let Some(group) = find(here, name, drafts, findings) else { continue };
        if !groups.insert(group) {
            let message = format!("the group `{}` stands twice in one list", name.value);
            findings.push(Diagnostic::new(Code::DuplicateEntry, here.place(name.span), message));
        }
    }
    groups.into_iter().collect()
}

/// Finds a group by name.
pub fn find(here: &Here<'_>, name: &At<String>, drafts: &[Draft], findings: &mut Findings) -> Option<u16> {
    let found = drafts.binary_search_by(|draft| (*draft.group.name).cmp(&name.value));
    if found.is_err() {
        findings.push(no_such_group(here.place(name.span), &name.value, drafts, |draft| &draft.group.name));
    }
    found.ok().map(|at| at as u16)
}

/// Reports an undefined group; the known ones are sorted by name.
pub fn no_such_group<'n, T>(place: Place, name: &str, known: &'n [T], of: impl Fn(&'n T) -> &'n str) -> Diagnostic {
    let hint = did_you_mean_sorted(name, known, of).unwrap_or_else(|| format!("a group is a file: groups/{name}.toml"));
    Diagnostic::new(Code::NoSuchGroup, place, format!("there is no group `{name}`")).hint(hint)
}

/// Reports at least one name in a node set that no node has. `known` is sorted.
pub fn no_node(place: Place, unknown: &NodeSet, known: &[&str]) -> Diagnostic {
    let hint = unknown.iter().next().and_then(|name| did_you_mean_sorted(&name, known, |name| name));
    Diagnostic::new(Code::NoSuchNode, place, no_node_words(unknown)).maybe_hint(hint)
}

/// Returns the message that no node has these names, with the first few.
pub fn no_node_words(unknown: &NodeSet) -> String {
    let listed = unknown.iter().take(NAMES_LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>();
    let more = unknown.len().saturating_sub(NAMES_LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("no node is called {}{more}", listed.join(", "))
}

/// Checks the name that a file gives to a group, boot configuration or network.
pub fn file_name<'p>(path: &'p str, findings: &mut Findings) -> Option<&'p str> {
    let name = path.rsplit('/').next()?.strip_suffix(".toml")?;
    values::check_name(|| Place::file(path), name, findings).then_some(name)
}
