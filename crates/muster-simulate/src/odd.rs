//! The quirks that change a complete reply, after it was made according to the standard.

use serde_json::Value;

use super::quirks::Quirks;
use super::reply::{End, Reply};
use muster_core::model::Quirk;

/// The path segments that begin with a capital letter in the standard, for services that ignore
/// case.
const NAMES: [&str; 17] = [
    "Systems",
    "Chassis",
    "Managers",
    "UpdateService",
    "SessionService",
    "Sessions",
    "AccountService",
    "Registries",
    "Bios",
    "Settings",
    "EthernetInterfaces",
    "Processors",
    "Memory",
    "Storage",
    "Drives",
    "BootOptions",
    "SecureBoot",
];

/// Returns a path segment in the case of the standard.
pub fn standard_case(part: &str) -> &str {
    NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(part)).unwrap_or(part)
}

/// Applies quirks to the body of a resource.
pub fn turn(value: &mut Value, path: &[&str], quirks: Quirks) {
    if quirks.has(Quirk::NullMembers) {
        let is_managers = matches!(path, ["Managers", _, "EthernetInterfaces"]);
        let empty = value.get("Members").and_then(Value::as_array).is_some_and(Vec::is_empty);
        if is_managers || empty {
            value["Members"] = Value::Null;
        }
    }

    if quirks.has(Quirk::TrailingSlash) {
        links(value);
    }
    if quirks.has(Quirk::NumbersAsText) {
        numbers(value);
    }
}

fn links(value: &mut Value) {
    match value {
        Value::Object(all) => {
            for (key, value) in all {
                match value {
                    Value::String(text) if key == "@odata.id" && !text.ends_with('/') => text.push('/'),
                    other => links(other),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(links),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn numbers(value: &mut Value) {
    match value {
        Value::Object(all) => all.values_mut().for_each(numbers),
        Value::Array(all) => all.iter_mut().for_each(numbers),
        Value::Number(number) => *value = number.to_string().into(),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Applies quirks to a complete reply.
pub fn finish(reply: &mut Reply, path: &[&str], quirks: Quirks) {
    if quirks.has(Quirk::ObjectExtendedInfo) && reply.status >= 400 {
        flatten_extended_info(reply);
    }
    if quirks.has(Quirk::InvalidJson)
        && reply.status == 200
        && matches!(path, ["Managers", _, "EthernetInterfaces", _])
        && reply.body.pop() == Some(b'}')
    {
        reply.body.extend_from_slice(b",}");
    }
}

fn flatten_extended_info(reply: &mut Reply) {
    let Ok(mut value) = serde_json::from_slice::<Value>(&reply.body) else { return };
    if let Some(info) = value.pointer_mut("/error/@Message.ExtendedInfo")
        && let Some(first) = info.as_array_mut().and_then(|all| all.pop())
    {
        *info = first;
    }
    reply.body = serde_json::to_vec(&value).expect("a JSON value can be written");
}

/// Removes the properties that such services omit from an expanded member: all but the links and a
/// few words.
pub fn drop_fields(member: &mut Value) {
    const KEPT: [&str; 4] = ["@odata.id", "@odata.type", "Name", "Status"];
    if let Some(all) = member.as_object_mut() {
        all.retain(|key, _| KEPT.contains(&key.as_str()));
    }
}

/// Closes the connection after a reply if the BMC does not support keep-alive.
pub fn cut(reply: &mut Reply, request_of_connection: u32, quirks: Quirks) {
    if quirks.has(Quirk::NoKeepAlive) && request_of_connection > 1 {
        reply.end = End::Drop;
    }
}
