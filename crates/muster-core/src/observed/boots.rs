//! The boot fetches of nodes, which of them are believed, and the addresses that ask to boot and that nobody claims.
//!
//! Anybody can ask for any node's script. So a fetch counts as a boot of its node only where it came from an address that
//! git declares for that node, or where cloud-init spoke up afterwards: from an address of the node, or, for a node that
//! has none, from where the fetch came from. What is told in between is kept beside it ([`Booted::uncounted`]) and changes nothing of what the node is known to run.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::text::is_plain;
use crate::model::{MacAddr, Revision};

/// The longest user agent that is kept, in characters. iPXE's and cloud-init's have under 60.
pub const MAX_USER_AGENT: usize = 120;

/// The longest architecture name that is kept, in characters.
pub const MAX_ARCH: usize = 16;

/// The last time a node fetched its boot script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFetch {
    /// The node's name.
    pub node: Box<str>,
    /// When, in unix milliseconds.
    pub at: i64,
    /// The address that asked.
    pub address: IpAddr,
    /// The user agent of the client, at most [`MAX_USER_AGENT`] characters; see [`bounded`].
    pub user_agent: Box<str>,
    /// The commit that was served.
    pub revision: Revision,
    /// The digest of the script that was served.
    pub digest: [u8; 32],
    /// The MAC that it asked by, if it asked by one.
    pub mac: Option<MacAddr>,
    /// The architecture that it named, at most [`MAX_ARCH`] characters.
    pub arch: Option<Box<str>>,
}

/// A fetch of a node's script by a boot client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Boot {
    /// When, in unix milliseconds.
    pub at: i64,
    /// The address that asked.
    pub address: IpAddr,
    /// The commit that was served.
    #[serde(with = "revision")]
    #[schemars(with = "String")]
    pub revision: Revision,
    /// The digest of the script that was served.
    #[serde(with = "digest")]
    #[schemars(with = "String")]
    pub digest: [u8; 32],
    /// The MAC address that selected the node, if one did.
    pub mac: Option<MacAddr>,
    /// When cloud-init said from there that it was done, in unix milliseconds.
    pub confirmed: Option<i64>,
    /// When the machine's BMC last showed it off or starting after that, in unix milliseconds.
    pub reset: Option<i64>,
    /// The architecture that the machine named, at most [`MAX_ARCH`] characters; an attempt that names none keeps the one
    /// before.
    #[serde(default)]
    pub arch: Option<Box<str>>,
}

/// The known boots of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Booted {
    /// The last boot that is believed.
    pub last: Option<Boot>,
    /// The newest later fetch that cannot be attributed to the node.
    pub uncounted: Option<Boot>,
}

/// Whose an address is that speaks for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teller {
    /// Git declares it for the node, and for no other.
    Own,
    /// Git declares it for another node, or for none while the node has other addresses; or it is a proxy's that does not tell
    /// for whom.
    Another,
    /// Git declares it for none, and the node has none that is its alone.
    Nobody,
}

impl Boot {
    /// Takes what was fetched at one time; nothing was said of it yet.
    #[must_use]
    pub fn new(at: i64, address: IpAddr, revision: Revision, digest: [u8; 32], mac: Option<MacAddr>) -> Self {
        Self { at, address, revision, digest, mac, confirmed: None, reset: None, arch: None }
    }
}

impl Booted {
    /// Takes in a fetch. What counts is the order in which things are told, not their times: clocks jump.
    pub fn fetched(&mut self, boot: Boot, teller: Teller) {
        match teller {
            Teller::Own => *self = Self { last: Some(boot), uncounted: None },
            Teller::Another | Teller::Nobody => self.uncounted = Some(boot),
        }
    }

    /// Takes in cloud-init's word from an address that it is done; true where that changed something.
    ///
    /// It confirms the fetch that came from there. From the node's own address it confirms a fetch from elsewhere only
    /// where no believed boot still waits for it: a machine may boot from a pool's address and run by its own, but the word
    /// of a boot that was believed is not that of a stranger's fetch.
    pub fn confirmed(&mut self, at: i64, address: IpAddr, teller: Teller) -> bool {
        let waits = self.last.as_ref().is_some_and(|boot| boot.confirmed.is_none());
        let is_of_uncounted = |boot: &Boot| match teller {
            Teller::Own => boot.address == address || !waits,
            Teller::Nobody => boot.address == address,
            Teller::Another => false,
        };
        if let Some(boot) = self.uncounted.take_if(|boot| is_of_uncounted(boot)) {
            self.last = Some(Boot { confirmed: Some(at), ..boot });
            return true;
        }
        let is_there = |boot: &&mut Boot| teller == Teller::Own || boot.address == address;
        match self.last.as_mut().filter(|boot| boot.confirmed.is_none()).filter(is_there) {
            Some(boot) => {
                boot.confirmed = Some(at);
                true
            }
            None => false,
        }
    }

    /// Takes in that the machine was seen off or starting; true where that was after the last boot.
    pub fn reset(&mut self, at: i64) -> bool {
        let is_news = |boot: &&mut Boot| at > boot.at && boot.reset.is_none_or(|known| at > known);
        match self.last.as_mut().filter(is_news) {
            Some(boot) => {
                boot.reset = Some(at);
                true
            }
            None => false,
        }
    }
}

impl From<&BootFetch> for Booted {
    /// Takes a fetch of which only itself is known: an earlier version kept no more.
    fn from(fetch: &BootFetch) -> Self {
        let BootFetch { node: _, at, address, user_agent: _, revision, digest, mac, arch } = fetch;
        let boot = Boot::new(*at, *address, revision.clone(), *digest, *mac);
        Self { last: None, uncounted: Some(Boot { arch: arch.clone(), ..boot }) }
    }
}

/// A revision as its text.
mod revision {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::model::Revision;

    pub fn serialize<S: Serializer>(revision: &Revision, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(revision.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Revision, D::Error> {
        Ok(Revision::commit(&String::deserialize(from)?))
    }
}

/// Reads a digest from its 64 hex digits.
#[must_use]
pub fn digest_from_hex(text: &str) -> Option<[u8; 32]> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        return None;
    }

    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(digest)
}

/// 32 bytes as hex digits.
mod digest {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    pub fn serialize<S: Serializer>(digest: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        // Every boot is written, and `write!` takes longer for this than the store does for the rest.
        let mut text = String::with_capacity(64);
        for byte in digest {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        to.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        super::digest_from_hex(&text).ok_or_else(|| D::Error::custom("a digest is 64 hex digits"))
    }
}

/// The MAC address of an undeclared machine that requested a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnknownMac {
    /// The address that it asked by.
    pub mac: MacAddr,
    /// When it first asked, in unix milliseconds.
    pub first: i64,
    /// When it last asked, in unix milliseconds.
    pub last: i64,
    /// How often it asked.
    pub count: u64,
    /// The network address that it last asked from.
    pub address: IpAddr,
    /// The user agent of the client, at most [`MAX_USER_AGENT`] characters; see [`bounded`].
    pub user_agent: Box<str>,
}

/// Cuts a text from a stranger to at most so many characters and replaces those that do not show as themselves by `?`.
#[must_use]
pub fn bounded(text: &str, most: usize) -> Box<str> {
    text.chars().take(most).map(|c| if is_plain(c) { c } else { '?' }).collect::<String>().into()
}

#[cfg(test)]
mod tests;
