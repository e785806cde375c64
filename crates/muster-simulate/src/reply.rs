//! Requests as the service sees them, and its answers.

use hyper::Method;
use serde_json::{Value, json};

/// One request.
pub struct Ask<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub query: &'a str,
    pub token: Option<&'a str>,
    /// The value of the header Authorization.
    pub authorization: Option<&'a str>,
    pub if_match: Option<&'a str>,
    pub if_none_match: Option<&'a str>,
    pub accept_encoding: Option<&'a str>,
    pub body: &'a [u8],
}

/// One answer.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Milliseconds to wait before it is sent.
    pub delay: u64,
    pub end: End,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum End {
    /// As it should.
    #[default]
    Whole,
    /// The connection ends after it.
    Close,
    /// The connection ends in the place of it.
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

    /// The resource is not there.
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
