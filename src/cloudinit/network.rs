//! network-config: the interfaces of a node, in version 2 of cloud-init's format
//! (<https://cloudinit.readthedocs.io/en/latest/reference/network-config-format-v2.html>).

use std::fmt::Write as _;
use std::net::IpAddr;

use super::quoted;
use crate::desired::{Desired, Network, Nic, NicKind, NicSpec};

/// Writes the network-config of a node, or nothing where no interface says enough.
pub fn config(desired: &Desired, node: usize) -> Option<String> {
    let node = &desired.nodes[node];
    let boot = desired.boot_nic(node).map(|(spec, _)| &*spec.name);
    let mut sections = [("ethernets", String::new()), ("bonds", String::new()), ("vlans", String::new())];
    for (spec, nic) in desired.nics(node) {
        let network = spec.network.map(|at| &desired.networks[usize::from(at.value)]);
        let is_part = desired.nics(node).any(|(other, _)| other.members.contains(&spec.name));
        let carries = desired.nics(node).any(|(other, _)| other.link.as_deref() == Some(&*spec.name));
        let is_bare = network.is_none() && nic.ips.is_empty();
        if is_bare && !is_part && !carries {
            continue;
        }
        let is_part = is_part || (is_bare && carries);
        let section = match spec.kind {
            NicKind::Ethernet | NicKind::Infiniband => &mut sections[0].1,
            NicKind::Bond => &mut sections[1].1,
            NicKind::Vlan => &mut sections[2].1,
        };
        interface(section, spec, nic, network, is_part, boot == Some(&*spec.name));
    }
    if sections.iter().all(|(_, text)| text.is_empty()) {
        return None;
    }
    let mut text = String::from("version: 2\n");
    for (name, section) in sections.iter().filter(|(_, section)| !section.is_empty()) {
        let _ = write!(text, "{name}:\n{section}");
    }
    Some(text)
}

fn interface(text: &mut String, spec: &NicSpec, nic: &Nic, network: Option<&Network>, is_part: bool, is_boot: bool) {
    let _ = writeln!(text, "  {}:", quoted(&spec.name));
    match (spec.kind, nic.mac) {
        (NicKind::Ethernet, Some(mac)) => {
            let mac = quoted(&mac.value.to_string());
            let _ = writeln!(text, "    match: {{macaddress: {mac}}}\n    set-name: {}", quoted(&spec.name));
        }
        (NicKind::Ethernet | NicKind::Infiniband | NicKind::Bond | NicKind::Vlan, _) => {}
    }
    if !spec.members.is_empty() {
        let members: Vec<String> = spec.members.iter().map(|member| quoted(member)).collect();
        let _ = writeln!(text, "    interfaces: [{}]", members.join(", "));
    }
    if let (NicKind::Vlan, Some(link), Some(id)) = (spec.kind, &spec.link, network.and_then(|network| network.vlan)) {
        let _ = writeln!(text, "    id: {id}\n    link: {}", quoted(link));
    }
    if let Some(mtu) = spec.mtu.or(network.and_then(|network| network.mtu)) {
        let _ = writeln!(text, "    mtu: {mtu}");
    }
    if is_part {
        let _ = writeln!(text, "    dhcp4: false");
        return;
    }
    if nic.ips.is_empty() {
        let _ = writeln!(text, "    dhcp4: true");
        return;
    }
    addresses(text, nic, network, is_boot);
}

fn addresses(text: &mut String, nic: &Nic, network: Option<&Network>, is_boot: bool) {
    let with_prefix = |ip: IpAddr| {
        let cidr = network.and_then(|network| network.cidrs.iter().find(|cidr| cidr.contains(&ip)));
        let alone = if ip.is_ipv4() { 32 } else { 128 };
        quoted(&format!("{ip}/{}", cidr.map_or(alone, ipnet::IpNet::prefix_len)))
    };
    let all: Vec<String> = nic.ips.iter().map(|ip| with_prefix(ip.value)).collect();
    let _ = writeln!(text, "    addresses: [{}]", all.join(", "));
    let Some(network) = network else { return };
    // One default route: that of the network the node boots in.
    let gateways = network.gateways.iter().filter(|_| is_boot);
    let routes: Vec<String> = gateways
        .map(|via| {
            let to = if via.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
            format!("{{to: {}, via: {}}}", quoted(to), quoted(&via.to_string()))
        })
        .collect();
    if !routes.is_empty() {
        let _ = writeln!(text, "    routes: [{}]", routes.join(", "));
    }
    let dns: Vec<String> = network.dns.iter().map(|ip| quoted(&ip.to_string())).collect();
    if !dns.is_empty() {
        let search = network.domain.as_deref().map(|domain| format!(", search: [{}]", quoted(domain)));
        let _ = writeln!(text, "    nameservers: {{addresses: [{}]{}}}", dns.join(", "), search.unwrap_or_default());
    }
}
