//! The reference: a bare axum handler that returns a constant, with the headers that muster sends.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;

/// Is the reference server; prints its address.
pub fn main(body: &str) {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let other = body.clone();
        let router = Router::new()
            .route("/boot/v1/bootscript", get(move || constant(body.clone())))
            .fallback(move || constant(other.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        axum::serve(listener, router).await.expect("the reference serves");
    });
}

async fn constant(body: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, HeaderValue::from_static("\"d177154199d7bda95f8c9ec2f522c36e52e7f1456093e876\"")),
        (
            header::HeaderName::from_static("x-muster-revision"),
            HeaderValue::from_static("a9b1288d4279ef927b4daa7a2a8ab8b0614f899c"),
        ),
    ];
    (headers, body).into_response()
}
