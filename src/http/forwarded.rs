//! The client of a request behind a proxy: from `X-Forwarded-For` and `Forwarded` (RFC 7239), and
//! only from proxies in this host's settings (`trusted_proxies`).
//!
//! Anyone can send these headers, so from other peers they are ignored. A chain of addresses is
//! read from its right end, which the nearest proxy wrote: the first address that does not belong
//! to a trusted proxy is the client's, and the client itself may have written everything to its
//! left. A trusted proxy sets one of the two headers and passes the other on unchanged, so if both
//! are there they must agree. If they do not give exactly one address, the client is unknown: the
//! address of the proxy never replaces the client's, since all clients behind it would get the
//! documents of one node.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{FORWARDED, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The origin of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// This address, from the connection or from a trusted proxy.
    At(IpAddr),
    /// The trusted proxy of this address, which does not name its client.
    Behind(IpAddr),
}

impl Client {
    /// Returns the address of the machine, if it is known.
    #[must_use]
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            Self::At(address) => Some(address),
            Self::Behind(_) => None,
        }
    }

    /// Returns the address to record: the machine's, otherwise its proxy's.
    #[must_use]
    pub const fn nearest(self) -> IpAddr {
        match self {
            Self::At(address) | Self::Behind(address) => address,
        }
    }
}

/// Returns whether an address is a trusted proxy's.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// Finds the client of a request from `peer` with these headers.
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    if !is_trusted(peer, trusted) {
        return Client::At(peer);
    }
    let chains = [chain(headers, &X_FORWARDED_FOR, hops), chain(headers, &FORWARDED, elements)];
    let mut told = chains.iter().filter(|chain| !chain.is_empty()).map(|chain| last_stranger(chain, trusted));
    match (told.next(), told.next()) {
        (Some(Some(one)), None) => Client::At(one),
        (Some(Some(one)), Some(Some(other))) if one == other => Client::At(one),
        _ => Client::Behind(peer),
    }
}

/// Returns the addresses of all lines of a header in order; `None` for an invalid address.
fn chain(headers: &HeaderMap, name: &HeaderName, read: fn(&str) -> Vec<Option<IpAddr>>) -> Vec<Option<IpAddr>> {
    let text = |value: &HeaderValue| value.to_str().map_or_else(|_| vec![None], read);
    headers.get_all(name).iter().flat_map(text).collect()
}

/// Returns the last address that is not a proxy's, or `None` if a hop after it is not an address or
/// all of them are proxies'.
fn last_stranger(chain: &[Option<IpAddr>], trusted: &[IpNet]) -> Option<IpAddr> {
    let mut hops = chain.iter().rev().copied();
    hops.find(|hop| hop.is_none_or(|address| !is_trusted(address, trusted))).flatten()
}

fn hops(value: &str) -> Vec<Option<IpAddr>> {
    value.split(',').map(address).collect()
}

/// Parses an address, also with a port or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = text.parse().ok().or_else(with_port).or_else(bracketed)?;
    Some(address.to_canonical()).filter(|address| !address.is_unspecified())
}

/// Parses the elements of a `Forwarded` header: `for=192.0.2.1;proto=http,
/// for="[2001:db8::1]:4711"`.
fn elements(value: &str) -> Vec<Option<IpAddr>> {
    split_unquoted(value, ',').map(element).collect()
}

fn element(element: &str) -> Option<IpAddr> {
    let mut named = split_unquoted(element, ';').filter_map(|pair| pair.split_once('='));
    let mut named = named.by_ref().filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, node) = named.next()?;
    if named.next().is_some() {
        return None;
    }

    let node = node.trim();
    match node.strip_prefix('"') {
        // Addresses have no characters that are escaped in a quoted string.
        Some(quoted) => address(quoted.strip_suffix('"')?),
        // Brackets and colons are not allowed in a token (RFC 7239, section 6).
        None => node.parse().ok().filter(IpAddr::is_ipv4).and_then(|_| address(node)),
    }
}

