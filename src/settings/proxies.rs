//! Networks of trusted proxies, each in the form `10.0.0.0/24`, or as one address.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// Parses a network, or a single address as a network.
///
/// # Errors
/// The text is neither.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| single())
        .map_err(|_| format!("`{text}` is neither an address such as 10.0.0.1 nor a network such as 10.0.0.0/24"))
}

/// Deserializes the networks of a settings file.
pub fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<IpNet>>, D::Error> {
    let texts = Option::<Vec<String>>::deserialize(from)?;
    let read = |texts: Vec<String>| texts.iter().map(|text| network(text)).collect::<Result<_, _>>();
    texts.map(read).transpose().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_network_of_itself() {
        for (text, expected) in [
            ("10.0.0.1", "10.0.0.1/32"),
            (" 10.0.0.0/8", "10.0.0.0/8"),
            ("fd00::1", "fd00::1/128"),
            ("fd00::/64", "fd00::/64"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), expected);
        }
        for text in ["", "10.0.0", "10.0.0.1/33", "proxy.example", "10.0.0.1:80", "[::1]"] {
            assert!(network(text).unwrap_err().starts_with(&format!("`{text}` is neither")), "{text}");
        }
    }
}
