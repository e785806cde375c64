//! The boot fetches of nodes, and the addresses that ask to boot and that nobody claims.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// What the client calls itself, at most [`MAX_USER_AGENT`] characters; see [`bounded`].
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

/// A MAC address that asked to boot and that nobody claims.
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
    /// What the client calls itself, at most [`MAX_USER_AGENT`] characters; see [`bounded`].
    pub user_agent: Box<str>,
}

/// Cuts a text from a stranger to at most so many characters and replaces control characters by `?`.
#[must_use]
pub fn bounded(text: &str, most: usize) -> Box<str> {
    text.chars().take(most).map(|c| if c.is_control() { '?' } else { c }).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_is_cut_and_cannot_break_a_line() {
        assert_eq!(&*bounded("iPXE/1.21\r\nX: y", MAX_USER_AGENT), "iPXE/1.21??X: y");
        assert_eq!(bounded(&"ü".repeat(500), MAX_USER_AGENT).chars().count(), MAX_USER_AGENT);
    }
}
