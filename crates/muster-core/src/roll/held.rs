//! What stands against claims, in words.

use std::fmt;

use crate::model::MacAddr;
use crate::model::text::plural;
use crate::snapshot::Snapshot;

/// An address that claims do not settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub mac: MacAddr,
    /// The names of the nodes that claim it, in the order of nodes; at least one.
    pub nodes: Vec<Box<str>>,
    pub why: Why,
}

/// What stands against the claims of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Several nodes claim it.
    Several,
    /// Git declares it for the node of this name, which boots by it, and another node claims it.
    OfNode(Box<str>),
    /// Git declares it for the BMC of this name.
    OfBmc(Box<str>),
}

/// How many claimants are named; with more, something larger is wrong than these names would tell.
const NAMED: usize = 4;

impl Held {
    pub(super) fn new(snapshot: &Snapshot, mac: MacAddr, nodes: &[u32], why: Why) -> Self {
        let names = nodes.iter().map(|node| snapshot.nodes()[*node as usize].name.clone());
        Self { mac, nodes: names.collect(), why }
    }
}

/// Writes one sentence that says what happens and what to do.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mac, nodes, why } = self;
        let claimants = Claimants(nodes);
        match why {
            Why::Several => {
                write!(f, "MAC {mac} boots nobody: {claimants} report it; declare it in git for the node that has it")
            }
            Why::OfNode(owner) => {
                write!(f, "MAC {mac} boots {owner}, for which git declares it, though {claimants} report it")
            }
            Why::OfBmc(bmc) => {
                write!(f, "MAC {mac} boots nobody: git declares it for the BMC {bmc}, though {claimants} report it")
            }
        }
    }
}

/// The nodes whose BMCs report an address.
struct Claimants<'h>(&'h [Box<str>]);

impl fmt::Display for Claimants<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the surveys of ")?;
        for (at, node) in self.0.iter().take(NAMED).enumerate() {
            let before = match at {
                0 => "",
                last if last + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(f, "{before}{node}")?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {}", plural(more, "more node")),
        }
    }
}
