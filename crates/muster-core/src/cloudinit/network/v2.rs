//! Version 2 of network-config, which is netplan's.

use super::ConfigLine;
use super::plan::Interface;
use crate::cloudinit::quoted;
use crate::desired::{BondSettings, NicKind};
use crate::model::Origin;

/// Writes interfaces by section, each section in the order of `nics`.
pub fn lines(interfaces: &[Interface<'_>]) -> Vec<ConfigLine> {
    let mut all = vec![ConfigLine { text: "version: 2\n".into(), origin: None }];
    for (section, kinds) in [
        ("ethernets", [NicKind::Ethernet, NicKind::Infiniband].as_slice()),
        ("bonds", &[NicKind::Bond]),
        ("bridges", &[NicKind::Bridge]),
        ("vlans", &[NicKind::Vlan]),
    ] {
        let mut of_section = interfaces.iter().filter(|interface| kinds.contains(&interface.spec.kind)).peekable();
        if of_section.peek().is_some() {
            all.push(ConfigLine { text: format!("{section}:\n"), origin: None });
            of_section.for_each(|interface| write(&mut all, interface));
        }
    }
    all
}

fn write(all: &mut Vec<ConfigLine>, interface: &Interface<'_>) {
    let spec = interface.spec;
    let settings = &spec.settings;
    let mut put =
        |origin: Origin, text: String| all.push(ConfigLine { text: format!("{text}\n"), origin: Some(origin) });
    put(spec.origin, format!("  {}:", quoted(&spec.name)));
    if let Some(mac) = interface.own_mac {
        put(mac.origin, format!("    match: {{macaddress: {}}}", quoted(&mac.value.to_string())));
        put(spec.origin, format!("    set-name: {}", quoted(&spec.name)));
    }
    if let Some(mac) = interface.given_mac {
        put(mac.origin, format!("    macaddress: {}", quoted(&mac.value.to_string())));
    }
    if !spec.members.is_empty() {
        put(spec.origin, format!("    interfaces: {}", list(spec.members.iter().map(|member| quoted(member)))));
    }
    if spec.kind == NicKind::Bond {
        put(spec.origin, format!("    parameters: {}", bond(&settings.bond)));
    }
    if spec.kind == NicKind::Bridge {
        let stp = settings.bridge.stp.is_some_and(|stated| stated.value);
        let priority = settings.bridge.priority.map(|stated| format!(", priority: {}", stated.value));
        put(spec.origin, format!("    parameters: {{stp: {stp}{}}}", priority.unwrap_or_default()));
    }
    if let (Some(id), Some(link)) = (interface.vlan, &spec.link) {
        put(spec.origin, format!("    id: {id}"));
        put(spec.origin, format!("    link: {}", quoted(link)));
    }
    if let Some(mtu) = interface.mtu {
        put(spec.origin, format!("    mtu: {mtu}"));
    }
    if let Some(mode) = settings.ipoib {
        put(mode.origin, format!("    infiniband-mode: {}", quoted(mode.value.as_str())));
    }
    if let Some(optional) = settings.optional {
        put(optional.origin, format!("    optional: {}", optional.value));
    }
    addresses(interface, &mut put);
}

fn addresses(interface: &Interface<'_>, put: &mut impl FnMut(Origin, String)) {
    let (spec, dhcp) = (interface.spec, interface.dhcp);
    let asked = spec.settings.dhcp.map_or(spec.origin, |stated| stated.origin);
    for (is_on, key) in [(dhcp.ipv4, "dhcp4"), (dhcp.ipv6, "dhcp6")] {
        if is_on {
            put(asked, format!("    {key}: true"));
        }
        if is_on && interface.refuses_routes() {
            put(asked, format!("    {key}-overrides: {{use-routes: false}}"));
        }
    }
    if interface.addresses.is_empty() && !dhcp.ipv4 && !dhcp.ipv6 {
        put(asked, "    dhcp4: false".into());
    }
    if let Some((_, origin)) = interface.addresses.first() {
        let texts = interface.addresses.iter().map(|(address, _)| quoted(&address.to_string()));
        put(*origin, format!("    addresses: {}", list(texts)));
    }
    if let Some(first) = interface.routes.first() {
        let texts = interface.routes.iter().map(|route| {
            let metric = route.metric.map(|metric| format!(", metric: {metric}")).unwrap_or_default();
            format!("{{to: {}, via: {}{metric}}}", quoted(&route.to.to_string()), quoted(&route.via.to_string()))
        });
        put(first.origin, format!("    routes: {}", list(texts)));
    }
    if let (Some(stated), [_, ..]) = (spec.network, interface.dns) {
        let search = interface.search.map(|domain| format!(", search: [{}]", quoted(domain))).unwrap_or_default();
        let servers = list(interface.dns.iter().map(|ip| quoted(&ip.to_string())));
        put(stated.origin, format!("    nameservers: {{addresses: {servers}{search}}}"));
    }
}

fn bond(bond: &BondSettings) -> String {
    let mut all = vec![format!("mode: {}", quoted(bond.mode().as_str()))];
    let mut put = |key: &str, value: Option<String>| all.extend(value.map(|value| format!("{key}: {value}")));
    put("lacp-rate", bond.lacp_rate.map(|stated| quoted(stated.value.as_str())));
    put("transmit-hash-policy", bond.hash_policy.map(|stated| quoted(stated.value.as_str())));
    put("mii-monitor-interval", Some(bond.mii_monitor().to_string()));
    put("up-delay", bond.up_delay.map(|stated| stated.value.to_string()));
    put("down-delay", bond.down_delay.map(|stated| stated.value.to_string()));
    put("min-links", bond.min_links.map(|stated| stated.value.to_string()));
    put("primary", bond.primary.as_ref().map(|stated| quoted(&stated.value)));
    put("fail-over-mac-policy", bond.fail_over_mac.map(|stated| quoted(stated.value.as_str())));
    put("ad-select", bond.ad_select.map(|stated| quoted(stated.value.as_str())));
    format!("{{{}}}", all.join(", "))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}
