//! Why something could not be seen.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a BMC, or one resource of it, could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{kind}: {why}")]
pub struct Failure {
    pub kind: FailureKind,
    /// One sentence that names no secret.
    pub why: Box<str>,
}

/// The kinds of failure, by the next step for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Nothing listens at the address.
    Refused,
    /// There is no way to the address, or its name has none.
    Unreachable,
    /// No answer came in time.
    TimedOut,
    /// The connection ended before the answer did.
    Broken,
    /// The certificate was not trusted, or no common version of TLS was found.
    Tls,
    /// The certificate is not the one that is pinned.
    Pin,
    /// The credential was refused; it is not tried again until a person says so.
    Unauthorised,
    /// This host has no value for the credential's name.
    NoCredential,
    /// The account must change its password first.
    PasswordChange,
    /// The account may not read this.
    Forbidden,
    /// No session is free.
    NoSession,
    /// The server is not a Redfish service.
    NotRedfish,
    /// The resource is not there.
    Missing,
    /// The service failed on it.
    ServerError,
    /// The answer is no JSON, or not of the shape that its resource has.
    Malformed,
    /// The answer is larger than any sound one.
    TooLarge,
    /// A link or a redirect led to another origin and was not followed.
    CrossOrigin,
    /// The BMC failed too often of late, so it was left alone.
    Resting,
    /// The survey was ended before its turn came.
    Cancelled,
    /// The service uses https, but git declares http.
    NeedsHttps,
    /// This host's settings do not let it be asked, or the account go there.
    NotAllowed,
}

impl FailureKind {
    /// Every kind, in the order of summaries.
    pub const ALL: [Self; 21] = [
        Self::Refused,
        Self::Unreachable,
        Self::TimedOut,
        Self::Broken,
        Self::Tls,
        Self::Pin,
        Self::Unauthorised,
        Self::NoCredential,
        Self::PasswordChange,
        Self::Forbidden,
        Self::NoSession,
        Self::NotRedfish,
        Self::Missing,
        Self::ServerError,
        Self::Malformed,
        Self::TooLarge,
        Self::CrossOrigin,
        Self::Resting,
        Self::Cancelled,
        Self::NeedsHttps,
        Self::NotAllowed,
    ];

    /// Returns the name that reports and JSON use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed-out",
            Self::Broken => "broken",
            Self::Tls => "tls",
            Self::Pin => "pin",
            Self::Unauthorised => "unauthorised",
            Self::NoCredential => "no-credential",
            Self::PasswordChange => "password-change",
            Self::Forbidden => "forbidden",
            Self::NoSession => "no-session",
            Self::NotRedfish => "not-redfish",
            Self::Missing => "missing",
            Self::ServerError => "server-error",
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::CrossOrigin => "cross-origin",
            Self::Resting => "resting",
            Self::Cancelled => "cancelled",
            Self::NeedsHttps => "needs-https",
            Self::NotAllowed => "not-allowed",
        }
    }

    /// Says what to do next.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Refused => "is this the BMC's address, and is its web service on?",
            Self::Unreachable => "check the route to the BMC network and the BMC's address",
            Self::TimedOut => "is the BMC powered and on the network? a BMC that hangs needs a cold reset",
            Self::Broken => "try again; a BMC that does this often needs new firmware",
            Self::Tls => "name its CA in this host's settings, or pin its certificate with `tls = \"pin\"`",
            Self::Pin => {
                "if the BMC got a new certificate, state its fingerprint in git; if not, find out who answers there"
            }
            Self::Unauthorised => "correct the credential on this host, then `muster discover --retry-logins`",
            Self::NoCredential => "give this host a value for the credential's name",
            Self::PasswordChange => "change the factory password, and give this host the new one",
            Self::Forbidden => "give the account the right to read (Redfish role ReadOnly or better)",
            Self::NoSession => "end stale sessions on the BMC, or wait until they expire",
            Self::NotRedfish => "check the URL: it should lead to a Redfish service root",
            Self::Missing => "the BMC's own links lead nowhere; new firmware may help",
            Self::ServerError => "the BMC failed on it; if it lasts, reset the BMC",
            Self::Malformed => "the BMC's answer is faulty; new firmware may help",
            Self::TooLarge => "the BMC's answer is too large to be sound",
            Self::CrossOrigin => "muster follows no link to another host",
            Self::Resting => "it is tried again by itself",
            Self::Cancelled => "run the survey again",
            Self::NeedsHttps => "write https:// in the BMC's `url`",
            Self::NotAllowed => "if it should be asked, allow it in this host's settings",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Failure {
    /// Joins a kind with its reason.
    #[must_use]
    pub fn new(kind: FailureKind, why: impl Into<Box<str>>) -> Self {
        Self { kind, why: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_wire() {
        for kind in FailureKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
