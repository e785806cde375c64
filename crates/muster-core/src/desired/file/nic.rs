//! One interface of `nics`, in any layer.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::words::{AdSelect, BondMode, FailOverMac, HashPolicy, IpoibMode, LacpRate, NicKind};
use crate::desired::at::{At, OneOrMany};
use crate::model::Span;

/// One network interface.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NicTable {
    /// The interface's name, such as `eth0`.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// The kind; `ethernet` by default.
    #[serde(default)]
    pub kind: Option<At<NicKind>>,
    /// The network: the file `networks/NAME.toml`.
    #[serde(default)]
    pub network: Option<At<String>>,
    /// Whether the node boots from it; at most one interface per node.
    #[serde(default)]
    pub boot: Option<At<bool>>,
    /// The MAC address: for an adapter its own, for a bond, vlan or bridge the one to set.
    #[serde(default)]
    pub mac: Option<At<String>>,
    /// Its InfiniBand GUID.
    #[serde(default)]
    pub guid: Option<At<String>>,
    /// Its addresses: patterns, or templates such as `"{{ net('node') | host(nid) }}"`.
    #[serde(default)]
    pub ip: Option<OneOrMany>,
    /// The members of a bond or bridge.
    #[serde(default)]
    pub members: Option<Vec<At<String>>>,
    /// The parent interface of a vlan.
    #[serde(default)]
    pub link: Option<At<String>>,
    /// The largest packet in bytes.
    #[serde(default)]
    #[schemars(range(min = 68, max = 65535))]
    pub mtu: Option<At<u32>>,
    /// Whether it uses DHCP: `true`, `false`, or one family, `"ipv4"` or `"ipv6"`. By default, an interface in a
    /// network without an address uses DHCP for the address families of the network.
    #[serde(default)]
    pub dhcp: Option<At<DhcpChoice>>,
    /// Whether the default route uses its network's gateway. By default, that of the boot interface does.
    #[serde(default)]
    pub default_route: Option<At<bool>>,
    /// Further routes.
    #[serde(default)]
    pub routes: Option<Vec<At<RouteTable>>>,
    /// Whether the boot continues without it (supported by netplan and systemd-networkd only).
    #[serde(default)]
    pub optional: Option<At<bool>>,
    /// Whether the network-config includes it; `false` leaves it as the kernel and the initial RAM disk configured
    /// it.
    #[serde(default)]
    pub manage: Option<At<bool>>,
    /// The settings of a bond.
    #[serde(default)]
    pub bond: Option<At<BondTable>>,
    /// The settings of a bridge.
    #[serde(default)]
    pub bridge: Option<At<BridgeTable>>,
    /// The IPoIB mode.
    #[serde(default)]
    pub ipoib: Option<At<IpoibMode>>,
}

impl NicTable {
    /// Lists what the table states, all but the name: the key, the value as text, and its bytes.
    #[must_use]
    pub fn stated(&self) -> Vec<(&'static str, String, Span)> {
        let Self { name: _, kind, network, boot, mac, guid, ip, members, link, mtu, .. } = self;
        let text = |key, at: &Option<At<String>>| at.as_ref().map(|at| (key, at.value.clone(), at.span));
        let list = |key, items: &[At<String>]| {
            let first = items.first()?;
            let texts: Vec<&str> = items.iter().map(|item| item.value.as_str()).collect();
            Some((key, texts.join(" "), first.span))
        };

        let all = [
            word("kind", kind, |kind| kind.as_str()),
            text("network", network),
            shown("boot", boot),
            text("mac", mac),
            text("guid", guid),
            ip.as_ref().and_then(|ips| list("ip", &ips.0)),
            members.as_ref().and_then(|members| list("members", members)),
            text("link", link),
            shown("mtu", mtu),
        ];

        all.into_iter().flatten().chain(self.stated_settings()).collect()
    }

    fn stated_settings(&self) -> impl Iterator<Item = (&'static str, String, Span)> {
        let Self { dhcp, default_route, routes, optional, manage, bond, bridge, ipoib, .. } = self;
        let bond = bond.as_ref().map(|at| at.value.clone()).unwrap_or_default();
        let bridge = bridge.as_ref().map(|at| at.value.clone()).unwrap_or_default();

        let route = |route: &RouteTable| {
            let text = |at: &Option<At<String>>| at.as_ref().map_or("", |at| &at.value).to_owned();
            let metric = route.metric.as_ref().map(|metric| format!(" metric {}", metric.value)).unwrap_or_default();
            format!("{} via {}{metric}", text(&route.to), text(&route.via))
        };

        let routes = routes.as_ref().and_then(|routes| {
            let texts: Vec<String> = routes.iter().map(|at| route(&at.value)).collect();
            Some(("routes", texts.join(", "), routes.first()?.span))
        });

        let all = [
            word("dhcp", dhcp, |value| value.as_str()),
            shown("default_route", default_route),
            routes,
            shown("optional", optional),
            shown("manage", manage),
            word("bond.mode", &bond.mode, |value| value.as_str()),
            word("bond.lacp_rate", &bond.lacp_rate, |value| value.as_str()),
            word("bond.hash_policy", &bond.hash_policy, |value| value.as_str()),
            shown("bond.mii_monitor", &bond.mii_monitor),
            shown("bond.up_delay", &bond.up_delay),
            shown("bond.down_delay", &bond.down_delay),
            shown("bond.min_links", &bond.min_links),
            shown("bond.primary", &bond.primary),
            word("bond.fail_over_mac", &bond.fail_over_mac, |value| value.as_str()),
            word("bond.ad_select", &bond.ad_select, |value| value.as_str()),
            shown("bridge.stp", &bridge.stp),
            shown("bridge.priority", &bridge.priority),
            word("ipoib", ipoib, |value| value.as_str()),
        ];

        all.into_iter().flatten()
    }
}

