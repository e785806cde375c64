//! `[[set]]` tables that disagree: two that state one key of one node, and not the same value.
//!
//! Sets are laid in the order of files and places, which is no order that anybody chooses. So what two of them say of a key
//! has to be the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::expect;
use super::params;
use super::vars::Vars;
use crate::desired::{AppliedSet, Class, Desired, Findings, Free, LayerTable};
use crate::model::{Code, Diagnostic, Origin, Span, Stated};

/// What a set says of each key: the value as text.
type Keys = BTreeMap<String, Stated<String>>;

/// What an element of `unset` says of its key.
const TAKEN_BACK: &str = "(taken back)";

/// Finds the sets of each judged class that disagree; two sets that disagree are reported once, for the first node of both.
pub fn conflicts(desired: &Desired, judged: &BTreeSet<u32>) -> Findings {
    let mut findings = Findings::new();
    let mut reported = HashSet::new();
    let mut of_sets: BTreeMap<u16, Keys> = BTreeMap::new();
    let mut first_nodes: HashMap<u32, &str> = HashMap::new();
    for node in &desired.nodes {
        first_nodes.entry(node.class).or_insert(&node.name);
    }
    let is_judged = |(at, class): &(usize, &Class)| class.sets.len() > 1 && judged.contains(&(*at as u32));
    for (at, class) in desired.classes.iter().enumerate().filter(is_judged) {
        let mut known = Keys::new();
        for set in &class.sets {
            let keys = of_sets.entry(*set).or_insert_with(|| keys(desired, &desired.sets[usize::from(*set)]));
            for (key, stated) in keys.iter() {
                let other = disagreeing(&known, key, stated);
                if let Some((_, other)) = other.filter(|(_, other)| reported.insert((other.origin, stated.origin))) {
                    let node = first_nodes.get(&(at as u32)).copied().unwrap_or_default();
                    findings.push(conflict(desired, node, key, other, stated));
                }
            }
            known.extend(keys.iter().map(|(key, stated)| (key.clone(), stated.clone())));
        }
    }
    findings
}

/// Finds what an earlier set says of a key, or of one above or below it, if it is something else.
fn disagreeing<'k>(known: &'k Keys, key: &str, stated: &Stated<String>) -> Option<(&'k String, &'k Stated<String>)> {
    if let Some((other, known)) = known.get_key_value(key) {
        return (known.value != stated.value).then_some((other, known));
    }
    // The names of parameters and attributes hold dots, and only what takes back a table has something below it.
    let is_flat = key.starts_with("params.") || key.starts_with("expect.");
    let is_table = |other: &Stated<String>| !is_flat || other.value == TAKEN_BACK || stated.value == TAKEN_BACK;
    let above = key.match_indices('.').filter_map(|(end, _)| known.get_key_value(&key[..end]));
    let start = format!("{key}.");
    let below = known.range(start.clone()..).take_while(|(other, _)| other.starts_with(&start));
    above.chain(below).find(|(_, other)| is_table(other) && other.value != stated.value)
}

fn conflict(desired: &Desired, name: &str, key: &str, other: &Stated<String>, stated: &Stated<String>) -> Diagnostic {
    let message = format!("two [[set]] tables disagree on `{key}` of `{name}`: {} and {}", other.value, stated.value);
    let sources = &desired.sources;
    Diagnostic::new(Code::SetConflict, sources.place(stated.origin), message)
        .hint(format!("remove one of the two, or leave the node out of one set: `nodes = \"...!{name}\"`"))
        .related(sources.place(other.origin), "the other set")
}

/// Lists what a set says, key by key.
fn keys(desired: &Desired, set: &AppliedSet) -> Keys {
    let source = &set.source;
    let origin = |span: Span| Origin { file: source.file, at: span.start as u32, layer: source.layer };
    let mut all = Keys::new();
    for (groups, word) in [(&set.joins, "in the group"), (&set.leaves, TAKEN_BACK)] {
        for group in groups {
            let name = &desired.groups[usize::from(group.value)].name;
            all.insert(format!("groups.{name}"), Stated::new(word.to_owned(), group.origin));
        }
    }

    let LayerTable { state, boot, params: _, vars, arch, cloud_init, nics, expect, macs, unset } = &source.table;
    let mut put = |key: String, text: String, span: Span| {
        all.insert(key, Stated::new(text, origin(span)));
    };
    if let Some(at) = state {
        put("state".into(), at.value.as_str().into(), at.span);
    }
    if let Some(at) = boot {
        put("boot".into(), at.value.clone(), at.span);
    }
    if let Some(at) = arch {
        put("arch".into(), at.value.as_str().into(), at.span);
    }
    if let Some(at) = macs {
        put("macs".into(), at.value.as_str().into(), at.span);
    }
    for path in unset {
        put(path.value.clone(), TAKEN_BACK.into(), path.span);
    }
    for nic in nics {
        let name = nic.value.name.as_ref().map(|name| name.value.as_str()).unwrap_or_default();
        for (key, text, span) in nic.value.stated() {
            put(format!("nics.{name}.{key}"), text, span);
        }
    }
    if let Some(user_data) = cloud_init.as_ref().and_then(|table| table.value.user_data.as_ref()) {
        put("cloud_init.user_data".into(), user_data.value.clone(), user_data.span);
    }

    let meta_data = cloud_init.as_ref().and_then(|table| table.value.meta_data.as_ref());
    for (start, table) in [("vars", vars.as_ref()), ("cloud_init.meta_data", meta_data)] {
        let mut laid = Vars::default();
        if let Some(table) = table {
            laid.lay(&table.value, &origin);
        }
        for (path, leaf) in laid.leaves() {
            all.insert(format!("{start}.{path}"), Stated::new(leaf.value.to_string(), leaf.origin));
        }
    }
    let mut wanted: BTreeMap<String, Stated<Free>> = BTreeMap::new();
    if let Some(table) = expect {
        expect::lay(&mut wanted, &table.value, &origin);
    }
    all.extend(wanted.into_iter().map(|(path, leaf)| (format!("expect.{path}"), leaf.map(|leaf| leaf.to_string()))));
    of_params(source, &mut all);
    all
}

/// Adds what a set says of kernel parameters: for each key all elements together, but for those that add one.
fn of_params(source: &crate::desired::Source, all: &mut Keys) {
    for element in &source.table.params {
        let text = element.value.as_str();
        let origin = Origin { file: source.file, at: element.span.start as u32, layer: source.layer };
        if text.starts_with('+') {
            all.insert(format!("params.{text}"), Stated::new(text.to_owned(), origin));
            continue;
        }
        let key = format!("params.{}", params::key(text.trim_start_matches(['=', '-'])));
        all.entry(key)
            .and_modify(|known| known.value = format!("{} {text}", known.value))
            .or_insert_with(|| Stated::new(text.to_owned(), origin));
    }
}
