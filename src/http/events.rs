//! `GET /api/v1/events`: events page by page as JSON, or live as server-sent events (the
//! EventSource interface of the HTML standard).
//!
//! A reader's position is the number of its last event, so after a break or a restart it continues
//! from there and receives the events that it missed. This module does not know how events arise.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use hyper::body::Frame;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::answer;
use super::api::{json, rfc3339};
use super::history::{History, Part, Wanted};
use crate::model::parse_duration;
use crate::model::text::harden_json;
use crate::view::{API_VERSION, EventList, EventView, GapView};

/// The default and maximum number of events of a page.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// The number of events that are written to a follower at once.
const BATCH: usize = 64;

/// The interval of keep-alive comments: shorter than the timeouts of proxies (60 s is usual).
const ALIVE: Duration = Duration::from_secs(15);

/// How long a follower should wait before it reconnects, in milliseconds.
const RETRY: u32 = 2000;

/// The minimum number of digits of an abbreviated commit id.
const MIN_DIGITS: usize = 4;

const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The query of a request.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    /// The first digits of a commit's id.
    revision: Option<String>,
    /// A time as RFC 3339, or a duration before now, such as `2h`.
    since: Option<String>,
    /// The number of the last known event.
    after: Option<u64>,
    /// The maximum number of events.
    limit: Option<usize>,
    /// Only the newest ones, up to this number.
    last: Option<usize>,
}

#[derive(Clone)]
struct Way {
    history: Arc<History>,
    stop: CancellationToken,
}

/// Returns the route; followers are disconnected once `stop` is cancelled.
pub(super) fn routes(history: Arc<History>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/api/v1/events", get(events))
        .method_not_allowed_fallback(async || answer::not_allowed("GET,HEAD").map(Body::new))
        .with_state(Way { history, stop })
}

async fn events(State(way): State<Way>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response<Body> {
    let wanted = match wanted(&asked) {
        Ok(wanted) => wanted,
        Err(why) => return answer::problem(StatusCode::BAD_REQUEST, &why).map(Body::new),
    };

    let mut accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if !accepts.any(|value| value.contains("text/event-stream")) {
        return page(&way.history, &asked, &wanted);
    }

    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.trim().parse().ok());
    let asks_past = asked.revision.is_some() || asked.since.is_some();
    let after = match (resumed.or(asked.after), asked.last) {
        (Some(after), _) => after,
        (None, Some(last)) => way.history.before_last(last, &wanted),
        (None, None) if asks_past => way.history.before_last(usize::MAX, &wanted),
        (None, None) => *way.history.watch().borrow(),
    };

    follow(way, wanted, after)
}

/// Reads the filters.
fn wanted(asked: &Asked) -> Result<Wanted, String> {
    let revision = asked.revision.as_ref().map(|digits| digits.to_ascii_lowercase());
    let is_id = |digits: &String| digits.len() >= MIN_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(digits) = revision.as_ref().filter(|digits| !is_id(digits)) {
        return Err(format!("revision={digits}: name the first digits of a commit's id, {MIN_DIGITS} at least"));
    }

    let since = asked.since.as_ref().map(|text| {
        let time = text.parse::<Timestamp>().map(Timestamp::as_millisecond);
        time.or_else(|_| {
            let length = parse_duration(text).map_err(|fault| format!("since: {fault}, or as 2026-11-23T03:00:00Z"))?;
            Ok(super::now().saturating_sub(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)))
        })
    });

    Ok(Wanted { revision, since: since.transpose().map_err(|fault: String| fault)? })
}

fn page(history: &History, asked: &Asked, wanted: &Wanted) -> Response<Body> {
    let most = asked.limit.or(asked.last).unwrap_or(PAGE).min(MAX_PAGE);
    let last = asked.last.map(|last| history.before_last(last.min(MAX_PAGE), wanted));
    let after = last.unwrap_or(0).max(asked.after.unwrap_or(0));
    let Part { events, seen, has_more, gap, oldest, newest } = history.after(after, wanted, most);

    json(&EventList {
        api_version: API_VERSION.into(),
        events: events.iter().map(|event| EventView::of(event, rfc3339(event.happening.at))).collect(),
        next: has_more.then_some(seen),
        oldest,
        newest,
        // A client without a position misses nothing.
        gap: asked.after.and_then(|after| gap.map(|oldest| GapView::new(after, oldest, newest))),
    })
}

