//! Bounded listeners: an accept loop over hyper, since axum's has no bounds.
//!
//! Each connection is a task with a place ([`Room`]) and is joined at the end. The caller provides
//! the answers.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::header::{CONNECTION, TRANSFER_ENCODING};
use axum::http::{HeaderValue, Request, Response};
use axum::serve::Listener;
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::ListenError;
use super::answer::Answer;
use super::api::Api;
use super::boot::Boot;
use super::command::{Command, Orders};
use super::counters::{Counters, Door, Route};
use super::history::History;
use super::limits::{KERNEL_READS, KERNEL_WRITES, Limits, MAX_HEAD, within_open_files};
use super::patience::Patient;
use super::proxied::{Peer, Proxied};
use super::room::{HeadTimer, Room, Seat, Work};
use super::serving::Serving;
use super::socket::{self, SocketFile};
use super::webhook::Webhook;
use super::{drain, metrics};
use crate::model::ApiAddress;

/// The number of connections that the kernel queues: those of a whole machine room whose power
/// returns. Linux uses the smaller of this and `net.core.somaxconn`, which is 4096.
const BACKLOG: u32 = 4096;

/// A bound boot listener; machines queue until it serves.
pub struct BootListener {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    trusted: Arc<[IpNet]>,
}

impl BootListener {
    /// Binds an address; port 0 takes any. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Returns why the address cannot be bound, and what to do about it.
    pub fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let (listener, address) = bind_tcp(address, Limits::boot().stall)?;
        Ok(Self { listener, address, limits: Limits::boot(), trusted: Arc::default() })
    }

    /// Sets other bounds than [`Limits::boot`].
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Trusts proxies in these ranges to name their clients; without them, no proxy is trusted.
    #[must_use]
    pub fn with_trusted_proxies(self, trusted: &[IpNet]) -> Self {
        Self { trusted: trusted.into(), ..self }
    }

    /// Returns the bound address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Sets another number of connections than [`Limits::boot`], if one is given.
    #[must_use]
    pub fn with_connections(mut self, connections: Option<usize>) -> Self {
        self.limits.connections = connections.unwrap_or(self.limits.connections);
        self
    }

    /// Serves until shutdown, and then until running requests are answered or [`Limits::grace`] is
    /// over.
    pub async fn serve(self, boot: Arc<Boot>, shutdown: CancellationToken) {
        let (handle, closed) = (drain::handle(&self.listener), CancellationToken::new());
        let listener = Proxied { listener: self.listener, trusted: self.trusted };
        let drained = drain::before_closing(handle, shutdown, closed.clone());
        tokio::join!(run(listener, self.limits, boot, closed), drained);
    }
}

/// A bound API listener.
pub struct ApiListener {
    bound: Bound,
    limits: Limits,
    orders: Option<Orders>,
    webhook: Option<Webhook>,
    history: Arc<History>,
}

enum Bound {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

impl ApiListener {
    /// Binds a unix socket, with mode 0660, or a loopback address. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// Returns why it cannot be bound, and what to do about it.
    pub fn bind(address: &ApiAddress) -> Result<Self, ListenError> {
        let bound = match address {
            ApiAddress::Tcp(address) if !address.ip().to_canonical().is_loopback() => {
                return Err(ListenError::NotLoopback { address: *address });
            }
            ApiAddress::Tcp(address) => {
                let (listener, address) = bind_tcp(*address, Limits::api().stall)?;
                Bound::Tcp(listener, address)
            }
            ApiAddress::Unix(path) => {
                let (listener, file) = socket::bind(path)?;
                Bound::Unix(listener, file)
            }
        };

        Ok(Self { bound, limits: Limits::api(), orders: None, webhook: None, history: Arc::default() })
    }

    /// Accepts webhooks, if a secret is configured for them.
    #[must_use]
    pub fn with_webhook(self, webhook: Option<Webhook>) -> Self {
        Self { webhook, ..self }
    }

    /// Sets other bounds than [`Limits::api`].
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Accepts orders too, if it is a unix socket.
    #[must_use]
    pub fn with_orders(self, orders: Orders) -> Self {
        Self { orders: Some(orders), ..self }
    }

    /// Serves the events of a history; without it, there are none.
    #[must_use]
    pub fn with_history(self, history: Arc<History>) -> Self {
        Self { history, ..self }
    }

    /// Returns the bound address.
    #[must_use]
    pub fn local_addr(&self) -> ApiAddress {
        match &self.bound {
            Bound::Tcp(_, address) => ApiAddress::Tcp(*address),
            Bound::Unix(_, file) => ApiAddress::Unix(file.path.clone()),
        }
    }