fn word<T: Copy>(
    key: &'static str,
    at: &Option<At<T>>,
    text: impl Fn(T) -> &'static str,
) -> Option<(&'static str, String, Span)> {
    at.as_ref().map(|at| (key, text(at.value).to_owned(), at.span))
}

fn shown<T: ToString>(key: &'static str, at: &Option<At<T>>) -> Option<(&'static str, String, Span)> {
    at.as_ref().map(|at| (key, at.value.to_string(), at.span))
}

/// A route of one interface.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RouteTable {
    /// The destination: an address range such as `10.0.0.0/8`.
    #[schemars(required)]
    pub to: Option<At<String>>,
    /// The router's address.
    #[schemars(required)]
    pub via: Option<At<String>>,
    /// The metric; among several routes to one destination, the lowest wins.
    #[serde(default)]
    pub metric: Option<At<u32>>,
}

/// The settings of a bond (<https://docs.kernel.org/networking/bonding.html>).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BondTable {
    /// The mode; `active-backup` by default.
    #[serde(default)]
    pub mode: Option<At<BondMode>>,
    /// The LACP rate: `slow` is every 30 s, `fast` every second. For `802.3ad`.
    #[serde(default)]
    pub lacp_rate: Option<At<LacpRate>>,
    /// The hash policy that selects the member for a packet. For `802.3ad`, `balance-xor` and `balance-tlb`.
    #[serde(default)]
    pub hash_policy: Option<At<HashPolicy>>,
    /// Milliseconds between checks of the members' links; 100 by default, 0 disables them.
    #[serde(default)]
    #[schemars(range(max = 60000))]
    pub mii_monitor: Option<At<u32>>,
    /// Milliseconds until a link that came up is used; a multiple of `mii_monitor`.
    #[serde(default)]
    #[schemars(range(max = 600000))]
    pub up_delay: Option<At<u32>>,
    /// Milliseconds until a link that went down is no longer used; a multiple of `mii_monitor`.
    #[serde(default)]
    #[schemars(range(max = 600000))]
    pub down_delay: Option<At<u32>>,
    /// The number of links that must be up for the bond to be up. For `802.3ad`.
    #[serde(default)]
    #[schemars(range(max = 64))]
    pub min_links: Option<At<u32>>,
    /// The preferred member. For `active-backup`, `balance-tlb` and `balance-alb`.
    #[serde(default)]
    pub primary: Option<At<String>>,
    /// The member whose MAC address the bond has after a failover. For `active-backup`.
    #[serde(default)]
    pub fail_over_mac: Option<At<FailOverMac>>,
    /// How one of several link aggregation groups is selected. For `802.3ad`.
    #[serde(default)]
    pub ad_select: Option<At<AdSelect>>,
}

/// The settings of a bridge.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BridgeTable {
    /// Whether it uses the spanning tree protocol; `false` by default.
    #[serde(default)]
    pub stp: Option<At<bool>>,
    /// The priority in the spanning tree.
    #[serde(default)]
    #[schemars(range(max = 65535))]
    pub priority: Option<At<u32>>,
}

/// The address families that use DHCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DhcpChoice {
    Off,
    /// Every family that the interface's network has and no address states.
    On,
    Ipv4,
    Ipv6,
}

impl DhcpChoice {
    /// Returns the value as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "false",
            Self::On => "true",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

impl<'de> Deserialize<'de> for DhcpChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl Visitor<'_> for Choice {
            type Value = DhcpChoice;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false, \"ipv4\" or \"ipv6\"")
            }
            fn visit_bool<E: Error>(self, is_on: bool) -> Result<DhcpChoice, E> {
                Ok(if is_on { DhcpChoice::On } else { DhcpChoice::Off })
            }
            fn visit_str<E: Error>(self, family: &str) -> Result<DhcpChoice, E> {
                match family {
                    "ipv4" => Ok(DhcpChoice::Ipv4),
                    "ipv6" => Ok(DhcpChoice::Ipv6),
                    other => Err(E::unknown_variant(other, &["ipv4", "ipv6"])),
                }
            }
        }

        deserializer.deserialize_any(Choice)
    }
}

impl JsonSchema for DhcpChoice {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DhcpChoice".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [true, false, "ipv4", "ipv6"] })
    }
}
