//! OpenSSH certificates (PROTOCOL.certkeys): a key, with an authority's statement of its owner and
//! validity.

use super::key::{KeyFault, PublicKey};
use super::wire::{Cut, Wire};

/// The suffix of the key type of a certificate.
const SUFFIX: &str = "-cert-v01@openssh.com";

/// The certificate type of a user; host certificates have another one.
const USER: u32 = 1;

/// A user certificate with a valid signature of its authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    pub key: PublicKey,
    pub authority: PublicKey,
    /// The names that it is valid for; without names it is valid for none here.
    pub principals: Vec<Box<str>>,
    /// The start of validity, in Unix seconds.
    pub after: u64,
    /// The end of validity, exclusive.
    pub before: u64,
}

/// Returns whether the bytes of a key are a certificate.
pub(super) fn is_certificate(blob: &[u8]) -> bool {
    Wire(blob).text().is_ok_and(|kind| kind.ends_with(SUFFIX))
}

impl Certificate {
    /// Parses a user certificate, and verifies the signature of its authority.
    ///
    /// Certificates with critical options are refused: the known ones restrict logins, and an
    /// unknown one must not be ignored.
    pub(super) fn read(blob: &[u8]) -> Result<Self, KeyFault> {
        let mut wire = Wire(blob);
        let kind = wire.text()?.strip_suffix(SUFFIX).ok_or(KeyFault::Malformed)?;
        let plain = if kind.starts_with("sk-") { format!("{kind}@openssh.com") } else { kind.to_owned() };
        let _nonce = wire.string()?;
        let key = PublicKey::read_after_kind(&plain, &mut wire)?;
        let (_serial, who, _id) = (wire.u64()?, wire.u32()?, wire.string()?);
        let principals = names(wire.string()?)?;

        let (after, before) = (wire.u64()?, wire.u64()?);
        let (critical, _extensions, _reserved) = (wire.string()?, wire.string()?, wire.string()?);
        let authority = PublicKey::read(wire.string()?)?;
        let signed = &blob[..blob.len() - wire.0.len()];
        let signature = wire.string()?;
        wire.end()?;
        if !authority.signed(signed, signature)? {
            return Err(KeyFault::Forged);
        }

        if who != USER || !critical.is_empty() {
            return Err(KeyFault::NotForPeople);
        }
        Ok(Self { key, authority, principals, after, before })
    }
}

fn names(mut list: &[u8]) -> Result<Vec<Box<str>>, Cut> {
    let mut names = Vec::new();
    while !list.is_empty() {
        let mut wire = Wire(list);
        names.push(wire.text()?.into());
        list = wire.0;
    }
    Ok(names)
}
