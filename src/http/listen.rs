//! Listeners with bounds: an accept loop of our own over hyper, since axum's has none.
//!
//! Each connection is a task, counted before it is accepted and joined at the end. What is answered comes from outside.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response};
use axum::serve::{Listener, ListenerExt};
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::ListenError;
use super::answer::Answer;
use super::api::Api;
use super::boot::Boot;
use super::command::Command;
use super::limits::{Limits, MAX_HEAD, within_open_files};
use super::patience::Patient;
use super::proxied::{Peer, Proxied};
use super::serving::Serving;
use super::socket::{self, SocketFile};
use crate::model::ApiAddress;

/// How many connections the kernel keeps until they are accepted: those of a whole machine room that gets its power back.
/// Linux takes the smaller of this and `net.core.somaxconn`, which is 4096.
const BACKLOG: u32 = 4096;

/// A bound boot listener; machines queue until it serves.
pub struct BootListener {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    trusted: Arc<[IpNet]>,
}

impl BootListener {
    /// Binds an address; port 0 takes any. Call it inside of a tokio runtime.
    ///
    /// # Errors
    /// Returns why the address cannot be bound, and what to do about it.
    pub fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let (listener, address) = bind_tcp(address)?;
        Ok(Self { listener, address, limits: Limits::boot(), trusted: Arc::default() })
    }

    /// Takes other bounds than [`Limits::boot`].
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Believes proxies in these ranges when they tell for whom they ask; without them, nobody is believed.
    #[must_use]
    pub fn with_trusted_proxies(self, trusted: &[IpNet]) -> Self {
        Self { trusted: trusted.into(), ..self }
    }

    /// Returns the address that it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to end, and then until running requests are answered or [`Limits::grace`] is over.
    pub async fn serve(self, boot: Arc<Boot>, shutdown: CancellationToken) {
        let listener = Proxied { listener: self.listener.tap_io(set_nodelay), trusted: self.trusted };
        run(listener, self.limits, boot, shutdown).await;
    }
}

/// A bound api listener.
pub struct ApiListener {
    bound: Bound,
    limits: Limits,
}

enum Bound {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

impl ApiListener {
    /// Binds a unix socket, with mode 0660, or a loopback address. Call it inside of a tokio runtime.
    ///
    /// # Errors
    /// Returns why it cannot be bound, and what to do about it.
    pub fn bind(address: &ApiAddress) -> Result<Self, ListenError> {
        let bound = match address {
            ApiAddress::Tcp(address) if !address.ip().to_canonical().is_loopback() => {
                return Err(ListenError::NotLoopback { address: *address });
            }
            ApiAddress::Tcp(address) => {
                let (listener, address) = bind_tcp(*address)?;
                Bound::Tcp(listener, address)
            }
            ApiAddress::Unix(path) => {
                let (listener, file) = socket::bind(path)?;
                Bound::Unix(listener, file)
            }
        };
        Ok(Self { bound, limits: Limits::api() })
    }

    /// Takes other bounds than [`Limits::api`].
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Returns the address that it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> ApiAddress {
        match &self.bound {
            Bound::Tcp(_, address) => ApiAddress::Tcp(*address),
            Bound::Unix(_, file) => ApiAddress::Unix(file.path.clone()),
        }
    }

    /// Serves until it is told to end, as [`BootListener::serve`] does; a socket's file goes first.
    ///
    /// What it may not do itself goes to `commands`.
    pub async fn serve(
        self,
        serving: Arc<ArcSwap<Serving>>,
        commands: mpsc::Sender<Command>,
        shutdown: CancellationToken,
    ) {
        let api = Arc::new(Api::new(serving, commands));
        match self.bound {
            Bound::Tcp(listener, _) => run(listener.tap_io(set_nodelay), self.limits, api, shutdown).await,
            Bound::Unix(listener, file) => {
                let remove = async {
                    shutdown.cancelled().await;
                    drop(file);
                };
                tokio::join!(run(listener, self.limits, api, shutdown.clone()), remove);
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let bind = || -> io::Result<(TcpListener, SocketAddr)> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Connections of a server that ended a moment ago do not hold the port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bind().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { address },
        io::ErrorKind::PermissionDenied => ListenError::Denied { address },
        _ => ListenError::Tcp { address, source },
    })
}

/// Answers are one write each; waiting for more to send would cost each of them a round trip.
fn set_nodelay(stream: &mut TcpStream) {
    // It fails only on a connection that has gone already.
    let _ = stream.set_nodelay(true);
}

/// What answers the requests of a listener whose peers have addresses of type `P`.
pub(super) trait Answers<P>: Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    fn answer(&self, request: Request<Incoming>, peer: &P) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl Answers<Peer> for Boot {
    type Body = http_body_util::Full<Bytes>;

    fn answer(&self, request: Request<Incoming>, peer: &Peer) -> impl Future<Output = Answer> + Send {
        let client = peer.client(request.headers());
        Self::answer(self, request, client)
    }
}

impl<P: Sync> Answers<P> for Api {
    type Body = axum::body::Body;

    fn answer(&self, request: Request<Incoming>, _: &P) -> impl Future<Output = Response<axum::body::Body>> + Send {
        Self::answer(self, request)
    }
}

/// One connection: who answers it, who asks, and how full the listener is.
struct Connection<A, P> {
    answers: Arc<A>,
    peer: P,
    room: Arc<Semaphore>,
    /// With fewer places left than this, an answer is the last of its connection.
    few: usize,
}

/// Accepts connections while there is room for them; past the bound they wait in the kernel's queue.
async fn run<L, A>(mut listener: L, limits: Limits, answers: Arc<A>, shutdown: CancellationToken)
where
    L: Listener<Addr: Send + Sync + 'static>,
    A: Answers<L::Addr>,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    http.max_buf_size(MAX_HEAD).max_header_size(MAX_HEAD);
    let places = within_open_files(limits.connections);
    let few = places / 8;
    let room = Arc::new(Semaphore::new(places));
    let tasks = TaskTracker::new();
    loop {
        let accepted = async {
            let permit = Arc::clone(&room).acquire_owned().await.expect("nobody closes the semaphore");
            let (stream, peer) = listener.accept().await;
            (permit, stream, peer)
        };
        let (permit, stream, peer) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accepted => accepted,
        };
        let connection = Connection { answers: Arc::clone(&answers), peer, room: Arc::clone(&room), few };
        let stream = Patient::new(stream, limits.stall);
        tasks.spawn(converse(http.clone(), stream, connection, permit, limits, shutdown.clone()));
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn converse<S, A, P>(
    http: http1::Builder,
    stream: Patient<S>,
    connection: Connection<A, P>,
    permit: OwnedSemaphorePermit,
    limits: Limits,
    shutdown: CancellationToken,
) where
    Patient<S>: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    A: Answers<P>,
    P: Send + Sync,
{
    let connection = Arc::new(connection);
    let service = service_fn(|request| {
        let connection = Arc::clone(&connection);
        async move {
            let mut answer = connection.answers.answer(request, &connection.peer).await;
            if connection.room.available_permits() < connection.few {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    // How a connection ends is its client's affair: what could be answered was.
    let _ = tokio::select! {
        ended = serving.as_mut() => ended,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::time::timeout(limits.grace, serving).await.unwrap_or(Ok(()))
        }
    };
    drop(permit);
}
