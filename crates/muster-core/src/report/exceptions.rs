//! Drift as exceptions that bear it: TOML for `exceptions/`, equal differences once for all nodes that have them.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::civil::Date;

use crate::desired::attribute_fault;
use crate::drift::{Drift, Subject, Verdict};
use crate::model::NodeSet;
use crate::model::clear_secret::is_secret_name;
use crate::model::text::toml_string;

/// Writes exceptions for all drift of nodes that can be excepted, and counts them.
///
/// What is no node's, presence and secrets cannot be excepted: they are left out.
#[must_use]
pub fn exceptions(drift: &Drift, owner: &str, expires: Date, reason: Option<&str>) -> (String, usize) {
    let mut groups: BTreeMap<(&str, Option<&str>), Vec<&str>> = BTreeMap::new();
    for finding in &drift.findings {
        let (Subject::Node(node), Verdict::Drifted { .. }) = (&finding.subject, &finding.verdict) else { continue };
        // An exception states the value in git, where a secret has no place.
        let is_secret = is_secret_name(finding.attribute.rsplit('.').next().unwrap_or_default());
        if attribute_fault(&finding.attribute).is_none() && !is_secret {
            groups.entry((&finding.attribute, finding.seen.as_deref())).or_default().push(node);
        }
    }
    let mut out = String::from("#:schema ../schemas/exceptions.schema.json\n");
    for ((attribute, seen), nodes) in &groups {
        let set = NodeSet::from_names(nodes).to_string();
        let seen = seen.map_or_else(|| "missing = true".to_owned(), |seen| format!("seen = {}", toml_string(seen)));
        let _ = write!(
            out,
            "\n[[exception]]\nnodes = {}\nattribute = {}\n{seen}\nowner = {}\nexpires = {expires}\n",
            toml_string(&set),
            toml_string(attribute),
            toml_string(owner)
        );
        if let Some(reason) = reason {
            let _ = writeln!(out, "reason = {}", toml_string(reason));
        }
    }
    (out, groups.len())
}
