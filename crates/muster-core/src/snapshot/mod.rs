//! All that follows from one commit: every node's script, ready to send, and the ways to find it.
//!
//! A [`Snapshot`] is a pure function of the bytes of one commit. Scripts are kept rendered, with holes for what differs
//! by request; large documents are rendered at build for their errors, and again on request from the same frozen inputs.
//! This room knows nothing of who asks, of files or of git.

mod build;
mod digests;
mod folded;
mod index;
mod stored;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use crate::cloudinit::{self, Document};
use crate::desired::{Desired, Findings, Network, Node, NodeState, Unknown};
use crate::ipxe::Script;
use crate::model::{Arch, MacAddr, NodeSet, Revision, UnknownNames};
use crate::resolve::Resolved;

pub use build::{Draft, Rendered, build, build_part, build_watched, draft};
pub use digests::TextDigest;
pub use folded::Folded;
use index::Index;
pub use stored::{Reach, StoredBoot};

/// One commit, resolved and rendered.
pub struct Snapshot {
    revision: Revision,
    resolved: Resolved,
    /// In the order of [`Desired::nodes`].
    answers: Vec<Answer>,
    /// Of every node's documents, in the order of [`Document::ALL`]; empty if only rendered bytes are left.
    documents: Vec<[Option<TextDigest>; 4]>,
    unknown: Vec<(Arch, Prepared)>,
    /// Asks again after a while.
    again: Script,
    /// Asks again at once, with the architecture.
    again_now: Script,
    index: Index,
    /// The documents as they were stored, where only rendered bytes are left and the inputs they came from are not.
    stored: Option<Folded>,
}

/// A script and its digest.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub script: Script,
    pub digest: [u8; 32],
}

/// What a node is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    Script(Prepared),
    /// The node is retired: it is known, and it is refused.
    Retired,
    /// No layer gives the node a boot configuration; it is a spare, or under maintenance.
    Nothing,
}

