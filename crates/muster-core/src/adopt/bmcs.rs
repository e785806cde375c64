//! The BMCs of new machines: which need a table of their own, and what it has to say beside the defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use url::{Host, Url};

use super::World;
use super::edits::{Draft, text_of};
use super::found::{Key, Keys};
use crate::model::MacAddr;
use crate::observed::{BmcRecord, Service};

/// What cluster.toml says of every BMC, and which addresses are taken.
pub struct Ground<'a> {
    world: World<'a>,
    network: Option<String>,
    has_credentials: bool,
    needs_pin: bool,
    /// By network, or none: every address of a node or BMC.
    taken: BTreeMap<(Option<String>, IpAddr), String>,
    told: BTreeSet<String>,
}

/// What a new BMC's table says beside its name, in the order of tables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    pub url: String,
    /// Where the default one is not it.
    pub network: Option<String>,
    /// Where the default one asks for a certificate's fingerprint, which no survey keeps.
    pub tls: Option<&'static str>,
}

impl<'a> Ground<'a> {
    /// Reads what the wishes say of BMCs.
    pub fn of(world: &World<'a>) -> Self {
        let text = text_of(world.tree, "cluster.toml").ok().flatten().unwrap_or_default();
        let cluster: toml::Table = toml::from_str(text).unwrap_or_default();
        let defaults = cluster.get("defaults").and_then(|defaults| defaults.get("bmc"));
        let word = |key: &str| defaults.and_then(|bmc| bmc.get(key)).and_then(|value| value.as_str());
        Self {
            world: *world,
            network: word("network").map(str::to_owned),
            has_credentials: word("credentials").is_some(),
            needs_pin: word("tls") == Some("pin"),
            taken: taken(world),
            told: BTreeSet::new(),
        }
    }

    /// Tells whether a table must name a credential, since no default does.
    pub fn lacks_credentials(&self) -> bool {
        !self.has_credentials
    }

    /// Says how a BMC is reached, and takes its address; nothing where the wishes cannot say it.
    pub fn reach(&mut self, record: &BmcRecord, draft: &mut Draft) -> Option<Reached> {
        let fault = match self.reached(record) {
            Ok(reached) => return Some(reached),
            Err(fault) => fault,
        };
        if self.told.insert(record.bmc.to_string()) {
            draft.note(format!("BMC {}: not adopted, since {fault}", record.bmc));
        }
        None
    }

    fn reached(&mut self, record: &BmcRecord) -> Result<Reached, String> {
        let is_plain = super::columns::pattern(&[&record.url]).is_some();
        let url = Url::parse(&record.url).ok().filter(|_| is_plain);
        let url = url.ok_or_else(|| format!("`{}` is no URL that the wishes can state", record.url))?;
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        let network = match address {
            Some(address) => self.network_of(address)?,
            None => self.network.clone(),
        };
        if let Some(address) = address {
            let key = (network.clone(), address);
            if let Some(owner) = self.taken.get(&key) {
                return Err(format!("its address is that of {owner}"));
            }
            self.taken.insert(key, record.bmc.to_string());
        }
        let network = network.filter(|network| self.network.as_ref() != Some(network));
        Ok(Reached {
            url: record.url.trim_end_matches('/').to_owned(),
            network,
            tls: self.needs_pin.then_some("verify"),
        })
    }

    /// Finds the network of an address: the default one where that has it, else the only one that has.
    fn network_of(&self, address: IpAddr) -> Result<Option<String>, String> {
        let networks = &self.world.snapshot.desired().networks;
        let holds: Vec<&str> = networks
            .iter()
            .filter(|network| network.cidrs.iter().any(|cidr| cidr.contains(&address)))
            .map(|network| &*network.name)
            .collect();
        match (&self.network, holds.as_slice()) {
            (Some(own), holds) if holds.contains(&own.as_str()) => Ok(Some(own.clone())),
            (_, [one]) => Ok(Some((*one).to_owned())),
            (None, _) => Ok(None),
            (Some(own), _) => Err(format!("its address is not in the network `{own}` of BMCs; state one that has it")),
        }
    }
}

fn taken(world: &World<'_>) -> BTreeMap<(Option<String>, IpAddr), String> {
    let desired = world.snapshot.desired();
    let name = |at: u16| desired.networks[usize::from(at)].name.to_string();
    let mut all = BTreeMap::new();
    for node in &desired.nodes {
        for (spec, nic) in desired.nics(node) {
            let network = spec.network.map(|network| name(network.value));
            all.extend(nic.ips.iter().map(|ip| ((network.clone(), ip.value), node.name.to_string())));
        }
    }
    for bmc in &desired.bmcs {
        let url = bmc.url.as_ref().and_then(|url| Url::parse(&url.value).ok());
        let host = url.and_then(|url| url.host_str()?.trim_matches(['[', ']']).parse().ok());
        let addresses = bmc.ip.map(|ip| ip.value).into_iter().chain(host);
        all.extend(addresses.map(|ip| ((bmc.network.map(name), ip), bmc.name.to_string())));
    }
    all
}

/// Returns a BMC's own address: that of the one interface in use, else the only one it reports. It is no other BMC's.
pub fn mac(service: &Service, keys: &Keys<'_>) -> Option<MacAddr> {
    let managers = service.managers.seen()?;
    let unique = |macs: &mut Vec<MacAddr>| {
        macs.sort_unstable();
        macs.dedup();
    };
    let mut macs: Vec<MacAddr> = managers.iter().flat_map(|manager| manager.in_use.iter().copied()).collect();
    unique(&mut macs);
    if macs.len() != 1 {
        macs = managers.iter().filter_map(|manager| manager.macs.seen()).flatten().copied().collect();
        unique(&mut macs);
    }
    let [one] = macs.as_slice() else { return None };
    let key = Key::Mac(*one);
    (keys.is_own(&key) && keys.owner(&key).is_none()).then_some(*one)
}

/// Makes a name of a BMC's address.
pub fn name_of(record: &BmcRecord) -> String {
    let url = Url::parse(&record.url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or(&record.bmc);
    let plain: String = host.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    format!("bmc-{}", plain.trim_matches('-'))
}
