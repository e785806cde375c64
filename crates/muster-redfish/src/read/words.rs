//! Reads words and numbers from JSON that may have the wrong type, be padded, or be placeholders.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use muster_core::model::{is_placeholder, is_placeholder_uuid};
use muster_core::observed::bounded;

/// The longest text that is accepted from a BMC, in characters; names and serial numbers have under
/// 100.
const MAX_TEXT: usize = 256;

/// Returns the value at a path of keys that are separated by `/`, or null.
pub fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('/').try_fold(value, |value, key| value.get(key)).unwrap_or(&Value::Null)
}

/// The most entries of one list: the largest known ones (sensors, log entries, DIMMs) have a few
/// hundred.
pub const MAX_LIST: usize = 4096;

/// Returns a text, trimmed, with inner runs of blanks unchanged; `None` if it is empty.
///
/// Numbers and booleans count as text. A damaged text (invalid UTF-8, control characters inside) is
/// rejected: half a serial number identifies nothing.
pub fn text(value: &Value) -> Option<Box<str>> {
    let text = match value {
        Value::String(text) => text.trim_matches(|c: char| c.is_whitespace() || c.is_control()).to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    let is_damaged = |c: char| c == char::REPLACEMENT_CHARACTER || c.is_control();
    (!text.is_empty() && !text.contains(is_damaged)).then(|| bounded(&text, MAX_TEXT))
}

/// Returns the text at a path; see [`text`].
pub fn told(value: &Value, path: &str) -> Option<Box<str>> {
    text(at(value, path))
}

/// Returns the text at a path, unless it is a placeholder.
pub fn fact(value: &Value, path: &str) -> Option<Box<str>> {
    told(value, path).filter(|text| !is_placeholder(text))
}

/// Returns the number at a path, even if it is written as text, rounded to the nearest integer.
pub fn number(value: &Value, path: &str) -> Option<u64> {
    let float = match at(value, path) {
        Value::Number(number) => match number.as_u64() {
            Some(whole) => return Some(whole),
            None => number.as_f64()?,
        },
        Value::String(text) => match text.trim().parse::<u64>() {
            Ok(whole) => return Some(whole),
            Err(_) => text.trim().parse::<f64>().ok()?,
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };

    // No count or size of a machine's part is as large as 1e15, and a float represents every
    // smaller integer.
    (0.0..1e15).contains(&float).then(|| float.round() as u64)
}

/// Returns a number as a count; zero counts as not reported.
pub fn count(value: &Value, path: &str) -> Option<u32> {
    number(value, path).and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
}

/// Returns the boolean at a path, even if it is written as text.
pub fn flag(value: &Value, path: &str) -> Option<bool> {
    match at(value, path) {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "enabled" | "yes" | "on" => Some(true),
            "false" | "disabled" | "no" | "off" => Some(false),
            _ => None,
        },
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the UUID at a path, unless it is a placeholder.
pub fn uuid(value: &Value, path: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(at(value, path).as_str()?.trim()).ok()?;
    (!is_placeholder_uuid(uuid)).then_some(uuid)
}

/// Returns the health that a resource reports for itself.
pub fn health(value: &Value) -> Option<Box<str>> {
    fact(value, "Status/Health").or_else(|| fact(value, "Status/HealthRollup"))
}

/// Returns whether the resource reports that the part is not installed.
pub fn is_absent(value: &Value) -> bool {
    told(value, "Status/State").is_some_and(|state| state.eq_ignore_ascii_case("absent"))
}

/// Returns the path of a link: an object with `@odata.id` (`href` before Redfish 1.0 was final), or
/// a text. Returns `None` if it is empty, leads into a body, or is relative.
///
/// Services with relative links disagree about their base, so following one may read another
/// resource.
pub fn link(value: &Value) -> Option<Box<str>> {
    let of_object = || value.get("@odata.id").or_else(|| value.get("href"))?.as_str();
    let text = value.as_str().or_else(of_object)?.trim();
    let is_whole = !text.contains('#') && text.len() < 2048;
    (is_whole && (text.starts_with('/') || text.contains("://"))).then(|| text.into())
}

/// The links of a list.
#[derive(Debug, Default)]
pub struct Links {
    /// The links in their order, each once.
    pub found: Vec<Box<str>>,
    /// The number of entries of the list, as far as it is read.
    pub entries: usize,
    /// The reason for which the list may be longer than `found`, if it may. Of a list that is too
    /// long, nothing is found.
    pub lack: Option<String>,
}

/// Parses the links of a list; a single link counts as a list.
pub fn links(value: &Value) -> Links {
    let entries = match value {
        Value::Array(list) => list.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };

    let mut all = Links { entries: entries.len(), ..Links::default() };
    let mut known: BTreeSet<Box<str>> = BTreeSet::new();
    if entries.len() > MAX_LIST {
        all.lack = Some(format!("the list has more than {MAX_LIST} entries"));
        return all;
    }

    for entry in entries {
        match link(entry) {
            Some(link) => {
                // `/Systems/1` and `/Systems/1/` are one resource.
                if known.insert(link.trim_end_matches('/').into()) {
                    all.found.push(link);
                }
            }
            None => all.lack = Some("an entry of the list is not a link".into()),
        }
    }

    all
}

/// Parses the links of a list property and compares their number with the count next to it.
pub fn counted_links(owner: &Value, path: &str) -> Links {
    let mut all = links(at(owner, path));
    if let Some(counted) = number(owner, &format!("{path}@odata.count"))
        && counted > all.entries as u64
    {
        all.lack = Some(format!("the list has {} of {counted} entries", all.entries));
    }
    all
}

/// Returns the last part of a URI.
pub fn last(uri: &str) -> &str {
    let uri = uri.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    uri.rsplit('/').next().unwrap_or_default()
}

/// Returns a resource's Id, or the last part of the URI of its request.
pub fn id(value: &Value, uri: &str) -> Box<str> {
    told(value, "Id").unwrap_or_else(|| bounded(last(uri), MAX_TEXT))
}

/// Compares texts in natural order: runs of digits as numbers.
pub fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (mut left, mut right) = (a, b);
    loop {
        let (m, n) = (digits(left), digits(right));
        let order = if m > 0 && n > 0 {
            let (x, y) = (left[..m].trim_start_matches('0'), right[..n].trim_start_matches('0'));
            (left, right) = (&left[m..], &right[n..]);
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            let (mut x, mut y) = (left.chars(), right.chars());
            let (Some(c), Some(d)) = (x.next(), y.next()) else { return left.len().cmp(&right.len()).then(a.cmp(b)) };
            (left, right) = (x.as_str(), y.as_str());
            c.cmp(&d)
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_no_facts_and_real_names_are() {
        for text in
            ["          ", "To be filled by O.E.M.", "Default string", "0123456789", "N/A", "None", "....", "000000"]
        {
            assert_eq!(fact(&json!({ "a": text }), "a"), None, "{text}");
        }
        for text in ["000000000001", "F54P1G3", "PowerEdge R750", "1234567", "0", "NA12"].iter().filter(|t| **t != "0")
        {
            assert_eq!(fact(&json!({ "a": text }), "a").as_deref(), Some(*text));
        }
    }

    #[test]
    fn numbers_are_read_from_text_and_text_from_numbers() {
        let value = json!({ "a": "64", "b": 15.6, "c": -1, "d": "many", "e": true, "f": 7, "g": "  x " });
        let numbers = ["a", "b", "c", "d", "e"].map(|key| number(&value, key));
        assert_eq!(numbers, [Some(64), Some(16), None, None, None]);
        assert_eq!((told(&value, "f").as_deref(), told(&value, "g").as_deref()), (Some("7"), Some("x")));
    }

    #[test]
    fn links_are_read_in_every_form() {
        let list =
            json!([{ "@odata.id": "/a/" }, "/b", null, {}, { "@odata.id": "/a/" }, { "@odata.id": "/c#/Fans/0" }]);
        let read = links(&list);
        assert_eq!(read.found, ["/a/".into(), Box::<str>::from("/b")]);
        assert!(read.lack.is_some(), "null, an empty object and a link into a body are not links");
        let one = links(&json!({ "@odata.id": "/a" }));
        assert_eq!((one.found, one.lack), (vec!["/a".into()], None));

        assert_eq!(links(&json!(["/a", "/a/"])).found.len(), 1);
        for relative in ["Systems/1", "../1", "EthernetInterfaces", "", "?page=2"] {
            assert_eq!(link(&json!({ "@odata.id": relative })), None, "{relative}");
        }
        assert_eq!(link(&json!({ "href": "/a" })).as_deref(), Some("/a"));

        assert_eq!((last("/redfish/v1/Systems/1/"), last("/x?$skip=2")), ("1", "x"));
    }

    #[test]
    fn a_list_knows_its_length() {
        let owner = json!({ "Drives": ["/a"], "Drives@odata.count": 2, "Fans@odata.count": 1, "Slots": ["/a"] });
        let lacks = ["Drives", "Fans", "Slots", "Nothing"].map(|key| counted_links(&owner, key).lack.is_some());
        assert_eq!(lacks, [true, true, false, false]);
        let many: Vec<String> = (0..=MAX_LIST).map(|at| format!("/{at}")).collect();
        let read = links(&json!(many));
        assert_eq!((read.found.len(), read.lack.is_some()), (0, true));
    }

    #[test]
    fn a_damaged_text_is_not_taken() {
        for text in ["AB\u{fffd}12", "AB\u{0}12", "AB\u{1b}[1m"] {
            assert_eq!(fact(&json!({ "a": text }), "a"), None, "{text:?}");
        }
        assert_eq!(fact(&json!({ "a": "AB12\u{0}\u{0}\n" }), "a").as_deref(), Some("AB12"));
    }

    #[test]
    fn ids_are_ordered_as_people_do() {
        let mut ids = ["Node10", "Node2", "1", "Self", "10", "9", "Node02"];
        ids.sort_by(|a, b| natural(a, b));
        assert_eq!(ids, ["1", "9", "10", "Node02", "Node2", "Node10", "Self"]);
    }

    #[test]
    fn a_uuid_of_nobody_is_dropped() {
        for (text, is_some) in [
            ("00000000-0000-0000-0000-000000000000", false),
            ("", false),
            ("4c4c4544-0035-3410-8050-c6c04f314733", true),
        ] {
            assert_eq!(uuid(&json!({ "UUID": text }), "UUID").is_some(), is_some);
        }
    }
}
