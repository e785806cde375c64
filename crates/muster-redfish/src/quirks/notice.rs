//! Finds the oddities in one document of a service.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use muster_core::model::MacAddr;

/// An oddity that was noted while a BMC was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Noted {
    /// A link ends in a slash.
    SlashedLink,
    /// A link below a resource is written in another case than the resource.
    OtherCase,
    /// A collection has no list of members.
    NullMembers,
    /// A member of a collection is missing.
    DeadMember,
    /// A body names another resource than the requested one.
    OtherId,
    NumberAsText,
    OddDate,
    EmptyMac,
    /// The extended information of a message is an object.
    ObjectInfo,
    /// An expanded collection lacks properties of its members.
    ExpandIncomplete,
    /// A server reports no EthernetInterface.
    NoInterfaces,
    /// Only boot options report addresses.
    BootOptionMacs,
    /// Only adapters report addresses.
    AdapterMacs,
    HostLink,
    RepeatedMac,
    /// A server in POST reports no interface.
    NoNicsInPost,
    NotServer,
    /// SecureBoot failed with an error of the service.
    SecureBootFailed,
    /// A failure mentions a license.
    Licence,
    /// A failure asks for a new password.
    PasswordChange,
    /// A reply is not JSON, or not the JSON of its resource.
    Malformed,
}

/// The depth to which a document is searched; the relevant properties are near its top.
const DEPTH: usize = 4;

/// Notes the oddities of one document; `uri` is the path of its request.
pub fn notice(uri: &str, document: &Value, noted: &mut BTreeSet<Noted>) {
    let plain = |uri: &str| uri.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase();
    if let Some(id) = document.get("@odata.id").and_then(Value::as_str)
        && !id.is_empty()
        && plain(id) != plain(uri)
    {
        noted.insert(Noted::OtherId);
    }
    if document.get("Members").is_some_and(Value::is_null) {
        noted.insert(Noted::NullMembers);
    }
    walk(uri.trim_end_matches('/'), document, DEPTH, true, noted);
}

fn walk(uri: &str, value: &Value, depth: usize, is_top: bool, noted: &mut BTreeSet<Noted>) {
    match value {
        Value::Object(object) if depth > 0 => {
            for (key, value) in object {
                own(uri, key, value, is_top, noted);
                if !matches!(key.as_str(), "Attributes" | "Oem") {
                    walk(uri, value, depth - 1, false, noted);
                }
            }
        }
        Value::Array(list) if depth > 0 => list.iter().for_each(|value| walk(uri, value, depth - 1, false, noted)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {}
    }
}

fn own(uri: &str, key: &str, value: &Value, is_top: bool, noted: &mut BTreeSet<Noted>) {
    let text = value.as_str();
    let what = match key {
        "@odata.id" if !is_top => {
            let link = text.unwrap_or_default();
            if is_below(link, uri) && !link.starts_with(uri) {
                noted.insert(Noted::OtherCase);
            }
            (link.len() > 1 && link.ends_with('/')).then_some(Noted::SlashedLink)
        }
        "MACAddress" | "PermanentMACAddress" => text.filter(|text| is_no_address(text)).map(|_| Noted::EmptyMac),
        "TotalSystemMemoryGiB"
        | "CapacityMiB"
        | "CapacityBytes"
        | "TotalCores"
        | "TotalThreads"
        | "Members@odata.count" => text.map(|_| Noted::NumberAsText),
        "DateTime" | "LastResetTime" | "LastStateTime" | "ReleaseDate" | "BuildDate" | "Created" => {
            text.filter(|text| is_odd_date(text)).map(|_| Noted::OddDate)
        }
        "@Message.ExtendedInfo" => value.is_object().then_some(Noted::ObjectInfo),
        _ => None,
    };

    noted.extend(what);
}

/// Returns whether a text is a placeholder for an address: too few digits, or only zeros.
fn is_no_address(text: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_hexdigit).count();
    digits(text) < 12
        || (MacAddr::parse(text.trim()).is_err() && text.chars().all(|c| !c.is_ascii_hexdigit() || c == '0'))
}

fn is_below(link: &str, uri: &str) -> bool {
    link.get(..uri.len()).is_some_and(|start| start.eq_ignore_ascii_case(uri)) && link[uri.len()..].starts_with('/')
}

/// Returns whether a date is impossible, or its offset lacks the colon that RFC 3339 requires.
fn is_odd_date(text: &str) -> bool {
    let zone = text.len().checked_sub(5).and_then(|at| text.get(at..)).unwrap_or_default();
    let is_bare =
        zone.starts_with(['+', '-']) && zone[1..].bytes().all(|byte| byte.is_ascii_digit()) && text.contains('T');
    text.starts_with("0000-") || text.starts_with("00:00:00") || is_bare
}

/// Returns a document's object, if it is one and describes a resource instead of an error.
pub fn resource(document: &Value) -> Option<&Map<String, Value>> {
    let object = document.as_object()?;
    let is_error = object.contains_key("error") && !object.contains_key("@odata.id") && !object.contains_key("Id");
    (!is_error).then_some(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn noted(document: Value) -> Vec<Noted> {
        let mut noted = BTreeSet::new();
        notice("/redfish/v1/Systems/1", &document, &mut noted);
        noted.into_iter().collect()
    }

    #[test]
    fn a_sound_document_shows_nothing() {
        let document = json!({
            "@odata.id": "/redfish/v1/Systems/1/", "LastResetTime": "2024-06-11T00:14:47-05:00",
            "Bios": { "@odata.id": "/redfish/v1/Systems/1/Bios" }, "MACAddress": "02:00:00:00:00:01",
            "MemorySummary": { "TotalSystemMemoryGiB": 64 }, "PermanentMACAddress": null,
        });
        assert_eq!(noted(document), []);
    }

    #[test]
    fn each_oddity_is_noticed() {
        for (document, what) in [
            (json!({ "Bios": { "@odata.id": "/redfish/v1/Systems/1/Bios/" } }), Noted::SlashedLink),
            (json!({ "Bios": { "@odata.id": "/redfish/v1/systems/1/bios" } }), Noted::OtherCase),
            (json!({ "@odata.id": "/redfish/v1/Managers/1" }), Noted::OtherId),
            (json!({ "Members": null }), Noted::NullMembers),
            (json!({ "MemorySummary": { "TotalSystemMemoryGiB": "64" } }), Noted::NumberAsText),
            (json!({ "LastResetTime": "0000-00-00T00:00:00" }), Noted::OddDate),
            (json!({ "LastResetTime": "2024-06-11T00:14:47-0600" }), Noted::OddDate),
            (json!({ "MACAddress": "Not Available" }), Noted::EmptyMac),
            (json!({ "MACAddress": "00:00:00:00:00:00" }), Noted::EmptyMac),
            (json!({ "@Message.ExtendedInfo": {} }), Noted::ObjectInfo),
        ] {
            assert_eq!(noted(document.clone()), [what], "{document}");
        }
    }

    #[test]
    fn an_error_is_no_resource() {
        assert!(resource(&json!({ "error": {} })).is_none());
        assert!(resource(&json!([])).is_none());
        assert!(resource(&json!({ "Id": "1" })).is_some());
    }
}
