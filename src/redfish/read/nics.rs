//! Interfaces of a machine, from the four places where services tell of them.

use serde_json::Value;

use super::words::{at, id, links, told};
use crate::model::{Guid, MacAddr};
use crate::observed::{NicKind, SeenNic};

/// Where an interface was told of; the first tells most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A System's EthernetInterface.
    Interface,
    /// A NetworkDeviceFunction of an adapter.
    Function,
    /// A Port or NetworkPort of an adapter.
    Port,
    /// The device path of a boot option.
    BootOption,
}

/// One interface as one place tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub source: Source,
    pub nic: SeenNic,
}

/// What the sources together show beside the interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// Sorted by address, each address once.
    pub nics: Vec<SeenNic>,
    /// Several interfaces of one list have the same address.
    pub repeated: bool,
}

/// Reads the address in a UEFI device path: `MAC(A088C2C7B37E,0x1)`, or with `_` for the brackets (Lenovo XCC).
pub fn path_mac(path: &str) -> Option<MacAddr> {
    path.match_indices("MAC").find_map(|(start, word)| {
        let rest = path[start + word.len()..].strip_prefix(['(', '_'])?;
        MacAddr::parse(rest.get(..12)?).ok()
    })
}

/// Reads an EthernetInterface of a System; nothing where it has no address.
pub fn interface(value: &Value, uri: &str) -> Option<Found> {
    let kind = if is_host_link(value, uri) {
        NicKind::HostToBmc
    } else if is_virtual(value, uri) {
        NicKind::Virtual
    } else if is_infiniband(value, uri) {
        NicKind::Infiniband
    } else {
        NicKind::Ethernet
    };
    found(Source::Interface, kind, id(value, uri), uri, addresses(value))
}

/// Reads a NetworkDeviceFunction; nothing where it has no address.
pub fn function(value: &Value, uri: &str) -> Option<Found> {
    let (ethernet, infiniband) = (at(value, "Ethernet"), at(value, "InfiniBand"));
    let guid = ["PermanentPortGUID", "PortGUID", "PermanentNodeGUID", "NodeGUID"]
        .iter()
        .find_map(|key| Guid::parse(&told(infiniband, key)?).ok());
    let (mac, of_mac) = addresses(ethernet);
    // A card that can do both tells its GUID in either mode.
    let is_infiniband = is_infiniband(value, uri) || (guid.is_some() && told(value, "NetDevFuncType").is_none());
    let kind = if is_infiniband { NicKind::Infiniband } else { NicKind::Ethernet };
    found(Source::Function, kind, id(value, uri), uri, (mac, guid.or(of_mac)))
}

/// Reads the addresses of a Port or a NetworkPort.
pub fn port(value: &Value, uri: &str) -> Vec<Found> {
    let texts = |path: &str| {
        let list = at(value, path).as_array().into_iter().flatten();
        list.filter_map(|text| Some(text.as_str()?.trim().to_owned())).collect::<Vec<_>>()
    };
    let macs = [texts("Ethernet/AssociatedMACAddresses"), texts("AssociatedNetworkAddresses")].concat();
    let guids = texts("InfiniBand/AssociatedPortGUIDs");
    let is_infiniband = !guids.is_empty() || is_infiniband(value, uri);
    let kind = if is_infiniband { NicKind::Infiniband } else { NicKind::Ethernet };
    let of_macs = macs.iter().map(|text| split(text));
    let of_guids = guids.iter().map(|text| (None, Guid::parse(text).ok()));
    of_macs.chain(of_guids).filter_map(|addresses| found(Source::Port, kind, id(value, uri), uri, addresses)).collect()
}

/// Reads the interface that a boot option boots from; nothing where its device path names none.
pub fn boot_option(value: &Value, uri: &str) -> Option<Found> {
    let path = told(value, "UefiDevicePath")?;
    let kind = if path.to_ascii_uppercase().contains("USB(") { NicKind::HostToBmc } else { NicKind::Ethernet };
    let name = told(value, "BootOptionReference").unwrap_or_else(|| id(value, uri));
    found(Source::BootOption, kind, name, uri, (path_mac(&path), None))
}

fn found(
    source: Source,
    kind: NicKind,
    id: Box<str>,
    uri: &str,
    (mac, guid): (Option<MacAddr>, Option<Guid>),
) -> Option<Found> {
    let kind = if mac.is_none() && guid.is_some() && kind == NicKind::Ethernet { NicKind::Infiniband } else { kind };
    (mac.is_some() || guid.is_some()).then(|| Found { source, nic: SeenNic { mac, guid, kind, id, uri: uri.into() } })
}

/// Returns the permanent address where it is told, else the current one.
pub fn addresses(value: &Value) -> (Option<MacAddr>, Option<Guid>) {
    let of = |key| told(value, key).map(|text| split(&text)).filter(|(mac, guid)| mac.is_some() || guid.is_some());
    of("PermanentMACAddress").or_else(|| of("MACAddress")).unwrap_or_default()
}

