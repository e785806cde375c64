//! The shapes of answers: plain text, problems (RFC 7807), and what of them depends on the Snapshot.

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

/// Whoever keeps an answer must ask whether it still holds.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// Seconds that a client waits while there is no Snapshot: a start from the store takes less.
const STARTING_DELAY: HeaderValue = HeaderValue::from_static("5");

/// Names the commit that an answer follows from.
static REVISION: HeaderName = HeaderName::from_static("x-muster-revision");

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    detail: &'a str,
    status: u16,
}

/// Answers with a text.
pub fn text(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().reserve(6);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// Answers with a problem in BSS's words.
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

/// Answers as Go's servers do where nothing is.
pub fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, PLAIN, &b"404 page not found\n"[..])
}

/// Puts a client off until there is a Snapshot. iPXE waits as long as it is told and asks again.
pub fn starting() -> Answer {
    let body = &b"muster has no commit to serve yet; ask again in 5 s\n"[..];
    later(text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, body))
}

/// Says when to ask again.
pub fn later(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(RETRY_AFTER, STARTING_DELAY);
    answer
}

/// Names the commit of an answer.
pub fn of_revision(mut answer: Answer, serving: &Serving) -> Answer {
    if let Some(revision) = serving.revision_header() {
        answer.headers_mut().insert(&REVISION, revision.clone());
    }
    answer
}

/// Adds what lets a client ask whether the answer still holds; the tag comes with its quotes.
pub fn tagged(mut answer: Answer, tag: HeaderValue) -> Answer {
    answer.headers_mut().insert(CACHE_CONTROL, ASK_AGAIN);
    answer.headers_mut().insert(ETAG, tag);
    answer
}

/// Tells whether the client has what the tag names.
pub fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.as_bytes();
    headers.get_all(IF_NONE_MATCH).iter().any(|known| {
        let mut known = known.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        known.any(|known| known == b"*" || known.strip_prefix(b"W/").unwrap_or(known) == tag)
    })
}

/// Answers that what the client has still holds.
pub fn not_modified(tag: HeaderValue) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    tagged(answer, tag)
}

/// Hashes texts by FNV-1a, for where only the client that sent them gains or loses by two that hash alike.
pub fn fingerprint(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
