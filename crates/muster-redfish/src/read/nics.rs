//! Parses the interfaces of a machine from the four kinds of resources that report them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::words::{MAX_LIST, at, id, links, told};
use muster_core::model::{Guid, MacAddr};
use muster_core::observed::{NicKind, SeenNic};

/// The resource that reports an interface; the first one has the most details.
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

/// One interface as reported by one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub source: Source,
    pub nic: SeenNic,
}

/// The interfaces that all sources report together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// Sorted by address, each interface once.
    pub nics: Vec<SeenNic>,
    /// Whether several interfaces of one list have the same address.
    pub repeated: bool,
}

/// Extracts the address from a UEFI device path: `MAC(A088C2C7B37E,0x1)`, or with `_` for the
/// brackets (Lenovo XCC).
pub fn path_mac(path: &str) -> Option<MacAddr> {
    path.match_indices("MAC").find_map(|(start, word)| {
        let rest = path[start + word.len()..].strip_prefix(['(', '_'])?;
        MacAddr::parse(rest.get(..12)?).ok()
    })
}

/// Parses an EthernetInterface of a System; returns `None` if it has no address.
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

/// Parses a NetworkDeviceFunction; returns `None` if it has no address.
pub fn function(value: &Value, uri: &str) -> Option<Found> {
    let (ethernet, infiniband) = (at(value, "Ethernet"), at(value, "InfiniBand"));
    let guid = ["PermanentPortGUID", "PortGUID", "PermanentNodeGUID", "NodeGUID"]
        .iter()
        .find_map(|key| Guid::parse(&told(infiniband, key)?).ok());
    let Addresses { mac, permanent, guid: of_mac } = addresses(ethernet);
    // A card that supports both reports its GUID in either mode.
    let is_infiniband = is_infiniband(value, uri) || (guid.is_some() && told(value, "NetDevFuncType").is_none());
    let kind = if is_infiniband { NicKind::Infiniband } else { NicKind::Ethernet };
    found(Source::Function, kind, id(value, uri), uri, Addresses { mac, permanent, guid: guid.or(of_mac) })
}

/// Parses the addresses of a Port or a NetworkPort.
pub fn port(value: &Value, uri: &str) -> Vec<Found> {
    let texts = |path: &str| {
        let list = at(value, path).as_array().into_iter().flatten().take(MAX_LIST);
        list.filter_map(|text| Some(text.as_str()?.trim().to_owned())).collect::<Vec<_>>()
    };
    let macs = [texts("Ethernet/AssociatedMACAddresses"), texts("AssociatedNetworkAddresses")].concat();
    let guids = texts("InfiniBand/AssociatedPortGUIDs");
    let is_infiniband = !guids.is_empty() || is_infiniband(value, uri);
    let kind = if is_infiniband { NicKind::Infiniband } else { NicKind::Ethernet };
    let of_macs = macs.iter().map(|text| split(text));
    let of_guids = guids.iter().map(|text| Addresses { guid: Guid::parse(text).ok(), ..Addresses::default() });
    of_macs.chain(of_guids).filter_map(|addresses| found(Source::Port, kind, id(value, uri), uri, addresses)).collect()
}

/// Parses the interface of a boot option; returns `None` if its device path names none.
pub fn boot_option(value: &Value, uri: &str) -> Option<Found> {
    let path = told(value, "UefiDevicePath")?;
    let kind = if path.to_ascii_uppercase().contains("USB(") { NicKind::HostToBmc } else { NicKind::Ethernet };
    let name = told(value, "BootOptionReference").unwrap_or_else(|| id(value, uri));
    found(Source::BootOption, kind, name, uri, Addresses { mac: path_mac(&path), ..Addresses::default() })
}

/// The addresses of an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The address in use.
    pub mac: Option<MacAddr>,
    /// The factory's address, if it is reported.
    pub permanent: Option<MacAddr>,
    pub guid: Option<Guid>,
}

fn found(source: Source, kind: NicKind, id: Box<str>, uri: &str, addresses: Addresses) -> Option<Found> {
    let Addresses { mac, permanent, guid } = addresses;
    let kind = if mac.is_none() && guid.is_some() && kind == NicKind::Ethernet { NicKind::Infiniband } else { kind };
    let nic = SeenNic { mac, permanent, guid, kind, id, uri: uri.into() };
    (mac.is_some() || guid.is_some()).then_some(Found { source, nic })
}

