//! Rules across interfaces: members of bonds and bridges, the default route, possible addresses.

use std::collections::{HashMap, HashSet};

use super::file::{BondMode, DhcpChoice, NicKind};
use super::sources::Findings;
use super::{Desired, Network, Nic, NicSpec, Node};
use crate::model::{Code, Diagnostic, Origin, Place, Stated};

/// The longest name of an interface in Linux (IFNAMSIZ, with the terminating byte).
const MAX_NAME: usize = 15;

/// Reports every inconsistency among the interfaces of a node.
pub fn interfaces(desired: &Desired, findings: &mut Findings) {
    let parts: Vec<Parts<'_>> = desired.classes.iter().map(|class| Parts::new(&class.nics)).collect();
    for (class, parts) in desired.classes.iter().zip(&parts) {
        let mut check = Check { desired, nics: &class.nics, parts, findings };
        check.of_class();
    }
    for node in &desired.nodes {
        let (nics, parts) = (&desired.class(node).nics, &parts[node.class as usize]);
        let mut check = Check { desired, nics, parts, findings };
        for (spec, nic) in desired.nics(node) {
            check.of_node(node, spec, nic);
        }
    }
}

/// The relations between the interfaces of a class.
struct Parts<'a> {
    index: HashMap<&'a str, usize>,
    /// The bonds and bridges that each interface is a member of, in the order of interfaces.
    wholes: HashMap<&'a str, Vec<&'a NicSpec>>,
    /// The interfaces that VLANs are on top of.
    links: HashSet<&'a str>,
}

impl<'a> Parts<'a> {
    fn new(nics: &'a [NicSpec]) -> Self {
        let mut wholes: HashMap<&str, Vec<&NicSpec>> = HashMap::new();
        for whole in nics {
            for member in &whole.members {
                let of_member = wholes.entry(member).or_default();
                // A member that is stated twice still belongs to one bond or bridge.
                if of_member.last().is_none_or(|last| !std::ptr::eq(*last, whole)) {
                    of_member.push(whole);
                }
            }
        }

        Self {
            index: nics.iter().zip(0..).map(|(spec, at)| (&*spec.name, at)).collect(),
            wholes,
            links: nics.iter().filter_map(|spec| spec.link.as_deref()).collect(),
        }
    }
}

struct Check<'a> {
    desired: &'a Desired,
    nics: &'a [NicSpec],
    parts: &'a Parts<'a>,
    findings: &'a mut Findings,
}

impl<'a> Check<'a> {
    fn of_class(&mut self) {
        let nics = self.nics;
        for spec in nics {
            self.name(spec);
            self.keys(spec);
            self.parts(spec);
            self.vlan(spec);
            self.ranges(spec);
            self.bond(spec);
            self.routes(spec);
        }

        self.circle();
        let chosen = nics.iter().filter(|spec| spec.settings.default_route.is_some_and(|stated| stated.value));
        for second in chosen.skip(1) {
            let message = format!("`{}` is a second interface with `default_route = true`", second.name);
            let hint = "one interface has it; a further way out is an entry of `routes` with a `metric`";
            self.tell(second.settings.default_route.map_or(second.origin, |stated| stated.origin), message, hint);
        }
    }

    fn tell(&mut self, origin: Origin, message: impl Into<String>, hint: &str) {
        let place: Place = self.desired.sources.place(origin);
        let finding = Diagnostic::new(Code::BadValue, place, message);
        self.findings.push(if hint.is_empty() { finding } else { finding.hint(hint) });
    }

