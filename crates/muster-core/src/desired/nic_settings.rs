//! The settings of an interface apart from its name, kind and addresses: DHCP, routes, bonds,
//! bridges.

use std::net::IpAddr;

use ipnet::IpNet;

use super::at::At;
use super::file::{AdSelect, BondMode, BondTable, BridgeTable, DhcpChoice, FailOverMac, HashPolicy};
use super::file::{IpoibMode, LacpRate, NicTable, RouteTable};
use super::sources::{Findings, Here};
use super::values;
use crate::model::{Code, Diagnostic, Origin, Stated};

/// The settings of one interface, the same for all nodes of a class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NicSettings {
    pub dhcp: Option<Stated<DhcpChoice>>,
    pub default_route: Option<Stated<bool>>,
    pub routes: Vec<Route>,
    pub optional: Option<Stated<bool>>,
    /// Whether the network-config names the interface; true if nothing is stated.
    pub manage: Option<Stated<bool>>,
    pub bond: BondSettings,
    pub bridge: BridgeSettings,
    pub ipoib: Option<Stated<IpoibMode>>,
}

/// One route of an interface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Route {
    pub to: IpNet,
    pub via: IpAddr,
    pub metric: Option<u32>,
    pub origin: Origin,
}

/// The settings of a bond.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BondSettings {
    pub mode: Option<Stated<BondMode>>,
    pub lacp_rate: Option<Stated<LacpRate>>,
    pub hash_policy: Option<Stated<HashPolicy>>,
    /// Milliseconds.
    pub mii_monitor: Option<Stated<u32>>,
    /// Milliseconds.
    pub up_delay: Option<Stated<u32>>,
    /// Milliseconds.
    pub down_delay: Option<Stated<u32>>,
    pub min_links: Option<Stated<u32>>,
    pub primary: Option<Stated<Box<str>>>,
    pub fail_over_mac: Option<Stated<FailOverMac>>,
    pub ad_select: Option<Stated<AdSelect>>,
}

/// The settings of a bridge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BridgeSettings {
    pub stp: Option<Stated<bool>>,
    pub priority: Option<Stated<u32>>,
}

/// The default milliseconds between link checks of a bond's members, as distributions use.
const MII_MONITOR: u32 = 100;

impl BondSettings {
    /// Returns the mode. The kernel's own default alternates packets between members, which no
    /// switch expects; `active-backup` works with every switch.
    #[must_use]
    pub fn mode(&self) -> BondMode {
        self.mode.map_or(BondMode::ActiveBackup, |mode| mode.value)
    }

    /// Returns the milliseconds between checks of the members' links.
    #[must_use]
    pub fn mii_monitor(&self) -> u32 {
        self.mii_monitor.map_or(MII_MONITOR, |stated| stated.value)
    }

    fn lay(&mut self, here: &Here<'_>, table: &BondTable) {
        let BondTable {
            mode,
            lacp_rate,
            hash_policy,
            mii_monitor,
            up_delay,
            down_delay,
            min_links,
            primary,
            fail_over_mac,
            ad_select,
        } = table;

        over(here, &mut self.mode, mode);
        over(here, &mut self.lacp_rate, lacp_rate);
        over(here, &mut self.hash_policy, hash_policy);
        over(here, &mut self.mii_monitor, mii_monitor);
        over(here, &mut self.up_delay, up_delay);
        over(here, &mut self.down_delay, down_delay);
        over(here, &mut self.min_links, min_links);

        over(here, &mut self.fail_over_mac, fail_over_mac);
        over(here, &mut self.ad_select, ad_select);
        if let Some(primary) = primary {
            self.primary = Some(Stated::new(primary.value.as_str().into(), here.origin(primary.span)));
        }
    }
}

