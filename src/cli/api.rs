//! Requests to a running server, over its unix socket or on loopback.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{EXPECT, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Failure, output};
use crate::model::ApiAddress;

/// The time limit of an answer for a person who waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// The maximum length of an answer: the nodes of a cluster of 100,000 are about 60 MB.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// The time limit of an order: it waits for a running fetch, and a large commit is built.
const PATIENCE_WITH_ORDERS: Duration = Duration::from_secs(900);

/// How long an order is silent before the command says what it waits for.
const NOTICE_AFTER: Duration = Duration::from_secs(3);

/// Gives an order to a running server, and waits for what becomes of it.
///
/// The order itself is sent only after the server has asked for it (`100 Continue`): one that is given up because the
/// server does not react is not carried out later.
pub fn order<T: DeserializeOwned>(api: &ApiAddress, path: &str, told: &impl Serialize) -> Result<T, Failure> {
    let body = serde_json::to_vec(told).map_err(|error| Failure::from_error(&error))?;
    let (accept, accepted) = watch::channel(false);
    let body = OrderBody { bytes: Some(body.into()), accepted: Box::pin(until_accepted(accepted.clone())) };
    let mut request = request(api, Method::POST, path, body)?;
    request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
    hyper::ext::on_informational(&mut request, move |reply| {
        if reply.status() == StatusCode::CONTINUE {
            accept.send_replace(true);
        }
    });

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bytes = runtime.block_on(wait_for_order(api, fetch(api, request), accepted))?;
    read(api, &bytes)
}

/// Fetches one JSON document from a running server.
pub fn get<T: DeserializeOwned>(api: &ApiAddress, path: &str) -> Result<T, Failure> {
    send(api, Method::GET, path, Bytes::new(), PATIENCE)
}

/// Sends one JSON document to a running server.
pub fn post<T: DeserializeOwned>(api: &ApiAddress, path: &str, told: &impl Serialize) -> Result<T, Failure> {
    let body = serde_json::to_vec(told).map_err(|error| Failure::from_error(&error))?;
    send(api, Method::POST, path, body.into(), PATIENCE)
}

/// A streamed answer, until either side ends it.
pub struct Stream {
    pub body: Incoming,
    connection: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Opens a streamed answer of server-sent events. `last` is the number of the last known event.
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
        // The body reports how it ended.
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

/// Returns the server's name for the `Host` header: a loopback port accepts its own names only.
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
    let request = request(api, method, path, Full::new(body))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async { tokio::time::timeout(patience, fetch(api, request)).await });
    let bytes = match asked {
        Ok(answer) => answer?,
        Err(_) => return Err(Failure::new(format!("{api}: the server does not answer within {patience:?}"))),
    };
    read(api, &bytes)
}

fn read<T: DeserializeOwned>(api: &ApiAddress, bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::new(format!("{api}: the answer is not what this muster reads: {error}")))
}

fn request<B>(api: &ApiAddress, method: Method, path: &str, body: B) -> Result<Request<B>, Failure> {
    let request = Request::builder().method(method).uri(path).header("host", host(api));
    let request = request.header("content-type", "application/json").body(body);
    request.map_err(|error| Failure::from_error(&error))
}

/// Waits for the reply to an order: briefly until the server accepts it, and long after that. A person learns early what
/// the wait is for.
async fn wait_for_order(
    api: &ApiAddress,
    reply: impl Future<Output = Result<Bytes, Failure>>,
    accepted: watch::Receiver<bool>,
) -> Result<Bytes, Failure> {
    let begin = Instant::now();
    let mut reply = pin!(reply);
    let mut acceptance = pin!(until_accepted(accepted));
    let mut notice = pin!(tokio::time::sleep_until(begin + NOTICE_AFTER));
    let mut limit = pin!(tokio::time::sleep_until(begin + PATIENCE));
    let (mut is_accepted, mut is_noticed) = (false, false);
    loop {
        tokio::select! {
            reply = &mut reply => return reply,
            () = &mut acceptance, if !is_accepted => {
                is_accepted = true;
                limit.as_mut().reset(begin + PATIENCE_WITH_ORDERS);
            }
            () = &mut notice, if !is_noticed => {
                is_noticed = true;
                let text = if is_accepted {
                    "the server accepted the order and has not replied yet: it waits for a fetch or reads the commit; \
                     `muster status` shows the progress"
                } else {
                    "the server has not accepted the order yet; `muster status` shows whether it answers"
                };
                // The order matters more than the notice.
                let _ = writeln!(output::stderr(), "note: {api}: {text}");
            }
            () = &mut limit => return Err(given_up(api, is_accepted)),
        }
    }
}

fn given_up(api: &ApiAddress, is_accepted: bool) -> Failure {
    if is_accepted {
        let hint = "the order may still be carried out: `muster status` shows what is served";
        let message = format!("{api}: the server did not reply to the order within {PATIENCE_WITH_ORDERS:?}");
        return Failure::new(message).hint(Some(hint.into()));
    }
    let hint =
        "nothing was changed: check that the server runs and is not stopped or overloaded, then repeat the order";
    Failure::new(format!("{api}: the server did not accept the order within {PATIENCE:?}")).hint(Some(hint.into()))
}

/// Waits until the server accepts an order. It does not end if the connection ends before that.
async fn until_accepted(mut accepted: watch::Receiver<bool>) {
    if accepted.wait_for(|accepted| *accepted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The body of an order, which is sent once the server accepts it.
struct OrderBody {
    bytes: Option<Bytes>,
    accepted: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Body for OrderBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.bytes.is_some() {
            ready!(self.accepted.as_mut().poll(cx));
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, Bytes::len) as u64)
    }
}

async fn fetch<B>(api: &ApiAddress, request: Request<B>) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    match api {
        ApiAddress::Unix(socket) => ask(api, UnixStream::connect(socket).await.map_err(away(api))?, request).await,
        ApiAddress::Tcp(address) => ask(api, TcpStream::connect(address).await.map_err(away(api))?, request).await,
    }
}

async fn ask<S, B>(api: &ApiAddress, stream: S, request: Request<B>) -> Result<Bytes, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let broken = |error: &dyn std::error::Error| Failure::new(format!("{api}: the server broke off: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let answer = async move {
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|error| broken(&*error))?.to_bytes();
        match status {
            StatusCode::OK => Ok(body),
            // The refusal of an order says everything necessary.
            StatusCode::CONFLICT | StatusCode::FORBIDDEN if detail(&body).is_some() => {
                Err(Failure::new(detail(&body).unwrap_or_default()))
            }
            other => Err(Failure::new(format!("{api}: {other}: {}", String::from_utf8_lossy(&body).trim()))),
        }
    };

    // A server that refuses an order replies before it has the body, which the connection would wait to send.
    let connection = tokio::spawn(connection);
    let answer = answer.await;
    connection.abort();
    answer
}

/// Returns the detail of a problem document (RFC 9457).
fn detail(body: &[u8]) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_slice(body).ok()?;
    problem.get("detail")?.as_str().map(str::to_owned)
}
