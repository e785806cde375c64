//! Lists of one node's documents that cloud-init does not join, so that one of them never reaches the node.

use std::collections::BTreeMap;

use super::outline::{OutlineKey, ValueKind, outline};
use super::parts::{Merging, VendorData, VendorPart};
use crate::desired::Findings;
use crate::model::text::plural;
use crate::model::{Code, Diagnostic, Place, Stated};
use crate::resolve::Resolved;

/// One cloud-config of a node: the file, and the text that the node gets.
struct ConfigText<'a> {
    name: &'a Stated<Box<str>>,
    text: &'a str,
}

/// How many hidden lists of one node are reported in full: two documents can have thousands of keys, and each node its own.
const MAX_HIDDEN: usize = 24;

/// The findings about one node's documents.
#[derive(Default)]
struct HiddenLists {
    findings: Findings,
    /// How many more there are.
    more: usize,
}

impl HiddenLists {
    fn push(&mut self, finding: impl FnOnce() -> Diagnostic) {
        if self.findings.len() < MAX_HIDDEN { self.findings.push(finding()) } else { self.more += 1 }
    }

    fn finish(mut self) -> Findings {
        if let Some(last) = self.findings.last_mut().filter(|_| self.more > 0) {
            last.message.push_str(&format!("; {}", plural(self.more, "more key")));
        }
        self.findings
    }
}

/// Lists what user-data hides of vendor-data, and what parts of vendor-data hide of each other.
pub fn hidden(resolved: &Resolved, user: Option<(&Stated<Box<str>>, &str)>, vendor: &VendorData<'_>) -> Findings {
    let mut hidden = HiddenLists::default();
    let configs: Vec<&VendorPart<'_>> = vendor.parts.iter().filter(|part| part.merging != Merging::Not).collect();
    if let Some((name, text)) = user.filter(|(_, text)| Merging::of(text) != Merging::Not)
        && !configs.is_empty()
    {
        by_user_data(resolved, &ConfigText { name, text }, &configs, &mut hidden);
    }
    if vendor.is_joined {
        of_two_kinds(resolved, &configs, &mut hidden);
    } else if configs.len() > 1 {
        by_later_parts(resolved, &configs, &mut hidden);
    }
    hidden.finish()
}

/// cloud-init lays vendor-data beneath user-data: tables merge, of two lists user-data's is kept.
fn by_user_data(resolved: &Resolved, user: &ConfigText<'_>, configs: &[&VendorPart<'_>], hidden: &mut HiddenLists) {
    let lists = lists_of(user.text);
    if lists.is_empty() {
        return;
    }
    for part in configs {
        let of_part = lists_of(&part.text);
        for key in of_part.values() {
            let Some(over) = lists.get(&key.path).filter(|_| part.name.value != user.name.value) else { continue };
            hidden.push(|| {
                let message = format!(
                    "the list `{}` of cloud-init/{} hides that of cloud-init/{}: cloud-init does not join a list of \
                     user-data with one of vendor-data",
                    key.path.join("."),
                    user.name.value,
                    part.name.value
                );
                let hint = "move these items into a file that a layer names as `vendor_data`, where the lists of all layers \
                            join";
                Diagnostic::new(Code::HiddenList, place(resolved, user.name, over), message)
                    .related(place(resolved, part.name, key), "no node gets this list")
                    .hint(hint)
            });
        }
    }
}

/// In the order of layers and by cloud-init's default, a later part's key replaces an earlier one's.
fn by_later_parts(resolved: &Resolved, configs: &[&VendorPart<'_>], hidden: &mut HiddenLists) {
    let Some(cause) = configs.iter().find(|part| part.merging == Merging::ByItself) else { return };
    let mut earlier: BTreeMap<Vec<&str>, (&VendorPart<'_>, OutlineKey<'_>)> = BTreeMap::new();
    for part in configs {
        for (path, key) in lists_of(&part.text) {
            // What a part says of its own merging is its author's to answer for.
            if part.merging == Merging::ByRule
                && let Some((before, list)) = earlier.get(&path)
            {
                hidden.push(|| {
                    let message = format!(
                        "the list `{}` of cloud-init/{} hides that of cloud-init/{}: muster joins lists only if it can read \
                         every part, and cloud-init/{} is merged by rules of its own",
                        path.join("."),
                        part.name.value,
                        before.name.value,
                        cause.name.value
                    );
                    let hint = "write that file as a `#cloud-config` without `merge_how`, or state `merge_how` in all of them";
                    Diagnostic::new(Code::HiddenList, place(resolved, part.name, &key), message)
                        .related(place(resolved, before.name, list), "no node gets this list")
                        .hint(hint)
                });
            }
            earlier.insert(path, (part, key));
        }
    }
}

/// Of a list and a table under one key, cloud-init makes a list that holds the names of the table's keys.
fn of_two_kinds(resolved: &Resolved, configs: &[&VendorPart<'_>], hidden: &mut HiddenLists) {
    let outlines: Vec<_> = configs.iter().map(|part| (part.name, outline(&part.text))).collect();
    let mut by_path: BTreeMap<&[&str], KeyUses<'_>> = BTreeMap::new();
    for (name, keys) in &outlines {
        for key in keys {
            let uses = by_path.entry(&key.path).or_default();
            match key.kind {
                ValueKind::List => uses.lists.push((*name, key)),
                ValueKind::Table => uses.tables.push((*name, key)),
                ValueKind::Plain => {}
            }
        }
    }

    for (path, uses) in by_path {
        for (list_name, list) in &uses.lists {
            for (table_name, table) in uses.tables.iter().filter(|(name, _)| !std::ptr::eq(*name, *list_name)) {
                hidden.push(|| {
                    let message = format!(
                        "`{}` is a list in cloud-init/{} and a table in cloud-init/{}: cloud-init cannot join them",
                        path.join("."),
                        list_name.value,
                        table_name.value
                    );
                    Diagnostic::new(Code::HiddenList, place(resolved, list_name, list), message)
                        .related(place(resolved, table_name, table), "the table")
                        .hint("write both as lists or both as tables")
                });
            }
        }
    }
}

/// A part's name, and a key in it.
type NamedKey<'a> = (&'a Stated<Box<str>>, &'a OutlineKey<'a>);

/// The parts that hold a list under one path, and those that hold a table there.
#[derive(Default)]
struct KeyUses<'a> {
    lists: Vec<NamedKey<'a>>,
    tables: Vec<NamedKey<'a>>,
}

fn lists_of(text: &str) -> BTreeMap<Vec<&str>, OutlineKey<'_>> {
    if Merging::of(text) == Merging::Not {
        return BTreeMap::new();
    }
    let lists = outline(text).into_iter().filter(|key| key.kind == ValueKind::List);
    lists.map(|key| (key.path.clone(), key)).collect()
}

/// Returns where a key stands in its file: exactly in a file that goes out as it stands, else by the first line that begins
/// with it.
fn place(resolved: &Resolved, name: &Stated<Box<str>>, key: &OutlineKey<'_>) -> Place {
    let path = format!("cloud-init/{}", name.value);
    let Some(file) = resolved.desired.templates.get(&name.value) else { return Place::file(path) };
    let word = key.path.last().copied().unwrap_or_default();
    let at = match file.is_template {
        false => Some(key.at),
        true => {
            let line = format!("\n{word}:");
            file.text.find(&line).filter(|_| key.path.len() == 1).map(|at| at + 1)
        }
    };
    at.map_or_else(|| Place::file(path.clone()), |at| Place::at(path.clone(), at..at + word.len()))
}
