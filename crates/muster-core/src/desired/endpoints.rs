//! Checks the endpoints of BMCs: two BMCs with one endpoint, and one BMC with two addresses.

use std::collections::HashMap;
use std::net::IpAddr;

use super::file::Protocol;
use super::sources::Findings;
use super::{Bmc, Desired, values};
use crate::model::{Code, Diagnostic};

/// Reports BMCs that contradict each other or themselves.
pub fn endpoints(desired: &Desired, findings: &mut Findings) {
    let place = |origin| desired.sources.place(origin);
    let mut first: HashMap<(String, u16), &Bmc> = HashMap::with_capacity(desired.bmcs.len());
    for bmc in &desired.bmcs {
        let Some(url) = &bmc.url else { continue };
        let Some((host, port)) = values::endpoint_of(&url.value) else { continue };
        let address: Option<IpAddr> = host.parse().ok();

        if let (Some(address), Some(ip)) = (address, bmc.ip)
            && ip.value != address
        {
            let message = format!("the `ip` of BMC `{}` is {}, and its `url` has {address}", bmc.name, ip.value);
            let finding = Diagnostic::new(Code::BadValue, place(ip.origin), message);
            let finding = finding.hint("`ip` is for a URL that has a host name: state one of the two");
            findings.push(finding.related(place(url.origin), "the URL"));
        }

        if bmc.protocol == Protocol::None {
            continue;
        }
        let Some(other) = first.insert((host, port), bmc) else { continue };
        // Equal names, and equal addresses in one network, are reported elsewhere.
        if other.name == bmc.name || (address.is_some() && other.network == bmc.network) {
            continue;
        }
        let message = format!("BMCs `{}` and `{}` are reached at one and the same URL", other.name, bmc.name);
        let finding = Diagnostic::new(Code::DuplicateUrl, place(url.origin), message);
        let finding = finding.hint("nodes that share a BMC name one [[bmc]] table, each with its `system`");
        findings.push(match &other.url {
            Some(known) if known.origin != url.origin => finding.related(place(known.origin), "the other URL"),
            Some(_) | None => finding,
        });
    }
}
