//! Lists of one node's documents that cloud-init does not join, so that one of them never reaches the node.

use std::collections::BTreeMap;

use super::outline::{OutlineKey, ValueKind, outline};
use super::parts::{Merging, VendorData, VendorPart};
use crate::desired::Findings;
use crate::model::{Code, Diagnostic, Place, Stated};
use crate::resolve::Resolved;

/// One cloud-config of a node: the file, and the text that the node gets.
struct ConfigText<'a> {
    name: &'a Stated<Box<str>>,
    text: &'a str,
}

/// Lists what user-data hides of vendor-data, and what parts of vendor-data hide of each other.
pub fn hidden(resolved: &Resolved, user: Option<(&Stated<Box<str>>, &str)>, vendor: &VendorData<'_>) -> Findings {
    let mut findings = Findings::new();
    let configs: Vec<&VendorPart<'_>> = vendor.parts.iter().filter(|part| part.merging != Merging::Not).collect();
    if let Some((name, text)) = user.filter(|(_, text)| Merging::of(text) != Merging::Not)
        && !configs.is_empty()
    {
        by_user_data(resolved, &ConfigText { name, text }, &configs, &mut findings);
    }
    if vendor.is_joined {
        of_two_kinds(resolved, &configs, &mut findings);
    } else if configs.len() > 1 {
        by_later_parts(resolved, &configs, &mut findings);
    }
    findings
}

/// cloud-init lays vendor-data beneath user-data: tables merge, of two lists user-data's is kept.
fn by_user_data(resolved: &Resolved, user: &ConfigText<'_>, configs: &[&VendorPart<'_>], findings: &mut Findings) {
    let lists = lists_of(user.text);
    if lists.is_empty() {
        return;
    }
    for part in configs {
        let of_part = lists_of(&part.text);
        for key in of_part.values() {
            let Some(over) = lists.get(&key.path).filter(|_| part.name.value != user.name.value) else { continue };
            let path = key.path.join(".");
            let message = format!(
                "the list `{path}` of cloud-init/{} hides that of cloud-init/{}: cloud-init does not join a list of \
                 user-data with one of vendor-data",
                user.name.value, part.name.value
            );
            let place = place(resolved, user.name, over);
            let hidden = self::place(resolved, part.name, key);
            let hint =
                "move these items into a file that a layer names as `vendor_data`, where the lists of all layers join";
            findings.push(
                Diagnostic::new(Code::HiddenList, place, message).related(hidden, "no node gets this list").hint(hint),
            );
        }
    }
}

/// In the order of layers and by cloud-init's default, a later part's key replaces an earlier one's.
fn by_later_parts(resolved: &Resolved, configs: &[&VendorPart<'_>], findings: &mut Findings) {
    let Some(cause) = configs.iter().find(|part| part.merging == Merging::ByItself) else { return };
    let mut earlier: BTreeMap<Vec<&str>, (&VendorPart<'_>, OutlineKey<'_>)> = BTreeMap::new();
    for part in configs {
        for (path, key) in lists_of(&part.text) {
            // What a part says of its own merging is its author's to answer for.
            if part.merging == Merging::ByRule
                && let Some((before, hidden)) = earlier.get(&path)
            {
                let message = format!(
                    "the list `{}` of cloud-init/{} hides that of cloud-init/{}: muster joins lists only if it can read \
                     every part, and cloud-init/{} is merged by rules of its own",
                    path.join("."),
                    part.name.value,
                    before.name.value,
                    cause.name.value
                );
                let hint =
                    "write that file as a `#cloud-config` without `merge_how`, or state `merge_how` in all of them";
                findings.push(
                    Diagnostic::new(Code::HiddenList, place(resolved, part.name, &key), message)
                        .related(place(resolved, before.name, hidden), "no node gets this list")
                        .hint(hint),
                );
            }
            earlier.insert(path, (part, key));
        }
    }
}

/// Of a list and a table under one key, cloud-init makes a list that holds the names of the table's keys.
fn of_two_kinds(resolved: &Resolved, configs: &[&VendorPart<'_>], findings: &mut Findings) {
    let outlines: Vec<_> = configs.iter().map(|part| (part.name, outline(&part.text))).collect();
    for (at, (name, keys)) in outlines.iter().enumerate() {
        let lists: BTreeMap<_, _> =
            keys.iter().filter(|key| key.kind == ValueKind::List).map(|key| (&key.path, key)).collect();
        for (other, tables) in outlines.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, outline)| outline)
        {
            for table in tables.iter().filter(|key| key.kind == ValueKind::Table) {
                let Some(list) = lists.get(&table.path) else { continue };
                let message = format!(
                    "`{}` is a list in cloud-init/{} and a table in cloud-init/{}: cloud-init cannot join them",
                    table.path.join("."),
                    name.value,
                    other.value
                );
                findings.push(
                    Diagnostic::new(Code::HiddenList, place(resolved, name, list), message)
                        .related(place(resolved, other, table), "the table")
                        .hint("write both as lists or both as tables"),
                );
            }
        }
    }
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