/// Splits a text at a character outside double quotes.
fn split_unquoted(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            '"' if !was_escaped => is_quoted = !is_quoted,
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            _ => {}
        }
        c == at && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn trusted() -> Vec<IpNet> {
        vec!["10.0.0.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()]
    }

    fn asked(peer: &str, lines: &[(&'static str, &str)]) -> Client {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        client(peer.parse().unwrap(), &headers, &trusted())
    }

    fn at(address: &str) -> Client {
        Client::At(address.parse().unwrap())
    }

    fn behind(address: &str) -> Client {
        Client::Behind(address.parse().unwrap())
    }

    #[test]
    fn whoever_is_not_trusted_is_not_believed() {
        let lines = [("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.7")];
        assert_eq!(asked("10.0.1.1", &lines), at("10.0.1.1"));
        assert_eq!(asked("fd01::1", &lines), at("fd01::1"));
        assert_eq!(client("10.0.0.1".parse().unwrap(), &HeaderMap::new(), &[]), at("10.0.0.1"));
    }

    #[test]
    fn the_rightmost_stranger_is_the_client() {
        for (value, expected) in [
            ("192.0.2.7", at("192.0.2.7")),
            ("192.0.2.9, 192.0.2.7", at("192.0.2.7")),
            ("192.0.2.9,192.0.2.7 , 10.0.0.2,fd00::3", at("192.0.2.7")),
            ("garbage, 192.0.2.7", at("192.0.2.7")),
            ("192.0.2.7:4711", at("192.0.2.7")),
            ("[2001:db8::7]:4711", at("2001:db8::7")),
            ("[2001:db8::7]", at("2001:db8::7")),
            ("2001:DB8::7", at("2001:db8::7")),
            ("::ffff:192.0.2.7", at("192.0.2.7")),
            ("", behind(PROXY)),
            (",", behind(PROXY)),
            ("192.0.2.7,", behind(PROXY)),
            ("192.0.2.7, unknown", behind(PROXY)),
            ("192.0.2.7, garbage, 10.0.0.2", behind(PROXY)),
            ("0.0.0.0", behind(PROXY)),
            ("fe80::1%eth0", behind(PROXY)),
            ("\"192.0.2.7\"", behind(PROXY)),
            ("10.0.0.2, 10.0.0.3", behind(PROXY)),
        ] {
            assert_eq!(asked(PROXY, &[("x-forwarded-for", value)]), expected, "{value:?}");
        }
        let lines = [("x-forwarded-for", "192.0.2.9"), ("x-forwarded-for", "192.0.2.7, 10.0.0.2")];
        assert_eq!(asked(PROXY, &lines), at("192.0.2.7"));
        assert_eq!(asked("fd00::1", &lines), at("192.0.2.7"));
        assert_eq!(asked(PROXY, &[]), behind(PROXY));
    }

    #[test]
    fn the_forwarded_header_is_read_as_its_rfc_has_it() {
        for (value, expected) in [
            ("for=192.0.2.7", at("192.0.2.7")),
            ("For=192.0.2.9, FOR = 192.0.2.7;proto=http;by=10.0.0.1", at("192.0.2.7")),
            ("by=\"a,b;for=192.0.2.9\";for=\"192.0.2.7:80\"", at("192.0.2.7")),
            ("for=\"[2001:db8::7]:80\"", at("2001:db8::7")),
            ("for=\"[2001:db8::7]\", for=10.0.0.2", at("2001:db8::7")),
            ("for=unknown", behind(PROXY)),
            ("for=192.0.2.9, for=_hidden", behind(PROXY)),
            ("for=192.0.2.9, proto=http", behind(PROXY)),
            ("for=192.0.2.7;for=192.0.2.9", behind(PROXY)),
            ("for=2001:db8::7", behind(PROXY)),
            ("for=\"192.0.2.7", behind(PROXY)),
            ("for=\"\\\", for=192.0.2.7", behind(PROXY)),
        ] {
            assert_eq!(asked(PROXY, &[("forwarded", value)]), expected, "{value:?}");
        }
        let both = |other| [("x-forwarded-for", "192.0.2.7"), ("forwarded", other)];
        assert_eq!(asked(PROXY, &both("for=192.0.2.9, for=192.0.2.7")), at("192.0.2.7"));
        assert_eq!(asked(PROXY, &both("for=192.0.2.9")), behind(PROXY));
        assert_eq!(asked(PROXY, &both("for=_hidden")), behind(PROXY));
    }

    proptest! {
        /// Whatever a client puts before its chain, and however many trusted proxies pass it on,
        /// the result is its own address.
        #[test]
        fn nobody_speaks_for_another(
            said in "[ -~]{0,60}",
            lines in prop::collection::vec("[ -~]{0,30}", 0..3),
            client in any::<[u8; 4]>(),
            proxies in prop::collection::vec(1_u8..255, 0..4),
        ) {
            let own = IpAddr::from(client);
            prop_assume!(!is_trusted(own, &trusted()) && !own.is_unspecified());
            let hops: Vec<String> = proxies.iter().map(|last| format!(", 10.0.0.{last}")).collect();
            let last = format!("{said}, {own}{}", hops.concat());
            let mut all: Vec<(&'static str, &str)> = lines.iter().map(|line| ("x-forwarded-for", line.as_str())).collect();
            all.push(("x-forwarded-for", &last));
            prop_assert_eq!(asked(PROXY, &all), Client::At(own));
            // A direct client is at its own address, whatever its headers contain.
            prop_assert_eq!(asked(&own.to_string(), &all), Client::At(own));
        }

        /// A header that the proxy does not set can only remove the address.
        #[test]
        fn the_other_header_adds_nothing(said in "[ -~]{0,60}", other in any::<[u8; 4]>()) {
            let other = format!("for={}", IpAddr::from(other));
            for forwarded in [&said, &other] {
                let told = asked(PROXY, &[("x-forwarded-for", "192.0.2.7"), ("forwarded", forwarded)]);
                prop_assert!(told == at("192.0.2.7") || told == behind(PROXY), "{:?}", told);
            }
        }
    }
}
