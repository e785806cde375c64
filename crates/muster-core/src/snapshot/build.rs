//! A tree to a Snapshot: load, resolve, render, and every finding of all three.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::digests::TextDigest;
use super::index::Index;
use super::{Answer, Prepared, Snapshot};
use crate::cloudinit;
use crate::desired::template::{self, SERVER_MARK};
use crate::desired::{self, Desired, Findings, NodeState};
use crate::ipxe;
use crate::model::text::plural;
use crate::model::{Arch, Code, Diagnostic, File, Place, Revision, Severity, Tree};
use crate::resolve::{self, Resolved};

/// Seconds that an unknown machine waits before it asks again, as with BSS (docs/wire/bss.md, "Unknown machines").
pub(super) const UNKNOWN_DELAY: u32 = 10;

/// Builds the Snapshot of a tree.
///
/// Returns it where no finding is an error, and all findings in the order of files.
#[must_use]
pub fn build(tree: &Tree, revision: Revision) -> (Option<Snapshot>, Findings) {
    build_watched(tree, revision, &|| {})
}

/// Builds the Snapshot of a tree, and says so between resolving and rendering, if nothing is wrong up to there.
#[must_use]
pub fn build_watched(tree: &Tree, revision: Revision, resolved: &dyn Fn()) -> (Option<Snapshot>, Findings) {
    let (snapshot, mut findings) = build_any(tree, revision, resolved);
    findings.iter_mut().for_each(|finding| on_characters(tree, finding));
    (snapshot, findings)
}

/// All of a Snapshot but what is rendered for each node.
pub struct Draft {
    resolved: Resolved,
    index: Index,
}

/// All that is rendered of a commit, here or elsewhere.
pub struct Rendered {
    /// In the order of nodes.
    pub answers: Vec<Answer>,
    /// The digests of each node's documents, in the order of nodes and of [`cloudinit::Document::ALL`].
    pub documents: Vec<[Option<TextDigest>; 4]>,
    /// What unknown machines boot, by architecture.
    pub unknown: Vec<(Arch, Prepared)>,
}

/// Loads and resolves a tree, and renders nothing; nothing if there is no cluster in it.
#[must_use]
pub fn draft(tree: &Tree) -> Option<Draft> {
    let (desired, _) = desired::load(tree);
    let (resolved, _) = resolve::resolve(Arc::new(desired?));
    let index = Index::new(&resolved.desired.nodes);
    Some(Draft { resolved, index })
}

impl Draft {
    /// Takes up what was rendered elsewhere; nothing if that has another number of nodes.
    #[must_use]
    pub fn with(self, revision: Revision, rendered: Rendered) -> Option<Snapshot> {
        let nodes = self.resolved.desired.nodes.len();
        let is_whole = rendered.answers.len() == nodes && rendered.documents.len() == nodes;
        is_whole.then(|| assemble(revision, self.resolved, self.index, rendered))
    }
}

/// Builds what some of the files of a tree say of one node: all but those of other machines.
///
/// What the whole says of the node is the same wherever the whole checks. Other nodes have no script in it. Findings are
/// errors only, without those that files which are left out may settle; without a cluster there is no Snapshot.
#[must_use]
pub fn build_part(tree: &Tree, revision: Revision, node: &str) -> (Option<Snapshot>, Findings) {
    let (desired, mut findings) = desired::load(tree);
    let snapshot = desired.map(|desired| {
        let at = desired.nodes.iter().position(|own| *own.name == *node);
        let mask = desired.secrets.clone();
        let (resolved, later) = resolve::resolve_one(Arc::new(desired), at);
        findings.extend(later);
        let mut rendered = Rendered::nothing(resolved.desired.nodes.len());
        let index = Index::new(&resolved.desired.nodes);
        if let Some(at) = at {
            let one = render(&resolved, at);
            rendered.answers[at] = one.answer;
            rendered.documents[at] = one.documents;
            findings.extend(one.findings);
        }
        desired::hide_secrets(&mask, &mut findings);
        assemble(revision, resolved, index, rendered)
    });
    findings.retain(|finding| finding.severity() == Severity::Error && !OF_THE_WHOLE.contains(&finding.code));
    findings.iter_mut().for_each(|finding| on_characters(tree, finding));
    (snapshot, findings)
}

/// What only the files of all machines tell: who is there, and what some class states.
const OF_THE_WHOLE: [Code; 6] = [
    Code::NoSuchNode,
    Code::FactsUnknownName,
    Code::NoSuchBmc,
    Code::MissingPin,
    Code::UnsetNothing,
    Code::ParamNothing,
];

/// Widens places to whole characters of their files: parsers count bytes, and stop inside of a character that they do
/// not know.
fn on_characters(tree: &Tree, finding: &mut Diagnostic) {
    for place in finding.related.iter_mut().map(|(place, _)| place).chain([&mut finding.place]) {
        let (Some(span), Some(File::Bytes(bytes))) = (&mut place.span, tree.get(&place.file)) else { continue };
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        span.start = text.floor_char_boundary(span.start);
        span.end = text.ceil_char_boundary(span.end.max(span.start));
    }
}

fn build_any(tree: &Tree, revision: Revision, resolved_well: &dyn Fn()) -> (Option<Snapshot>, Findings) {
    let (desired, mut findings) = desired::load(tree);
    let Some(desired) = desired else { return (None, findings) };
    let mask = desired.secrets.clone();
    let is_whole = !refused(&findings);
    let (resolved, mut later) = resolve::resolve(Arc::new(desired));
    if is_whole && !refused(&later) {
        resolved_well();
    }
    let (mut rendered, found) = render_all(&resolved);
    later.extend(found);
    let (unknown, found) = render_unknown(&resolved);
    rendered.unknown = unknown;
    later.extend(found);
    // What is missing because it was refused is no further mistake.
    later.retain(|finding| is_whole || !is_of_missing(finding));
    desired::hide_secrets(&mask, &mut later);
    findings.extend(later);
    desired::tidy(&mut findings);
    if refused(&findings) {
        return (None, findings);
    }
    let index = Index::new(&resolved.desired.nodes);
    (Some(assemble(revision, resolved, index, rendered)), findings)
}

