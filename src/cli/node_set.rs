//! NODESET and BMCSET arguments: their selection, or their error with its position.

use super::failure::Failure;
use crate::desired::did_you_mean;
use crate::model::text::line;
use crate::model::{NodeSet, NodeSetError, Span, UnknownNames};
use crate::snapshot::{Selection, Snapshot};

/// Returns the indices of the nodes that an argument selects.
pub fn nodes(snapshot: &Snapshot, text: &str) -> Result<Vec<usize>, Failure> {
    let selection = select(snapshot, text)?;
    match no_such_node(snapshot, text, &selection) {
        None => Ok(selection.nodes),
        Some(failure) => Err(failure),
    }
}

/// Evaluates an argument; the caller handles names without a node.
pub fn select(snapshot: &Snapshot, text: &str) -> Result<Selection, Failure> {
    snapshot.select(text).map_err(|error| {
        let failure = bad_set(text, &error);
        match &error {
            NodeSetError::NoSuchGroup { name, .. } => {
                failure.hint(did_you_mean(name, snapshot.desired().groups.iter().map(|group| &*group.name)))
            }
            _ => failure,
        }
    })
}

/// Reports the names without a node, if there are any.
pub fn no_such_node(snapshot: &Snapshot, text: &str, selection: &Selection) -> Option<Failure> {
    let names = snapshot.nodes().iter().map(|node| &*node.name);
    unknown(text, &selection.unknown, &|name| format!("no node is called `{name}`"), names)
}

/// Returns the names of the BMCs that an argument selects, all of which must be in `known`.
///
/// `message` reports a name that is not.
pub fn bmcs<'n>(
    text: &str,
    known: impl Iterator<Item = &'n str> + Clone,
    message: &dyn Fn(&str) -> String,
) -> Result<NodeSet, Failure> {
    let set = NodeSet::parse(text, &|_| None).map_err(|error| bad_set(text, &error))?;
    let found = NodeSet::unknown_names(text, &NodeSet::from_names(known.clone()));
    let found = found.map_err(|error| bad_set(text, &error))?;
    match unknown(text, &found, message, known) {
        None => Ok(set),
        Some(failure) => Err(failure),
    }
}

/// Reports the first unknown name, under its part of the argument.
fn unknown<'n>(
    text: &str,
    found: &[UnknownNames],
    message: &dyn Fn(&str) -> String,
    known: impl Iterator<Item = &'n str>,
) -> Option<Failure> {
    let part = found.first()?;
    let first = part.names.iter().next()?;
    let more = match found.iter().map(|part| part.names.len()).sum::<usize>() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };

    let failure = Failure::new(format!("{}{more}", message(&first))).hint(did_you_mean(&first, known));
    // An argument with a single name needs no marker.
    Some(if part.at.end - part.at.start == text.len() { failure } else { failure.below(pointer(text, part.at)) })
}

/// Creates the failure of an invalid node set, with a caret under the error.
pub fn bad_set(text: &str, error: &NodeSetError) -> Failure {
    Failure::new(error.to_string()).below(pointer(text, error.at())).hint(error.hint())
}

fn pointer(text: &str, at: Span) -> Vec<String> {
    let before = line(text.get(..at.start).unwrap_or_default()).chars().count();
    vec![text.to_owned(), format!("{}{}", " ".repeat(before), "^".repeat((at.end - at.start).max(1)))]
}
