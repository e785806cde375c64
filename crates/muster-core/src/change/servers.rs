//! By which URLs machines reach muster, if the request decides it: where the two sides answer differently.
//!
//! A text with a hole for the server is filled by the address that asks, through the networks that state `advertise`. So a
//! network may change what is served to machines that no line of it names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::desired::Node;
use crate::snapshot::Snapshot;

/// An address that a machine asks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vantage {
    /// Outside of all networks that state a URL.
    Elsewhere,
    At(IpAddr),
}

impl Vantage {
    /// Returns the address, as [`Snapshot::server_for`] takes it.
    #[must_use]
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Elsewhere => None,
            Self::At(address) => Some(address),
        }
    }
}

/// Where the two sides send machines to different URLs.
pub struct Servers<'s> {
    base: &'s Snapshot,
    head: &'s Snapshot,
    /// One address of each region of addresses in which they do.
    differing: Vec<Vantage>,
}

impl<'s> Servers<'s> {
    /// Compares the two sides at every address.
    ///
    /// The URL is that of the narrowest network around an address. So it is the same for all addresses that lie in the same
    /// networks, and one address of each such region stands for all of them.
    pub fn new(base: &'s Snapshot, head: &'s Snapshot) -> Self {
        let mut cidrs: Vec<IpNet> = [base, head].into_iter().flat_map(stated).collect();
        cidrs.sort_unstable();
        cidrs.dedup();

        let inside = cidrs.iter().filter_map(|cidr| alone_in(*cidr, &cidrs)).map(Vantage::At);
        let mut servers = Self { base, head, differing: Vec::new() };
        servers.differing =
            std::iter::once(Vantage::Elsewhere).chain(inside).filter(|at| servers.differ_at(*at)).collect();
        servers
    }

    fn differ_at(&self, vantage: Vantage) -> bool {
        let address = vantage.address();
        self.base.server_for(address) != self.head.server_for(address)
    }

    /// Returns an address from which a machine is sent to different URLs, one of the node's own if possible.
    pub fn vantage(&self, nodes: &[&Node]) -> Option<Vantage> {
        let first = *self.differing.first()?;
        let own = nodes.iter().flat_map(|node| &node.nics).flat_map(|nic| &nic.ips);
        Some(own.map(|ip| Vantage::At(ip.value)).find(|at| self.differ_at(*at)).unwrap_or(first))
    }
}

/// Lists the address ranges for which one side states a URL.
fn stated(snapshot: &Snapshot) -> impl Iterator<Item = IpNet> {
    let networks = snapshot.desired().networks.iter().filter(|network| network.advertise.is_some());
    networks.flat_map(|network| network.cidrs.iter().map(IpNet::trunc))
}

/// Finds an address of a network that lies in none of the narrower ones; nothing if they cover it.
fn alone_in(around: IpNet, sorted: &[IpNet]) -> Option<IpAddr> {
    let mut next = around.network();
    // Sorted by their first address, the wider ones first.
    for inner in sorted.iter().filter(|inner| **inner != around && around.contains(*inner)) {
        if inner.network() > next {
            break;
        }
        if inner.broadcast() >= next {
            next = after(inner.broadcast())?;
        }
    }
    around.contains(&next).then_some(next)
}

/// Returns the next address; nothing after the last one.
fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => address.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(address) => address.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(around: &str, all: &[&str]) -> Option<String> {
        let mut all: Vec<IpNet> = all.iter().map(|cidr| cidr.parse().unwrap()).collect();
        all.sort_unstable();
        alone_in(around.parse().unwrap(), &all).map(|address| address.to_string())
    }

    #[test]
    fn an_address_stands_for_what_no_narrower_network_covers() {
        let all = ["10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.1.0.0/16", "fd00::/8"];
        assert_eq!(alone("10.0.0.0/8", &all).as_deref(), Some("10.2.0.0"));
        assert_eq!(alone("10.0.0.0/16", &all).as_deref(), Some("10.0.1.0"));
        assert_eq!(alone("10.0.0.0/24", &all).as_deref(), Some("10.0.0.0"));
        assert_eq!(alone("fd00::/8", &all).as_deref(), Some("fd00::"));
        assert_eq!(alone("10.4.0.0/31", &["10.4.0.0/31", "10.4.0.0/32", "10.4.0.1/32"]), None);
        assert_eq!(alone("255.255.255.254/31", &["255.255.255.254/32", "255.255.255.255/32"]), None);
    }
}
