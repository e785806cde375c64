//! Limits on the lengths of lists whose elements are compared with each other, or written for every
//! node.
//!
//! Each limit is far above the needs of any site; `docs/repository.md` lists them. A longer list is
//! an error, and only its beginning is processed further.

use super::LayerTable;
use super::at::{At, OneOrMany};
use super::sources::{Findings, Here};
use crate::model::{Code, Diagnostic, Span};

/// The kernel parameters of one list. A kernel line of 2,047 bytes has room for fewer.
const MAX_PARAMS: usize = 1_024;

/// The initial RAM disks of one boot configuration.
const MAX_INITRDS: usize = 64;

/// The interfaces of one node.
pub const MAX_NICS: usize = 512;

/// The addresses of one interface.
const MAX_IPS: usize = 64;

/// The routes of one interface.
const MAX_ROUTES: usize = 256;

/// The elements of one `unset`.
const MAX_UNSET: usize = 1_024;

/// The ranges, gateways or name servers of one network.
const MAX_RANGES: usize = 256;

/// Truncates the lists of a layer.
pub fn layer(here: &Here<'_>, table: &mut LayerTable, findings: &mut Findings) {
    params(here, &mut table.params, findings);
    cut(here, &mut table.unset, "unset", MAX_UNSET, findings);
    cut(here, &mut table.nics, "nics", MAX_NICS, findings);

    for nic in &mut table.nics {
        let nic = &mut nic.value;
        if let Some(OneOrMany(ips)) = &mut nic.ip {
            cut(here, ips, "ip", MAX_IPS, findings);
        }
        if let Some(members) = &mut nic.members {
            cut(here, members, "members", MAX_NICS, findings);
        }
        if let Some(routes) = &mut nic.routes {
            cut(here, routes, "routes", MAX_ROUTES, findings);
        }
    }
}

/// Truncates a list of kernel parameters.
pub fn params(here: &Here<'_>, list: &mut Vec<At<String>>, findings: &mut Findings) {
    cut(here, list, "params", MAX_PARAMS, findings);
}

/// Truncates a list of initial RAM disks.
pub fn initrd(here: &Here<'_>, list: &mut OneOrMany, findings: &mut Findings) {
    cut(here, &mut list.0, "initrd", MAX_INITRDS, findings);
}

/// Truncates a list of a network.
pub fn of_network(here: &Here<'_>, list: &mut Option<OneOrMany>, key: &str, findings: &mut Findings) {
    if let Some(OneOrMany(list)) = list {
        cut(here, list, key, MAX_RANGES, findings);
    }
}

/// Reports that a node has more interfaces than any machine.
pub fn too_many_nics(here: &Here<'_>, span: Span) -> Diagnostic {
    let message = format!("the layers up to here give a node over {MAX_NICS} interfaces");
    Diagnostic::new(Code::TooMany, here.place(span), message)
}

fn cut<T>(here: &Here<'_>, list: &mut Vec<At<T>>, key: &str, most: usize, findings: &mut Findings) {
    let Some(first) = list.get(most) else { return };
    let message = format!("`{key}` has {} elements; at most {most} are read", list.len());
    findings.push(Diagnostic::new(Code::TooMany, here.place(first.span), message));
    list.truncate(most);
}
