//! Reads the managers, chassis and firmware of a BMC.

use std::net::IpAddr;

use serde_json::Value;

use super::gather::gather;
use super::walk::{Doc, Members, Part, Walk, parts};
use crate::read::nics::{Addresses, addresses, is_host_link};
use crate::read::service::{chassis, firmware, manager, software};
use crate::read::words::{at, is_absent, natural, told};
use muster_core::model::MacAddr;
use muster_core::observed::{Chassis, Failure, Firmware, Manager, Reading};

/// The managers, and their ends of links to the host as far as they could be read.
pub struct Managers {
    pub managers: Reading<Vec<Manager>>,
    pub host_links: Vec<MacAddr>,
    /// The reason for which some of those ends may be unknown, if any: an interface of the host may
    /// then be the other end of one.
    pub host_links_unread: Option<Failure>,
}

/// One interface of a manager.
struct Interface {
    mac: MacAddr,
    permanent: Option<MacAddr>,
    is_host_link: bool,
    is_up: bool,
    addresses: Vec<IpAddr>,
}

impl Interface {
    fn read(value: &Value, uri: &str) -> Option<Self> {
        let Addresses { mac, permanent, guid: _ } = addresses(value);
        let lists = ["IPv4Addresses", "IPv6Addresses"].map(|key| at(value, key).as_array());
        let texts = lists.into_iter().flatten().flatten().filter_map(|entry| told(entry, "Address"));
        let is_down = told(value, "LinkStatus").is_some_and(|state| !state.eq_ignore_ascii_case("LinkUp"))
            || told(value, "InterfaceEnabled").is_some_and(|on| &*on == "false")
            || is_absent(value);
        let addresses: Vec<IpAddr> =
            texts.filter_map(|text| text.parse().ok()).filter(|ip: &IpAddr| !ip.is_unspecified()).collect();

        Some(Self {
            mac: mac?,
            permanent,
            is_host_link: is_host_link(value, uri),
            is_up: !is_down && !addresses.is_empty(),
            addresses,
        })
    }
}

/// Returns the MAC addresses of the interfaces through which a BMC is reached: those with the
/// contacted address, else those that are up.
fn in_use(all: &[Interface], asked: &[IpAddr]) -> Vec<MacAddr> {
    let own = || all.iter().filter(|one| !one.is_host_link);
    let has_asked = |one: &&Interface| one.addresses.iter().any(|ip| asked.contains(ip));
    let mut macs: Vec<MacAddr> = own().filter(has_asked).map(|one| one.mac).collect();
    if macs.is_empty() {
        macs = own().filter(|one| one.is_up).map(|one| one.mac).collect();
    }
    macs.sort_unstable();
    macs.dedup();
    macs
}

/// Reads the managers with their interfaces.
pub async fn managers(walk: &Walk<'_>, root: &Doc) -> Managers {
    let members = match walk.members_of(root, "Managers").await {
        Reading::Seen(members) => members,
        Reading::Failed(failure) => {
            let unread = Some(failure.clone());
            let managers = Reading::Failed(failure);
            return Managers { managers, host_links: Vec::new(), host_links_unread: unread };
        }
        Reading::Absent | Reading::Unasked => {
            return Managers { managers: Reading::Absent, host_links: Vec::new(), host_links_unread: None };
        }
    };

    let asked = walk.client().hosts();
    let mut host_links = Vec::new();
    let mut unread: Part<Interface> = Part::default();
    unread.fail(members.failure());
    let mut all = Vec::new();
    let interfaces = gather(members.found.iter().map(|doc| walk.members_of(doc, "EthernetInterfaces"))).await;

    for (doc, interfaces) in members.found.iter().zip(interfaces) {
        let is_absent = matches!(interfaces, Reading::Absent);
        let read: Part<Interface> = parts(interfaces, Interface::read);
        unread.fail(read.failure.clone());
        host_links.extend(read.found.iter().filter(|one| one.is_host_link).map(|one| one.mac));
        let mut macs: Vec<MacAddr> =
            read.found.iter().flat_map(|one| [Some(one.mac), one.permanent]).flatten().collect();
        let in_use = in_use(&read.found, &asked);
        macs.sort_unstable();
        macs.dedup();
        let macs = match read.failure {
            Some(failure) => Reading::Failed(failure),
            None if is_absent => Reading::Absent,
            None => Reading::Seen(macs),
        };
        all.push(Manager { macs, in_use, ..manager(&doc.body, &doc.uri) });
    }

    all.sort_by(|a, b| natural(&a.id, &b.id));
    let failure = members.failure();
    Managers { managers: whole(all, failure), host_links, host_links_unread: unread.failure }
}

/// The chassis, parsed and raw.
pub struct AllChassis {
    pub chassis: Reading<Vec<Chassis>>,
    pub docs: Vec<Doc>,
    /// The chassis that could not be read; an entry without a URI means all of them.
    pub failed: Vec<(Box<str>, Failure)>,
}

/// Reads the chassis.
pub async fn all_chassis(walk: &Walk<'_>, root: &Doc) -> AllChassis {
    let none = |chassis, failed| AllChassis { chassis, docs: Vec::new(), failed };
    match walk.members_of(root, "Chassis").await {
        Reading::Seen(members) => {
            let failure = members.failure();
            let Members { found, mut failed, lack } = members;
            let mut all: Vec<Chassis> = found.iter().map(|doc| chassis(&doc.body, &doc.uri)).collect();
            all.sort_by(|a, b| natural(&a.id, &b.id));
            failed.extend(lack.map(|failure| ("".into(), failure)));
            AllChassis { chassis: whole(all, failure), docs: found, failed }
        }
        Reading::Failed(failure) => none(Reading::Failed(failure.clone()), vec![("".into(), failure)]),
        Reading::Absent => none(Reading::Absent, Vec::new()),
        Reading::Unasked => none(Reading::Unasked, Vec::new()),
    }
}

/// Reads the firmware inventory. The second value is the reason for which some of it may be
/// missing, if any may.
pub async fn all_firmware(walk: &Walk<'_>, root: &Doc) -> (Reading<Firmware>, Option<Failure>) {
    let service = match walk.part(root, "UpdateService").await {
        Reading::Seen(service) => service,
        other => return (other.map(|_| Firmware::default()), None),
    };

    let members = match walk.members_of(&service, "FirmwareInventory").await {
        Reading::Seen(members) => members,
        other => return (other.map(|_| Firmware::default()), None),
    };

    let failure = members.failure();
    let rows: Vec<_> = members.found.iter().map(|doc| software(&doc.body, &doc.uri)).collect();
    match (rows.is_empty(), failure) {
        (true, Some(failure)) => (Reading::Failed(failure), None),
        // A service that lists no firmware does not report it: its BMC runs some.
        (true, None) => (Reading::Absent, None),
        (false, failure) => (Reading::Seen(firmware(rows)), failure),
    }
}

/// Turns an incomplete list into a failure, because unknown is not absent.
fn whole<T>(all: Vec<T>, failure: Option<Failure>) -> Reading<Vec<T>> {
    failure.map_or(Reading::Seen(all), Reading::Failed)
}