    /// Serves until shutdown, as [`BootListener::serve`] does; a socket's file is removed first.
    ///
    /// Commands that the listener cannot carry out itself go to `commands`.
    pub async fn serve(
        self,
        serving: Arc<ArcSwap<Serving>>,
        commands: mpsc::Sender<Command>,
        shutdown: CancellationToken,
    ) {
        let orders = match &self.bound {
            Bound::Tcp(..) => None,
            Bound::Unix(..) => self.orders,
        };

        let is_open_to_browsers = matches!(self.bound, Bound::Tcp(..));
        let api = Api::new(serving, commands, (orders, self.webhook), (self.history, shutdown.clone()));
        let api = Arc::new(if is_open_to_browsers { api.for_this_host_alone() } else { api });

        match self.bound {
            Bound::Tcp(listener, _) => run(listener, self.limits, api, shutdown).await,
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

/// A bound listener for a Prometheus server on another host: it answers `/metrics` only.
pub struct MetricsListener {
    listener: TcpListener,
    address: SocketAddr,
}

impl MetricsListener {
    /// Binds an address. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Returns why the address cannot be bound, and what to do about it.
    pub fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let (listener, address) = bind_tcp(address, Limits::metrics().stall)?;
        Ok(Self { listener, address })
    }

    /// Returns the bound address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until shutdown.
    pub async fn serve(self, serving: Arc<ArcSwap<Serving>>, shutdown: CancellationToken) {
        run(self.listener, Limits::metrics(), Arc::new(metrics::Scrapes { serving }), shutdown).await;
    }
}

fn bind_tcp(address: SocketAddr, stall: Duration) -> Result<(TcpListener, SocketAddr), ListenError> {
    let bind = || -> io::Result<(TcpListener, SocketAddr)> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Connections of a server that ended a moment ago do not block the port.
        socket.set_reuseaddr(true)?;
        // Accepted connections inherit the following options. An answer is one write; waiting for
        // more data would cost each a round trip.
        socket.set_nodelay(true)?;
        socket.set_send_buffer_size(KERNEL_WRITES)?;
        socket.set_recv_buffer_size(KERNEL_READS)?;
        #[cfg(target_os = "linux")]
        rustix::net::sockopt::set_tcp_user_timeout(&socket, u32::try_from(stall.as_millis()).unwrap_or(u32::MAX))?;
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

/// Answers the requests of a listener whose peers have addresses of type `P`.
pub(super) trait Answers<P>: Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    /// Answers a request.
    ///
    /// Once the request is complete, and if its answer may take a while, `work` begins: from then
    /// on, the connection is not closed in favor of another.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: &P,
        counters: &Counters,
        work: &Work<'_>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Returns the counters.
    fn counters(&self) -> Arc<Counters>;

    /// Returns the counters of connections, if there are any.
    fn door(counters: &Counters) -> Option<&Door>;
}

impl Answers<Peer> for Boot {
    type Body = http_body_util::Full<Bytes>;

    async fn answer(&self, request: Request<Incoming>, peer: &Peer, counters: &Counters, _: &Work<'_>) -> Answer {
        let route = Route::of(request.uri().path());
        let client = peer.client(request.headers());
        let answer = Self::answer(self, request, client).await;
        counters.request(route, answer.status());
        answer
    }

    fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.serving.load().counters)
    }

    fn door(counters: &Counters) -> Option<&Door> {
        Some(&counters.boot)
    }
}

impl<P: Sync> Answers<P> for Api {
    type Body = axum::body::Body;

    fn answer(
        &self,
        request: Request<Incoming>,
        _: &P,
        _: &Counters,
        work: &Work<'_>,
    ) -> impl Future<Output = Response<axum::body::Body>> + Send {
        Self::answer(self, request, || work.begin())
    }

    fn counters(&self) -> Arc<Counters> {
        Self::counters(self)
    }

    fn door(counters: &Counters) -> Option<&Door> {
        Some(&counters.api)
    }
}

impl Answers<SocketAddr> for metrics::Scrapes {
    type Body = http_body_util::Full<Bytes>;

    fn answer(
        &self,
        request: Request<Incoming>,
        _: &SocketAddr,
        _: &Counters,
        work: &Work<'_>,
    ) -> impl Future<Output = Answer> + Send {
        work.begin();
        Self::answer(self, request.method().clone(), request.uri().path().to_owned())
    }

    fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.serving.load().counters)
    }

    fn door(_: &Counters) -> Option<&Door> {
        None
    }
}

/// One connection: its answers, its peer and its place.
struct Connection<A, P> {
    answers: Arc<A>,
    peer: P,
    room: Arc<Room>,
    seat: Arc<Seat>,
    counters: Arc<Counters>,
    gone: fn(&Counters),
}

impl<A, P> Drop for Connection<A, P> {
    fn drop(&mut self) {
        self.room.leave(&self.seat);
        (self.gone)(&self.counters);
    }
}

