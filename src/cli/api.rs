//! Asking a running server, over its unix socket or on loopback.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

use super::Failure;
use crate::model::ApiAddress;

/// How long a server may take to answer a person who waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer that is read: the nodes of a cluster of 100,000 are about 60 MB.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// How long an order may take: it waits for a fetch that runs, and a large commit is built.
const PATIENCE_WITH_ORDERS: Duration = Duration::from_secs(900);

/// Gives an order to a running server, and waits for what becomes of it.
pub fn order<T: DeserializeOwned>(api: &ApiAddress, path: &str, told: &impl Serialize) -> Result<T, Failure> {
    let body = serde_json::to_vec(told).map_err(|error| Failure::from_error(&error))?;
    send(api, Method::POST, path, body.into(), PATIENCE_WITH_ORDERS)
}

/// Fetches one JSON document from a running server.
pub fn get<T: DeserializeOwned>(api: &ApiAddress, path: &str) -> Result<T, Failure> {
    send(api, Method::GET, path, Bytes::new(), PATIENCE)
}

/// Hands one JSON document to a running server.
pub fn post<T: DeserializeOwned>(api: &ApiAddress, path: &str, told: &impl Serialize) -> Result<T, Failure> {
    let body = serde_json::to_vec(told).map_err(|error| Failure::from_error(&error))?;
    send(api, Method::POST, path, body.into(), PATIENCE)
}

/// An answer that goes on, until either side ends it.
pub struct Stream {
    pub body: Incoming,
    connection: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Opens an answer that goes on: server-sent events. `last` is the number of the last event that is known.
pub async fn follow(api: &ApiAddress, path: &str, last: Option<&str>) -> Result<Stream, Failure> {
    let opened = async {
        match api {
            ApiAddress::Unix(socket) => {
                open(api, UnixStream::connect(socket).await.map_err(away(api))?, path, last).await
            }
            ApiAddress::Tcp(address) => {
                open(api, TcpStream::connect(address).await.map_err(away(api))?, path, last).await
            }
        }
    };
    match tokio::time::timeout(PATIENCE, opened).await {
        Ok(opened) => opened,
        Err(_) => Err(Failure::new(format!("{api}: the server does not answer within {PATIENCE:?}"))),
    }
}

async fn open<S>(api: &ApiAddress, stream: S, path: &str, last: Option<&str>) -> Result<Stream, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: &dyn std::error::Error| Failure::new(format!("{api}: the server broke off: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let connection = tokio::spawn(async move {
        // How it ended is told by the body.
        let _ = connection.await;
    });
    let mut request = Request::get(path).header("host", host(api)).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let request = request.body(Full::new(Bytes::new())).map_err(|error| broken(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let (status, body) = (answer.status(), answer.into_body());
    if status == StatusCode::OK {
        return Ok(Stream { body, connection });
    }
    let body = Limited::new(body, MAX_BYTES).collect().await.map_err(|error| broken(&*error))?.to_bytes();
    connection.abort();
    let said = detail(&body).unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned());
    Err(Failure::new(format!("{api}: {status}: {said}")))
}

/// Names the server as it wants to be called: a port of loopback answers to its own names alone.
fn host(api: &ApiAddress) -> String {
    match api {
        ApiAddress::Unix(_) => "localhost".into(),
        ApiAddress::Tcp(address) => address.to_string(),
    }
}

fn away(api: &ApiAddress) -> impl Fn(std::io::Error) -> Failure {
    move |error| {
        let hint = "is `muster serve` running? name its store with --store, or its address with --api";
        Failure::new(format!("{api}: no server answers: {error}")).hint(Some(hint.into()))
    }
}

fn send<T: DeserializeOwned>(
    api: &ApiAddress,
    method: Method,
    path: &str,
    body: Bytes,
    patience: Duration,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async { tokio::time::timeout(patience, fetch(api, method, path, body)).await });
    let bytes = match asked {
        Ok(answer) => answer?,
        Err(_) => return Err(Failure::new(format!("{api}: the server does not answer within {patience:?}"))),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(format!("{api}: the answer is not what this muster reads: {error}")))
}

async fn fetch(api: &ApiAddress, method: Method, path: &str, body: Bytes) -> Result<Bytes, Failure> {
    match api {
        ApiAddress::Unix(socket) => {
            ask(api, UnixStream::connect(socket).await.map_err(away(api))?, method, path, body).await
        }
        ApiAddress::Tcp(address) => {
            ask(api, TcpStream::connect(address).await.map_err(away(api))?, method, path, body).await
        }
    }
}

async fn ask<S>(api: &ApiAddress, stream: S, method: Method, path: &str, body: Bytes) -> Result<Bytes, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: &dyn std::error::Error| Failure::new(format!("{api}: the server broke off: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let request = Request::builder().method(method).uri(path).header("host", host(api));
    let request = request.header("content-type", "application/json").body(Full::new(body));
    let request = request.map_err(|error| broken(&error))?;
    // The connection ends when its sender is gone.
    let answer = async move {
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|error| broken(&*error))?.to_bytes();
        match status {
            StatusCode::OK => Ok(body),
            // An order that is not carried out says all there is to say.
            StatusCode::CONFLICT | StatusCode::FORBIDDEN if detail(&body).is_some() => {
                Err(Failure::new(detail(&body).unwrap_or_default()))
            }
            other => Err(Failure::new(format!("{api}: {other}: {}", String::from_utf8_lossy(&body).trim()))),
        }
    };
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

/// Reads what a problem says in words (RFC 9457).
fn detail(body: &[u8]) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_slice(body).ok()?;
    problem.get("detail")?.as_str().map(str::to_owned)
}
