//! Which BMCs to survey, how far to trust them, and with which account.

use std::net::{IpAddr, SocketAddr};

use url::Url;

use crate::desired::{Bmc, Desired, Protocol, Tls};
use crate::model::Credential;
use crate::observed::{Failure, FailureKind};
use crate::redfish::{Endpoint, TlsRule};
use crate::settings::{AccountRule, BmcSettings, Credentials, LeastTls};

/// One BMC to survey.
#[derive(Debug, Clone)]
pub struct Target {
    pub endpoint: Endpoint,
    /// The account, or `None` to read only what is open to everyone, or why the BMC is not
    /// contacted.
    pub credential: Result<Option<Credential>, Failure>,
}

/// Undeclared addresses, and what may be done there.
#[derive(Debug, Clone)]
pub struct Stranger {
    pub origins: Vec<Url>,
    /// The account that was named for them.
    pub credential: Option<Credential>,
    /// Whether answers are trusted without a certificate; no account is used in this case.
    pub insecure: bool,
}

/// Lists the declared BMCs that can be contacted, in the order of the cluster repository.
///
/// If this host has no account of the declared name, the BMC becomes unknown and is not contacted.
#[must_use]
pub fn declared(desired: &Desired, settings: &BmcSettings, credentials: &Credentials) -> Vec<Target> {
    let asked = desired.bmcs.iter().filter(|bmc| bmc.protocol == Protocol::Redfish);
    asked.filter_map(|bmc| target(bmc, settings, credentials)).collect()
}

fn target(bmc: &Bmc, settings: &BmcSettings, credentials: &Credentials) -> Option<Target> {
    let origin = Url::parse(&bmc.url.as_ref()?.value).ok()?;
    let tls = match (bmc.tls, &bmc.tls_pin) {
        (Tls::Pin, Some(pin)) => TlsRule::Pin(fingerprint(&pin.value)?),
        (Tls::Insecure, _) => TlsRule::Insecure,
        (Tls::Verify | Tls::Pin, _) => TlsRule::Verify,
    };

    let connect = rewritten(&origin, settings);
    let asked = connect.as_ref().unwrap_or(&origin);
    let name = bmc.credentials.as_ref().map(|name| &*name.value);

    let credential = may_ask(asked, settings).and_then(|()| {
        let found = credentials.for_bmc(&bmc.name, name);
        let found = found.map_err(|missing| Failure::new(FailureKind::NoCredential, missing.to_string()))?;
        may_show(&found, asked, tls, settings)?;
        Ok(Some(found))
    });

    let endpoint = Endpoint { name: bmc.name.clone(), connect, origin, tls };
    Some(Target { endpoint, credential })
}

/// Checks that this host's settings allow contact with a BMC.
fn may_ask(asked: &Url, settings: &BmcSettings) -> Result<(), Failure> {
    match &settings.only {
        Some(only) if !only.has(asked) => {
            let why = format!("it is not asked: `bmc.only` of this host's settings does not name {}", shown(asked));
            Err(Failure::new(FailureKind::NotAllowed, why))
        }
        Some(_) | None => Ok(()),
    }
}

/// Checks that this host's settings allow an account for a BMC, with the TLS that git declares for
/// it.
fn may_show(credential: &Credential, asked: &Url, tls: TlsRule, settings: &BmcSettings) -> Result<(), Failure> {
    let refused = |why: String| {
        let why = format!("it is not asked: the credential `{}` {why}", credential.name);
        Err(Failure::new(FailureKind::NotAllowed, why))
    };

    let nothing = AccountRule::default();
    let rule = settings.accounts.get(&credential.name).unwrap_or(&nothing);
    if let Some(only) = &rule.only
        && !only.has(asked)
    {
        return refused(format!(
            "may not go to {}, which its `only` in this host's settings does not name",
            shown(asked)
        ));
    }

    if asked.scheme() != "https" {
        return match rule.tls {
            None if settings.plain.has(asked) => Ok(()),
            None => refused(format!(
                "is not sent over plain http: `bmc.plain` of this host's settings does not name {}",
                shown(asked)
            )),
            Some(least) => refused(format!(
                "is not sent over plain http: its `tls` in this host's settings is \"{}\"",
                least.as_str()
            )),
        };
    }

    let stated = match tls {
        TlsRule::Insecure => LeastTls::Insecure,
        TlsRule::Pin(_) => LeastTls::Pin,
        TlsRule::Verify => LeastTls::Verify,
    };

    match rule.tls {
        Some(least) if stated < least => refused(format!(
            "needs `tls = \"{}\"` by this host's settings, and git says \"{}\"",
            least.as_str(),
            stated.as_str()
        )),
        Some(_) | None => Ok(()),
    }
}

fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Parses the SHA-256 fingerprint of a certificate, with or without colons.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut pin = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in pin.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(pin)
}

/// Returns the origin to contact instead, if this host's settings name another.
fn rewritten(origin: &Url, settings: &BmcSettings) -> Option<Url> {
    settings.rewrite.get(origin.origin().ascii_serialization().as_str()).and_then(|to| Url::parse(to).ok())
}

/// Lists undeclared BMCs. An account is sent over verified TLS only, because git does not declare
/// these addresses.
#[must_use]
pub fn strangers(stranger: &Stranger, settings: &BmcSettings) -> Vec<Target> {
    let target = |origin: &Url| {
        let name = origin.origin().ascii_serialization();
        let tls = if stranger.insecure { TlsRule::Insecure } else { TlsRule::Verify };
        let connect = rewritten(origin, settings);
        let asked = connect.as_ref().unwrap_or(origin);
        let credential = stranger.credential.clone().filter(|_| asked.scheme() == "https" && !stranger.insecure);
        let credential = may_ask(asked, settings).and_then(|()| {
            credential.iter().try_for_each(|credential| may_show(credential, asked, tls, settings))?;
            Ok(credential)
        });
        Target { endpoint: Endpoint { name: name.into(), origin: origin.clone(), connect, tls }, credential }
    };

    stranger.origins.iter().map(target).collect()
}

impl Target {
    /// Returns the origin that is actually contacted.
    #[must_use]
    pub fn asked(&self) -> &Url {
        self.endpoint.connect.as_ref().unwrap_or(&self.endpoint.origin)
    }
}

impl Stranger {
    /// Formats the origin of an address, such as `https://10.1.0.1` or `https://[fd00::1]:8443`.
    #[must_use]
    pub fn origin_of(address: IpAddr, port: u16) -> Url {
        let origin = format!("https://{}", SocketAddr::new(address, port));
        Url::parse(&origin).expect("an address with a port is the authority of a URL")
    }
}