    fn network(&self, spec: &NicSpec) -> Option<&'a Network> {
        spec.network.map(|at| &self.desired.networks[usize::from(at.value)])
    }

    /// Returns the bond or bridge that an interface belongs to.
    fn whole(&self, spec: &NicSpec) -> Option<&'a NicSpec> {
        self.parts.wholes.get(&*spec.name).and_then(|wholes| wholes.first()).copied()
    }

    fn name(&mut self, spec: &NicSpec) {
        if spec.name.len() > MAX_NAME {
            let message =
                format!("`{}` is longer than the {MAX_NAME} bytes that Linux takes for an interface", spec.name);
            self.tell(spec.origin, message, "");
        }
    }

    /// Reports settings that belong to another kind of interface.
    fn keys(&mut self, spec: &NicSpec) {
        for (key, _, origin) in spec.settings.texts() {
            let owner = match key.split('.').next() {
                Some("bond") => Some(NicKind::Bond),
                Some("bridge") => Some(NicKind::Bridge),
                Some("ipoib") => Some(NicKind::Infiniband),
                _ => None,
            };
            if let Some(owner) = owner.filter(|owner| *owner != spec.kind) {
                let message = format!("`{key}` belongs to an interface of kind `{}`", owner.as_str());
                self.tell(origin, message, "");
            }
        }
    }

    /// Reports invalid members, and settings of a member that belong to its bond or bridge.
    fn parts(&mut self, spec: &NicSpec) {
        let users = self.parts.wholes.get(&*spec.name).map(Vec::as_slice).unwrap_or_default();
        if let [first, second, ..] = users {
            let message = format!("`{}` is a member of `{}` and of `{}`", spec.name, first.name, second.name);
            self.tell(second.origin, message, "an interface is a part of one bond or bridge");
        }

        if let Some(whole) = users.first() {
            self.part(spec, whole);
        }
        let carries = self.parts.links.contains(&*spec.name);

        if !spec.settings.is_managed() && (carries || !users.is_empty()) {
            let at = spec.settings.manage.map_or(spec.origin, |stated| stated.origin);
            let message = format!("`{}` is left to the kernel, and another interface is made on it", spec.name);
            self.tell(at, message, "take `manage = false` out, or leave the other interface unmanaged as well");
        }

        if !spec.settings.is_managed() {
            for (key, _, origin) in spec.settings.texts().into_iter().filter(|(key, ..)| *key != "manage") {
                self.tell(origin, format!("`{key}` has no effect on an interface with `manage = false`"), "");
            }
        }
    }

    fn part(&mut self, spec: &NicSpec, whole: &NicSpec) {
        let mode = whole.settings.bond.mode();
        let fault = match (whole.kind, spec.kind) {
            (NicKind::Bond, NicKind::Bond | NicKind::Vlan | NicKind::Bridge) => Some("a bond is made of adapters"),
            (NicKind::Bond, NicKind::Infiniband) if mode != BondMode::ActiveBackup => {
                Some("a bond of InfiniBand interfaces can only be `active-backup`")
            }
            (NicKind::Bridge, NicKind::Infiniband) => Some("IP over InfiniBand cannot be bridged"),
            (NicKind::Bridge, NicKind::Bridge) => Some("a bridge cannot be a member of another"),
            _ => None,
        };

        if let Some(fault) = fault {
            let message = format!("`{}` cannot be a member of `{}`: {fault}", spec.name, whole.name);
            self.tell(whole.origin, message, "");
        }

        let of_whole = |key: &str| matches!(key, "dhcp" | "default_route" | "routes");
        for (key, text, origin) in spec.settings.texts() {
            if of_whole(key) && text != "false" {
                let message = format!("`{key}` of `{}` has no effect: it is a part of `{}`", spec.name, whole.name);
                self.tell(origin, message, "state it for the whole");
            }
        }
    }

    fn vlan(&mut self, spec: &NicSpec) {
        let Some(network) = self
            .network(spec)
            .filter(|network| is_read(network) && spec.kind == NicKind::Vlan && network.vlan.is_none())
        else {
            return;
        };
        let message = format!("`{}` is a vlan in network `{}`, which has no `vlan`", spec.name, network.name);
        let origin = spec.network.map_or(spec.origin, |stated| stated.origin);
        let hint = format!("state its number in networks/{}.toml", network.name);
        self.tell(origin, message, &hint);
    }

    fn ranges(&mut self, spec: &NicSpec) {
        let (bond, bridge) = (&spec.settings.bond, &spec.settings.bridge);
        for (key, stated, most) in [
            ("mii_monitor", bond.mii_monitor, 60_000),
            ("up_delay", bond.up_delay, 600_000),
            ("down_delay", bond.down_delay, 600_000),
            ("min_links", bond.min_links, 64),
            ("priority", bridge.priority, 65_535),
        ] {
            if let Some(stated) = stated.filter(|stated| stated.value > most) {
                self.tell(stated.origin, format!("`{key}` is at most {most}"), "");
            }
        }
    }

    fn bond(&mut self, spec: &NicSpec) {
        if spec.kind != NicKind::Bond {
            return;
        }
        let bond = &spec.settings.bond;
        let mode = bond.mode();
        let is_lacp = mode == BondMode::Lacp;
        let hashes = matches!(mode, BondMode::Lacp | BondMode::BalanceXor | BondMode::BalanceTlb);

        let has_active = matches!(mode, BondMode::ActiveBackup | BondMode::BalanceTlb | BondMode::BalanceAlb);
        let is_backup = mode == BondMode::ActiveBackup;
        for (key, _, origin) in spec.settings.texts() {
            let fits = match key {
                "bond.lacp_rate" | "bond.min_links" | "bond.ad_select" => is_lacp,
                "bond.hash_policy" => hashes,
                "bond.primary" => has_active,
                "bond.fail_over_mac" => is_backup,
                _ => true,
            };
            if !fits {
                let message = format!("`{key}` has no effect in the mode `{}`", mode.as_str());
                self.tell(origin, message, "state `bond.mode`, which is `active-backup` if nothing is stated");
            }
        }

        if let Some(primary) = bond.primary.as_ref().filter(|primary| !spec.members.contains(&primary.value)) {
            let message = format!("`{}` is not a member of `{}`", primary.value, spec.name);
            self.tell(primary.origin, message, "");
        }

        let monitor = bond.mii_monitor();
        for delay in [bond.up_delay, bond.down_delay].into_iter().flatten() {
            if delay.value > 0 && (monitor == 0 || delay.value % monitor != 0) {
                let message =
                    format!("a delay of {} ms is not a multiple of `mii_monitor`, which is {monitor}", delay.value);
                self.tell(delay.origin, message, "");
            }
        }
    }

    fn routes(&mut self, spec: &NicSpec) {
        let network = self.network(spec);
        let settings = &spec.settings;
        let is_default = settings.default_route.filter(|stated| stated.value);
        let is_dynamic = settings.dhcp.is_some_and(|stated| stated.value != DhcpChoice::Off);

        if let Some(stated) = is_default
            && !is_dynamic
            && network.is_none_or(|network| is_read(network) && network.gateways.is_empty())
        {
            let message = format!("`{}` has `default_route = true`, and its network has no `gateway`", spec.name);
            self.tell(stated.origin, message, "state `gateway` in the network's file");
        }

        for (at, route) in settings.routes.iter().enumerate() {
            if let Some(network) = network
                .filter(|network| is_read(network) && !network.cidrs.iter().any(|cidr| cidr.contains(&route.via)))
            {
                let message =
                    format!("the router {} of `{}` is not in network `{}`", route.via, spec.name, network.name);
                let place = self.desired.sources.place(route.origin);
                self.findings.push(Diagnostic::new(Code::IpOutsideNetwork, place, message));
            }
            let is_same = |other: &super::Route| (other.to, other.metric) == (route.to, route.metric);
            if settings.routes[..at].iter().any(is_same) {
                let message = format!("there are two routes to {} with one metric", route.to);
                self.tell(route.origin, message, "");
            }
        }
    }

    /// Finds an interface that depends on itself, directly or through others.
    ///
    /// The walk keeps its own stack, and visits each interface once.
    fn circle(&mut self) {
        let (nics, index) = (self.nics, &self.parts.index);
        let parts = |at: usize| {
            let NicSpec { members, link, .. } = &nics[at];
            let names = members.iter().chain(link);
            names.filter_map(|name| index.get(&**name).copied()).collect::<Vec<usize>>()
        };

        let mut is_open = vec![false; nics.len()];
        let mut is_done = vec![false; nics.len()];
        for start in 0..nics.len() {
            if is_done[start] {
                continue;
            }
            is_open[start] = true;
            let mut stack = vec![(start, parts(start))];
            while let Some((at, rest)) = stack.last_mut() {
                let at = *at;
                let Some(part) = rest.pop() else {
                    (is_open[at], is_done[at]) = (false, true);
                    stack.pop();
                    continue;
                };
                if is_open[part] {
                    let (spec, by) = (&nics[part], &nics[at].name);
                    let message = format!("`{}` is made on itself, by way of `{by}`", spec.name);
                    self.tell(spec.origin, message, "");
                    return;
                }
                if !is_done[part] {
                    is_open[part] = true;
                    stack.push((part, parts(part)));
                }
            }
        }
    }

    /// Reports addresses of one node that its interface does not get, or gets twice.
    fn of_node(&mut self, node: &Node, spec: &NicSpec, nic: &Nic) {
        if let (Some(whole), Some(ip)) = (self.whole(spec), nic.ips.first()) {
            let message =
                format!("{} of `{}` is never set: `{}` is a part of `{}`", ip.value, node.name, spec.name, whole.name);
            self.tell(ip.origin, message, "give the address to the whole");
        }

        let families = dhcp_families(spec, nic, self.network(spec));
        let has = |is_ipv4: bool| nic.ips.iter().find(|ip| ip.value.is_ipv4() == is_ipv4);
        for (is_asked, is_ipv4, family) in [(families.ipv4, true, "IPv4"), (families.ipv6, false, "IPv6")] {
            if let (true, Some(Stated { value, .. }), Some(dhcp)) = (is_asked, has(is_ipv4), spec.settings.dhcp) {
                let message =
                    format!("`{}` of `{}` has {value} and asks for {family} by DHCP as well", spec.name, node.name);
                self.tell(dhcp.origin, message, "state one of the two");
            }
        }

        for route in &spec.settings.routes {
            let is_ipv4 = route.via.is_ipv4();
            let asks = if is_ipv4 { families.ipv4 } else { families.ipv6 };
            if has(is_ipv4).is_none() && !asks && self.whole(spec).is_none() {
                let family = if is_ipv4 { "IPv4" } else { "IPv6" };
                let message =
                    format!("`{}` of `{}` has a route of {family} and no address of it", spec.name, node.name);
                self.tell(route.origin, message, "");
            }
        }
    }
}

