//! Checks for addresses that no machine may have, and for addresses that a node and a BMC share.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::sources::Findings;
use super::{Bmc, Desired, Network, values};
use crate::model::{Code, Diagnostic, Origin, Stated};

/// Reports machines with an address that their network reserves.
pub fn reserved(desired: &Desired, findings: &mut Findings) {
    for node in &desired.nodes {
        for (spec, nic) in desired.nics(node) {
            let Some(network) = spec.network.map(|at| &desired.networks[usize::from(at.value)]) else { continue };
            let who = || format!("`{}` ({})", node.name, spec.name);
            findings.extend(nic.ips.iter().filter_map(|ip| fault(desired, network, who, *ip)));
        }
    }
    for bmc in &desired.bmcs {
        let Some(network) = bmc.network.map(|at| &desired.networks[usize::from(at)]) else { continue };
        let who = || format!("BMC `{}`", bmc.name);
        findings.extend(addresses(bmc).into_iter().filter_map(|ip| fault(desired, network, who, ip)));
    }
}

fn fault(desired: &Desired, network: &Network, who: impl Fn() -> String, ip: Stated<IpAddr>) -> Option<Diagnostic> {
    let what = if network.gateways.contains(&ip.value) {
        "the gateway"
    } else {
        let cidr = network.cidrs.iter().find(|cidr| cidr.contains(&ip.value))?;
        kept(cidr, ip.value)?
    };
    let message = format!("{} of {} is {what} of network `{}`", ip.value, who(), network.name);
    let finding = Diagnostic::new(Code::ReservedIp, desired.sources.place(ip.origin), message);
    Some(finding.hint("give the machine another address, or correct the network"))
}

/// Returns the role of an address in its range if no machine may have it.
fn kept(cidr: &IpNet, ip: IpAddr) -> Option<&'static str> {
    // Links between two machines use both addresses: RFC 3021 (/31) and RFC 6164 (/127).
    if cidr.prefix_len() + 1 >= cidr.max_prefix_len() {
        return None;
    }
    match cidr {
        IpNet::V4(net) if ip == IpAddr::V4(net.network()) => Some("the network address"),
        IpNet::V4(net) if ip == IpAddr::V4(net.broadcast()) => Some("the broadcast address"),
        // RFC 4291, section 2.6.1.
        IpNet::V6(net) if ip == IpAddr::V6(net.network()) => Some("the subnet-router anycast address"),
        IpNet::V4(_) | IpNet::V6(_) => None,
    }
}

/// The most reported BMCs with the address of one node: all nodes and all BMCs can have one
/// address.
const MAX_SHARING: usize = 2;

/// Reports an address of both a node and a BMC if one of them names no network. Within a network,
/// uniqueness is checked for all.
pub fn shared_with_bmcs(desired: &Desired, findings: &mut Findings) {
    let mut of_bmcs: HashMap<IpAddr, Vec<(&Bmc, Origin)>> = HashMap::new();
    for bmc in &desired.bmcs {
        for ip in addresses(bmc) {
            of_bmcs.entry(ip.value).or_default().push((bmc, ip.origin));
        }
    }

    for node in &desired.nodes {
        for (spec, nic) in desired.nics(node) {
            for ip in &nic.ips {
                let of_bmcs = of_bmcs.get(&ip.value).into_iter().flatten();
                let network = spec.network.map(|network| network.value);
                let is_unsure = |bmc: &Bmc| bmc.network.is_none() != network.is_none();
                for (bmc, origin) in of_bmcs.filter(|(bmc, _)| is_unsure(bmc)).take(MAX_SHARING) {
                    let message =
                        format!("`{}` and BMC `{}` have one and the same address {}", node.name, bmc.name, ip.value);
                    let finding = Diagnostic::new(Code::DuplicateIp, desired.sources.place(ip.origin), message);
                    let finding = finding.hint("if the two are in networks that overlap, name the network of each");
                    findings.push(finding.related(desired.sources.place(*origin), "the BMC's"));
                }
            }
        }
    }
}

/// Lists the addresses of a BMC: the one in its URL, and the stated one.
pub fn addresses(bmc: &Bmc) -> Vec<Stated<IpAddr>> {
    let in_url = bmc.url.as_ref().and_then(|url| {
        let address = values::host_of(&url.value)?.parse().ok()?;
        Some(Stated::new(address, url.origin))
    });
    let own = bmc.ip.filter(|ip| Some(ip.value) != in_url.map(|ip| ip.value));
    in_url.into_iter().chain(own).collect()
}
