//! SSH public keys: their wire format (RFC 4253, RFC 5656, RFC 8709, OpenSSH's PROTOCOL.u2f) and
//! verification.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use super::wire::{Cut, Wire};

/// The accepted sizes of RSA keys: below 2,048 bits they are within reach of an attack (NIST SP
/// 800-131A), and the library does not support more than 8,192.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The flag of a security key that confirms a touch by a person (PROTOCOL.u2f).
const TOUCHED: u8 = 0x01;

/// The reason for which a key is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("the key cannot be read; was it cut in copying?")]
    Malformed,
    #[error("its authority did not sign it, or in a way that does not count")]
    Forged,
    #[error("it is a host's, or binds what it is used for by critical options")]
    NotForPeople,
    #[error("keys of the kind `{0}` do not count: use ed25519, ecdsa, rsa, or their security key forms")]
    Kind(String),
    #[error("an RSA key of {0} bits does not count: 2,048 to 8,192 do")]
    Rsa(usize),
}

impl From<Cut> for KeyFault {
    fn from(_: Cut) -> Self {
        Self::Malformed
    }
}

/// The elliptic curves of SSH keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "nistp256" => Self::P256,
            "nistp384" => Self::P384,
            "nistp521" => Self::P521,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn algorithm(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Ed25519(Box<[u8]>),
    Ecdsa(Curve, Box<[u8]>),
    Rsa {
        exponent: Box<[u8]>,
        modulus: Box<[u8]>,
    },
    /// The key of a security key, and the application that it was made for.
    Touch(Box<Material>, Box<[u8]>),
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    kind: Box<str>,
    blob: Box<[u8]>,
    material: Material,
}

impl PublicKey {
    /// Parses a complete key in wire format.
    pub(super) fn read(blob: &[u8]) -> Result<Self, KeyFault> {
        let mut wire = Wire(blob);
        let kind = wire.text()?;
        let key = Self::read_after_kind(kind, &mut wire)?;
        wire.end()?;
        Ok(key)
    }

    /// Parses the fields of a key after its kind, which are the same in a key and in a certificate.
    pub(super) fn read_after_kind(kind: &str, wire: &mut Wire<'_>) -> Result<Self, KeyFault> {
        let before = wire.0;
        let material = match kind {
            "ssh-ed25519" => ed25519(wire)?,
            "ssh-rsa" => rsa(wire)?,
            "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => {
                ecdsa(wire, kind.trim_start_matches("ecdsa-sha2-"))?
            }
            "sk-ssh-ed25519@openssh.com" => touch(ed25519(wire)?, wire)?,
            "sk-ecdsa-sha2-nistp256@openssh.com" => touch(ecdsa(wire, "nistp256")?, wire)?,
            other => return Err(KeyFault::Kind(other.escape_debug().to_string())),
        };

        let mut blob = Vec::new();
        super::wire::put(&mut blob, kind.as_bytes());
        blob.extend_from_slice(&before[..before.len() - wire.0.len()]);
        Ok(Self { kind: kind.into(), blob: blob.into(), material })
    }

    /// Parses a key in text form: its kind, and its bytes in base64.
    pub(super) fn read_text(kind: &str, base64: &str) -> Result<Self, KeyFault> {
        let blob = STANDARD.decode(base64).map_err(|_| KeyFault::Malformed)?;
        let key = Self::read(&blob)?;
        if *key.kind == *kind { Ok(key) } else { Err(KeyFault::Malformed) }
    }

    /// Returns whether the key made a signature, in SSH framing, of some bytes.
    pub(super) fn signed(&self, bytes: &[u8], signature: &[u8]) -> Result<bool, Cut> {
        let mut wire = Wire(signature);
        let (kind, made) = (wire.text()?, wire.string()?);
        let kind_matches = match &self.material {
            Material::Rsa { .. } => matches!(kind, "rsa-sha2-256" | "rsa-sha2-512"),
            Material::Ed25519(_) | Material::Ecdsa(..) | Material::Touch(..) => kind == &*self.kind,
        };

        let Material::Touch(inner, application) = &self.material else {
            wire.end()?;
            return Ok(kind_matches && verify(&self.material, kind, bytes, made)?);
        };

        let (flags, counter) = (wire.byte()?, wire.u32()?);
        wire.end()?;
        let mut told = Sha256::digest(application).to_vec();
        told.push(flags);
        told.extend_from_slice(&counter.to_be_bytes());
        told.extend_from_slice(&Sha256::digest(bytes));

        Ok(kind_matches && flags & TOUCHED != 0 && verify(inner, kind, &told, made)?)
    }

    /// Returns the fingerprint: `SHA256:` and the digest, as `ssh-keygen -l` prints it.
    pub(super) fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.fingerprint(), self.kind)
    }
}

fn ed25519(wire: &mut Wire<'_>) -> Result<Material, KeyFault> {
    let point = wire.string()?;
    if point.len() == 32 { Ok(Material::Ed25519(point.into())) } else { Err(KeyFault::Malformed) }
}

fn ecdsa(wire: &mut Wire<'_>, expected: &str) -> Result<Material, KeyFault> {
    let name = wire.text()?;
    let curve = Curve::named(name).filter(|_| name == expected).ok_or(KeyFault::Malformed)?;
    let point = wire.string()?;
    // OpenSSH accepts uncompressed points only.
    let whole = point.first() == Some(&4) && point.len() == 1 + 2 * curve.bytes();
    if whole { Ok(Material::Ecdsa(curve, point.into())) } else { Err(KeyFault::Malformed) }
}

fn rsa(wire: &mut Wire<'_>) -> Result<Material, KeyFault> {
    let (exponent, modulus) = (wire.mpint()?, wire.mpint()?);
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(KeyFault::Rsa(bits));
    }
    Ok(Material::Rsa { exponent: exponent.into(), modulus: modulus.into() })
}

fn touch(inner: Material, wire: &mut Wire<'_>) -> Result<Material, KeyFault> {
    Ok(Material::Touch(Box::new(inner), wire.string()?.into()))
}

/// Verifies the innermost signature; `kind` determines RSA's digest.
fn verify(material: &Material, kind: &str, bytes: &[u8], made: &[u8]) -> Result<bool, Cut> {
    Ok(match material {
        Material::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(bytes, made).is_ok(),
        Material::Ecdsa(curve, point) => {
            let mut wire = Wire(made);
            let mut fixed = left_padded(wire.mpint()?, curve.bytes())?;
            fixed.extend(left_padded(wire.mpint()?, curve.bytes())?);
            wire.end()?;
            UnparsedPublicKey::new(curve.algorithm(), point).verify(bytes, &fixed).is_ok()
        }
        Material::Rsa { exponent, modulus } => {
            let parameters =
                if kind == "rsa-sha2-512" { &RSA_PKCS1_2048_8192_SHA512 } else { &RSA_PKCS1_2048_8192_SHA256 };
            let made = left_padded(made, modulus.len())?;
            RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, bytes, &made).is_ok()
        }
        Material::Touch(..) => false,
    })
}

fn left_padded(number: &[u8], length: usize) -> Result<Vec<u8>, Cut> {
    let zeros = length.checked_sub(number.len()).ok_or(Cut)?;
    let mut bytes = vec![0; zeros];
    bytes.extend_from_slice(number);
    Ok(bytes)
}
