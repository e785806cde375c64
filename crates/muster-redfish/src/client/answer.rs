//! The reply of a BMC: its status, the relevant headers, and its body as lenient JSON.

use reqwest::StatusCode;
use serde_json::Value;

/// A complete reply.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    /// The `Location` header.
    pub location: Option<String>,
    /// The `X-Auth-Token` header.
    pub token: Option<String>,
    /// The `Retry-After` header in milliseconds, if it is a number of seconds.
    pub retry_after: Option<u64>,
    pub body: Vec<u8>,
}

/// The parts of an error's messages (DSP0266, error responses) that affect the next step.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Messages {
    /// The id of the first message, such as `Base.1.8.ResourceMissingAtURI`.
    pub first: Option<Box<str>>,
    pub password_change: bool,
    pub session_limit: bool,
    /// Whether ExtendedInfo is an object instead of a list.
    pub is_object: bool,
}

/// Parses JSON as BMCs write it: with a byte order mark before it, NULs after it, and control
/// characters or invalid UTF-8 in its strings. The second value is whether the body was not valid
/// JSON as it stood.
pub(super) fn json(body: &[u8]) -> Result<(Value, bool), serde_json::Error> {
    let first = match serde_json::from_slice(body) {
        Ok(value) => return Ok((value, false)),
        Err(error) => error,
    };
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    let mended: String = text.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
    serde_json::from_str(&mended).map(|value| (value, true)).map_err(|_| first)
}

/// Extracts the messages of a reply, at any depth where services put them.
pub(super) fn messages(value: &Value) -> Messages {
    let mut all = Messages::default();
    let places = [value.get("error"), Some(value)];
    for place in places.into_iter().flatten() {
        let info = place.get("@Message.ExtendedInfo").or_else(|| place.get("ExtendedInfo"));
        match info {
            Some(Value::Array(list)) => list.iter().for_each(|one| all.take(one)),
            Some(one @ Value::Object(_)) => {
                all.is_object = true;
                all.take(one);
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {}
        }
        if let Some(code) = place.get("code").and_then(Value::as_str) {
            all.id(code);
        }
    }

    all
}

impl Messages {
    fn take(&mut self, message: &Value) {
        let id = message.get("MessageId").or_else(|| message.get("MessageID")).and_then(Value::as_str);
        if let Some(id) = id {
            self.id(id);
            self.first.get_or_insert_with(|| muster_core::observed::bounded(id, 80));
        }
    }

    /// Evaluates a Message Registry id; only its last part is the same in all versions.
    fn id(&mut self, id: &str) {
        let last = id.rsplit('.').next().unwrap_or(id);
        self.password_change |= last.eq_ignore_ascii_case("PasswordChangeRequired");
        // iDRAC's RAC0218: the maximum number of user sessions is reached.
        let limits = ["SessionLimitExceeded", "CreateLimitReachedForResource", "RAC0218"];
        self.session_limit |= limits.iter().any(|limit| last.eq_ignore_ascii_case(limit));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_read_as_bmcs_write_it() {
        for body in [&b"\xef\xbb\xbf{\"a\":\"b\"}"[..], b"{\"a\":\"b\"}\0\0", b"\n{\"a\"\x00:\"b\"}\r\n "] {
            let (value, was_odd) = super::json(body).unwrap();
            assert_eq!(value, json!({ "a": "b" }));
            assert!(was_odd);
        }
        assert_eq!(super::json(b"{\"a\":\"b\nc\"}").unwrap().0, json!({ "a": "b c" }));
        assert_eq!(super::json(b"{\"a\":\"\xff\"}").unwrap().0, json!({ "a": "\u{fffd}" }));
        assert!(!super::json(b" {} \n").unwrap().1);
        for body in [&b""[..], b"{", b"{}x", b"<html>", b"{\"a\":1,}"] {
            assert!(super::json(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn messages_are_found_in_lists_and_objects() {
        let list = json!({ "error": { "code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": [
            { "MessageId": "Base.1.8.PasswordChangeRequired" }] } });
        let found = messages(&list);
        assert!(found.password_change && !found.is_object && !found.session_limit);
        let object = json!({ "error": { "@Message.ExtendedInfo": { "MessageId": "IDRAC.2.4.RAC0218" } } });
        let found = messages(&object);
        assert!(found.is_object && found.session_limit);
        assert_eq!(found.first.as_deref(), Some("IDRAC.2.4.RAC0218"));
    }
}
