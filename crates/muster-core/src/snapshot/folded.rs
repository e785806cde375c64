//! The documents of all nodes as they were rendered, folded small enough to be kept beside the scripts.
//!
//! Documents of neighbours are nearly alike, so some nodes' are compressed together, and unfolded together by whoever asks
//! for one of them.

use std::sync::Arc;

use super::{Answer, Snapshot};
use crate::cloudinit::Document;

/// How many nodes' documents are folded together: 32 of 4 kB shrink tenfold, and unfold in some 50 microseconds.
const TOGETHER: usize = 32;

/// The most that one sheaf unfolds to, so that a damaged one cannot fill the memory.
const MAX_SHEAF: usize = 32 * 1024 * 1024;

/// The most that all sheaves of a commit may take, folded: some twenty times what 100,000 nodes of the usual kind need.
const MAX_ALL: usize = 256 * 1024 * 1024;

/// The four documents of one node, in the order of [`Document::ALL`].
type OfNode = [Option<String>; 4];

/// The documents of all nodes that have a script, in the order of those nodes.
#[derive(Debug, Clone, Default)]
pub struct Folded {
    sheaves: Vec<Arc<[u8]>>,
}

impl Folded {
    /// Takes up sheaves that were stored.
    #[must_use]
    pub fn from_stored(sheaves: Vec<Arc<[u8]>>) -> Self {
        Self { sheaves }
    }

    /// Returns the sheaves, to be stored.
    #[must_use]
    pub fn sheaves(&self) -> &[Arc<[u8]>] {
        &self.sheaves
    }

    /// Unfolds one document by the place of its node. The outer nothing says that it is not there or damaged, the inner
    /// one that the node has no document of this kind.
    pub(super) fn get(&self, node: usize, document: Document) -> Option<Option<String>> {
        let sheaf = self.sheaves.get(node / TOGETHER)?;
        let (length, _) = lz4_flex::block::uncompressed_size(sheaf).ok()?;
        let bytes =
            if length <= MAX_SHEAF { lz4_flex::block::decompress_size_prepended(sheaf).ok()? } else { return None };
        let (mut nodes, _): (Vec<OfNode>, _) = postcard::take_from_bytes(&bytes).ok()?;
        let of_node = nodes.get_mut(node % TOGETHER)?;
        Document::ALL.iter().position(|other| *other == document).map(|at| of_node[at].take())
    }
}

impl Snapshot {
    /// Writes every document of every node that has a script, and folds them; nothing where they are too many to be kept.
    ///
    /// One thread does it, since nobody waits for it and others boot machines meanwhile.
    #[must_use]
    pub fn fold_documents(&self) -> Option<Folded> {
        let booting: Vec<usize> =
            (0..self.nodes().len()).filter(|node| matches!(self.answer(*node), Answer::Script(_))).collect();
        let (mut sheaves, mut total) = (Vec::with_capacity(booting.len().div_ceil(TOGETHER)), 0);
        for nodes in booting.chunks(TOGETHER) {
            let written: Vec<OfNode> = nodes.iter().map(|node| self.documents_of(*node)).collect();
            let bytes = postcard::to_stdvec(&written).ok().filter(|bytes| bytes.len() <= MAX_SHEAF)?;
            let sheaf = lz4_flex::block::compress_prepend_size(&bytes);
            total += sheaf.len();
            if total > MAX_ALL {
                return None;
            }
            sheaves.push(sheaf.into());
        }
        Some(Folded { sheaves })
    }

    fn documents_of(&self, node: usize) -> OfNode {
        // The build wrote every document once, so none fails.
        Document::ALL.map(|document| self.document(node, document).ok().flatten())
    }
}
