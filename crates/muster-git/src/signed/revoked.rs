//! The list of revoked keys: one public key a line, as accepted by ssh-keygen's `-r` and git's
//! `gpg.ssh.revocationFile`.

use super::allowed::LineFault;
use super::certificate::{Certificate, is_certificate};
use super::key::PublicKey;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The first bytes of OpenSSH's binary revocation lists (PROTOCOL.krl).
const KRL: &[u8] = b"SSHKRL\n\0";

/// The revoked keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Revoked(Vec<PublicKey>);

impl Revoked {
    /// Parses a list; line numbers in faults start at 1.
    pub(super) fn read(text: &[u8]) -> Result<Self, LineFault> {
        if text.starts_with(KRL) {
            let what = "is a binary KRL, which is not read: list the public keys themselves, one a line";
            return Err((1, what.into()));
        }

        let mut keys = Vec::new();
        for (at, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
            let fault = |what: String| (at + 1, what);
            let line = std::str::from_utf8(bytes).map_err(|_| fault("is no text in UTF-8".into()))?.trim();
            if !line.is_empty() && !line.starts_with('#') {
                keys.push(read_line(line).map_err(fault)?);
            }
        }

        Ok(Self(keys))
    }

    /// Returns whether a key is revoked.
    pub(super) fn holds(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }
}

/// Parses a key, or the key that a certificate is for.
fn read_line(line: &str) -> Result<PublicKey, String> {
    let mut words = line.split_ascii_whitespace();
    let (Some(kind), Some(base64)) = (words.next(), words.next()) else {
        return Err("holds no key; a line is: KIND KEY, such as `ssh-ed25519 AAAA...`".into());
    };
    match STANDARD.decode(base64) {
        Ok(blob) if is_certificate(&blob) => Certificate::read(&blob).map(|certificate| certificate.key),
        Ok(_) | Err(_) => PublicKey::read_text(kind, base64),
    }
    .map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_keys_is_read_and_a_binary_one_is_refused() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPh2WJoJg+u4rOb0vXe42XpluijDVo50IOyswBgNAdc7";
        let list = Revoked::read(format!("# lost\n{key} ada's laptop\n").as_bytes()).unwrap();
        assert!(list.holds(&read_line(key).unwrap()));
        assert!(Revoked::read(b"SSHKRL\n\0\0\0\0\x01").unwrap_err().1.contains("KRL"));
        assert_eq!(Revoked::read(b"\n\nssh-ed25519\n").unwrap_err().0, 3);
    }
}