/// What a machine is answered that nobody declares.
#[derive(Debug)]
pub enum UnknownAnswer<'s> {
    /// Ask again with the architecture, or later.
    Again(&'s Script),
    Boot(&'s Prepared),
    Refused,
}

impl Snapshot {
    /// Returns the commit that the Snapshot follows from.
    #[must_use]
    pub fn revision(&self) -> &Revision {
        &self.revision
    }

    /// Tells whether only rendered bytes are left, scripts and documents: layers and BMCs say nothing.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.stored.is_some()
    }

    /// Tells whether a node's documents are known: always, but where only rendered bytes are left and these were not kept.
    #[must_use]
    pub fn knows_documents(&self, node: usize) -> bool {
        self.stored.as_ref().is_none_or(|folded| folded.get(node, Document::MetaData).is_some())
    }

    /// Returns what the commit wishes.
    #[must_use]
    pub fn desired(&self) -> &Arc<Desired> {
        &self.resolved.desired
    }

    /// Returns what the layers come to.
    #[must_use]
    pub fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    /// Returns all nodes; a node's place in the list is its index.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.resolved.desired.nodes
    }

    /// Finds the index of a node by the MAC address of one of its interfaces.
    #[must_use]
    pub fn by_mac(&self, mac: MacAddr) -> Option<usize> {
        self.index.by_mac(mac)
    }

    /// Finds the index of a node by its name or its xname.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<usize> {
        self.index.by_name(self.nodes(), name)
    }

    /// Iterates over the indices of the nodes in the order of their names' bytes, from the first after a name.
    pub fn after<'s>(&'s self, name: Option<&str>) -> impl Iterator<Item = usize> + use<'s> {
        self.index.after(self.nodes(), name)
    }

    /// Finds the index of a node by its nid.
    #[must_use]
    pub fn by_nid(&self, nid: u32) -> Option<usize> {
        self.index.by_nid(nid)
    }

    /// Finds the index of the one node that has an address; none where networks share it.
    #[must_use]
    pub fn by_ip(&self, ip: IpAddr) -> Option<usize> {
        self.index.by_ip(ip)
    }

    /// Finds the index of the one node that declares a UUID, in either byte order; none by a placeholder or where nodes
    /// share it.
    #[must_use]
    pub fn by_uuid(&self, uuid: Uuid) -> Option<usize> {
        self.index.by_uuid(self.nodes(), uuid)
    }

    /// Finds the index of the one node that declares a serial number, whatever its letter case and the blanks around it;
    /// none by a placeholder or where nodes share it.
    #[must_use]
    pub fn by_serial(&self, serial: &str) -> Option<usize> {
        self.index.by_serial(self.nodes(), serial)
    }

    /// Returns what a node is answered.
    #[must_use]
    pub fn answer(&self, node: usize) -> &Answer {
        &self.answers[node]
    }

    /// Returns what unknown machines boot, by architecture, where they boot at all.
    #[must_use]
    pub fn unknown_scripts(&self) -> &[(Arch, Prepared)] {
        &self.unknown
    }

    /// Returns the architecture that git declares for a node if a machine that boots as it names another, in iPXE's words.
    ///
    /// Nothing is known of a stored Snapshot's.
    #[must_use]
    pub fn other_arch(&self, node: usize, named: &str) -> Option<Arch> {
        if self.is_stored() {
            return None;
        }
        let declared = self.resolved.class(node).arch.value;
        (Arch::from_ipxe(named) != Some(declared)).then_some(declared)
    }

    /// Returns what a machine is answered that nobody declares, by the architecture that it says it has.
    ///
    /// Without one it is asked for it, whatever it would then be answered (docs/wire/bss.md, "Unknown machines").
    #[must_use]
    pub fn unknown(&self, arch: Option<&str>) -> UnknownAnswer<'_> {
        let unknown = self.desired().cluster.unknown;
        let Some(arch) = arch else {
            let boots = matches!(unknown, Unknown::Boot(_));
            return UnknownAnswer::Again(if boots { &self.again_now } else { &self.again });
        };
        match unknown {
            Unknown::Refuse => UnknownAnswer::Refused,
            Unknown::Retry => UnknownAnswer::Again(&self.again),
            Unknown::Boot(_) => {
                let arch = Arch::from_ipxe(arch);
                let found = self.unknown.iter().find(|(other, _)| Some(*other) == arch);
                found.map_or(UnknownAnswer::Refused, |(_, prepared)| UnknownAnswer::Boot(prepared))
            }
        }
    }

    /// Returns what a machine is answered whose MAC address is held: what an unknown one is, but never a script to boot.
    ///
    /// Where unknown machines boot, it is refused, so that it goes on to the next of its addresses: only this one is held.
    #[must_use]
    pub fn held(&self, arch: Option<&str>) -> UnknownAnswer<'_> {
        match self.unknown(arch) {
            UnknownAnswer::Boot(_) | UnknownAnswer::Refused => UnknownAnswer::Refused,
            UnknownAnswer::Again(script) => UnknownAnswer::Again(script),
        }
    }

    /// Returns the MAC address that stands for a node where a request named none: of those that git declares, its boot
    /// interface's, else its first.
    #[must_use]
    pub fn first_mac(&self, node: usize) -> Option<MacAddr> {
        let desired = self.desired();
        let node = &self.nodes()[node];
        let boot = desired.boot_nic(node).and_then(|(_, nic)| nic.mac);
        boot.or_else(|| node.nics.iter().find_map(|nic| nic.mac)).map(|mac| mac.value)
    }

    /// Returns the URL by which a machine of unknown name reaches muster: that of the narrowest network that its address
    /// lies in and that states one, else the cluster's.
    #[must_use]
    pub fn server_for(&self, address: Option<IpAddr>) -> Option<&str> {
        let desired = self.desired();
        let width = |network: &Network| {
            let around = network.cidrs.iter().filter(|cidr| address.is_some_and(|address| cidr.contains(&address)));
            around.map(IpNet::prefix_len).max()
        };
        let stated = desired.networks.iter().filter(|network| network.advertise.is_some());
        let near = stated.filter_map(|network| Some((width(network)?, network)));
        // The first of several that are as narrow, by name: `max_by_key` takes the last.
        let own = near.rev().max_by_key(|(width, _)| *width).and_then(|(_, network)| network.advertise.as_deref());
        own.or(desired.cluster.advertise.as_ref().map(|url| &*url.value))
    }

    /// Writes one of a node's documents; nothing where the node has none of that kind.
    ///
    /// # Errors
    /// Never for a Snapshot that was built, since the build wrote every document once.
    pub fn document(&self, node: usize, document: Document) -> Result<Option<String>, Findings> {
        match &self.stored {
            Some(folded) => Ok(folded.get(node, document).flatten()),
            None => cloudinit::document(&self.resolved, node, document),
        }
    }

    /// Returns the digest of one of a node's documents, without writing it; nothing if the node is served none.
    #[must_use]
    pub fn document_digest(&self, node: usize, document: Document) -> Option<TextDigest> {
        match self.documents.get(node) {
            Some(digests) => digests[document as usize],
            None => self.document(node, document).ok().flatten().map(|text| TextDigest::new(&text)),
        }
    }

    /// Tells whether a node may boot at all.
    #[must_use]
    pub fn is_retired(&self, node: usize) -> bool {
        self.nodes()[node].state.value == NodeState::Retired
    }

    /// Selects nodes by a node set expression, with the groups of the commit; indices in the order of nodes.
    ///
    /// # Errors
    /// Returns what is wrong with the expression, and where.
    pub fn select(&self, expression: &str) -> Result<Selection, crate::model::NodeSetError> {
        let desired = self.desired();
        let all = || NodeSet::from_names(self.nodes().iter().map(|node| &*node.name));
        let set = NodeSet::parse(expression, &|group| {
            if group == "*" {
                return Some(all());
            }
            let members = &desired.group(group)?.members;
            Some(NodeSet::from_names(members.iter().map(|at| &*self.nodes()[*at as usize].name)))
        })?;
        let nodes = set.iter().filter_map(|name| self.by_name(&name)).collect();
        Ok(Selection { nodes, unknown: NodeSet::unknown_names(expression, &all())? })
    }
}

/// What a node set expression selects.
#[derive(Debug)]
pub struct Selection {
    /// Indices of nodes, in the natural order of their names.
    pub nodes: Vec<usize>,
    /// What the expression names, wherever in it, and no node has.
    pub unknown: Vec<UnknownNames>,
}

impl Selection {
    /// Returns the names that no node has.
    pub fn missing(&self) -> impl Iterator<Item = String> + '_ {
        self.unknown.iter().flat_map(|part| part.names.iter())
    }
}