impl NicSettings {
    /// Returns whether the network-config names the interface.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        self.manage.is_none_or(|manage| manage.value)
    }

    /// Applies one layer over weaker layers: tables merge by key, routes replace.
    pub fn lay(&mut self, here: &Here<'_>, table: &NicTable, findings: &mut Findings) {
        over(here, &mut self.dhcp, &table.dhcp);
        over(here, &mut self.default_route, &table.default_route);
        over(here, &mut self.optional, &table.optional);
        over(here, &mut self.manage, &table.manage);
        over(here, &mut self.ipoib, &table.ipoib);
        if let Some(routes) = &table.routes {
            self.routes = routes.iter().filter_map(|table| route(here, table, findings)).collect();
        }

        if let Some(bond) = &table.bond {
            self.bond.lay(here, &bond.value);
        }
        if let Some(At { value: BridgeTable { stp, priority }, .. }) = &table.bridge {
            over(here, &mut self.bridge.stp, stp);
            over(here, &mut self.bridge.priority, priority);
        }
    }

    /// Unsets the values at a key or below it; the keys are those of [`NicTable::stated`].
    pub fn unset(&mut self, key: &str) {
        let Self { dhcp, default_route, routes, optional, manage, bond, bridge, ipoib } = self;
        match key {
            "dhcp" => *dhcp = None,
            "default_route" => *default_route = None,
            "routes" => routes.clear(),
            "optional" => *optional = None,
            "manage" => *manage = None,
            "ipoib" => *ipoib = None,
            "bond" => *bond = BondSettings::default(),
            "bond.mode" => bond.mode = None,
            "bond.lacp_rate" => bond.lacp_rate = None,
            "bond.hash_policy" => bond.hash_policy = None,
            "bond.mii_monitor" => bond.mii_monitor = None,
            "bond.up_delay" => bond.up_delay = None,
            "bond.down_delay" => bond.down_delay = None,
            "bond.min_links" => bond.min_links = None,
            "bond.primary" => bond.primary = None,
            "bond.fail_over_mac" => bond.fail_over_mac = None,
            "bond.ad_select" => bond.ad_select = None,
            "bridge" => *bridge = BridgeSettings::default(),
            "bridge.stp" => bridge.stp = None,
            "bridge.priority" => bridge.priority = None,
            _ => {}
        }
    }

    /// Lists the stated values, by the key below the interface's name.
    #[must_use]
    pub fn texts(&self) -> Vec<(&'static str, String, Origin)> {
        let Self { dhcp, default_route, routes, optional, manage, bond, bridge, ipoib } = self;
        let mut all = Vec::new();
        let mut put = |key: &'static str, text: Option<Stated<String>>| {
            all.extend(text.map(|Stated { value, origin }| (key, value, origin)));
        };
        put("dhcp", dhcp.map(|stated| stated.map(|choice| choice.as_str().into())));
        put("default_route", default_route.map(shown));

        put("optional", optional.map(shown));
        put("manage", manage.map(shown));
        put("ipoib", ipoib.map(|stated| stated.map(|mode| mode.as_str().into())));
        put("bond.mode", bond.mode.map(|stated| stated.map(|mode| mode.as_str().into())));
        put("bond.lacp_rate", bond.lacp_rate.map(|stated| stated.map(|rate| rate.as_str().into())));
        put("bond.hash_policy", bond.hash_policy.map(|stated| stated.map(|policy| policy.as_str().into())));
        put("bond.mii_monitor", bond.mii_monitor.map(shown));

        put("bond.up_delay", bond.up_delay.map(shown));
        put("bond.down_delay", bond.down_delay.map(shown));
        put("bond.min_links", bond.min_links.map(shown));
        put("bond.primary", bond.primary.clone().map(|stated| stated.map(Into::into)));
        put("bond.fail_over_mac", bond.fail_over_mac.map(|stated| stated.map(|policy| policy.as_str().into())));
        put("bond.ad_select", bond.ad_select.map(|stated| stated.map(|choice| choice.as_str().into())));
        put("bridge.stp", bridge.stp.map(shown));

        put("bridge.priority", bridge.priority.map(shown));
        if let Some(first) = routes.first() {
            let texts: Vec<String> = routes.iter().map(Route::text).collect();
            put("routes", Some(Stated::new(texts.join(", "), first.origin)));
        }

        all
    }
}

impl Route {
    fn text(&self) -> String {
        let metric = self.metric.map(|metric| format!(" metric {metric}")).unwrap_or_default();
        format!("{} via {}{metric}", self.to, self.via)
    }
}

fn shown<T: ToString>(stated: Stated<T>) -> Stated<String> {
    stated.map(|value| value.to_string())
}

fn over<T: Copy>(here: &Here<'_>, weak: &mut Option<Stated<T>>, strong: &Option<At<T>>) {
    if let Some(strong) = strong {
        *weak = Some(Stated::new(strong.value, here.origin(strong.span)));
    }
}

fn route(here: &Here<'_>, table: &At<RouteTable>, findings: &mut Findings) -> Option<Route> {
    let RouteTable { to, via, metric } = &table.value;
    let (Some(to), Some(via)) = (to, via) else {
        let finding = Diagnostic::new(Code::MissingKey, here.place(table.span), "a route needs `to` and `via`");
        findings.push(finding.hint("such as { to = \"10.0.0.0/8\", via = \"10.1.0.254\" }"));
        return None;
    };

    let net = values::address_range(here, to, findings);
    let router = values::ip(&|| here.place(via.span), &via.value, findings);
    let (to, via) = (net?, router?);

    if to.addr().is_ipv4() != via.is_ipv4() {
        let message = format!("a route to {to} cannot go by {via}: one is IPv4 and the other IPv6");
        findings.push(Diagnostic::new(Code::BadValue, here.place(table.span), message));
        return None;
    }

    Some(Route { to, via, metric: metric.as_ref().map(|metric| metric.value), origin: here.origin(table.span) })
}
