//! Parses the identities of machines; each function reports faults with their places.

use uuid::Uuid;

use super::facts::FactCell;
use super::sources::Findings;
use crate::model::{AddressError, Code, Diagnostic, Place, Stated, Xname, XnameKind};

/// The largest nid: SMD's is a signed 32-bit number (docs/wire/bss.md, "Identifiers").
const MAX_NID: u32 = i32::MAX as u32;

/// Parses a hardware address.
pub fn address<T>(
    place: Place,
    text: Stated<String>,
    what: &str,
    parse: impl Fn(&str) -> Result<T, AddressError>,
    findings: &mut Findings,
) -> Option<Stated<T>> {
    match parse(&text.value) {
        Ok(value) => Some(Stated::new(value, text.origin)),
        Err(error) => {
            let message = format!("`{}` is no {what}: {error}", text.value);
            findings.push(Diagnostic::new(Code::BadAddress, place, message));
            None
        }
    }
}

/// Parses the xname of a node.
pub fn xname(place: Place, text: Stated<String>, findings: &mut Findings) -> Option<Stated<Xname>> {
    let message = match Xname::parse(&text.value) {
        Ok(xname) if xname.kind() == XnameKind::Node => return Some(Stated::new(xname, text.origin)),
        Ok(xname) => format!("`{xname}` is not the place of a node, which is x…c…s…b…n…"),
        Err(error) => format!("`{}`: {error}", text.value),
    };
    findings.push(Diagnostic::new(Code::BadXname, place, message));
    None
}

/// Parses a nid.
pub fn nid(place: Place, text: Stated<String>, findings: &mut Findings) -> Option<Stated<u32>> {
    match text.value.parse::<u32>() {
        Ok(nid) if nid <= MAX_NID => Some(Stated::new(nid, text.origin)),
        Ok(_) | Err(_) => {
            let message = format!("`{}` is no nid, a whole number from 0 to {MAX_NID}", text.value);
            findings.push(Diagnostic::new(Code::BadValue, place, message));
            None
        }
    }
}

/// Parses the UUID of a machine.
pub fn uuid(place: Place, text: Stated<String>, findings: &mut Findings) -> Option<Stated<Uuid>> {
    match Uuid::try_parse(&text.value) {
        Ok(uuid) if !uuid.is_nil() => Some(Stated::new(uuid, text.origin)),
        Ok(_) | Err(_) => {
            let message = format!("`{}` is no UUID of a machine", text.value);
            findings.push(Diagnostic::new(Code::BadValue, place, message));
            None
        }
    }
}

/// Reports a fact that a TOML file or another row states too.
pub fn stated_twice(cell: &FactCell<'_, '_>, what: &str) -> Diagnostic {
    Diagnostic::new(Code::FactsDuplicate, cell.place(), format!("the {what} is stated twice"))
        .hint("a fact has one place: a facts row or a TOML file, not both")
}