/// Reads a MAC address, a GUID, or the hardware address of IP over InfiniBand, whose last 8 of 20 bytes are the GUID (RFC 4391).
fn split(text: &str) -> (Option<MacAddr>, Option<Guid>) {
    if let Ok(mac) = MacAddr::parse(text) {
        return (Some(mac), None);
    }
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let is_hex = text.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    match hex.len() {
        16 | 40 if is_hex => (None, Guid::parse(&hex[hex.len() - 16..]).ok()),
        _ => (None, None),
    }
}

/// Tells whether an interface, of a System or of a manager, is the link between the two: by its link to a host interface
/// (DSP0270), or by its name. That an address is locally administered says nothing.
pub fn is_host_link(value: &Value, uri: &str) -> bool {
    let is_linked =
        ["HostInterface", "HostInterfaces"].iter().any(|key| !links(at(value, &format!("Links/{key}"))).is_empty());
    let names = [Some(id(value, uri)), told(value, "Name"), told(value, "Description")];
    let is_named = names.iter().flatten().any(|name| {
        let name: String = name.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        ["usb", "tomanager", "tohost", "tmfifo", "ospassthrough", "ospassthru"].iter().any(|word| name.contains(word))
    });
    let path = told(value, "UefiDevicePath").unwrap_or_default();
    is_linked || is_named || path.to_ascii_uppercase().contains("USB(")
}

fn is_virtual(value: &Value, uri: &str) -> bool {
    let id = id(value, uri).to_ascii_lowercase();
    let of_vlan =
        at(value, "VLAN/VLANEnable").as_bool() == Some(true) && !links(at(value, "Links/RelatedInterfaces")).is_empty();
    match told(value, "EthernetInterfaceType").as_deref() {
        Some("Virtual") => true,
        Some(_) => false,
        None => of_vlan || ["vlan", "bond", "team", "bridge"].iter().any(|word| id.starts_with(word)),
    }
}

fn is_infiniband(value: &Value, uri: &str) -> bool {
    let types = ["NetDevFuncType", "ActiveLinkTechnology", "LinkNetworkTechnology", "PortProtocol"];
    let is_typed = types.iter().any(|key| told(value, key).is_some_and(|kind| kind.eq_ignore_ascii_case("infiniband")));
    let is_other = types.iter().any(|key| told(value, key).is_some());
    is_typed || (!is_other && id(value, uri).to_ascii_lowercase().contains("infiniband"))
}

/// Joins what all places tell: each address once, as the place tells it that tells most.
///
/// `host_links` are the manager's ends of links to the host: an address that is one of them, or next to one, is the other end.
pub fn join(mut all: Vec<Found>, host_links: &[MacAddr]) -> Joined {
    // Of equal addresses the physical interface stands before its VLANs.
    all.sort_by(|a, b| {
        let rank = |found: &Found| (found.nic.mac, found.source, found.nic.kind == NicKind::Virtual);
        let guid = (a.nic.mac.is_none(), a.nic.guid).cmp(&(b.nic.mac.is_none(), b.nic.guid));
        let by_mac = a.nic.mac.is_none().cmp(&b.nic.mac.is_none());
        by_mac
            .then_with(|| if a.nic.mac.is_none() { guid } else { rank(a).cmp(&rank(b)) })
            .then_with(|| super::words::natural(&a.nic.uri, &b.nic.uri))
    });
    let mut joined = Joined::default();
    let mut source = Source::Interface;
    for Found { source: of, mut nic } in all {
        if nic.mac.is_some_and(|mac| host_links.iter().any(|link| are_neighbours(*link, mac))) {
            nic.kind = NicKind::HostToBmc;
        }
        let is_same = |known: &SeenNic| {
            if nic.mac.is_some() { known.mac == nic.mac } else { known.guid == nic.guid }
        };
        match joined.nics.iter_mut().find(|known| is_same(known)) {
            Some(known) => {
                joined.repeated |= of == Source::Interface && source == Source::Interface;
                known.guid = known.guid.or(nic.guid);
                if nic.kind == NicKind::HostToBmc
                    || (known.kind == NicKind::Ethernet && nic.kind == NicKind::Infiniband)
                {
                    known.kind = nic.kind;
                }
            }
            None => {
                source = of;
                joined.nics.push(nic);
            }
        }
    }
    joined
}

