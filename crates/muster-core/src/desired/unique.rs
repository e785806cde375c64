//! Checks uniqueness across files: names, xnames, nids, hardware addresses, and addresses in each
//! network.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;

use super::sources::Findings;
use super::{Bmc, Desired, Node, reserved};
use crate::model::{Code, Diagnostic, Origin};

/// Reports everything that is stated twice.
pub fn unique(desired: &Desired, findings: &mut Findings) {
    let repeats = Repeats::new(desired);
    unique_names(desired, &repeats, findings);
    unique_identities(desired, &repeats, findings);
    unique_ips(desired, &repeats, findings);
}

/// Nodes whose name an earlier node has, and the BMCs that are declared in their tables.
///
/// A node that is declared twice repeats its addresses and its BMC too. That is one mistake, reported by the node's name.
struct Repeats<'d> {
    names: HashSet<&'d str>,
    /// Whether each node is one of them.
    nodes: Vec<bool>,
    bmcs: HashSet<(&'d str, Origin)>,
    /// All BMCs that are declared in the tables of nodes.
    inline: HashSet<(&'d str, Origin)>,
}

impl<'d> Repeats<'d> {
    fn new(desired: &'d Desired) -> Self {
        let mut known = HashSet::with_capacity(desired.nodes.len());
        let nodes: Vec<bool> = desired.nodes.iter().map(|node| !known.insert(&*node.name)).collect();
        // An inline BMC has the name of its node and the place of the node's `bmc`.
        let bmc_of = |node: &'d Node| node.bmc.map(|stated| (&*node.name, stated.origin));
        let repeated = || desired.nodes.iter().zip(&nodes).filter(|(_, is_repeat)| **is_repeat).map(|(node, _)| node);
        let (names, bmcs) = (repeated().map(|node| &*node.name).collect(), repeated().filter_map(bmc_of).collect());
        Self { names, bmcs, inline: desired.nodes.iter().filter_map(bmc_of).collect(), nodes }
    }

    fn first_nodes(&self, desired: &'d Desired) -> impl Iterator<Item = &'d Node> {
        desired.nodes.iter().zip(&self.nodes).filter(|(_, is_repeat)| !**is_repeat).map(|(node, _)| node)
    }

    fn first_bmcs(&self, desired: &'d Desired) -> impl Iterator<Item = &'d Bmc> {
        desired.bmcs.iter().filter(|bmc| !self.bmcs.contains(&(&*bmc.name, bmc.origin)))
    }
}

/// Records the first owner and place of each key, and reports the second.
struct Once<'d, K> {
    desired: &'d Desired,
    seen: HashMap<K, (&'d str, Origin)>,
}

impl<'d, K: Hash + Eq> Once<'d, K> {
    fn new(desired: &'d Desired) -> Self {
        Self { desired, seen: HashMap::with_capacity(desired.nodes.len()) }
    }

    fn see(
        &mut self,
        key: K,
        (who, origin): (&'d str, Origin),
        code: Code,
        what: impl FnOnce() -> String,
        findings: &mut Findings,
    ) {
        let Some((other, first)) = self.seen.insert(key, (who, origin)) else { return };

        // One row for two nodes with one name, which is reported elsewhere.
        if (other, first) == (who, origin) {
            return;
        }

        let sources = &self.desired.sources;
        let message = if other == who {
            format!("`{who}` has the {} twice", what())
        } else {
            format!("`{other}` and `{who}` have one and the same {}", what())
        };

        let (place, first) = (sources.place(origin), sources.place(first));
        let is_elsewhere = first != place;
        let finding = Diagnostic::new(code, place, message);
        findings.push(if is_elsewhere { finding.related(first, "first stated here") } else { finding });
    }
}

/// The place of the first statement of each name.
#[derive(Default)]
struct Names<'d>(HashMap<&'d str, Origin>);

impl<'d> Names<'d> {
    fn see(&mut self, desired: &Desired, what: &str, name: &'d str, origin: Origin, findings: &mut Findings) {
        let Some(first) = self.0.insert(name, origin) else { return };
        let message = format!("two {what} are called `{name}`");
        let (place, first) = (desired.sources.place(origin), desired.sources.place(first));
        let is_elsewhere = first != place;
        let finding = Diagnostic::new(Code::DuplicateName, place, message);
        findings.push(if is_elsewhere { finding.related(first, "first stated here") } else { finding });
    }
}

fn unique_names<'d>(desired: &'d Desired, repeats: &Repeats<'d>, findings: &mut Findings) {
    let mut once = Names::default();
    let mut owners: HashMap<&str, &Node> = HashMap::with_capacity(desired.nodes.len());
    for node in &desired.nodes {
        once.see(desired, "nodes", &node.name, node.origin, findings);
        owners.insert(&node.name, node);
    }

    for node in &desired.nodes {
        // Machines request by name or by xname, so each name must mean one node.
        let Some(xname) = &node.xname else { continue };
        let Some(other) = owners.get(xname.value.as_str()).filter(|other| other.name != node.name) else { continue };
        let message = format!("the xname of `{}` is the name of another node", node.name);
        let finding = Diagnostic::new(Code::DuplicateName, desired.sources.place(xname.origin), message);
        findings.push(finding.related(desired.sources.place(other.origin), "the other node"));
    }

    let mut bmcs = Names::default();
    for bmc in &desired.bmcs {
        let is_inline = repeats.inline.contains(&(&*bmc.name, bmc.origin));
        if is_inline && repeats.names.contains(&*bmc.name) {
            continue;
        }
        bmcs.see(desired, "BMCs", &bmc.name, bmc.origin, findings);
        let Some(node) = owners.get(&*bmc.name) else { continue };
        if !is_inline {
            let message = format!("a node and a BMC are both called `{}`", bmc.name);
            let finding = Diagnostic::new(Code::DuplicateName, desired.sources.place(bmc.origin), message);
            findings.push(finding.related(desired.sources.place(node.origin), "the node"));
        }
    }
}

fn unique_identities<'d>(desired: &'d Desired, repeats: &Repeats<'d>, findings: &mut Findings) {
    let mut xnames = Once::new(desired);
    let mut nids = Once::new(desired);
    let mut macs = Once::new(desired);
    let mut guids = Once::new(desired);
    for node in repeats.first_nodes(desired) {
        if let Some(xname) = &node.xname {
            let what = || format!("xname {}", xname.value);
            xnames.see(xname.value.as_str(), (&*node.name, xname.origin), Code::DuplicateXname, what, findings);
        }
        if let Some(nid) = node.nid {
            let what = || format!("nid {}", nid.value);
            nids.see(nid.value, (&*node.name, nid.origin), Code::DuplicateNid, what, findings);
        }
        for (_, nic) in desired.nics(node) {
            if let Some(mac) = nic.mac {
                let what = || format!("MAC address {}", mac.value);
                macs.see(mac.value, (&*node.name, mac.origin), Code::DuplicateMac, what, findings);
            }
            if let Some(guid) = nic.guid {
                let what = || format!("GUID {}", guid.value);
                guids.see(guid.value, (&*node.name, guid.origin), Code::DuplicateMac, what, findings);
            }
        }
    }
    for bmc in repeats.first_bmcs(desired) {
        if let Some(xname) = &bmc.xname {
            let what = || format!("xname {xname}");
            xnames.see(xname.as_str(), (&*bmc.name, bmc.origin), Code::DuplicateXname, what, findings);
        }
        if let Some(mac) = bmc.mac {
            let what = || format!("MAC address {}", mac.value);
            macs.see(mac.value, (&*bmc.name, mac.origin), Code::DuplicateMac, what, findings);
        }
    }
}

/// Tells of one address on two interfaces of one network; interfaces without a network share one.
fn unique_ips<'d>(desired: &'d Desired, repeats: &Repeats<'d>, findings: &mut Findings) {
    let mut once: Once<'d, (Option<u16>, IpAddr)> = Once::new(desired);
    let what = |ip: IpAddr| format!("address {ip} in one network");
    for node in repeats.first_nodes(desired) {
        for (spec, nic) in desired.nics(node) {
            for ip in &nic.ips {
                let key = (spec.network.map(|network| network.value), ip.value);
                once.see(key, (&*node.name, ip.origin), Code::DuplicateIp, || what(ip.value), findings);
            }
        }
    }
    for bmc in repeats.first_bmcs(desired) {
        for ip in reserved::addresses(bmc) {
            once.see((bmc.network, ip.value), (&*bmc.name, ip.origin), Code::DuplicateIp, || what(ip.value), findings);
        }
    }
}
