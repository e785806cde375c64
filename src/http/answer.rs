//! The forms of answers: plain text, problems (RFC 7807), and headers that depend on the snapshot.

use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use serde::Serialize;

use super::serving::Serving;
use crate::model::text::harden_json;

/// An answer of the boot listener; its body is in memory.
pub type Answer = Response<Full<Bytes>>;

/// The type of a script, as BSS spells it (docs/wire/bss.md).
pub const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");
/// The type of JSON, as BSS spells it.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");
/// The type of meta-data and network-config.
pub const YAML: HeaderValue = HeaderValue::from_static("text/yaml; charset=UTF-8");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A cached answer must be revalidated.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// How many seconds a client waits while there is no snapshot: a start from the store takes less.
const STARTING_DELAY: HeaderValue = HeaderValue::from_static("5");

/// The header with the commit of an answer.
static REVISION: HeaderName = HeaderName::from_static("x-muster-revision");

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    detail: &'a str,
    status: u16,
}

/// Returns an answer with a text.
pub fn text(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().reserve(6);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// Returns an answer with a problem in BSS's words.
pub fn problem(status: StatusCode, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = Problem { r#type: "about:blank", title, detail, status: status.as_u16() };
    let body = serde_json::to_string(&problem).map(|json| harden_json(&json)).unwrap_or_default();
    text(status, PROBLEM, body + "\n")
}

/// Refuses a method; `allow` lists the others, joined by commas.
pub fn not_allowed(allow: &'static str) -> Answer {
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("allow {allow}"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

/// Returns the answer of Go's servers for an unknown path.
pub fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, PLAIN, &b"404 page not found\n"[..])
}

/// Asks a client to retry until there is a snapshot. iPXE waits as long as the header says, then
/// asks again.
pub fn starting() -> Answer {
    let body = &b"muster has no commit to serve yet; ask again in 5 s\n"[..];
    later(text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, body))
}

/// Adds the time after which to ask again.
pub fn later(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(RETRY_AFTER, STARTING_DELAY);
    answer
}

/// Adds the commit to an answer.
pub fn of_revision(mut answer: Answer, serving: &Serving) -> Answer {
    if let Some(revision) = serving.revision_header() {
        answer.headers_mut().insert(&REVISION, revision.clone());
    }
    answer
}

/// Adds the headers for revalidation; the tag includes its quotes.
pub fn tagged(mut answer: Answer, tag: HeaderValue) -> Answer {
    answer.headers_mut().insert(CACHE_CONTROL, ASK_AGAIN);
    answer.headers_mut().insert(ETAG, tag);
    answer
}

/// Returns whether the client has the content of the tag.
pub fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.as_bytes();
    headers.get_all(IF_NONE_MATCH).iter().any(|known| {
        let mut known = known.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        known.any(|known| known == b"*" || known.strip_prefix(b"W/").unwrap_or(known) == tag)
    })
}

/// Answers that the client's content is current.
pub fn not_modified(tag: HeaderValue) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    tagged(answer, tag)
}

/// Hashes texts by FNV-1a, for uses in which a collision affects only the client that sent them.
pub fn fingerprint(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