/// Accepts connections. If there is no place for one, the longest idle ones are closed, or it waits
/// its turn; the others wait behind it in the kernel's queue.
async fn run<L, A>(mut listener: L, limits: Limits, answers: Arc<A>, shutdown: CancellationToken)
where
    L: Listener<Addr: Send + Sync + 'static>,
    A: Answers<L::Addr>,
{
    let mut http = http1::Builder::new();
    http.header_read_timeout(limits.head);
    http.max_buf_size(MAX_HEAD).max_header_size(MAX_HEAD);

    // A client that closes its side after the request still expects the answer.
    http.half_close(true);
    let places = within_open_files(limits.connections);
    let room = Arc::new(Room::new(places, limits.idle));
    let counters = answers.counters();
    count::<A, _>(&counters, |door| &door.places, places as u64);
    let tasks = TaskTracker::new();
    let mut queued = BACKLOG;
    let mut ended = std::pin::pin!(shutdown.cancelled());

    let accept = async {
        loop {
            let accepted = async {
                let (stream, peer) = listener.accept().await;
                count::<A, _>(&counters, |door| &door.accepted, 1);
                let seat = room.enter(|told| count::<A, _>(&counters, |door| &door.evicted, told)).await;
                (seat, stream, peer)
            };
            // Connections in the kernel's queue are accepted before the end, however busy the
            // machine is: they would be cut otherwise. Connections beyond the queue's size came
            // later, which is possible only for a listener without a filter.
            let (seat, stream, peer) = tokio::select! {
                biased;
                accepted = accepted, if queued > 0 => accepted,
                () = ended.as_mut() => break,
            };
            if shutdown.is_cancelled() {
                queued -= 1;
                // tokio lets a task accept a limited number of times before it must yield, and
                // reports an empty queue until then.
                tokio::task::yield_now().await;
            }
            count::<A, _>(&counters, |door| &door.open, 1);
            let mut http = http.clone();
            http.timer(HeadTimer(Arc::clone(&seat)));
            let (answers, room, counters) = (Arc::clone(&answers), Arc::clone(&room), Arc::clone(&counters));
            let connection = Connection { answers, peer, room, seat, counters, gone: gone::<A, _> };
            tasks.spawn(converse(http, Patient::new(stream, limits.stall), connection, limits));
        }
    };

    tokio::select! {
        biased;
        () = accept => {}
        () = room.watch(limits.head) => {}
    }

    drop(listener);
    room.close();
    tasks.close();
    tasks.wait().await;
}

fn count<A: Answers<P>, P>(counters: &Counters, what: impl Fn(&Door) -> &AtomicU64, by: u64) {
    if let Some(door) = A::door(counters) {
        what(door).fetch_add(by, Ordering::Relaxed);
    }
}

fn gone<A: Answers<P>, P>(counters: &Counters) {
    if let Some(door) = A::door(counters) {
        door.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn converse<S, A, P>(http: http1::Builder, stream: Patient<S>, connection: Connection<A, P>, limits: Limits)
where
    Patient<S>: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    A: Answers<P>,
    P: Send + Sync,
{
    let has_asked = AtomicBool::new(false);
    let service = service_fn(async |request: Request<Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        let Connection { answers, peer, room, seat, counters, .. } = &connection;
        let work = room.asked(seat);
        // A proxy in front may have found another end of such a body; the rest would be another
        // client's.
        let is_last = request.headers().contains_key(TRANSFER_ENCODING);
        let mut answer = answers.answer(request, peer, counters, &work).await;
        if is_last || room.is_nearly_full() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, Infallible>(answer)
    });

    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = loop {
        // Received data is read first, so that a request that came in time is not cut.
        break tokio::select! {
            biased;
            ended = serving.as_mut() => ended,
            () = connection.seat.signalled() => {
                if connection.room.is_closing() {
                    // A client that connected in time but has not sent its first request is
                    // answered, too.
                    if !has_asked.load(Ordering::Relaxed)
                        && let Ok(ended) = tokio::time::timeout(limits.idle.min(limits.grace), serving.as_mut()).await
                    {
                        break ended;
                    }
                    serving.as_mut().graceful_shutdown();
                    tokio::time::timeout(limits.grace, serving).await.unwrap_or(Ok(()))
                } else if connection.seat.take_eviction() && !connection.seat.is_working() {
                    Ok(())
                } else {
                    // The connection itself ends on an overdue head.
                    continue;
                }
            }
        };
    };

    // The client decides how a connection ends: all possible answers were sent.
    if let Err(error) = ended {
        if error.is_parse() {
            count::<A, P>(&connection.counters, |door| &door.malformed, 1);
        } else if error.is_timeout() || is_stalled(&error) {
            count::<A, P>(&connection.counters, |door| &door.slow, 1);
        }
    }
}

/// Returns whether a connection ended because its client did not read an answer.
fn is_stalled(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_listener_is_set_to_holds_for_its_connections() {
        let (listener, address) = bind_tcp(SocketAddr::from(([127, 0, 0, 1], 0)), Duration::from_secs(7)).unwrap();
        let (near, far) = tokio::join!(listener.accept(), tokio::net::TcpStream::connect(address));
        let (near, _far) = (near.unwrap().0, far.unwrap());
        assert!(near.nodelay().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&near).unwrap(), 7000);
    }
}
