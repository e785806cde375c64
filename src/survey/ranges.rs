//! Undeclared BMC addresses as people write them: one, a range, or a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The maximum number of addresses of one run: a /16, which is more than any management network.
pub const MAX_ADDRESSES: usize = 65_536;

/// Why a text does not name addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error("`{0}` is no range of addresses, such as 10.1.0.1-10.1.0.64 or 10.1.0.1-64")]
    Range(String),
    #[error("`{0}` is no network, such as 10.1.0.0/24")]
    Network(String),
    #[error("`{0}` has more than {MAX_ADDRESSES} addresses")]
    TooMany(String),
}

/// Lists the addresses of a range (`10.1.0.1-10.1.0.64`, `10.1.0.1-64`) or a network
/// (`10.1.0.0/24`, without its network and broadcast addresses), ascending.
///
/// # Errors
/// The text is neither, or there are more than [`MAX_ADDRESSES`].
pub fn addresses(text: &str) -> Result<Vec<IpAddr>, RangeError> {
    let (first, last) = if text.contains('/') {
        let net: IpNet = text.parse().map_err(|_| RangeError::Network(text.into()))?;
        let is_whole = net.prefix_len() == net.max_prefix_len() || net.prefix_len() + 1 == net.max_prefix_len();
        let (low, high) = (number(net.network()), number(net.broadcast()));
        let skipped = u128::from(!is_whole && net.addr().is_ipv4());
        let first = low + skipped;
        (same_family(net.addr(), first), same_family(net.addr(), high.saturating_sub(skipped).max(first)))
    } else {
        range(text).ok_or_else(|| RangeError::Range(text.into()))?
    };

    let (low, high) = (number(first), number(last));
    if low > high {
        return Err(RangeError::Range(text.into()));
    }

    if high - low >= MAX_ADDRESSES as u128 {
        return Err(RangeError::TooMany(text.into()));
    }

    Ok((low..=high).map(|at| same_family(first, at)).collect())
}

fn range(text: &str) -> Option<(IpAddr, IpAddr)> {
    let (first, last) = text.split_once('-')?;
    let first: IpAddr = first.trim().parse().ok()?;
    let last = last.trim();
    let whole: Option<IpAddr> = last.parse().ok();

    let last = match (whole, first) {
        (Some(last), first) if last.is_ipv4() == first.is_ipv4() => last,
        (None, IpAddr::V4(first)) => {
            let [a, b, c, _] = first.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, last.parse().ok()?))
        }
        (Some(_) | None, _) => return None,
    };

    Some((first, last))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn same_family(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from(number as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str) -> (String, String, usize) {
        let all = addresses(text).unwrap_or_else(|error| panic!("{error}"));
        (all[0].to_string(), all[all.len() - 1].to_string(), all.len())
    }

    #[test]
    fn ranges_and_networks_are_listed() {
        assert_eq!(ends("10.1.0.1-10.1.1.0"), ("10.1.0.1".into(), "10.1.1.0".into(), 256));
        assert_eq!(ends("10.1.0.1-64"), ("10.1.0.1".into(), "10.1.0.64".into(), 64));
        assert_eq!(ends("10.1.0.0/24"), ("10.1.0.1".into(), "10.1.0.254".into(), 254));
        assert_eq!(ends("10.1.0.7/32"), ("10.1.0.7".into(), "10.1.0.7".into(), 1));
        assert_eq!(ends("10.1.0.6/31"), ("10.1.0.6".into(), "10.1.0.7".into(), 2));
        assert_eq!(ends("fd00::1-fd00::3"), ("fd00::1".into(), "fd00::3".into(), 3));
    }

    #[test]
    fn what_is_none_or_too_much_is_refused() {
        for text in ["10.1.0.9-3", "10.1.0.1", "x-y", "10.1.0.1-fd00::1", "10.1.0.1-300"] {
            assert_eq!(addresses(text), Err(RangeError::Range(text.into())));
        }
        assert_eq!(addresses("10.1.0/24"), Err(RangeError::Network("10.1.0/24".into())));
        assert_eq!(addresses("10.0.0.0/8"), Err(RangeError::TooMany("10.0.0.0/8".into())));
        assert_eq!(addresses("fd00::/64"), Err(RangeError::TooMany("fd00::/64".into())));
    }
}