/// Returns whether a network's file could be read: properties missing from an unreadable one are
/// not further mistakes.
fn is_read(network: &Network) -> bool {
    !network.cidrs.is_empty()
}

/// The address families that an interface requests by DHCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DhcpFamilies {
    pub ipv4: bool,
    pub ipv6: bool,
}

/// Returns the families that an interface of a node requests by DHCP, unless it is a member of
/// another one.
///
/// If nothing is stated, an interface without any address requests the families of its network.
#[must_use]
pub fn dhcp_families(spec: &NicSpec, nic: &Nic, network: Option<&Network>) -> DhcpFamilies {
    let network_has = |is_ipv4: bool| {
        let cidrs = network.map_or(&[][..], |network| &network.cidrs);
        cidrs.iter().any(|cidr| cidr.addr().is_ipv4() == is_ipv4)
    };

    let is_stated = |is_ipv4: bool| nic.ips.iter().any(|ip| ip.value.is_ipv4() == is_ipv4);

    // Without a network, the only family that DHCP certainly means is IPv4.
    let of_network = DhcpFamilies { ipv4: network.is_none() || network_has(true), ipv6: network_has(false) };
    match spec.settings.dhcp.map(|stated| stated.value) {
        Some(DhcpChoice::Off) => DhcpFamilies::default(),
        Some(DhcpChoice::Ipv4) => DhcpFamilies { ipv4: true, ipv6: false },
        Some(DhcpChoice::Ipv6) => DhcpFamilies { ipv4: false, ipv6: true },
        Some(DhcpChoice::On) => {
            let rest =
                DhcpFamilies { ipv4: of_network.ipv4 && !is_stated(true), ipv6: of_network.ipv6 && !is_stated(false) };
            // If there is an address of each family, DHCP is a contradiction that `check` reports.
            if rest == DhcpFamilies::default() { of_network } else { rest }
        }
        None if nic.ips.is_empty() && network.is_some() => of_network,
        None => DhcpFamilies::default(),
    }
}