/// Returns the addresses of an interface. The one in use (MACAddress) may differ from the factory's
/// (DSP0268, EthernetInterface); if the service reports only the factory's, that one is in use.
pub fn addresses(value: &Value) -> Addresses {
    let of = |key| told(value, key).map(|text| split(&text)).unwrap_or_default();
    let (assigned, permanent) = (of("MACAddress"), of("PermanentMACAddress"));
    Addresses { mac: assigned.mac.or(permanent.mac), permanent: permanent.mac, guid: assigned.guid.or(permanent.guid) }
}

/// Parses a MAC address, a GUID, or an IP-over-InfiniBand hardware address, whose last 8 of 20
/// bytes are the GUID (RFC 4391).
fn split(text: &str) -> Addresses {
    if let Ok(mac) = MacAddr::parse(text) {
        return Addresses { mac: Some(mac), ..Addresses::default() };
    }
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let is_hex = text.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    let guid = match hex.len() {
        16 | 40 if is_hex => Guid::parse(&hex[hex.len() - 16..]).ok(),
        _ => None,
    };
    Addresses { guid, ..Addresses::default() }
}

/// Returns whether an interface, of a System or of a manager, is the link between the two,
/// according to its link to a host interface (DSP0270) or its name. A locally administered address
/// proves nothing.
pub fn is_host_link(value: &Value, uri: &str) -> bool {
    let is_linked = ["HostInterface", "HostInterfaces"]
        .iter()
        .any(|key| !links(at(value, &format!("Links/{key}"))).found.is_empty());
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
    let of_vlan = at(value, "VLAN/VLANEnable").as_bool() == Some(true)
        && !links(at(value, "Links/RelatedInterfaces")).found.is_empty();
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

/// Joins the reports of all sources: each interface once, as reported by the source with the most
/// details.
///
/// `host_links` are the manager's ends of links to the host: an address that equals one of them, or
/// is adjacent to one, is the other end.
pub fn join(mut all: Vec<Found>, host_links: &[MacAddr]) -> Joined {
    // Of equal addresses, the physical interface comes before its VLANs.
    let rank = |found: &Found| (found.source, found.nic.kind == NicKind::Virtual);
    all.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| super::words::natural(&a.nic.uri, &b.nic.uri)));
    let near: BTreeSet<u64> =
        host_links.iter().flat_map(|mac| [number(*mac) - 1, number(*mac), number(*mac) + 1]).collect();

    let mut known = Known::default();
    for Found { source, mut nic } in all {
        if nic.mac.is_some_and(|mac| near.contains(&number(mac))) {
            nic.kind = NicKind::HostToBmc;
        }
        known.add(source, nic);
    }

    let mut joined = Joined { nics: known.nics, repeated: known.repeated };
    for nic in &mut joined.nics {
        nic.permanent = nic.permanent.filter(|permanent| Some(*permanent) != nic.mac);
    }
    joined.nics.sort_by(|a, b| {
        let key = |nic: &SeenNic| (nic.mac.is_none(), nic.mac, nic.guid);
        key(a).cmp(&key(b)).then_with(|| super::words::natural(&a.uri, &b.uri))
    });
    joined
}

/// The joined interfaces, with indexes.
#[derive(Default)]
struct Known {
    nics: Vec<SeenNic>,
    /// The source of each interface.
    sources: Vec<Source>,
    /// The index by the factory's address, or by the only reported one.
    by_permanent: BTreeMap<MacAddr, usize>,
    by_mac: BTreeMap<MacAddr, usize>,
    by_guid: BTreeMap<Guid, usize>,
    repeated: bool,
}

impl Known {
    fn add(&mut self, source: Source, nic: SeenNic) {
        // A port that identifies a card only by its GUID is not another card.
        if source == Source::Port
            && let Some(at) = self.of_guid(&nic)
        {
            self.nics[at].guid = self.nics[at].guid.or(nic.guid);
            return;
        }

        let Some(at) = self.same(&nic) else {
            self.nics.push(nic);
            self.sources.push(source);
            self.index(self.nics.len() - 1);
            return;
        };

        self.repeated |= source == Source::Interface && self.sources[at] == Source::Interface;
        let known = &mut self.nics[at];
        known.guid = known.guid.or(nic.guid);
        known.permanent = known.permanent.or(nic.permanent);
        let says_more = known.kind == NicKind::Ethernet && nic.kind == NicKind::Infiniband;
        if nic.kind == NicKind::HostToBmc || says_more {
            known.kind = nic.kind;
        }

        self.index(at);
    }

    /// Finds the interface from whose address a GUID was made (EUI-64: its first and last three
    /// bytes), if the GUID is reported alone.
    fn of_guid(&self, nic: &SeenNic) -> Option<usize> {
        let guid = nic.guid.filter(|guid| nic.mac.is_none() && !self.by_guid.contains_key(guid))?.0;
        let mac = MacAddr([guid[0], guid[1], guid[2], guid[5], guid[6], guid[7]]);
        self.by_permanent.get(&mac).or_else(|| self.by_mac.get(&mac)).copied()
    }

