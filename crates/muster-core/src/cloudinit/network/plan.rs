//! What of a node's interfaces is to be configured, before it is written in either version of the format.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::desired::{Desired, DhcpFamilies, Network, Nic, NicKind, NicSpec, Node, dhcp_families};
use crate::model::{MacAddr, Origin, Stated};

/// One interface of a node.
#[derive(Debug)]
pub struct Interface<'d> {
    pub spec: &'d NicSpec,
    /// The address of an adapter, by which it is found.
    pub own_mac: Option<Stated<MacAddr>>,
    /// The address that a bond, vlan or bridge is given.
    pub given_mac: Option<Stated<MacAddr>>,
    pub mtu: Option<u32>,
    pub vlan: Option<u16>,
    pub dhcp: DhcpFamilies,
    /// With the length of their prefix.
    pub addresses: Vec<(IpNet, Origin)>,
    pub routes: Vec<PlannedRoute>,
    pub dns: &'d [IpAddr],
    pub search: Option<&'d str>,
}

/// One route of an interface.
#[derive(Debug, Clone, Copy)]
pub struct PlannedRoute {
    pub to: IpNet,
    pub via: IpAddr,
    pub metric: Option<u32>,
    pub origin: Origin,
}

impl Interface<'_> {
    /// Tells whether routes that DHCP brings are refused.
    pub fn refuses_routes(&self) -> bool {
        let asks = self.dhcp.ipv4 || self.dhcp.ipv6;
        asks && self.spec.settings.default_route.is_some_and(|stated| !stated.value)
    }
}

/// Lists the interfaces of a node that are configured, in the order of `nics`.
pub fn interfaces(desired: &Desired, node: usize) -> Vec<Interface<'_>> {
    let node = &desired.nodes[node];
    let default_route = default_route(desired, node);
    let mut all = Vec::new();
    for (spec, nic) in desired.nics(node) {
        let network = spec.network.map(|at| &desired.networks[usize::from(at.value)]);
        let is_part = whole(desired, node, spec).is_some();
        let carries = desired.nics(node).any(|(other, _)| other.link.as_deref() == Some(&*spec.name));
        let is_adapter = !spec.kind.is_made_of_others();
        let says_nothing = network.is_none() && nic.ips.is_empty() && spec.settings.texts().is_empty();
        if !spec.settings.is_managed() || says_nothing && is_adapter && !is_part && !carries {
            continue;
        }
        let has_default = default_route == Some(&*spec.name);
        all.push(interface(spec, nic, network, is_part, has_default));
    }
    all
}

/// Returns the bond or bridge that an interface is a part of.
fn whole<'d>(desired: &'d Desired, node: &'d Node, spec: &NicSpec) -> Option<&'d NicSpec> {
    desired.nics(node).map(|(whole, _)| whole).find(|whole| whole.members.contains(&spec.name))
}

/// Returns the name of the interface whose network's gateways are the node's: the one that says so, else the boot interface,
/// or what that is a part of.
fn default_route<'d>(desired: &'d Desired, node: &'d Node) -> Option<&'d str> {
    let stated = |spec: &NicSpec| spec.settings.default_route.map(|stated| stated.value);
    let chosen = desired.nics(node).map(|(spec, _)| spec).find(|spec| stated(spec) == Some(true));
    if let Some(spec) = chosen {
        return Some(&spec.name);
    }
    let mut spec = desired.boot_nic(node)?.0;
    // A bond in a bridge is the deepest that wholes nest; circles are refused before.
    for _ in 0..2 {
        spec = whole(desired, node, spec).unwrap_or(spec);
    }
    (stated(spec) != Some(false)).then_some(&*spec.name)
}

fn interface<'d>(
    spec: &'d NicSpec,
    nic: &'d Nic,
    network: Option<&'d Network>,
    is_part: bool,
    has_default: bool,
) -> Interface<'d> {
    let mut interface = Interface {
        spec,
        own_mac: nic.mac.filter(|_| spec.kind == NicKind::Ethernet),
        given_mac: nic.given_mac,
        mtu: spec.mtu.or(network.and_then(|network| network.mtu)),
        vlan: network.and_then(|network| network.vlan).filter(|_| spec.kind == NicKind::Vlan),
        dhcp: DhcpFamilies::default(),
        addresses: Vec::new(),
        routes: Vec::new(),
        dns: &[],
        search: None,
    };
    if is_part {
        return interface;
    }
    interface.dhcp = dhcp_families(spec, nic, network);
    interface.addresses = nic.ips.iter().map(|ip| (with_prefix(ip.value, network), ip.origin)).collect();
    let has_address = |is_ipv4: bool| nic.ips.iter().any(|ip| ip.value.is_ipv4() == is_ipv4);
    if let Some((network, stated)) = network.zip(spec.network) {
        let gateways = network.gateways.iter().filter(|via| has_default && has_address(via.is_ipv4()));
        interface.routes.extend(gateways.map(|via| PlannedRoute {
            to: everywhere(via.is_ipv4()),
            via: *via,
            metric: None,
            origin: stated.origin,
        }));
        if !nic.ips.is_empty() {
            interface.dns = &network.dns;
            interface.search = network.domain.as_deref();
        }
    }
    interface.routes.extend(spec.settings.routes.iter().map(|route| PlannedRoute {
        to: route.to,
        via: route.via,
        metric: route.metric,
        origin: route.origin,
    }));
    interface
}

/// Gives an address the prefix of its network's range, or that of a single machine.
fn with_prefix(ip: IpAddr, network: Option<&Network>) -> IpNet {
    let cidr = network.and_then(|network| network.cidrs.iter().find(|cidr| cidr.contains(&ip)));
    cidr.and_then(|cidr| IpNet::new(ip, cidr.prefix_len()).ok()).unwrap_or_else(|| IpNet::from(ip))
}

fn everywhere(is_ipv4: bool) -> IpNet {
    if is_ipv4 { IpNet::V4(ipnet::Ipv4Net::default()) } else { IpNet::V6(ipnet::Ipv6Net::default()) }
}
