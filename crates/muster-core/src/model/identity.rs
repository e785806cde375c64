//! What tells one machine from another, and what only holds the place of it.
//!
//! Firmware that nobody configured reports the same words and numbers on every board. The words are those of AMI's, Dell's,
//! Supermicro's and `QEMU`'s tables as `dmidecode` shows them; the UUIDs those that SMBIOS reserves (DSP0134, 7.2.1) and
//! those that inventory software keeps lists of (`CapaSystems`, "Non-Unique UUID").

use uuid::{Uuid, uuid};

/// Words that stand where nobody filled in a fact, in lower case, with blanks for underscores.
const WORDS: [&str; 33] = [
    "to be filled by o.e.m.",
    "to be filled by o.e.m",
    "to be filled by oem",
    "filled by o.e.m.",
    "filled by oem",
    "default string",
    "not available",
    "not applicable",
    "not specified",
    "not present",
    "not provided",
    "not set",
    "no asset tag",
    "no asset information",
    "no serial number",
    "free form asset tag",
    "asset tag",
    "base board serial number",
    "chassis serial number",
    "system serial number",
    "serial number",
    "system product name",
    "system manufacturer",
    "empty",
    "invalid",
    "none",
    "null",
    "n/a",
    "na",
    "oem",
    "unknown",
    "unspecified",
    "01234567890123456789ab",
];

/// UUIDs that many boards share, in one byte order of the two. One byte repeated, and the tail of ones that some boards
/// have, are told by their form.
const UUIDS: [Uuid; 8] = [
    uuid!("03000200-0400-0500-0006-000700080009"),
    uuid!("07090201-0103-0301-0807-060504030201"),
    uuid!("00010203-0405-0607-0809-0a0b0c0d0e0f"),
    uuid!("12345678-1234-5678-90ab-cddeefaabbcc"),
    uuid!("03d40274-0435-05dc-8506-010700080009"),
    uuid!("dc698397-fa54-4cf2-82c8-b1b5307a6a7f"),
    uuid!("8e275844-178f-44a8-aceb-a7d7e5178c63"),
    uuid!("890e2d14-cacd-45d1-ae66-bc80e8bfeb0f"),
];

/// Tells whether a text says that nobody filled it in; blanks around it do not count, nor does letter case.
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    const FROM_ZERO: &str = "0123456789012345678901234567890123456789";
    let text = text.trim().to_ascii_lowercase().replace('_', " ");
    let text = text.trim();
    let holds_nothing = |c: char| matches!(c, '0' | '.' | '-' | 'x' | '*' | '?' | ' ' | ':');
    let repeats = || text.len() >= 6 && text.bytes().all(|byte| byte == text.as_bytes()[0]);
    WORDS.contains(&text)
        || text.chars().all(holds_nothing)
        || repeats()
        || (text.len() >= 6 && FROM_ZERO.starts_with(text))
        || (text.len() >= 8 && FROM_ZERO[1..].starts_with(text))
}

/// Tells whether a UUID is one that boards share that were given none.
#[must_use]
pub fn is_placeholder_uuid(uuid: Uuid) -> bool {
    let bytes = uuid.as_bytes();
    let repeats = bytes.iter().all(|byte| byte == &bytes[0]);
    let is_tail_of_ones = bytes[6..].iter().all(|byte| *byte == 0xff);
    repeats || is_tail_of_ones || UUIDS.iter().any(|known| uuid_key(*known) == uuid_key(uuid))
}

/// Returns what a UUID is compared by: the same for both byte orders of its first three fields.
///
/// SMBIOS 2.6 settled that they are little-endian; older firmware, and tools that read it, have them the other way round.
#[must_use]
pub fn uuid_key(uuid: Uuid) -> Uuid {
    uuid.min(Uuid::from_bytes_le(*uuid.as_bytes()))
}

/// Returns what a serial number is compared by: its bytes without blanks around them, in lower case.
pub fn serial_key(serial: &str) -> impl Iterator<Item = u8> + '_ {
    serial.trim().bytes().map(|byte| byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn placeholders_hold_no_identity_and_real_values_do() {
        for text in [
            "",
            "          ",
            "To Be Filled By O.E.M.",
            "To be filled by O.E.M. ",
            "Default string",
            "Default_string",
            "System Serial Number",
            "Not Specified",
            "Not Available",
            "None",
            "N/A",
            "....",
            "0",
            "000000",
            "0123456789",
            "123456789",
            "1234567890",
            "FFFFFFFF",
            "xxxxxxxxxx",
            "01234567890123456789AB",
        ] {
            assert!(is_placeholder(text), "{text:?}");
        }
        for text in ["000000000001", "F54P1G3", "PowerEdge R750", "1234567", "NA12", "NONE1", "0123459876", "FFFFFFFE"]
        {
            assert!(!is_placeholder(text), "{text:?}");
        }
        for text in [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "FEFEFEFE-FEFE-FEFE-FEFE-FEFEFEFEFEFE",
            "03000200-0400-0500-0006-000700080009",
            "00020003-0004-0005-0006-000700080009",
            "56F49712-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        ] {
            assert!(is_placeholder_uuid(Uuid::try_parse(text).unwrap()), "{text}");
        }
        for text in ["4c4c4544-0042-3510-8052-b3c04f4b4e32", "9c6b0076-9cc4-0000-0000-000000000000"] {
            assert!(!is_placeholder_uuid(Uuid::try_parse(text).unwrap()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn both_byte_orders_have_one_key_and_no_third_uuid_has_it(bytes: [u8; 16], other: [u8; 16]) {
            let (one, other) = (Uuid::from_bytes(bytes), Uuid::from_bytes(other));
            let turned = Uuid::from_bytes_le(bytes);
            prop_assert_eq!(uuid_key(one), uuid_key(turned));
            prop_assert_eq!(is_placeholder_uuid(one), is_placeholder_uuid(turned));
            prop_assert_eq!(uuid_key(one) == uuid_key(other), one == other || turned == other);
        }

        #[test]
        fn blanks_and_case_make_no_other_serial(serial in "[A-Za-z0-9-]{1,12}") {
            let padded = format!("  {} ", serial.to_ascii_uppercase());
            prop_assert!(serial_key(&serial).eq(serial_key(&padded)));
            prop_assert_eq!(is_placeholder(&serial), is_placeholder(&padded));
        }
    }
}
