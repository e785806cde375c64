//! Requests to the service, and its replies.

use hyper::Method;
use serde_json::{Value, json};

/// One request.
pub struct Ask<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub query: &'a str,
    pub token: Option<&'a str>,
    /// The value of the Authorization header.
    pub authorization: Option<&'a str>,
    pub if_match: Option<&'a str>,
    pub if_none_match: Option<&'a str>,
    pub accept_encoding: Option<&'a str>,
    pub body: &'a [u8],
}

/// One reply.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Milliseconds to wait before it is sent.
    pub delay: u64,
    pub end: End,
}

/// The end of a reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum End {
    /// Complete, on a connection that stays open.
    #[default]
    Whole,
    /// The connection ends after the reply.
    Close,
    /// The connection ends instead of the reply.
    Drop,
}

impl Reply {
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn json(status: u16, value: &Value) -> Self {
        let body = serde_json::to_vec(value).expect("a JSON value can be written");
        Self { status, body, ..Self::default() }.with("Content-Type", "application/json; charset=utf-8")
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Refuses a request, with a message of the Base registry (DSP0268).
    pub fn refuse(status: u16, id: &str, message: &str) -> Self {
        Self::json(status, &error(&format!("Base.1.18.{id}"), message))
    }

    /// Returns the reply for a missing resource.
    pub fn missing(path: &str) -> Self {
        Self::refuse(404, "ResourceMissingAtURI", &format!("The resource at the URI {path} was not found."))
    }
}

fn error(id: &str, message: &str) -> Value {
    let info = json!({
        "@odata.type": "#Message.v1_2_1.Message",
        "MessageId": id,
        "Message": message,
        "MessageSeverity": "Critical",
        "Resolution": "None.",
    });
    json!({ "error": { "code": id, "message": message, "@Message.ExtendedInfo": [info] } })
}
