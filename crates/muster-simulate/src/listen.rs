//! The listener of all BMCs, on loopback only, and the connections of their clients.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fleet::{Binding, Shared, address, number};
use super::reply::{Ask, End, Reply};
use super::service;

/// The number of connections that the kernel queues until they are accepted.
const BACKLOG: u32 = 4096;

/// The largest request body; a PATCH of all BIOS settings has some 30 kB.
const MAX_BODY: usize = 1 << 20;

/// The longest time for the head of a request, and for an idle connection.
const PATIENCE: Duration = Duration::from_secs(120);

/// The pause of the accept loop if the process has no file descriptors left.
const REST: Duration = Duration::from_millis(20);

/// Raises the soft limit of open files to the hard one, because clients may connect to every BMC at
/// once.
pub fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // If this fails, connections wait for others to end.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Binds all loopback addresses: one socket bound to the loopback device, or one for each address.
pub fn bind(port: u16, count: usize) -> io::Result<(Vec<TcpListener>, Binding)> {
    let socket = || -> io::Result<TcpSocket> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        Ok(socket)
    };

    let wildcard = socket()?;
    #[cfg(target_os = "linux")]
    let is_bound = wildcard.bind_device(Some(b"lo")).is_ok();
    #[cfg(not(target_os = "linux"))]
    let is_bound = false;
    if is_bound {
        wildcard.bind((Ipv4Addr::UNSPECIFIED, port).into())?;
        return Ok((vec![wildcard.listen(BACKLOG)?], Binding::Device));
    }

    let mut port = port;
    let mut listeners = Vec::new();
    for at in 0..count.max(1) {
        let socket = socket()?;
        socket.bind((address(at), port).into())?;
        let listener = socket.listen(BACKLOG)?;
        port = listener.local_addr()?.port();
        listeners.push(listener);
    }

    Ok((listeners, Binding::Addresses))
}

/// Accepts connections until the shutdown.
pub async fn accept(listener: TcpListener, shared: Arc<Shared>, shutdown: CancellationToken, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (shared, shutdown) = (Arc::clone(&shared), shutdown.clone());
                tasks.spawn(converse(stream, peer, shared, shutdown));
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

/// Returns the BMC of a connection; `None` if either end is not on loopback, or no BMC has the
/// address.
fn bmc_of(stream: &TcpStream, peer: SocketAddr, shared: &Shared) -> Option<(usize, Ipv4Addr)> {
    let IpAddr::V4(local) = stream.local_addr().ok()?.ip().to_canonical() else { return None };
    if !local.is_loopback() || !peer.ip().to_canonical().is_loopback() {
        return None;
    }
    number(local).filter(|at| *at < shared.bmcs.len()).map(|at| (at, local))
}

/// Ends a connection with a reset, as a closed port would.
fn refuse(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

async fn converse(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, shutdown: CancellationToken) {
    let Some((at, local)) = bmc_of(&stream, peer, &shared) else { return refuse(&stream) };
    let is_dead = {
        let mut live = shared.lock(at);
        live.counts.connections += 1;
        live.dead
    };

    if is_dead {
        if at.is_multiple_of(2) {
            return refuse(&stream);
        }
        // Accepted, and silent for good.
        return tokio::select! {
            () = shutdown.cancelled() => (),
            () = gone(&stream) => (),
        };
    }

    let _ = stream.set_nodelay(true);
    match &shared.authority {
        None => serve(stream, at, &shared, shutdown).await,
        Some(authority) => {
            let acceptor = TlsAcceptor::from(authority.config(at, local));
            // If the client does not trust the certificate, that is the client's concern.
            if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                serve(stream, at, &shared, shutdown).await;
            }
        }
    }
}

/// Waits until the client has disconnected.
async fn gone(stream: &TcpStream) {
    let mut buffer = [0; 256];
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    at: usize,
    shared: &Arc<Shared>,
    shutdown: CancellationToken,
) {
    let nth = AtomicU32::new(0);
    let service = service_fn(|request| {
        let nth = nth.fetch_add(1, Ordering::Relaxed) + 1;
        answer(request, nth, at, shared)
    });

    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));

    // The way in which a connection ends is the client's concern.
    tokio::select! {
        _ = serving.as_mut() => {}
        () = shutdown.cancelled() => {}
    }
}

/// The error that ends a connection instead of a reply.
#[derive(Debug, thiserror::Error)]
#[error("the simulated BMC drops the connection")]
struct Dropped;

async fn answer(
    request: Request<Incoming>,
    nth: u32,
    at: usize,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err(Dropped),
    };

    let text = |name: HeaderName| text_of(&head.headers, &name);
    let ask = Ask {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        token: text(HeaderName::from_static("x-auth-token")),
        authorization: text(header::AUTHORIZATION),
        if_match: text(header::IF_MATCH),
        if_none_match: text(header::IF_NONE_MATCH),
        accept_encoding: text(header::ACCEPT_ENCODING),
        body: &body,
    };

    let reply = {
        let mut live = shared.lock(at);
        if live.dead {
            return Err(Dropped);
        }
        live.counts.in_flight += 1;
        live.counts.most_in_flight = live.counts.most_in_flight.max(live.counts.in_flight);
        service::answer(&mut live, &ask, nth, shared.now(), &shared.rules)
    };

    let _flight = Flight { shared, at };
    if reply.delay > 0 {
        tokio::time::sleep(Duration::from_millis(reply.delay)).await;
    }
    match reply.end {
        End::Drop => Err(Dropped),
        End::Whole | End::Close => Ok(respond(reply)),
    }
}

/// A request in progress, which ends when this is dropped for any reason.
struct Flight<'s> {
    shared: &'s Shared,
    at: usize,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.shared.lock(self.at).counts.in_flight -= 1;
    }
}

fn text_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn respond(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).expect("our codes are codes");
    for (name, value) in reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("our header names are names");
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    if reply.end == End::Close {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
