//! Words and numbers of JSON that may be of the wrong type, padded, or placeholders.

use serde_json::Value;
use uuid::Uuid;

use crate::model::{is_placeholder, is_placeholder_uuid};
use crate::observed::bounded;

/// The longest text that is taken from a BMC, in characters; names and serial numbers have under 100.
const MAX_TEXT: usize = 256;

/// Returns what stands at a path of keys that are separated by `/`, or null.
pub fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('/').try_fold(value, |value, key| value.get(key)).unwrap_or(&Value::Null)
}

/// Returns a text as it was told: trimmed, inner runs of blanks as they are, nothing where it is empty.
///
/// Numbers and booleans count as text.
pub fn text(value: &Value) -> Option<Box<str>> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then(|| bounded(&text, MAX_TEXT))
}

/// Returns the text at a path; see [`text`].
pub fn told(value: &Value, path: &str) -> Option<Box<str>> {
    text(at(value, path))
}

/// Returns the text at a path, unless it only holds a place.
pub fn fact(value: &Value, path: &str) -> Option<Box<str>> {
    told(value, path).filter(|text| !is_placeholder(text))
}

/// Returns the number at a path, also one that is written as text, rounded to the nearest whole.
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
    // No count or size of a machine's part is as large as 1e15, and a float holds every whole number below it.
    (0.0..1e15).contains(&float).then(|| float.round() as u64)
}

/// Returns a number that can be a count: zero is not told.
pub fn count(value: &Value, path: &str) -> Option<u32> {
    number(value, path).and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
}

/// Returns the boolean at a path, also one that is written as text.
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

/// Returns the UUID at a path, unless it stands for none.
pub fn uuid(value: &Value, path: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(at(value, path).as_str()?.trim()).ok()?;
    (!is_placeholder_uuid(uuid)).then_some(uuid)
}

/// Returns the health that a resource tells of itself.
pub fn health(value: &Value) -> Option<Box<str>> {
    fact(value, "Status/Health").or_else(|| fact(value, "Status/HealthRollup"))
}

/// Tells whether the resource says that the part is not fitted.
pub fn is_absent(value: &Value) -> bool {
    told(value, "Status/State").is_some_and(|state| state.eq_ignore_ascii_case("absent"))
}

/// Returns the path of a link: an object with `@odata.id`, or a text; nothing where it is empty or leads into a body.
pub fn link(value: &Value) -> Option<Box<str>> {
    let text = value.as_str().or_else(|| value.get("@odata.id")?.as_str())?.trim();
    let is_whole = !text.is_empty() && !text.contains('#') && text.len() < 2048;
    is_whole.then(|| text.into())
}

/// Returns the links of a list, in their order, each once; one link alone counts as a list.
pub fn links(value: &Value) -> Vec<Box<str>> {
    let mut all: Vec<Box<str>> = Vec::new();
    let mut add = |value: &Value| {
        if let Some(link) = link(value)
            && !all.contains(&link)
        {
            all.push(link);
        }
    };
    match value {
        Value::Array(list) => list.iter().for_each(&mut add),
        one => add(one),
    }
    all
}

/// Returns the last part of a URI.
pub fn last(uri: &str) -> &str {
    let uri = uri.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    uri.rsplit('/').next().unwrap_or_default()
}

/// Returns a resource's Id, or the last part of the URI by which it was asked.
pub fn id(value: &Value, uri: &str) -> Box<str> {
    told(value, "Id").unwrap_or_else(|| bounded(last(uri), MAX_TEXT))
}

/// Orders texts as people do: runs of digits as numbers.
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
        assert_eq!(links(&list), ["/a/".into(), Box::<str>::from("/b")]);
        assert_eq!(links(&json!({ "@odata.id": "/a" })), [Box::<str>::from("/a")]);
        assert_eq!((last("/redfish/v1/Systems/1/"), last("/x?$skip=2")), ("1", "x"));
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
