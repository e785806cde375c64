//! Commits that were served before, with their declarations of each node, for queries about the
//! past.
//!
//! A snapshot takes some 3 kB per node, but queries need only what the API shows of a node. So only
//! that is kept, compressed: neighbors are nearly alike, and take some 100 bytes each.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::answer::fingerprint;
use super::serving::Serving;
use crate::model::Revision;
use crate::snapshot::Snapshot;
use crate::view::{NodeView, RevisionView};

/// The number of earlier commits that are kept.
pub const HELD: usize = 8;

/// The maximum number of nodes of these commits together, which bounds the cost of following a
/// commit.
pub const HELD_NODES: usize = 20_000;

/// The number of nodes compressed together: larger groups shrink little further, and each look-up
/// expands a whole group.
const TOGETHER: usize = 64;

/// The declarations of a commit for each node.
pub struct HeldCommit {
    revision: Revision,
    nodes: usize,
    /// Nodes in the order of the snapshot, [`TOGETHER`] in each part.
    parts: Arc<[Box<[u8]>]>,
    /// The fingerprints of names and xnames with the indices of their nodes, sorted.
    names: Box<[(u64, u32)]>,
}

impl HeldCommit {
    /// Extracts the kept data from a snapshot.
    fn new(snapshot: &Snapshot) -> Self {
        let nodes = snapshot.nodes().len();
        let mut names = Vec::with_capacity(nodes);
        let parts = (0..nodes).step_by(TOGETHER).map(|first| {
            let views: Vec<NodeView> =
                (first..nodes.min(first + TOGETHER)).map(|node| NodeView::declared(snapshot, node)).collect();
            for (view, at) in views.iter().zip(first as u32..) {
                names.extend([Some(&view.name), view.xname.as_ref()].into_iter().flatten().map(|name| (key(name), at)));
            }
            let bytes = postcard::to_stdvec(&views).expect("a view is plain data");
            lz4_flex::block::compress_prepend_size(&bytes).into()
        });

        let parts = parts.collect();
        names.sort_unstable();
        Self { revision: snapshot.revision().clone(), nodes, parts, names: names.into() }
    }

    /// Returns the commit.
    pub fn revision(&self) -> &Revision {
        &self.revision
    }

    /// Iterates over the declarations of all nodes, in the order of the snapshot.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView> + Send + use<> {
        let parts = Arc::clone(&self.parts);
        (0..parts.len()).flat_map(move |at| expand(&parts[at]))
    }

    /// Finds the declaration of a node, by its name or its xname.
    pub fn node(&self, name: &str) -> Option<NodeView> {
        let key = key(name);
        let first = self.names.partition_point(|(other, _)| *other < key);
        let alike = self.names[first..].iter().take_while(|(other, _)| *other == key);

        let mut found: Vec<NodeView> = alike
            .filter_map(|(_, at)| {
                let at = *at as usize;
                expand(&self.parts[at / TOGETHER]).into_iter().nth(at % TOGETHER)
            })
            .filter(|view| view.name == name || view.xname.as_deref() == Some(name))
            .collect();

        // A name comes before another node's xname.
        let at = found.iter().position(|view| view.name == name).unwrap_or(0);
        (at < found.len()).then(|| found.swap_remove(at))
    }
}

fn key(name: &str) -> u64 {
    fingerprint(&[name])
}

fn expand(part: &[u8]) -> Vec<NodeView> {
    let bytes = lz4_flex::block::decompress_size_prepended(part).expect("it was compressed by this process");
    postcard::from_bytes(&bytes).expect("it was written by this process")
}