    /// Finds the interface that another report describes.
    fn same(&self, nic: &SeenNic) -> Option<usize> {
        let Some(mac) = nic.mac else { return self.by_guid.get(&nic.guid?).copied() };
        let by_permanent = self.by_permanent.get(&nic.permanent.unwrap_or(mac)).copied();
        // The members of a bond share the address in use; the factory's distinguishes them.
        let of_mac = self.by_mac.get(&mac).copied();
        by_permanent.or_else(|| of_mac.filter(|at| nic.permanent.is_none() || self.nics[*at].permanent.is_none()))
    }

    fn index(&mut self, at: usize) {
        let nic = &self.nics[at];
        if let Some(mac) = nic.mac {
            self.by_permanent.entry(nic.permanent.unwrap_or(mac)).or_insert(at);
            self.by_mac.entry(mac).or_insert(at);
        } else if let Some(guid) = nic.guid {
            self.by_guid.entry(guid).or_insert(at);
        }
    }
}

/// Returns an address as a number plus one, so that there is always a lower one.
fn number(mac: MacAddr) -> u64 {
    mac.0.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte)) + 1
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
    fn the_address_in_use_and_the_factorys_are_both_known() {
        let text = |mac: Option<MacAddr>| mac.map(|mac| mac.to_string());
        let both = addresses(&json!({ "MACAddress": "AA:BB:CC:DD:EE:00", "PermanentMACAddress": "12:44:6A:3B:88:90" }));
        assert_eq!(text(both.mac).as_deref(), Some("aa:bb:cc:dd:ee:00"));
        assert_eq!(text(both.permanent).as_deref(), Some("12:44:6a:3b:88:90"));
        let mac = |value: Value| text(addresses(&value).mac);
        assert_eq!(
            mac(json!({ "MACAddress": "AABBCCDDEE00", "PermanentMACAddress": "" })).as_deref(),
            Some("aa:bb:cc:dd:ee:00")
        );

        assert_eq!(
            mac(json!({ "MACAddress": "Not Available", "PermanentMACAddress": "AABBCCDDEE00" })).as_deref(),
            Some("aa:bb:cc:dd:ee:00")
        );

        let ipoib = "80:00:02:08:fe:80:00:00:00:00:00:00:0c:42:a1:03:00:a1:b2:c3";
        assert_eq!(
            addresses(&json!({ "MACAddress": ipoib })).guid.map(|guid| guid.to_string()).as_deref(),
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
            nic: SeenNic {
                mac: MacAddr::parse(mac).ok(),
                permanent: None,
                guid: None,
                kind,
                id: uri.into(),
                uri: uri.into(),
            },
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
    fn members_of_a_bond_stay_apart_and_an_assigned_address_is_one_interface() {
        let nic = |source, mac: &str, permanent: &str, uri: &str| Found {
            source,
            nic: SeenNic {
                mac: MacAddr::parse(mac).ok(),
                permanent: MacAddr::parse(permanent).ok(),
                guid: None,
                kind: NicKind::Ethernet,
                id: uri.into(),
                uri: uri.into(),
            },
        };

        // Two members of a bond, an address that a profile assigned, and ports that only know the
        // factory's address.
        let all = vec![
            nic(Source::Interface, "02000000000a", "02000000000a", "/ei/1"),
            nic(Source::Interface, "02000000000a", "02000000000b", "/ei/2"),
            nic(Source::Function, "0225b5000001", "02000000000c", "/f/3"),
            nic(Source::Port, "02000000000a", "", "/p/1"),
            nic(Source::Port, "02000000000b", "", "/p/2"),
            nic(Source::Port, "02000000000c", "", "/p/3"),
        ];

        let joined = join(all, &[]);
        let told: Vec<(&str, String, Option<String>)> = joined
            .nics
            .iter()
            .map(|nic| (&*nic.uri, nic.mac.unwrap().to_string(), nic.permanent.map(|mac| mac.to_string())))
            .collect();

        let want = [
            ("/ei/1", "02:00:00:00:00:0a", None),
            ("/ei/2", "02:00:00:00:00:0a", Some("02:00:00:00:00:0b")),
            ("/f/3", "02:25:b5:00:00:01", Some("02:00:00:00:00:0c")),
        ];

        assert_eq!(told, want.map(|(uri, mac, own)| (uri, mac.to_owned(), own.map(str::to_owned))));
        assert!(!joined.repeated);
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