fn assemble(revision: Revision, resolved: Resolved, index: Index, rendered: Rendered) -> Snapshot {
    let (again, again_now) = (ipxe::ask_again(Some(UNKNOWN_DELAY)), ipxe::ask_again(None));
    let Rendered { answers, documents, unknown } = rendered;
    Snapshot { revision, resolved, answers, documents, unknown, again, again_now, index, stored: None }
}

impl Rendered {
    fn nothing(nodes: usize) -> Self {
        Self { answers: vec![Answer::Nothing; nodes], documents: vec![[None; 4]; nodes], unknown: Vec::new() }
    }
}

/// What one node is served.
struct RenderedNode {
    answer: Answer,
    /// In the order of [`cloudinit::Document::ALL`].
    documents: [Option<TextDigest>; 4],
    findings: Findings,
}

fn refused(findings: &Findings) -> bool {
    findings.iter().any(|finding| finding.severity() == Severity::Error)
}

/// Tells whether a finding is about something that is not there, and would be but for another mistake.
fn is_of_missing(finding: &Diagnostic) -> bool {
    let is_undefined = finding.code == Code::Template && finding.message.contains(template::IS_UNDEFINED);
    is_undefined
        || matches!(finding.code, Code::BootsNothing | Code::UnsetNothing | Code::ParamNothing | Code::UnfindableNode)
}

/// Renders every node's script, and every document once for its errors and its digest.
fn render_all(resolved: &Resolved) -> (Rendered, Findings) {
    let nodes = resolved.desired.nodes.len();
    let all: Vec<RenderedNode> = (0..nodes).into_par_iter().map(|node| render(resolved, node)).collect();
    let mut rendered =
        Rendered { answers: Vec::with_capacity(nodes), documents: Vec::with_capacity(nodes), unknown: Vec::new() };
    let mut told: BTreeMap<(Place, Code, String), (Diagnostic, usize, usize)> = BTreeMap::new();
    for (node, one) in all.into_iter().enumerate() {
        rendered.answers.push(one.answer);
        rendered.documents.push(one.documents);
        for finding in one.findings {
            let key = (finding.place.clone(), finding.code, finding.message.clone());
            told.entry(key).or_insert((finding, node, 0)).2 += 1;
        }
    }
    let name = |node: usize| &resolved.desired.nodes[node].name;
    let told = told.into_values().map(|(mut finding, first, count)| {
        finding.message = match count {
            1 => format!("{} (for {})", finding.message, name(first)),
            more => format!("{} (for {} and {} more)", finding.message, name(first), more - 1),
        };
        finding
    });
    (rendered, told.collect())
}

fn render(resolved: &Resolved, node: usize) -> RenderedNode {
    let desired = &*resolved.desired;
    let own = &desired.nodes[node];
    if own.state.value == NodeState::Retired {
        return RenderedNode { answer: Answer::Retired, documents: [None; 4], findings: Findings::new() };
    }

    let mut findings = Findings::new();
    let answer = match script(resolved, node) {
        Ok(answer) => answer,
        Err(found) => {
            findings.extend(found);
            Answer::Nothing
        }
    };
    let written = cloudinit::all_documents(resolved, node);
    findings.extend(written.findings);
    bound(&mut findings);
    let documents = written.texts.map(|text| text.map(|text| TextDigest::new(&text)));
    RenderedNode { answer, documents, findings }
}

/// How many findings one node gives: what is wrong with one is mostly wrong with thousands.
const MAX_OF_NODE: usize = 64;

/// Leaves out what one node has too much of, warnings first, and counts it.
fn bound(findings: &mut Findings) {
    let Some(more) = findings.len().checked_sub(MAX_OF_NODE).filter(|more| *more > 0) else { return };
    findings.sort_by_key(Diagnostic::severity);
    findings.truncate(MAX_OF_NODE);
    if let Some(last) = findings.last_mut() {
        last.message.push_str(&format!("; {}", plural(more, "more finding")));
    }
}

fn script(resolved: &Resolved, node: usize) -> Result<Answer, Findings> {
    let desired: &Desired = &resolved.desired;
    let own = &desired.nodes[node];
    let Some(boot) = resolved.boot(node)? else { return Ok(Answer::Nothing) };
    let server = resolve::server_of(desired, desired.class(own));
    let script = ipxe::script(desired, server, Some(own), &boot).map_err(|finding| vec![finding])?;
    Ok(Answer::Script(prepare(script)))
}

fn render_unknown(resolved: &Resolved) -> (Vec<(Arch, Prepared)>, Findings) {
    let mut all = Vec::new();
    let mut findings = Findings::new();
    for (arch, _) in &resolved.unknown {
        let boot = match resolved.unknown_boot(*arch) {
            Ok(Some(boot)) => boot,
            Ok(None) => continue,
            Err(found) => {
                findings.extend(found);
                continue;
            }
        };
        match ipxe::script(&resolved.desired, SERVER_MARK, None, &boot) {
            Ok(script) => all.push((*arch, prepare(script))),
            Err(finding) => findings.push(finding),
        }
    }
    (all, findings)
}

fn prepare(script: ipxe::Script) -> Prepared {
    let digest = script.digest();
    Prepared { script, digest }
}
