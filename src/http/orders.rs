//! An administrator's orders about the followed branch: pin, unpin, and permission for a rewind.
//!
//! They are accepted over the unix socket alone, whose mode controls access: a loopback port is
//! open to every user of this host, and to any page in their browsers.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::routing::post;
use axum::{Json, Router};

use super::answer;
use super::api::json;
use super::command::{Order, Orders};
use crate::view::{Ordered, PinOrder, RewindOrder, UnpinOrder};

/// The time limit of an order: it waits for the look at the repository that is running, and reads
/// and builds a commit.
pub(super) const PATIENCE: Duration = Duration::from_secs(900);

/// Returns whether a path is that of an order, which waits for more than a read of memory.
pub(super) fn is_order(path: &str) -> bool {
    matches!(path, "/api/v1/pin" | "/api/v1/unpin" | "/api/v1/allow-rewind")
}

/// Returns the routes; `orders` is `None` on a listener that accepts no orders.
pub(super) fn routes(orders: Option<Orders>) -> Router {
    Router::new()
        .route("/api/v1/pin", post(pin))
        .route("/api/v1/unpin", post(unpin))
        .route("/api/v1/allow-rewind", post(allow_rewind))
        .method_not_allowed_fallback(async || answer::not_allowed("POST").map(Body::new))
        // Bodies are bounded before they come here.
        .layer(DefaultBodyLimit::disable())
        .with_state(orders)
}

type Way = State<Option<Orders>>;

async fn pin(State(orders): Way, Json(order): Json<PinOrder>) -> Response<Body> {
    match orders {
        Some(orders) => told(orders.give(|reply| Order::Pin(order, reply)).await),
        None => elsewhere(),
    }
}

async fn unpin(State(orders): Way, Json(order): Json<UnpinOrder>) -> Response<Body> {
    match orders {
        Some(orders) => told(orders.give(|reply| Order::Unpin(order, reply)).await),
        None => elsewhere(),
    }
}

async fn allow_rewind(State(orders): Way, Json(order): Json<RewindOrder>) -> Response<Body> {
    match orders {
        Some(orders) => told(orders.give(|reply| Order::AllowRewind(order, reply)).await),
        None => elsewhere(),
    }
}

fn told(answer: Option<Result<Ordered, String>>) -> Response<Body> {
    match answer {
        Some(Ok(ordered)) => json(&ordered),
        Some(Err(why)) => answer::problem(StatusCode::CONFLICT, &why).map(Body::new),
        None => answer::problem(StatusCode::SERVICE_UNAVAILABLE, "the server is about to end").map(Body::new),
    }
}

/// Refuses an order on a listener that accepts none, before its body is read.
pub(super) fn elsewhere() -> Response<Body> {
    let why = "orders are taken over a unix socket alone: serve with --api unix:PATH";
    let mut answer = answer::problem(StatusCode::FORBIDDEN, why).map(Body::new);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
