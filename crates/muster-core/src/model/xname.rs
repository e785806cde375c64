//! Cray's names for places in a machine room.

use std::fmt;

/// What stands at the place that an xname names, as far as muster tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum XnameKind {
    /// `xXcCsSbBnN`: a node.
    Node,
    /// `xXcCsSbB`: the BMC of one or more nodes.
    NodeBmc,
    /// `xXcCbB`: the controller of a chassis.
    ChassisBmc,
    /// `xXcCrRbB`: the BMC of a switch.
    RouterBmc,
    /// `xXmM`: the controller of a cabinet's power distribution units.
    CabinetPduController,
}

/// A place in a machine room: lower case, without leading zeros (docs/wire/bss.md, "Identifiers").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xname {
    text: Box<str>,
    kind: XnameKind,
}

/// Why a text is no xname.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XnameError {
    #[error("an xname is letters and numbers in turn, such as x1000c0s0b0n0")]
    Grammar,
    #[error("no place has the letters `{0}`; a node is x…c…s…b…n…, its BMC x…c…s…b…")]
    Letters(String),
    #[error("the number after `{letter}` is over {max}")]
    Range { letter: char, max: u32 },
}

impl Xname {
    /// Reads an xname in any case and with any leading zeros.
    ///
    /// # Errors
    /// Returns what breaks the grammar: a stray character, letters that name no place, a number out of range.
    pub fn parse(text: &str) -> Result<Self, XnameError> {
        let lower = text.to_ascii_lowercase();
        let mut letters = String::new();
        let mut normal = String::with_capacity(lower.len());
        let mut rest = lower.as_str();
        while let Some(letter) = rest.chars().next() {
            let digits = rest[letter.len_utf8()..].bytes().take_while(u8::is_ascii_digit).count();
            if !letter.is_ascii_lowercase() || digits == 0 {
                return Err(XnameError::Grammar);
            }
            let number = &rest[1..=digits];
            let max = max_number(letter);
            let value = number.parse::<u32>().ok().filter(|n| *n <= max);
            let value = value.ok_or(XnameError::Range { letter, max })?;
            letters.push(letter);
            normal.push(letter);
            normal.push_str(&value.to_string());
            rest = &rest[1 + digits..];
        }
        let kind = kind_of(&letters).ok_or(XnameError::Letters(letters))?;
        Ok(Self { text: normal.into(), kind })
    }

    /// Returns the normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns what stands at the place.
    #[must_use]
    pub fn kind(&self) -> XnameKind {
        self.kind
    }
}

/// The largest number after each letter: cabinets have four digits in HPE's grammar, all else at most three.
fn max_number(letter: char) -> u32 {
    if letter == 'x' { 9999 } else { 999 }
}

fn kind_of(letters: &str) -> Option<XnameKind> {
    match letters {
        "xcsbn" => Some(XnameKind::Node),
        "xcsb" => Some(XnameKind::NodeBmc),
        "xcb" => Some(XnameKind::ChassisBmc),
        "xcrb" => Some(XnameKind::RouterBmc),
        "xm" => Some(XnameKind::CabinetPduController),
        _ => None,
    }
}

impl fmt::Display for Xname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Xname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart_and_normalised() {
        for (text, normal, kind) in [
            ("x1000c0s0b0n0", "x1000c0s0b0n0", XnameKind::Node),
            ("X1000C0S00B0N01", "x1000c0s0b0n1", XnameKind::Node),
            ("x3000c0s17b1", "x3000c0s17b1", XnameKind::NodeBmc),
            ("x1000c1b0", "x1000c1b0", XnameKind::ChassisBmc),
            ("x1000c1r7b0", "x1000c1r7b0", XnameKind::RouterBmc),
            ("x3000m0", "x3000m0", XnameKind::CabinetPduController),
        ] {
            let xname = Xname::parse(text).unwrap();
            assert_eq!((xname.as_str(), xname.kind()), (normal, kind), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        assert_eq!(Xname::parse(""), Err(XnameError::Letters(String::new())));
        assert_eq!(Xname::parse("x1000c0s0b0n"), Err(XnameError::Grammar));
        assert_eq!(Xname::parse("nid0001"), Err(XnameError::Grammar));
        assert_eq!(Xname::parse("é1"), Err(XnameError::Grammar));
        assert_eq!(Xname::parse("x1000c0n0"), Err(XnameError::Letters("xcn".into())));
        assert_eq!(Xname::parse("x10000c0s0b0n0"), Err(XnameError::Range { letter: 'x', max: 9999 }));
        assert_eq!(Xname::parse("x1c99999999999s0b0n0"), Err(XnameError::Range { letter: 'c', max: 999 }));
    }
}