/// Tells whether two addresses are the same or differ by one.
fn are_neighbours(a: MacAddr, b: MacAddr) -> bool {
    let number = |mac: MacAddr| mac.0.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    number(a).abs_diff(number(b)) <= 1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(value: Value) -> Option<NicKind> {
        interface(&value, "/redfish/v1/Systems/1/EthernetInterfaces/1").map(|found| found.nic.kind)
    }

    #[test]
    fn kinds_are_told_by_what_an_interface_is() {
        let with = |more: Value| {
            let mut value = json!({ "Id": "1", "MACAddress": "02:00:00:00:00:01" });
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            kind(value)
        };
        assert_eq!(with(json!({})), Some(NicKind::Ethernet));
        assert_eq!(with(json!({ "Description": "Host Network Interface for port eth0" })), Some(NicKind::Ethernet));
        assert_eq!(with(json!({ "Links": { "HostInterface": { "@odata.id": "/h" } } })), Some(NicKind::HostToBmc));
        assert_eq!(with(json!({ "Id": "usb0" })), Some(NicKind::HostToBmc));
        assert_eq!(with(json!({ "Name": "Embedded OS pass-through" })), Some(NicKind::HostToBmc));
        assert_eq!(with(json!({ "UefiDevicePath": "PciRoot(0x0)/USB(0x2,0x0)" })), Some(NicKind::HostToBmc));
        assert_eq!(with(json!({ "EthernetInterfaceType": "Virtual" })), Some(NicKind::Virtual));
        assert_eq!(with(json!({ "Id": "bond0" })), Some(NicKind::Virtual));
        assert_eq!(
            with(json!({ "EthernetInterfaceType": "Physical", "VLAN": { "VLANEnable": true } })),
            Some(NicKind::Ethernet)
        );
        assert_eq!(with(json!({ "MACAddress": "Not Available" })), None);
    }

    #[test]
    fn the_permanent_address_is_preferred_where_it_is_one() {
        let mac = |value: Value| addresses(&value).0.map(|mac| mac.to_string());
        let both = json!({ "MACAddress": "AA:BB:CC:DD:EE:00", "PermanentMACAddress": "12:44:6A:3B:88:90" });
        assert_eq!(mac(both).as_deref(), Some("12:44:6a:3b:88:90"));
        assert_eq!(
            mac(json!({ "MACAddress": "AABBCCDDEE00", "PermanentMACAddress": "" })).as_deref(),
            Some("aa:bb:cc:dd:ee:00")
        );
        let ipoib = "80:00:02:08:fe:80:00:00:00:00:00:00:0c:42:a1:03:00:a1:b2:c3";
        assert_eq!(
            addresses(&json!({ "MACAddress": ipoib })).1.map(|guid| guid.to_string()).as_deref(),
            Some("0c42a10300a1b2c3")
        );
    }

    #[test]
    fn device_paths_name_addresses() {
        for (path, mac) in [
            ("PciRoot(0x8)/Pci(0x2,0x0)/MAC(B83FD29097C4,0x1)/IPv4(0.0.0.0)", Some("b8:3f:d2:90:97:c4")),
            ("VenHw_1_MAC_A088C2C7B37E_0x1", Some("a0:88:c2:c7:b3:7e")),
            ("NVMe(0x1,01-CA-C7-06)", None),
            ("MAC(é,0x1)", None),
        ] {
            assert_eq!(path_mac(path).map(|mac| mac.to_string()).as_deref(), mac, "{path}");
        }
    }

    #[test]
    fn each_address_stands_once_and_the_best_source_tells_it() {
        let nic = |source, kind, mac: &str, uri: &str| Found {
            source,
            nic: SeenNic { mac: MacAddr::parse(mac).ok(), guid: None, kind, id: uri.into(), uri: uri.into() },
        };
        let all = vec![
            nic(Source::BootOption, NicKind::HostToBmc, "020000000009", "/boot/1"),
            nic(Source::Interface, NicKind::Virtual, "020000000002", "/ei/vlan"),
            nic(Source::Interface, NicKind::Ethernet, "020000000002", "/ei/z"),
            nic(Source::Function, NicKind::Infiniband, "020000000003", "/f/1"),
            nic(Source::Interface, NicKind::Ethernet, "020000000003", "/ei/3"),
            nic(Source::BootOption, NicKind::Ethernet, "0200000000fe", "/boot/2"),
        ];
        let joined = join(all, &[MacAddr::parse("0200000000ff").unwrap()]);
        let told: Vec<(&str, NicKind)> = joined.nics.iter().map(|nic| (&*nic.uri, nic.kind)).collect();
        let want = [
            ("/ei/z", NicKind::Ethernet),
            ("/ei/3", NicKind::Infiniband),
            ("/boot/1", NicKind::HostToBmc),
            ("/boot/2", NicKind::HostToBmc),
        ];
        assert_eq!((told.as_slice(), joined.repeated), (want.as_slice(), true));
    }

    #[test]
    fn a_function_of_infiniband_has_its_guid() {
        let value = json!({ "NetDevFuncType": "InfiniBand", "InfiniBand": { "PortGUID": "0c42:a103:00a1:b2c3" } });
        let nic = function(&value, "/f/1").unwrap().nic;
        assert_eq!((nic.kind, nic.mac, nic.guid.is_some()), (NicKind::Infiniband, None, true));
        let both = json!({
            "NetDevFuncType": "Ethernet", "Ethernet": { "MACAddress": "02:00:00:00:00:01" },
            "InfiniBand": { "PortGUID": "0c42:a103:00a1:b2c3" },
        });
        let nic = function(&both, "/f/1").unwrap().nic;
        assert_eq!((nic.kind, nic.mac.is_some(), nic.guid.is_some()), (NicKind::Ethernet, true, true));
        assert_eq!(function(&json!({ "FibreChannel": {} }), "/f/1"), None);
    }
}