fn follow(way: Way, wanted: Wanted, after: u64) -> Response<Body> {
    let Some(place) = way.history.enter() else {
        let why = "as many as may already follow what happens";
        let mut answer = answer::problem(StatusCode::SERVICE_UNAVAILABLE, why);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
        return answer.map(Body::new);
    };

    // One batch is on its way at a time: a slow reader occupies its place but no memory, and the
    // listener closes its connection once it does not read for too long.
    let (told, telling) = mpsc::channel(1);

    tokio::spawn(async move {
        tell(&way, &wanted, after, &told).await;
        drop(place);
    });

    let mut answer = Response::new(Body::new(Stream(telling)));
    answer.headers_mut().insert(CONTENT_TYPE, STREAM);
    answer.headers_mut().insert(CACHE_CONTROL, NO_STORE);

    // nginx would hold events back until a buffer is full.
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

/// Sends the events after a number, and continues until the client leaves or the server ends.
async fn tell(way: &Way, wanted: &Wanted, mut after: u64, told: &mpsc::Sender<Bytes>) {
    let mut newest = way.history.watch();
    // A client that is cut off before the first event still knows its position.
    let mut text = format!("retry: {RETRY}\nid: {after}\n\n");

    loop {
        newest.mark_unchanged();
        let part = way.history.after(after, wanted, BATCH);
        if let Some(oldest) = part.gap {
            let gap = GapView::new(after, oldest, part.newest);
            text.push_str(&frame(None, "gap", &harden_json(&serde_json::to_string(&gap).unwrap_or_default())));
        }
        for event in &part.events {
            let view = EventView::of(event, rfc3339(event.happening.at));
            let data = harden_json(&serde_json::to_string(&view).unwrap_or_default());
            text.push_str(&frame(Some(view.seq), view.what.kind(), &data));
        }
        // Events that were skipped need not be checked again.
        if part.events.last().is_none_or(|last| last.seq < part.seen) && part.seen != after {
            text.push_str(&format!("id: {}\n\n", part.seen));
        }
        after = part.seen;
        if !text.is_empty() && told.send(std::mem::take(&mut text).into()).await.is_err() {
            return;
        }
        if part.has_more {
            continue;
        }
        tokio::select! {
            () = way.stop.cancelled() => return,
            () = told.closed() => return,
            changed = newest.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(ALIVE) => text.push_str(": alive\n\n"),
        }
    }
}

/// Formats one event; JSON has no line breaks of its own.
fn frame(id: Option<u64>, kind: &str, data: &str) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {kind}\ndata: {data}\n\n")
}

/// A body that is sent as it is produced.
struct Stream(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(revision: Option<&str>, since: Option<&str>) -> Asked {
        Asked { revision: revision.map(Into::into), since: since.map(Into::into), ..Asked::default() }
    }

    #[test]
    fn filters_are_read_or_said_to_be_wrong() {
        assert_eq!(wanted(&asked(Some("ABCD12"), None)).unwrap().revision.as_deref(), Some("abcd12"));
        let at = wanted(&asked(None, Some("1970-01-01T00:00:01Z"))).unwrap();
        assert_eq!(at.since, Some(1000));
        let ago = wanted(&asked(None, Some("2h"))).unwrap().since.unwrap();
        assert!((super::super::now() - ago - 7_200_000).abs() < 60_000);
        for (revision, since) in
            [(Some("abc"), None), (Some("main"), None), (None, Some("yesterday")), (None, Some(""))]
        {
            assert!(wanted(&asked(revision, since)).is_err(), "{revision:?} {since:?}");
        }
    }
}
