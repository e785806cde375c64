//! The query of a boot script request, parsed as Go's servers do (docs/wire/bss.md).
//!
//! A repeated key counts once, by its first value; a value that is empty or does not parse counts
//! as absent; other keys are ignored. This module knows nothing of nodes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest value, in bytes: a DNS name has 253, and no other name of a machine is longer.
const MAX_VALUE: usize = 256;

/// The longest list of MAC addresses, in bytes: 16 of them, and as many of InfiniBand, which are 20
/// bytes each.
const MAX_MACS: usize = 16 * (18 + 60);

/// The parameters of a boot script request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query<'q> {
    pub mac: Option<Cow<'q, str>>,
    /// The MAC addresses of all the machine's interfaces, with commas between them; too long a list
    /// counts as absent.
    pub macs: Option<Cow<'q, str>>,
    pub name: Option<Cow<'q, str>>,
    pub nid: Option<u32>,
    /// The number of the machine's attempts.
    pub retry: u32,
    pub arch: Option<Cow<'q, str>>,
    /// The UUID that the machine's firmware reports; as with all keys that BSS does not have, too
    /// long a value counts as absent.
    pub uuid: Option<Cow<'q, str>>,
    /// The serial number that the machine's firmware reports.
    pub serial: Option<Cow<'q, str>>,
    /// Whether the answer should be JSON.
    pub json: bool,
}

/// A key whose value is longer than any name of a machine.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong(pub &'static str);

impl<'q> Query<'q> {
    /// Parses a query.
    ///
    /// # Errors
    /// Returns the first key whose value is too long.
    pub fn parse(query: &'q str) -> Result<Self, TooLong> {
        let mut read = Self::default();
        let mut nid = None;
        let mut retry = None;
        let mut json = None;

        for (key, value) in pairs(query) {
            let (key, slot) = match key {
                "mac" => ("mac", &mut read.mac),
                "macs" => ("macs", &mut read.macs),
                "name" => ("name", &mut read.name),
                "nid" => ("nid", &mut nid),
                "retry" => ("retry", &mut retry),
                "arch" => ("arch", &mut read.arch),
                "json" => ("json", &mut json),
                "uuid" => ("uuid", &mut read.uuid),
                "serial" => ("serial", &mut read.serial),
                _ => continue,
            };
            if slot.is_none() {
                let value = decode(value);
                let most = if key == "macs" { MAX_MACS } else { MAX_VALUE };
                match (value.len() > most, key) {
                    (false, _) => *slot = Some(value),
                    // Odd firmware must not keep a machine from its script, which its MAC address may well find.
                    (true, "uuid" | "serial" | "macs") => *slot = Some(Cow::Borrowed("")),
                    (true, key) => return Err(TooLong(key)),
                }
            }
        }

        for slot in [&mut read.mac, &mut read.macs, &mut read.name, &mut read.arch] {
            slot.take_if(|value| value.is_empty());
        }

        for slot in [&mut read.uuid, &mut read.serial] {
            slot.take_if(|value| value.trim().is_empty());
        }

        read.nid = nid.and_then(|text| integer(&text)).and_then(|nid| u32::try_from(nid).ok());
        read.retry = retry.and_then(|text| integer(&text)).map_or(0, |retry| retry.clamp(0, u32::MAX.into()) as u32);
        read.json = json.and_then(|text| integer(&text)).is_some_and(|json| json != 0);
        Ok(read)
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Parses a decimal number, or a hexadecimal one after `0x`; a number that is too large for 64 bits
/// becomes the largest.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };

    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None => (digits, 10),
    };

    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }

    let value = i64::from_str_radix(digits, radix).unwrap_or(i64::MAX);
    Some(if negative { -value } else { value })
}

/// Undoes percent-encoding; `+` is a space, a `%` without two hex digits is literal, and bytes that
/// are not UTF-8 become replacement characters.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }

    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;

    while let Some(&byte) = bytes.get(at) {
        let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                at += 2;
            }
            (b'+', _, _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }

    Cow::Owned(
        String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// Appends a text and percent-encodes every character that could end a word, a line or a query, or
/// begin a setting, in a script.
pub fn encode_into(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b':' | b'.' | b'_' | b'-' => out.push(char::from(byte)),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(query: &str) -> Query<'_> {
        Query::parse(query).unwrap()
    }

    #[test]
    fn values_are_decoded_and_other_keys_ignored() {
        let query = parse("x=1&mac=02%3A1b%3a00:00:00:01&retry=0x10&arch=x86_64&ts=12&timestamp=3&json=1&mac=second");
        assert_eq!(query.mac.as_deref(), Some("02:1b:00:00:00:01"));
        assert_eq!((query.retry, query.arch.as_deref(), query.json), (16, Some("x86_64"), true));
        assert_eq!(parse("name=a+b%2").name.as_deref(), Some("a b%2"));
        assert_eq!(parse("mac=%FF%00").mac.as_deref(), Some("\u{fffd}\0"));
        assert_eq!(parse("&&=&mac&name=&arch="), Query::default());
    }

    #[test]
    fn numbers_are_lenient_as_go_is() {
        for (text, nid) in
            [("1", Some(1)), ("0x1F", Some(31)), ("0010", Some(10)), ("-1", None), ("", None), ("abc", None)]
        {
            assert_eq!(parse(&format!("nid={text}")).nid, nid, "{text}");
        }
        for text in ["4294967296", "99999999999999999999999", "1.0", "0x", "-", "1 ", "%31%30%", "+1"] {
            assert_eq!(parse(&format!("nid={text}")).nid, None, "{text}");
        }
        for (text, retry) in [("99999999999999999999999", u32::MAX), ("-5", 0), ("x", 0), ("4294967296", u32::MAX)] {
            assert_eq!(parse(&format!("retry={text}")).retry, retry, "{text}");
        }
        assert!(!parse("json=0").json && !parse("json=true").json && parse("json=-1").json);
    }

    #[test]
    fn long_values_are_refused_by_key() {
        let long = "a".repeat(257);
        assert_eq!(Query::parse(&format!("name={long}")), Err(TooLong("name")));
        assert_eq!(Query::parse(&format!("name=a&name={long}")).unwrap().name.as_deref(), Some("a"));
        assert!(Query::parse(&format!("other={long}&name={}", &long[1..])).is_ok());
    }

    #[test]
    fn what_firmware_says_never_refuses_a_machine() {
        let query = parse("uuid=4c4c4544-0042&serial=SN%201&uuid=second");
        assert_eq!((query.uuid.as_deref(), query.serial.as_deref()), (Some("4c4c4544-0042"), Some("SN 1")));
        let long = "a".repeat(257);
        assert_eq!(parse(&format!("nid=1&uuid={long}&serial={long}&serial=S")), parse("nid=1"));
        assert_eq!(parse("uuid=&serial=%20+&uuid&serial&macs="), Query::default());
        let macs = "02:00:00:00:00:01,".repeat(16);
        assert_eq!(parse(&format!("macs={macs}")).macs.as_deref(), Some(&*macs));
        assert_eq!(parse(&format!("nid=1&macs={}", macs.repeat(5))), parse("nid=1"));
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_one_harmless_word_and_decodes_again(text in any::<String>()) {
            let mut word = String::new();
            encode_into(&mut word, &text);
            prop_assert!(word.chars().all(|c| c.is_ascii_alphanumeric() || ":._-%".contains(c)));
            prop_assert_eq!(decode(&word), text);
        }

        #[test]
        fn no_query_breaks_the_reader(query in any::<String>()) {
            let _ = Query::parse(&query);
        }
    }
}
