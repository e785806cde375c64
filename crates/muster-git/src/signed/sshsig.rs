//! An SSH signature as git stores it: OpenSSH's PROTOCOL.sshsig, in its armour.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};

use super::wire::{Cut, Wire, put};

/// The first line of an armoured SSH signature.
pub(super) const BEGIN: &[u8] = b"-----BEGIN SSH SIGNATURE-----";
const END: &[u8] = b"-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha512,
}

/// A well-formed signature that is not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshSig {
    /// The wire format of the key or certificate that claims to have signed.
    pub key: Box<[u8]>,
    /// The purpose of the signature: git writes `git`.
    pub namespace: Box<str>,
    reserved: Box<[u8]>,
    hash: Hash,
    /// The signature as SSH frames it: its kind, then its bytes.
    pub signature: Box<[u8]>,
}

impl SshSig {
    /// Parses a signature in its armour; nothing may follow it.
    pub(super) fn read(armoured: &[u8]) -> Result<Self, Cut> {
        let text = armoured.trim_ascii_end();
        let inner = text.strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END)).ok_or(Cut)?;
        if inner.first() != Some(&b'\n') || inner.last() != Some(&b'\n') {
            return Err(Cut);
        }
        let base64: Vec<u8> = inner.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
        Self::parse(&STANDARD.decode(base64).map_err(|_| Cut)?)
    }

    fn parse(bytes: &[u8]) -> Result<Self, Cut> {
        let mut wire = Wire(bytes);
        if wire.take(MAGIC.len())? != MAGIC || wire.u32()? != VERSION {
            return Err(Cut);
        }
        let (key, namespace, reserved) = (wire.string()?, wire.text()?, wire.string()?);

        let hash = match wire.text()? {
            "sha256" => Hash::Sha256,
            "sha512" => Hash::Sha512,
            _ => return Err(Cut),
        };

        let signature = wire.string()?;
        wire.end()?;
        Ok(Self {
            key: key.into(),
            namespace: namespace.into(),
            reserved: reserved.into(),
            hash,
            signature: signature.into(),
        })
    }

    /// Returns the bytes that a key signs in order to sign a message.
    pub(super) fn signed_bytes(&self, message: &[u8]) -> Vec<u8> {
        let (name, digest) = match self.hash {
            Hash::Sha256 => ("sha256", Sha256::digest(message).to_vec()),
            Hash::Sha512 => ("sha512", Sha512::digest(message).to_vec()),
        };
        let mut bytes = MAGIC.to_vec();
        for part in [self.namespace.as_bytes(), &self.reserved, name.as_bytes(), &digest] {
            put(&mut bytes, part);
        }
        bytes
    }
}
