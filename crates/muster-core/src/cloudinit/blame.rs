//! Where each line of a document comes from.

use super::network::{self, NetworkConfig};
use super::parts::vendor_parts;
use super::{Document, document};
use crate::model::{Origin, Stated};
use crate::resolve::Resolved;

/// One line of a document, and what of the wishes it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlamedLine {
    /// With its ending.
    pub text: String,
    pub source: LineSource,
}

/// What a line of a document comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineSource {
    /// A file under `cloud-init/` by its path below it, and the line counted from 1 where it can be followed.
    File(Box<str>, Option<u32>),
    /// A value.
    Value(Origin),
    /// Nothing alone: muster writes it.
    Muster,
}

/// Writes one document of a node line by line; nothing where the node has none of that kind, or it fails.
#[must_use]
pub fn blamed(resolved: &Resolved, node: usize, kind: Document) -> Option<Vec<BlamedLine>> {
    let text = document(resolved, node, kind).ok().flatten()?;
    let class = resolved.class(node);
    Some(match kind {
        Document::UserData => parts(resolved, node, &text, class.user_data.iter()),
        Document::VendorData => {
            let data = vendor_parts(resolved, node).ok()?;
            parts(resolved, node, &text, data.parts.iter().map(|part| part.name))
        }
        Document::MetaData => {
            let leaves = class.meta_data.leaves();
            lines(&text, |line| {
                let key = line.split(':').next().unwrap_or_default().trim_matches('"');
                let is_of =
                    |path: &str| path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                let found = leaves.iter().find(|(path, _)| is_of(path));
                found.map_or(LineSource::Muster, |(_, leaf)| LineSource::Value(leaf.origin))
            })
        }
        Document::NetworkConfig => match network::config(resolved, node).ok()? {
            NetworkConfig::File(_) => parts(resolved, node, &text, class.network_config.iter()),
            NetworkConfig::Lines(lines) => {
                lines.into_iter().map(|line| BlamedLine { source: network::source(&line), text: line.text }).collect()
            }
        },
    })
}

fn lines(text: &str, source: impl Fn(&str) -> LineSource) -> Vec<BlamedLine> {
    text.split_inclusive('\n').map(|line| BlamedLine { text: line.into(), source: source(line) }).collect()
}

/// Finds the files that a text is made of, in their order; what stands between them is muster's.
fn parts<'f>(
    resolved: &Resolved,
    node: usize,
    text: &str,
    files: impl Iterator<Item = &'f Stated<Box<str>>>,
) -> Vec<BlamedLine> {
    let mut all = Vec::new();
    let mut rest = text;
    for name in files {
        let Some(file) = resolved.desired.templates.get(&name.value) else { continue };
        let Some(part) = resolved.document_lines(node, &name.value, file) else { continue };
        let whole: String = part.iter().map(|(line, _)| line.as_str()).collect();
        let Some(at) = rest.find(&whole) else { continue };
        all.extend(lines(&rest[..at], |_| LineSource::Muster));
        let source = |line| LineSource::File(name.value.clone(), line);
        all.extend(part.into_iter().map(|(text, line)| BlamedLine { text, source: source(line) }));
        rest = &rest[at + whole.len()..];
    }
    all.extend(lines(rest, |_| LineSource::Muster));
    all
}
