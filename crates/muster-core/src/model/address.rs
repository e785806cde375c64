//! Hardware addresses: the MAC of Ethernet (EUI-48) and the GUID of InfiniBand (EUI-64).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A 48-bit MAC address.
///
/// Reads every notation that people and firmware use (`aa:bb:cc:dd:ee:ff`, `aa-bb-…`, `aabb.ccdd.eeff`, bare hex,
/// either case) and prints lower case with colons, the form that OpenCHAMI's clients compare
/// (docs/wire/bss.md, "Identifiers").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

/// A 64-bit InfiniBand port or node GUID, printed as 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 8]);

/// Why a text is no hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The number of hex digits is not the address's.
    #[error("expected {want} hex digits, found {found}")]
    Length { want: usize, found: usize },
    /// A character is neither a hex digit nor a separator in its place.
    #[error("`{0}` is neither a hex digit nor a separator that fits here")]
    Character(char),
    /// The address stands for nobody or for everybody, so no machine can own it.
    #[error("{0} is not the address of one machine")]
    NotUnicast(&'static str),
}

impl MacAddr {
    /// Reads an address in any common notation.
    ///
    /// # Errors
    /// Returns what is wrong with the text: a stray character, a wrong length, or an address that no one
    /// machine can own (all zeros, broadcast, multicast).
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let octets = hex_octets::<6>(text)?;
        if octets == [0; 6] {
            return Err(AddressError::NotUnicast("the all-zero address"));
        }
        if octets == [0xff; 6] {
            return Err(AddressError::NotUnicast("the broadcast address"));
        }
        if octets[0] & 1 == 1 {
            return Err(AddressError::NotUnicast("a multicast address"));
        }
        Ok(Self(octets))
    }
}

impl Guid {
    /// Reads a GUID: 16 hex digits, bare, after `0x`, or separated by `:`, `-` or `.` in even groups.
    ///
    /// # Errors
    /// Returns a stray character, a wrong length, or the all-zero GUID.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let octets = hex_octets::<8>(digits)?;
        if octets == [0; 8] {
            return Err(AddressError::NotUnicast("the all-zero GUID"));
        }
        Ok(Self(octets))
    }
}

/// Reads `N` octets of hex with one kind of separator, standing only between groups of equal even length.
fn hex_octets<const N: usize>(text: &str) -> Result<[u8; N], AddressError> {
    let separator = text.chars().find(|c| matches!(c, ':' | '-' | '.'));
    let mut octets = [0u8; N];
    let mut digits = 0usize;
    let mut group: Option<usize> = None;
    let mut run = 0usize;
    for c in text.chars() {
        if Some(c) == separator {
            if run == 0 || run % 2 == 1 || group.is_some_and(|g| g != run) {
                return Err(AddressError::Character(c));
            }
            group = Some(run);
            run = 0;
            continue;
        }
        let value = c.to_digit(16).ok_or(AddressError::Character(c))? as u8;
        if let Some(octet) = octets.get_mut(digits / 2) {
            *octet = *octet << 4 | value;
        }
        digits += 1;
        run += 1;
    }
    if digits != 2 * N {
        return Err(AddressError::Length { want: 2 * N, found: digits });
    }
    match (separator, group) {
        (Some(c), Some(g)) if g != run => Err(AddressError::Character(c)),
        _ => Ok(octets),
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl FromStr for Guid {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

macro_rules! wire {
    ($($type:ident, $length:literal;)*) => {$(
        /// Text where people read it, octets elsewhere.
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if !deserializer.is_human_readable() {
                    return <[u8; $length]>::deserialize(deserializer).map(Self);
                }
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                String::json_schema(generator)
            }
        }
    )*};
}

wire! {
    MacAddr, 6;
    Guid, 8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_is_one_address() {
        for text in ["02:1b:00:00:00:0f", "02:1B:00:00:00:0F", "02-1b-00-00-00-0f", "021b.0000.000f", "021b0000000f"] {
            assert_eq!(MacAddr::parse(text).map(|m| m.to_string()), Ok("02:1b:00:00:00:0f".into()), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "expected 12 hex digits, found 0"),
            ("banana", "`n` is neither"),
            ("02:1b:00:00:00", "expected 12 hex digits, found 10"),
            ("02:1b:00:00:00:0f:11", "expected 12 hex digits, found 14"),
            ("02:1b-00:00:00:0f", "`-` is neither"),
            ("021b:00:00:00:0f", "`:` is neither"),
            ("0:21:b0:00:00:00:f", "`:` is neither"),
            ("02:1b:00:00:00:0f:", "`:` is neither"),
            ("00:00:00:00:00:00", "the all-zero address"),
            ("ff:ff:ff:ff:ff:ff", "the broadcast address"),
            ("01:00:5e:00:00:01", "a multicast address"),
        ] {
            let error = MacAddr::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn guids_read_bare_prefixed_and_separated() {
        for text in ["0c42a10300a1b2c3", "0x0c42a10300a1b2c3", "0c42:a103:00a1:b2c3", "0c:42:a1:03:00:a1:b2:c3"] {
            assert_eq!(Guid::parse(text).map(|g| g.to_string()), Ok("0c42a10300a1b2c3".into()), "{text}");
        }
        assert!(Guid::parse("0c42a10300a1b2").is_err());
    }
}
