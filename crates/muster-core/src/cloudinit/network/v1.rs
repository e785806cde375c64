//! Version 1 of network-config, cloud-init's own.

use super::ConfigLine;
use super::plan::{Interface, PlannedRoute};
use crate::cloudinit::quoted;
use crate::desired::{BondSettings, NicKind};
use crate::model::Origin;

/// The largest packet of IP over InfiniBand in datagram mode with the smallest of the links' own sizes, 2048 bytes
/// (RFC 4391). cloud-init writes NetworkManager's transport mode only beside a size.
const IPOIB_MTU: u32 = 2044;

/// Writes interfaces in the order of `nics`.
pub fn lines(interfaces: &[Interface<'_>]) -> Vec<ConfigLine> {
    let head = ["version: 1\n", "config:\n"].map(|text| ConfigLine { text: text.into(), origin: None });
    let mut all = Vec::from(head);
    for interface in by_depth(interfaces) {
        write(&mut all, interface);
    }
    all
}

/// Orders interfaces so that what is made of others comes after them: cloud-init would make up what it has not read yet.
fn by_depth<'i, 'd>(interfaces: &'i [Interface<'d>]) -> Vec<&'i Interface<'d>> {
    let mut depths = vec![0; interfaces.len()];
    // Circles are refused, and this ends on them all the same.
    for _ in 0..interfaces.len().min(8) {
        for (at, interface) in interfaces.iter().enumerate() {
            let spec = interface.spec;
            let is_below = |other: &Interface<'_>| {
                spec.members.contains(&other.spec.name) || spec.link.as_ref() == Some(&other.spec.name)
            };
            let below = interfaces.iter().zip(&depths).filter(|(other, _)| is_below(other)).map(|(_, depth)| depth + 1);
            depths[at] = below.max().unwrap_or_default();
        }
    }
    let mut all: Vec<(usize, &Interface<'_>)> = depths.into_iter().zip(interfaces).collect();
    all.sort_by_key(|(depth, _)| *depth);
    all.into_iter().map(|(_, interface)| interface).collect()
}

fn write(all: &mut Vec<ConfigLine>, interface: &Interface<'_>) {
    let spec = interface.spec;
    let settings = &spec.settings;
    let mut put =
        |origin: Origin, text: String| all.push(ConfigLine { text: format!("{text}\n"), origin: Some(origin) });
    let kind = match spec.kind {
        NicKind::Ethernet => "physical",
        NicKind::Infiniband => "infiniband",
        NicKind::Bond => "bond",
        NicKind::Vlan => "vlan",
        NicKind::Bridge => "bridge",
    };
    put(spec.origin, format!("  - type: {kind}"));
    put(spec.origin, format!("    name: {}", quoted(&spec.name)));
    if let Some(mac) = interface.own_mac.or(interface.given_mac) {
        put(mac.origin, format!("    mac_address: {}", quoted(&mac.value.to_string())));
    }
    let members = || list(spec.members.iter().map(|member| quoted(member)));
    match spec.kind {
        NicKind::Bond => {
            put(spec.origin, format!("    bond_interfaces: {}", members()));
            put(spec.origin, format!("    params: {}", bond(&settings.bond)));
        }
        NicKind::Bridge => {
            let stp = settings.bridge.stp.is_some_and(|stated| stated.value);
            let priority = settings.bridge.priority.map(|stated| format!(", bridge_bridgeprio: {}", stated.value));
            put(spec.origin, format!("    bridge_interfaces: {}", members()));
            put(spec.origin, format!("    params: {{bridge_stp: {stp}{}}}", priority.unwrap_or_default()));
        }
        NicKind::Vlan => {
            if let (Some(id), Some(link)) = (interface.vlan, &spec.link) {
                put(spec.origin, format!("    vlan_id: {id}"));
                put(spec.origin, format!("    vlan_link: {}", quoted(link)));
            }
        }
        NicKind::Ethernet | NicKind::Infiniband => {}
    }
    let mtu = interface.mtu.or((spec.kind == NicKind::Infiniband).then_some(IPOIB_MTU));
    if let Some(mtu) = mtu {
        put(spec.origin, format!("    mtu: {mtu}"));
    }
    subnets(interface, &mut put);
}

