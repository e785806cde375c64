//! Managers, chassis and firmware of a BMC.

use super::gather::gather;
use super::walk::{Doc, Members, Part, Walk, parts};
use crate::model::MacAddr;
use crate::observed::{Chassis, Failure, Firmware, Manager, Reading};
use crate::redfish::read::nics::{addresses, is_host_link};
use crate::redfish::read::service::{chassis, firmware, manager, software};
use crate::redfish::read::words::natural;

/// The managers, and their ends of links to the host.
pub struct Managers {
    pub managers: Reading<Vec<Manager>>,
    pub host_links: Part<MacAddr>,
}

/// Reads the managers with their interfaces.
pub async fn managers(walk: &Walk<'_>, root: &Doc) -> Managers {
    let members = match walk.members_of(root, "Managers").await {
        Reading::Seen(members) => members,
        Reading::Failed(failure) => {
            let host_links = Part::of_failure(failure.clone());
            return Managers { managers: Reading::Failed(failure), host_links };
        }
        Reading::Absent | Reading::Unasked => {
            return Managers { managers: Reading::Absent, host_links: Part::default() };
        }
    };
    let failure = members.failed.first().map(|(_, failure)| failure.clone());
    let mut host_links = Part { found: Vec::new(), failure };
    let mut all = Vec::new();
    let interfaces = gather(members.found.iter().map(|doc| walk.members_of(doc, "EthernetInterfaces"))).await;
    for (doc, interfaces) in members.found.iter().zip(interfaces) {
        let is_absent = matches!(interfaces, Reading::Absent);
        let read = parts(interfaces, |value, uri| Some((addresses(value).0?, is_host_link(value, uri))));
        let found = read.found.iter().filter(|(_, is_host)| *is_host).map(|(mac, _)| *mac).collect();
        host_links.join(Part { found, failure: read.failure.clone() });
        let mut macs: Vec<MacAddr> = read.found.into_iter().map(|(mac, _)| mac).collect();
        macs.sort_unstable();
        macs.dedup();
        let macs = match read.failure {
            Some(failure) => Reading::Failed(failure),
            None if is_absent => Reading::Absent,
            None => Reading::Seen(macs),
        };
        all.push(Manager { macs, ..manager(&doc.body, &doc.uri) });
    }
    all.sort_by(|a, b| natural(&a.id, &b.id));
    Managers { managers: whole(all, members.failed), host_links }
}

/// The chassis, as they are understood and as they are.
pub struct AllChassis {
    pub chassis: Reading<Vec<Chassis>>,
    pub docs: Vec<Doc>,
    /// Those that could not be read; without a URI, all of them.
    pub failed: Vec<(Box<str>, Failure)>,
}

/// Reads the chassis.
pub async fn all_chassis(walk: &Walk<'_>, root: &Doc) -> AllChassis {
    let none = |chassis, failed| AllChassis { chassis, docs: Vec::new(), failed };
    match walk.members_of(root, "Chassis").await {
        Reading::Seen(Members { found, failed }) => {
            let mut all: Vec<Chassis> = found.iter().map(|doc| chassis(&doc.body, &doc.uri)).collect();
            all.sort_by(|a, b| natural(&a.id, &b.id));
            AllChassis { chassis: whole(all, failed.clone()), docs: found, failed }
        }
        Reading::Failed(failure) => none(Reading::Failed(failure.clone()), vec![("".into(), failure)]),
        Reading::Absent => none(Reading::Absent, Vec::new()),
        Reading::Unasked => none(Reading::Unasked, Vec::new()),
    }
}

/// Reads the firmware inventory.
pub async fn all_firmware(walk: &Walk<'_>, root: &Doc) -> Reading<Firmware> {
    let service = match walk.part(root, "UpdateService").await {
        Reading::Seen(service) => service,
        other => return other.map(|_| Firmware::default()),
    };
    let Members { found, failed } = match walk.members_of(&service, "FirmwareInventory").await {
        Reading::Seen(members) => members,
        other => return other.map(|_| Firmware::default()),
    };
    let mut rows: Vec<_> = found.iter().filter_map(|doc| software(&doc.body, &doc.uri)).collect();
    rows.sort_by(|a, b| natural(&a.0, &b.0));
    whole(rows, failed).map(firmware)
}

/// A list from which something is missing is a failure: unknown is not absent.
fn whole<T>(all: Vec<T>, failed: Vec<(Box<str>, Failure)>) -> Reading<Vec<T>> {
    failed.into_iter().next().map_or(Reading::Seen(all), |(_, failure)| Reading::Failed(failure))
}
