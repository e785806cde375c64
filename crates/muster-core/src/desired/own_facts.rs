//! Facts that are layer values of one node: its state and variables.

use super::at::{At, Free, FreeTable};
use super::facts::FactCell;
use super::file::NodeState;
use super::identity::stated_twice;
use super::sources::Findings;
use super::suggest::did_you_mean;
use super::{LayerTable, OwnLayer};
use crate::model::{Code, Diagnostic, Layer};

/// Applies the state in a row.
pub fn take_state(own: &mut Vec<OwnLayer>, table: &LayerTable, cell: &FactCell<'_, '_>, findings: &mut Findings) {
    if table.state.is_some() || own.iter().any(|layer| layer.state.is_some()) {
        findings.push(stated_twice(cell, "state"));
        return;
    }

    match NodeState::ALL.iter().find(|state| state.as_str() == cell.text) {
        Some(state) => row_of(own, cell).state = Some(At { value: *state, span: cell.span }),
        None => {
            let words = NodeState::ALL.map(NodeState::as_str);
            let message = format!("`state` is one of `{}`, not `{}`", words.join("`, `"), cell.text);
            let finding = Diagnostic::new(Code::BadValue, cell.place(), message);
            findings.push(finding.maybe_hint(did_you_mean(cell.text, words)));
        }
    }
}

/// Applies the variable in a row; its value is a text.
pub fn take_var(
    own: &mut Vec<OwnLayer>,
    table: &LayerTable,
    path: &str,
    cell: &FactCell<'_, '_>,
    findings: &mut Findings,
) {
    let in_table = table.vars.as_ref().is_some_and(|vars| meets(&vars.value, path));
    if in_table || own.iter().any(|layer| meets(&layer.vars, path)) {
        findings.push(stated_twice(cell, &format!("variable `{path}`")));
        return;
    }

    let value = At { value: Free::Text(cell.text.to_owned()), span: cell.span };
    put(&mut row_of(own, cell).vars, path, value);
}

/// Returns the layer for the facts file of a cell.
fn row_of<'o>(own: &'o mut Vec<OwnLayer>, cell: &FactCell<'_, '_>) -> &'o mut OwnLayer {
    let (file, layer) = (cell.origin.file, Layer::Facts);
    let known = own.iter().position(|own| own.file == file && own.layer == layer);
    let at = known.unwrap_or_else(|| {
        own.push(OwnLayer { file, layer, state: None, vars: FreeTable::new() });
        own.len() - 1
    });
    &mut own[at]
}

/// Returns whether a table has a value at a path, or above or below it.
fn meets(table: &FreeTable, path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (table.get(first).map(|at| &at.value), rest) {
        (None, _) => false,
        (Some(Free::Table(inner)), Some(rest)) => meets(inner, rest),
        (Some(_), _) => true,
    }
}

fn put(table: &mut FreeTable, path: &str, value: At<Free>) {
    let Some((first, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return;
    };
    let span = value.span;
    let inner = table.entry(first.to_owned()).or_insert(At { value: Free::Table(FreeTable::new()), span });
    if let Free::Table(inner) = &mut inner.value {
        put(inner, rest, value);
    }
}
