//! Which BMCs may be contacted, and which accounts they may be sent: decided on this host, whatever
//! git declares.

use std::collections::BTreeMap;
use std::net::IpAddr;

use clap::ValueEnum;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::SettingsError;
use super::bmc::value;

/// Networks and origins, such as `10.1.0.0/16` and `https://bmc7.example:8443`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(Vec<Place>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Every port of its addresses. A host name is in no network: its address is decided elsewhere.
    Net(IpNet),
    /// In the format of [`Url::origin`].
    Origin(Box<str>),
}

/// Settings of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct GivenAccount {
    /// The networks and origins of the BMCs that the account may be sent to
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    /// The least TLS that the account travels by
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<LeastTls>,
}

/// How sure it must be that a BMC is the one that git means before it is shown an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LeastTls {
    /// Any TLS.
    Insecure,
    /// By a CA that this host trusts, or by the certificate that git pins.
    Pin,
    /// By a CA that this host trusts.
    Verify,
}

/// The destinations of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountRule {
    /// Everywhere if `None`.
    pub only: Option<Places>,
    /// Any TLS if `None`, and plain HTTP if `bmc.plain` includes the BMC.
    pub tls: Option<LeastTls>,
}

impl LeastTls {
    /// Returns the name that settings use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insecure => "insecure",
            Self::Pin => "pin",
            Self::Verify => "verify",
        }
    }
}

impl Places {
    /// Parses a list.
    ///
    /// # Errors
    /// An entry is neither a network nor an origin; `key` is the setting of the list.
    pub fn parse(key: &'static str, texts: &[String]) -> Result<Self, SettingsError> {
        texts.iter().map(|text| place(key, text)).collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether a URL leads to one of them.
    #[must_use]
    pub fn has(&self, url: &Url) -> bool {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address).to_canonical()),
            Some(Host::Domain(_)) | None => None,
        };
        let origin = url.origin().ascii_serialization();
        self.0.iter().any(|place| match place {
            Place::Net(net) => address.is_some_and(|address| net.contains(&address)),
            Place::Origin(own) => **own == *origin,
        })
    }
}

fn place(key: &'static str, text: &str) -> Result<Place, SettingsError> {
    if let Ok(net) = text.parse::<IpNet>() {
        return Ok(Place::Net(net));
    }

    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Place::Net(address.into()));
    }

    super::bmc::origin(key, text).map(Place::Origin).map_err(|_| {
        // The part before `@` may be a password.
        let shown = text.rsplit('@').next().unwrap_or_default();
        value(
            key,
            format!("`{shown}` is neither a network, such as 10.1.0.0/16, nor an origin, such as https://10.1.0.1"),
        )
    })
}

/// Parses the accounts' rules in the syntax of a settings file: `{ NAME = { only = [...], tls =
/// "verify" } }`.
///
/// # Errors
/// The text is not such a table.
pub fn accounts(text: &str) -> Result<BTreeMap<String, GivenAccount>, String> {
    #[derive(Deserialize)]
    struct Line {
        credentials: BTreeMap<String, GivenAccount>,
    }
    let shape = "write it as a settings file does: { NAME = { only = [\"10.1.0.0/16\"], tls = \"verify\" } }";
    let line: Line = toml::from_str(&format!("credentials = {text}")).map_err(|_| shape.to_owned())?;
    Ok(line.credentials)
}

/// Completes the accounts' rules.
pub(super) fn rules(given: BTreeMap<String, GivenAccount>) -> Result<BTreeMap<Box<str>, AccountRule>, SettingsError> {
    let rule = |(name, GivenAccount { only, tls }): (String, GivenAccount)| {
        let only = only.map(|only| Places::parse("credentials", &only)).transpose()?;
        Ok((name.into(), AccountRule { only, tls }))
    };
    given.into_iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(texts: &[&str]) -> Places {
        Places::parse("bmc.only", &texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_place_is_a_network_or_an_origin() {
        let all = places(&["10.1.0.0/16", "fd00::7", "https://bmc7.example:8443"]);
        for (url, is_in) in [
            ("https://10.1.2.3", true),
            ("http://10.1.2.3:8080", true),
            ("https://10.2.0.1", false),
            ("https://[fd00::7]", true),
            ("https://[::ffff:10.1.2.3]", true),
            ("https://bmc7.example:8443", true),
            ("https://bmc7.example", false),
            ("http://bmc7.example:8443", false),
            ("https://10.1.2.3.evil.example", false),
        ] {
            assert_eq!(all.has(&Url::parse(url).unwrap()), is_in, "{url}");
        }
        assert!(!Places::default().has(&Url::parse("https://10.1.2.3").unwrap()));
    }

    #[test]
    fn what_is_neither_is_refused_without_its_password() {
        for text in ["10.1.0.0/33", "bmc7", "https://10.1.0.1/redfish", "https://root:hunter2@10.1.0.1", ""] {
            let error = Places::parse("bmc.only", &[text.to_owned()]).unwrap_err().to_string();
            assert!(error.starts_with("`bmc.only`: ") && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn rules_are_read_as_a_settings_file_writes_them() {
        let given = accounts("{ rack = { only = [\"10.1.0.0/16\"], tls = \"verify\" }, other = {} }").unwrap();
        let rules = rules(given).unwrap();
        assert_eq!(rules["rack"].tls, Some(LeastTls::Verify));
        assert_eq!(rules["other"], AccountRule::default());
        assert!(accounts("rack").is_err() && accounts("{ rack = { olny = [] } }").is_err());
        assert!(LeastTls::Insecure < LeastTls::Pin && LeastTls::Pin < LeastTls::Verify);
    }
}
