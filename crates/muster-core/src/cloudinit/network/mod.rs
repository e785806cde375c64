//! network-config: the interfaces of a node, as cloud-init reads them.
//!
//! Version 2 of the format (<https://cloudinit.readthedocs.io/en/latest/reference/network-config-format-v2.html>) is
//! netplan's, which netplan takes as it stands. On systems without netplan, cloud-init translates, and loses InfiniBand, most
//! settings of bonds, the MAC addresses of what is made of interfaces, and an IPv6 default route. Version 1
//! (<https://cloudinit.readthedocs.io/en/latest/reference/network-config-format-v1.html>) has all of these, so nodes that need
//! them get it. This room knows neither which system a node runs nor what its kernel has set up.

mod plan;
mod v1;
mod v2;

use super::outline::outline;
use super::{LineSource, file};
use crate::desired::{Findings, NicKind};
use crate::model::{Code, Diagnostic, Origin, Place};
use crate::resolve::Resolved;

use plan::Interface;

/// One line of a network-config that muster writes, and the statement that it comes from.
#[derive(Debug)]
pub struct ConfigLine {
    /// With its ending.
    pub text: String,
    pub origin: Option<Origin>,
}

/// What a node gets of network-config.
#[derive(Debug)]
pub enum NetworkConfig {
    /// A file of the site's own, expanded.
    File(String),
    /// What follows from the interfaces; no lines if no interface says enough.
    Lines(Vec<ConfigLine>),
}

impl NetworkConfig {
    /// Writes the document, if there is anything in it.
    pub fn text(self) -> Option<String> {
        match self {
            Self::File(text) => Some(text),
            Self::Lines(lines) if lines.is_empty() => None,
            Self::Lines(lines) => Some(lines.into_iter().map(|line| line.text).collect()),
        }
    }
}

/// The versions of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Makes the network-config of a node.
///
/// # Errors
/// Returns what the site's own file lacks, and what the version that the node gets cannot say.
pub fn config(resolved: &Resolved, node: usize) -> Result<NetworkConfig, Findings> {
    let class = resolved.class(node);
    if let Some(name) = &class.network_config {
        let text = file(resolved, node, name)?;
        let is_config = outline(&text).iter().any(|key| matches!(key.path.as_slice(), ["version" | "network"]));
        if !is_config {
            let place = Place::file(format!("cloud-init/{}", name.value));
            let message = "this is not a network-config: no line begins with `version:` or `network:`";
            let finding = Diagnostic::new(Code::CloudInit, place, message);
            return Err(vec![finding.hint("begin with `version: 2`")]);
        }
        return Ok(NetworkConfig::File(text));
    }

    let desired = &*resolved.desired;
    let interfaces = plan::interfaces(desired, node);
    let has_unmanaged = desired.nics(&desired.nodes[node]).any(|(spec, _)| !spec.settings.is_managed());
    if interfaces.is_empty() {
        // Without a word of what to configure, cloud-init would make up a configuration of its own.
        let nothing = ["version: 2\n", "ethernets: {}\n"].map(|text| ConfigLine { text: text.into(), origin: None });
        return Ok(NetworkConfig::Lines(if has_unmanaged { nothing.into() } else { Vec::new() }));
    }
    match version(resolved, node, &interfaces)? {
        Version::One => Ok(NetworkConfig::Lines(v1::lines(&interfaces))),
        Version::Two => Ok(NetworkConfig::Lines(v2::lines(&interfaces))),
    }
}

/// Chooses the version: what is stated, else 1 if cloud-init would lose something of version 2 on its way to
/// NetworkManager or sysconfig.
fn version(resolved: &Resolved, node: usize, interfaces: &[Interface<'_>]) -> Result<Version, Findings> {
    let stated = resolved.class(node).network_version.map(|stated| stated.value);
    let cause = interfaces.iter().find_map(|interface| needs_version_1(interface).map(|what| (interface, what)));
    let version = match (stated, cause) {
        (Some(1), _) | (None, Some(_)) => Version::One,
        _ => Version::Two,
    };
    if version == Version::Two {
        return Ok(version);
    }
    let why = match cause {
        Some((other, what)) if stated.is_none() => {
            format!(", which this node gets for {what} of `{}`,", other.spec.name)
        }
        _ => String::new(),
    };
    let mut findings = Findings::new();
    for interface in interfaces {
        for (key, origin) in only_in_version_2(interface) {
            let message = format!("version 1 of network-config{why} cannot say `{key}` of `{}`", interface.spec.name);
            let finding = Diagnostic::new(Code::BadValue, resolved.desired.sources.place(origin), message);
            findings.push(finding.hint(
                "state `cloud_init.network_version = 2` if these nodes run netplan, or write a file for \
                 `cloud_init.network_config`",
            ));
        }
    }
    if findings.is_empty() { Ok(version) } else { Err(findings) }
}

/// Names what cloud-init would lose of an interface in version 2.
fn needs_version_1(interface: &Interface<'_>) -> Option<&'static str> {
    let bond = &interface.spec.settings.bond;
    let has_options = bond.lacp_rate.is_some()
        || bond.hash_policy.is_some()
        || bond.min_links.is_some()
        || bond.fail_over_mac.is_some()
        || bond.ad_select.is_some();
    if interface.routes.iter().any(|route| route.to.prefix_len() == 0 && route.via.is_ipv6()) {
        return Some("the IPv6 default route");
    }
    match interface.spec.kind {
        NicKind::Infiniband => Some("the kind"),
        NicKind::Bond if has_options => Some("the settings"),
        NicKind::Bond | NicKind::Vlan | NicKind::Bridge if interface.given_mac.is_some() => Some("the MAC address"),
        NicKind::Ethernet | NicKind::Bond | NicKind::Vlan | NicKind::Bridge => None,
    }
}

/// Lists what version 1 cannot say of an interface.
fn only_in_version_2(interface: &Interface<'_>) -> impl Iterator<Item = (&'static str, Origin)> {
    let settings = &interface.spec.settings;
    let optional = settings.optional.filter(|stated| stated.value).map(|stated| ("optional", stated.origin));
    let routes = settings.default_route.filter(|_| interface.refuses_routes());
    let routes = routes.map(|stated| ("default_route = false", stated.origin));
    let connected = settings.ipoib.filter(|stated| stated.value.as_str() == "connected");
    let connected = connected.map(|stated| ("ipoib = \"connected\"", stated.origin));
    optional.into_iter().chain(routes).chain(connected)
}

/// Returns the source of a line.
pub fn source(line: &ConfigLine) -> LineSource {
    line.origin.map_or(LineSource::Muster, LineSource::Value)
}
