//! OpenSSH's certificates (PROTOCOL.certkeys): a key, and an authority's word whose it is and for how long.

use super::key::{KeyFault, PublicKey};
use super::wire::{Cut, Wire};

/// What the name of a certificate's kind ends with.
const SUFFIX: &str = "-cert-v01@openssh.com";

/// The kind of a certificate of a person; hosts have the other.
const USER: u32 = 1;

/// A certificate whose authority's signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    pub key: PublicKey,
    pub authority: PublicKey,
    /// Whom it names; a certificate that names nobody stands for nobody here.
    pub principals: Vec<Box<str>>,
    /// From when it counts, in unix seconds.
    pub after: u64,
    /// Until when, not counting that second.
    pub before: u64,
}

/// Tells whether a key's bytes are a certificate's.
pub(super) fn is_certificate(blob: &[u8]) -> bool {
    Wire(blob).text().is_ok_and(|kind| kind.ends_with(SUFFIX))
}

impl Certificate {
    /// Reads a certificate of a person, and verifies what its authority signed.
    ///
    /// One with critical options is refused: what they would bind is a login, and which is not known to be one of those
    /// must not be passed over.
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
