//! Finds the mentions of some machines in one file under `nodes/`, without the other files.

use std::collections::BTreeSet;

use super::at::At;
use super::columns::Column;
use super::facts::Facts;
use super::file::NodeBmc;
use super::files::{self, Files, TableSource};
use super::sources::Findings;
use crate::model::{File, NodeSet, Severity, Tree};

/// The mentions of the requested machines in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Whether the file declares one of them, or states a fact of one.
    pub is_any: bool,
    /// The BMCs that the file assigns to those of them that are nodes.
    pub bmcs: BTreeSet<Box<str>>,
    /// The mistakes that prevent a complete result.
    pub faults: Findings,
}

/// Parses one file under `nodes/` for mentions of nodes and BMCs with these names.
///
/// An unread file, such as a link, may say anything, so it counts as a mention of each.
#[must_use]
pub fn mentions(path: &str, file: &File, names: &BTreeSet<Box<str>>) -> Mentions {
    let mut tree = Tree::default();
    tree.insert(path, file.clone());
    let mut all = Mentions { is_any: !matches!(file, File::Bytes(_)), ..Mentions::default() };
    let (texts, _) = files::texts(&tree, &mut all.faults);
    let Files { nodes, bmcs, sets, facts, .. } = files::read_files(&texts, &mut all.faults);
    let mut ignored = Findings::new();

    for TableSource { here, table, .. } in &nodes {
        let Some(columns) = table.value.name.as_ref().and_then(|name| Column::names(here, name, &mut ignored)) else {
            continue;
        };
        let kept = columns.kept(here, table.value.except.as_ref(), &mut ignored);
        let kept = kept.into_iter().map(|at| at as usize);
        let found: Vec<usize> = kept.filter(|at| names.contains(&*columns.get(*at))).collect();
        all.is_any |= !found.is_empty();
        let Some(bmc) = &table.value.bmc else { continue };
        if let NodeBmc::Named(name) = &bmc.value {
            let name = At { value: name.clone(), span: bmc.span };
            let column = Column::of(here, Some(&name), columns.len(), &mut ignored);
            all.bmcs.extend(found.iter().filter_map(|at| column.as_ref().map(|column| column.get(*at).into())));
        }
    }

    for TableSource { here, table, .. } in &bmcs {
        let columns = table.value.name.as_ref().and_then(|name| Column::names(here, name, &mut ignored));
        let Some(columns) = columns else { continue };
        let kept = columns.kept(here, table.value.except.as_ref(), &mut ignored);
        all.is_any |= kept.into_iter().any(|at| names.contains(&*columns.get(at as usize)));
    }

    all.is_any |= sets.iter().any(|source| source.table.value.nodes.as_ref().is_some_and(|set| may_select(set, names)));
    let facts = Facts::new(facts);
    all.is_any |= facts.names().any(|(name, _)| names.contains(name));
    all.faults.extend(ignored);
    all.faults.retain(|finding| finding.severity() == Severity::Error);

    all
}

/// Returns whether a node set may select one of the names. Other files determine the members of
/// groups.
fn may_select(set: &At<String>, names: &BTreeSet<Box<str>>) -> bool {
    match NodeSet::groups_of(&set.value) {
        Ok(groups) if groups.is_empty() => {
            let selected = NodeSet::parse(&set.value, &|_| None);
            selected.map_or(true, |selected| names.iter().any(|name| selected.contains(name)))
        }
        Ok(_) | Err(_) => true,
    }
}

/// Returns whether the file at a path only concerns single machines: a file under `nodes/`.
#[must_use]
pub fn is_of_machines(path: &str) -> bool {
    path.starts_with("nodes/")
}

/// Returns whether the file at a path can affect what a machine is served or compared with.
///
/// Guard rails and exceptions only judge; they affect no machine.
#[must_use]
pub fn reaches_machines(path: &str) -> bool {
    Tree::is_wish(path) && path != "policy.toml" && !path.starts_with("exceptions/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn said(path: &str, text: &str, name: &str) -> Mentions {
        mentions(path, &File::Bytes(Arc::from(text.as_bytes())), &BTreeSet::from([name.into()]))
    }

    #[test]
    fn a_file_says_something_of_those_that_it_names() {
        let text = "[[node]]\nname = \"n[1-4]\"\nbmc = \"b[1,1,2,2]\"\n[[bmc]]\nname = \"b[1-2]\"\nurl = \"https://10.0.0.[1-2]\"\n";
        let of = |name| said("nodes/a.toml", text, name);
        assert_eq!((of("n3").is_any, of("n3").bmcs), (true, BTreeSet::from(["b2".into()])));
        assert_eq!((of("b2").is_any, of("b2").bmcs.len()), (true, 0));
        assert_eq!(of("n5"), Mentions::default());
        let facts = "name,serial\nn1,A\nn22,B\n";
        assert!(said("nodes/a.facts.csv", facts, "n22").is_any && !said("nodes/a.facts.csv", facts, "n2").is_any);
        assert_eq!(said("nodes/a.toml", "[[node]\n", "n1").faults.len(), 1);
        assert!(mentions("nodes/a.toml", &File::Symlink, &BTreeSet::new()).is_any);
    }
}