fn subnets(interface: &Interface<'_>, put: &mut impl FnMut(Origin, String)) {
    let spec = interface.spec;
    let asked = spec.settings.dhcp.map_or(spec.origin, |stated| stated.origin);
    let dhcp = [(interface.dhcp.ipv4, true, "dhcp4"), (interface.dhcp.ipv6, false, "dhcp6")];
    let mut all: Vec<Subnet> = Vec::new();
    for (_, is_ipv4, kind) in dhcp.into_iter().filter(|(is_on, ..)| *is_on) {
        all.push(Subnet { origin: asked, is_ipv4, is_static: false, text: format!("type: {kind}") });
    }
    for (address, origin) in &interface.addresses {
        let text = format!("type: static, address: {}", quoted(&address.to_string()));
        all.push(Subnet { origin: *origin, is_ipv4: address.addr().is_ipv4(), is_static: true, text });
    }
    if all.is_empty() {
        return;
    }
    put(spec.origin, "    subnets:".into());
    // The format has routes and name servers of addresses, not of interfaces: the first of a family carries its routes.
    let mut carried = [false; 2];
    for (at, mut subnet) in all.into_iter().enumerate() {
        if !std::mem::replace(&mut carried[usize::from(subnet.is_ipv4)], true) {
            subnet.carry_routes(interface);
        }
        if at == 0 && !interface.dns.is_empty() {
            let servers = list(interface.dns.iter().map(|ip| quoted(&ip.to_string())));
            subnet.text.push_str(&format!(", dns_nameservers: {servers}"));
            if let Some(domain) = interface.search {
                subnet.text.push_str(&format!(", dns_search: [{}]", quoted(domain)));
            }
        }
        put(subnet.origin, format!("      - {{{}}}", subnet.text));
    }
}

/// One entry of `subnets`.
struct Subnet {
    origin: Origin,
    is_ipv4: bool,
    is_static: bool,
    text: String,
}

impl Subnet {
    /// Adds the routes of an interface that are of this family. A default route of IPv6 is a gateway of its own: of one among the
    /// routes, cloud-init's writers make a route to `::/64` (22.4) or none (25.1, sysconfig).
    fn carry_routes(&mut self, interface: &Interface<'_>) {
        let mut own: Vec<&PlannedRoute> =
            interface.routes.iter().filter(|route| route.via.is_ipv4() == self.is_ipv4).collect();
        let default = own.iter().position(|route| route.to.prefix_len() == 0 && route.metric.is_none());
        if let Some(at) = default.filter(|_| self.is_static && !self.is_ipv4) {
            let gateway = own.remove(at);
            self.text.push_str(&format!(", gateway: {}", quoted(&gateway.via.to_string())));
        }
        if !own.is_empty() {
            self.text.push_str(&format!(", routes: {}", list(own.into_iter().map(route))));
        }
    }
}

fn route(route: &PlannedRoute) -> String {
    let metric = route.metric.map(|metric| format!(", metric: {metric}")).unwrap_or_default();
    format!("{{network: {}, gateway: {}{metric}}}", quoted(&route.to.to_string()), quoted(&route.via.to_string()))
}

/// Writes the settings of a bond. What has two words stands twice: cloud-init's writer for NetworkManager knows it by an
/// underscore, those for sysconfig and ifupdown by a hyphen, that for netplan by either.
fn bond(bond: &BondSettings) -> String {
    let mut all =
        vec![format!("bond-mode: {}", quoted(bond.mode().as_str())), format!("bond-miimon: {}", bond.mii_monitor())];
    let mut put = |keys: &[&str], value: Option<String>| {
        all.extend(value.iter().flat_map(|value| keys.iter().map(move |key| format!("{key}: {value}"))));
    };
    put(&["bond-updelay"], bond.up_delay.map(|stated| stated.value.to_string()));
    put(&["bond-downdelay"], bond.down_delay.map(|stated| stated.value.to_string()));
    put(&["bond-primary"], bond.primary.as_ref().map(|stated| quoted(&stated.value)));
    put(&["bond-lacp_rate", "bond-lacp-rate"], bond.lacp_rate.map(|stated| quoted(stated.value.as_str())));
    let policy = bond.hash_policy.map(|stated| quoted(stated.value.as_str()));
    put(&["bond-xmit_hash_policy", "bond-xmit-hash-policy"], policy);
    put(&["bond-min_links", "bond-min-links"], bond.min_links.map(|stated| stated.value.to_string()));
    let policy = bond.fail_over_mac.map(|stated| quoted(stated.value.as_str()));
    put(&["bond-fail_over_mac", "bond-fail-over-mac"], policy);
    put(&["bond-ad_select", "bond-ad-select"], bond.ad_select.map(|stated| quoted(stated.value.as_str())));
    format!("{{{}}}", all.join(", "))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}
