//! Converts `networks/NAME.toml` to [`Network`].

use std::net::IpAddr;

use ipnet::IpNet;

use super::Network;
use super::at::{At, OneOrMany};
use super::file::NetworkFile;
use super::sources::{Findings, Here};
use super::suggest::did_you_mean_sorted;
use super::{limits, values};
use crate::model::{Code, Diagnostic, Place, Span, Stated};

/// Checks one network file.
pub fn lower(here: &Here<'_>, name: &str, mut file: NetworkFile, findings: &mut Findings) -> Network {
    for (list, key) in [(&mut file.cidr, "cidr"), (&mut file.gateway, "gateway"), (&mut file.dns, "dns")] {
        limits::of_network(here, list, key, findings);
    }
    if file.cidr.is_none() {
        findings.push(Diagnostic::new(Code::MissingKey, Place::file(here.path), "a network needs `cidr`"));
    }
    let cidrs = cidrs(here, file.cidr, findings);

    let gateways = addresses(here, file.gateway, findings);
    for (gateway, span) in &gateways {
        if !cidrs.is_empty() && !cidrs.iter().any(|cidr| cidr.contains(gateway)) {
            let message = format!("the gateway {gateway} is not in network `{name}`");
            findings.push(Diagnostic::new(Code::IpOutsideNetwork, here.place(*span), message));
        }
    }

    let vlan = file.vlan.and_then(|vlan| {
        if (1..=4094).contains(&vlan.value) {
            return Some(vlan.value);
        }
        findings.push(Diagnostic::new(Code::BadValue, here.place(vlan.span), "a VLAN is 1 to 4094"));
        None
    });

    Network {
        name: name.into(),
        cidrs,
        gateways: gateways.into_iter().map(|(address, _)| address).collect(),
        dns: addresses(here, file.dns, findings).into_iter().map(|(address, _)| address).collect(),
        domain: file.domain.and_then(|domain| {
            values::check_name(|| here.place(domain.span), &domain.value, findings).then(|| domain.value.into())
        }),
        vlan,
        mtu: file.mtu.and_then(|mtu| values::mtu(here, &mtu, findings)),
        advertise: file.advertise.and_then(|url| values::advertise(here, &url, findings)),
    }
}

/// Returns the placeholder for a network whose file could not be read.
pub fn unread(name: &str) -> Network {
    Network {
        name: name.into(),
        cidrs: Vec::new(),
        gateways: Vec::new(),
        dns: Vec::new(),
        domain: None,
        vlan: None,
        mtu: None,
        advertise: None,
    }
}

fn cidrs(here: &Here<'_>, items: Option<OneOrMany>, findings: &mut Findings) -> Vec<IpNet> {
    let mut all: Vec<IpNet> = Vec::new();
    for item in items.map(|items| items.0).unwrap_or_default() {
        all.extend(values::address_range(here, &item, findings));
    }
    all
}

fn addresses(here: &Here<'_>, items: Option<OneOrMany>, findings: &mut Findings) -> Vec<(IpAddr, Span)> {
    let mut all = Vec::new();
    for item in items.map(|items| items.0).unwrap_or_default() {
        let address = values::ip(&|| here.place(item.span), &item.value, findings);
        all.extend(address.map(|address| (address, item.span)));
    }
    all
}

/// Finds a network by name.
pub fn find(here: &Here<'_>, name: &At<String>, networks: &[Network], findings: &mut Findings) -> Option<Stated<u16>> {
    match networks.binary_search_by(|network| (*network.name).cmp(&name.value)) {
        Ok(at) => Some(Stated::new(at as u16, here.origin(name.span))),
        Err(_) => {
            let hint = did_you_mean_sorted(&name.value, networks, |network| &*network.name)
                .unwrap_or_else(|| format!("a network is a file: networks/{}.toml", name.value));
            let message = format!("there is no network `{}`", name.value);
            findings.push(Diagnostic::new(Code::NoSuchNetwork, here.place(name.span), message).hint(hint));
            None
        }
    }
}
