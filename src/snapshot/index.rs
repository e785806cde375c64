//! The ways to find a node.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::desired::Node;
use crate::model::MacAddr;

/// Indices of nodes by what machines and people call them.
pub struct Index {
    macs: HashMap<MacAddr, u32>,
    nids: HashMap<u32, u32>,
    ips: HashMap<IpAddr, Option<u32>>,
    xnames: HashMap<Box<str>, u32>,
    /// Indices of all nodes, sorted by name.
    names: Vec<u32>,
}

impl Index {
    /// Indexes nodes whose identities are unique.
    pub fn new(nodes: &[Node]) -> Self {
        let mut macs = HashMap::with_capacity(nodes.len());
        let mut nids = HashMap::with_capacity(nodes.len());
        let mut ips = HashMap::with_capacity(nodes.len());
        let mut xnames = HashMap::with_capacity(nodes.len());
        let mut names: Vec<u32> = (0..nodes.len() as u32).collect();
        names.sort_unstable_by(|a, b| nodes[*a as usize].name.cmp(&nodes[*b as usize].name));
        for (node, at) in nodes.iter().zip(0..) {
            nids.extend(node.nid.map(|nid| (nid.value, at)));
            xnames.extend(node.xname.as_ref().map(|xname| (xname.value.as_str().into(), at)));
            for nic in &node.nics {
                macs.extend(nic.mac.map(|mac| (mac.value, at)));
                for ip in &nic.ips {
                    let one = |known: &mut Option<u32>| *known = known.filter(|known| *known == at);
                    ips.entry(ip.value).and_modify(one).or_insert(Some(at));
                }
            }
        }
        Self { macs, nids, ips, xnames, names }
    }

    pub fn by_mac(&self, mac: MacAddr) -> Option<usize> {
        self.macs.get(&mac).map(|at| *at as usize)
    }

    pub fn by_nid(&self, nid: u32) -> Option<usize> {
        self.nids.get(&nid).map(|at| *at as usize)
    }

    pub fn by_ip(&self, ip: IpAddr) -> Option<usize> {
        self.ips.get(&ip).copied().flatten().map(|at| at as usize)
    }

    pub fn by_name(&self, nodes: &[Node], name: &str) -> Option<usize> {
        let found = self.names.binary_search_by(|at| (*nodes[*at as usize].name).cmp(name));
        let own = found.ok().map(|at| self.names[at] as usize);
        own.or_else(|| self.xnames.get(name).map(|at| *at as usize))
    }
}