/// Lists the commits to keep once `next` follows: the newest that fit the limits.
pub(super) fn held(previous: &Serving, next: &Snapshot) -> Arc<[Arc<HeldCommit>]> {
    let mut left = HELD_NODES;
    let mut all: Vec<Arc<HeldCommit>> = Vec::new();
    let last = previous.snapshot.iter().filter(|snapshot| !snapshot.is_stored());

    for snapshot in last.filter(|snapshot| snapshot.revision() != next.revision()) {
        if let Some(rest) = left.checked_sub(snapshot.nodes().len()) {
            left = rest;
            all.push(Arc::new(HeldCommit::new(snapshot)));
        }
    }

    for commit in previous.held.iter().filter(|commit| commit.revision() != next.revision()) {
        let is_known = all.iter().any(|known| known.revision() == commit.revision());
        if let Some(rest) = left.checked_sub(commit.nodes).filter(|_| !is_known && all.len() < HELD) {
            left = rest;
            all.push(Arc::clone(commit));
        }
    }

    all.into()
}

/// The result of a search for a commit by its id, or by its first digits.
pub(super) enum Asked<'s> {
    /// It is served now.
    Served,
    /// It was served before, and is kept.
    Held(&'s Arc<HeldCommit>),
    /// It was served once, and is no longer kept.
    Gone(&'s RevisionView),
    /// It is unknown.
    Unknown,
    /// Several commits begin with these digits.
    Several,
}

/// The minimum length of an abbreviated id, as in git.
const LEAST_DIGITS: usize = 4;

impl Serving {
    /// Finds a commit by its id among those that are served, kept or were served once.
    #[must_use]
    pub(super) fn ask(&self, id: &str) -> Asked<'_> {
        let id = id.to_ascii_lowercase();
        let is_hex = id.len() >= LEAST_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let served = self.snapshot.iter().map(|snapshot| snapshot.revision().as_str());

        let known: BTreeSet<&str> = served
            .chain(self.held.iter().map(|commit| commit.revision().as_str()))
            .chain(self.revisions.iter().map(|revision| &*revision.id))
            .filter(|known| is_hex && known.starts_with(&id))
            .collect();

        let found = match (known.first(), known.len()) {
            (Some(found), 1) => *found,
            (Some(_), _) => return Asked::Several,
            (None, _) => return Asked::Unknown,
        };

        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.revision().as_str() == found) {
            return Asked::Served;
        }

        let held = self.held.iter().find(|commit| commit.revision().as_str() == found).map(Asked::Held);
        let gone = || self.revisions.iter().find(|revision| revision.id == found).map(Asked::Gone);
        held.or_else(gone).unwrap_or(Asked::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tree;

    #[test]
    fn what_is_held_of_a_commit_is_what_it_declared() {
        let count = TOGETHER * 2 + 3;
        let fixture = format!(
            "//- cluster.toml\nname = \"t\"\n[defaults]\nboot = \"b\"\n\
             //- boot/b.toml\nkind = \"live\"\nkernel = \"http://x/k\"\nparams = [\"n={{{{ name }}}}\"]\n\
             //- groups/g.toml\nnodes = \"n[1-9]\"\n\
             //- nodes/n.toml\n[[node]]\nname = \"n[1-{count}]\"\nnid = \"[1-{count}]\"\n\
             [[node]]\nname = \"blade\"\nxname = \"x1c0s0b0n0\"\nstate = \"retired\"\n"
        );
        let (snapshot, findings) = crate::snapshot::build(&Tree::from_fixture(&fixture), Revision::commit("0123abcd"));
        let snapshot = snapshot.unwrap_or_else(|| panic!("{findings:?}"));
        let held = HeldCommit::new(&snapshot);

        let declared: Vec<NodeView> =
            (0..snapshot.nodes().len()).map(|node| NodeView::declared(&snapshot, node)).collect();
        assert_eq!(held.nodes().collect::<Vec<_>>(), declared);
        for view in &declared {
            assert_eq!(held.node(&view.name).as_ref(), Some(view));
        }
        assert_eq!(held.node("x1c0s0b0n0").map(|view| view.name).as_deref(), Some("blade"));
        assert_eq!(held.node("n0"), None);

        let bytes: usize = held.parts.iter().map(|part| part.len()).sum();
        assert!(bytes < 200 * declared.len(), "{bytes} bytes for {} nodes", declared.len());
    }
}
