//! The API: status, nodes and revisions as JSON for `muster status` and programs, metrics, and the
//! webhook.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::answer::{self, JSON, PLAIN};
use super::board::{self, NoPage, Wanted};
use super::bodies::{self, Bodies, Unread};
use super::command::{Command, NotDone, Orders};
use super::counters::Counters;
use super::events;
use super::held::{Asked, HeldCommit};
use super::history::History;
use super::limits::PATIENCE;
use super::lists::streamed;
use super::serving::{Confirmed, Serving};
use super::webhook::Webhook;
use super::{local, metrics, orders};
use crate::desired::{self, Desired};
use crate::model::{MacAddr, Revision, SafeText};
use crate::observed::{BootFetch, UnknownMac};
use crate::snapshot::{self, Snapshot};
use crate::view::{
    API_VERSION, BootView, ClaimView, CloudInitView, ForgetBmcs, NodeList, NodeView, Observations, RetryLogins,
    RevisionList, State as Standing, Taken, UnknownView, hex,
};

/// The length of an unknown id in an error message.
const MAX_ID_TOLD: usize = 40;

/// The number of contested addresses that the status lists.
const HELD_TOLD: usize = 20;

/// The number of expired `[[set]]` tables that the status lists.
const WARNINGS_SHOWN: usize = 20;

type Shared = State<Arc<ArcSwap<Serving>>>;
type Commands = State<Asking>;

/// The channel to the owner of the store.
#[derive(Clone)]
struct Asking {
    commands: mpsc::Sender<Command>,
    /// For answers of unbounded length.
    unbounded: Arc<Semaphore>,
}

/// The number of concurrent answers of unbounded length, and of large pages of boots.
const UNBOUNDED_AT_ONCE: usize = 2;
const PAGES_AT_ONCE: usize = 16;

/// The routes of the API.
pub struct Api {
    routes: Router,
    webhook: Option<Webhook>,
    serving: Arc<ArcSwap<Serving>>,
    bodies: Bodies,
    /// Whether browsers of this host can reach it, which web pages must not use.
    is_open_to_browsers: bool,
    takes_orders: bool,
}

impl Api {
    /// Creates the API over `serving`.
    ///
    /// Without orders or a webhook, their routes accept nothing. Followers of events are
    /// disconnected once `stop` is cancelled.
    pub fn new(
        serving: Arc<ArcSwap<Serving>>,
        commands: mpsc::Sender<Command>,
        (orders, webhook): (Option<Orders>, Option<Webhook>),
        (history, stop): (Arc<History>, CancellationToken),
    ) -> Self {
        let seen = Router::new()
            .route("/api/v1/observed", get(observed))
            .route("/api/v1/observations", post(take))
            .route("/api/v1/logins/refused", get(refused_logins))
            .route("/api/v1/logins/retry", post(retry_logins))
            .route("/api/v1/bmcs/forget", post(forget))
            .method_not_allowed_fallback(async || answer::not_allowed("GET,HEAD,POST").map(Body::new))
            // Bodies are bounded before they come here.
            .layer(DefaultBodyLimit::disable())
            .with_state(Asking { commands, unbounded: Arc::new(Semaphore::new(UNBOUNDED_AT_ONCE)) });

        let routes = Router::new()
            .route("/api/v1/status", get(status))
            .route("/api/v1/nodes", get(nodes))
            .route("/api/v1/nodes/{name}", get(node))
            .route("/api/v1/revisions", get(revisions))
            .route("/api/v1/boots", get(boots).layer(Extension(Arc::new(Semaphore::new(PAGES_AT_ONCE)))))
            .route("/metrics", get(scrape))
            .route("/healthz", get(async || answer::text(StatusCode::OK, PLAIN, &b"alive\n"[..]).map(Body::new)))
            .fallback(async || answer::not_found().map(Body::new))
            .method_not_allowed_fallback(async || answer::not_allowed("GET,HEAD").map(Body::new))
            .with_state(Arc::clone(&serving));

        let takes_orders = orders.is_some();
        let routes = routes.merge(seen).merge(orders::routes(orders)).merge(events::routes(history, stop));
        Self { routes, webhook, serving, bodies: Bodies::default(), is_open_to_browsers: false, takes_orders }
    }

    /// Refuses requests that a web page may have sent, and names that are not this host's.
    #[must_use]
    pub fn for_this_host_alone(self) -> Self {
        Self { is_open_to_browsers: true, ..self }
    }

    /// Returns the counters.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.serving.load().counters)
    }

    /// Answers one request; `begin` is called once the request is complete.
    pub async fn answer(&self, request: Request<hyper::body::Incoming>, begin: impl Fn()) -> Response<Body> {
        let webhook = self.webhook.as_ref().filter(|_| request.uri().path() == "/webhook");
        if self.is_open_to_browsers
            && let Some(fault) = local::fault(request.uri(), request.headers(), webhook.is_some())
        {
            return unread(StatusCode::FORBIDDEN, fault);
        }
        if let Some(webhook) = webhook {
            let hook = self.hook(webhook, request);
            return timeout(PATIENCE, hook).await.unwrap_or_else(|_| too_slow());
        }

        let path = request.uri().path();
        let most = bodies::most(request.method(), path);
        if most > 0 && orders::is_order(path) && !self.takes_orders {
            return orders::elsewhere();
        }
        let patience = if orders::is_order(path) { orders::PATIENCE } else { PATIENCE };

        // The client has this long for its body, and then we have this long for the answer.
        let (head, body) = request.into_parts();
        let held = match timeout(PATIENCE, self.bodies.read(body, most)).await {
            Ok(Ok(held)) => held,
            // Another method may be wrong by itself, which says more.
            Ok(Err(Unread::NotTaken)) if !matches!(head.method, Method::GET | Method::HEAD) => {
                let Ok(mut answer) = self.routes.clone().oneshot(Request::from_parts(head, Body::empty())).await;
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                return answer;
            }
            Ok(Err(refused)) => {
                let (status, detail) = refused.problem();
                return unread(status, &detail);
            }
            Err(_) => return too_slow(),
        };
        begin();
        let request = Request::from_parts(head, Body::from(held.bytes.clone()));
        match timeout(patience, self.routes.clone().oneshot(request)).await {
            Ok(Ok(answer)) => answer,
            Err(_) => answer::problem(StatusCode::GATEWAY_TIMEOUT, "the answer takes too long").map(Body::new),
        }
    }

    async fn hook(&self, webhook: &Webhook, request: Request<hyper::body::Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let (is_woken, answer) = webhook.answer(&head.method, &head.headers, Body::new(body)).await;
        let counters = self.counters();
        let count = if is_woken { &counters.hooks } else { &counters.hooks_refused };
        count.fetch_add(1, Ordering::Relaxed);
        answer
    }
}

/// Refuses a request with an incomplete body: the rest of it would follow on its connection.
fn unread(status: StatusCode, detail: &str) -> Response<Body> {
    let mut answer = answer::problem(status, detail).map(Body::new);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn too_slow() -> Response<Body> {
    unread(StatusCode::REQUEST_TIMEOUT, "the body takes too long")
}

async fn scrape(State(serving): Shared) -> Response<Body> {
    metrics::scrape(serving.load_full()).await.map(Body::new)
}

/// Sends a command to the owner of the store, and waits for the answer.
async fn ask<T>(
    commands: &mpsc::Sender<Command>,
    command: impl FnOnce(oneshot::Sender<Result<T, NotDone>>) -> Command,
) -> Result<T, Response<Body>> {
    let (reply, replied) = oneshot::channel();
    let gone = |_| answer::problem(StatusCode::SERVICE_UNAVAILABLE, "the server is about to end").map(Body::new);
    commands.send(command(reply)).await.map_err(|_| gone(()))?;
    let answer = replied.await.map_err(|_| gone(()))?;

    answer.map_err(|refusal| {
        let problem = match refusal {
            NotDone::Failed(why) => answer::problem(StatusCode::SERVICE_UNAVAILABLE, &why),
            NotDone::NotHere(why) => answer::problem(StatusCode::CONFLICT, why),
        };
        problem.map(Body::new)
    })
}

/// Returns all observations: some 30 MB at 10,000 nodes, so only a few readers have them at once,
/// and the next waits for its turn.
async fn observed(State(asking): Commands) -> Response<Body> {
    let Ok(turn) = Arc::clone(&asking.unbounded).acquire_owned().await else { return too_slow() };
    match ask(&asking.commands, Command::Observed).await {
        // Off the threads that boot machines.
        Ok(file) => match tokio::task::spawn_blocking(move || json(&file)).await {
            Ok(answer) => answer.map(|body| Body::new(Turn { body, _permit: turn })),
            Err(_) => answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "what was seen cannot be told").map(Body::new),
        },
        Err(answer) => answer,
    }
}

/// A body that keeps its reader's turn until it is dropped.
struct Turn {
    body: Body,
    _permit: OwnedSemaphorePermit,
}

impl hyper::body::Body for Turn {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn take(State(asking): Commands, Json(told): Json<Observations>) -> Response<Body> {
    let count = told.observations.len();
    match ask(&asking.commands, |reply| Command::Take(told.observations, reply)).await {
        Ok(()) => json(&Taken { taken: count as u64 }),
        Err(answer) => answer,
    }
}

async fn refused_logins(State(asking): Commands) -> Response<Body> {
    match ask(&asking.commands, Command::RefusedLogins).await {
        Ok(refused) => json(&refused),
        Err(answer) => answer,
    }
}

async fn retry_logins(State(asking): Commands, Json(told): Json<RetryLogins>) -> Response<Body> {
    match ask(&asking.commands, |reply| Command::RetryLogins(told.bmcs, reply)).await {
        Ok(taken) => json(&Taken { taken }),
        Err(answer) => answer,
    }
}

async fn forget(State(asking): Commands, Json(wanted): Json<ForgetBmcs>) -> Response<Body> {
    match ask(&asking.commands, |reply| Command::ForgetBmcs(wanted.bmcs, reply)).await {
        Ok(taken) => json(&Taken { taken }),
        Err(answer) => answer,
    }
}

pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    let body = SafeText::json(value).map(String::from).unwrap_or_default();
    answer::text(StatusCode::OK, JSON, body).map(Body::new)
}

async fn status(State(serving): Shared) -> Response<Body> {
    let serving = serving.load();
    let mut status = (*serving.status).clone();
    status.boots = serving.counters.boots();
    status.runs = (*serving.board.counts()).clone();
    status.newest_unknown = serving.board.unknown().iter().map(unknown_view).collect();
    status.unknown_dropped = serving.counters.unknown_dropped.load(Ordering::Relaxed);

    match serving.counters.contradictions.load(Ordering::Relaxed) {
        0 => {}
        boots => status.held.push(format!(
            "{boots} boots since the start were of machines of which another key (UUID, serial number, a second MAC \
             address) is declared for another node; the log names each node once"
        )),
    }

    if let Some(snapshot) = &serving.snapshot {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        status.warnings = overdue_sets(snapshot.desired(), today);
    }

    match serving.counters.other_arch.load(Ordering::Relaxed) {
        0 => {}
        boots => status.held.push(format!(
            "{boots} boots since the start were of machines that named another architecture than git declares for their \
             node; `muster boots` and the log name the nodes"
        )),
    }

    let held = serving.roll.held();
    status.held.extend(held.iter().take(HELD_TOLD).map(ToString::to_string));
    if held.len() > HELD_TOLD {
        status
            .held
            .push(format!("{} more MAC addresses are claimed against git or by several nodes", held.len() - HELD_TOLD));
    }

    if !held.is_empty() && status.state == Standing::Serving {
        status.state = Standing::Degraded;
    }

    json(&status)
}

/// Lists the `[[set]]` tables that are still there after their last day, each with its location.
fn overdue_sets(desired: &Desired, today: Date) -> Vec<String> {
    let overdue = desired::overdue(desired, today);
    let more = overdue.len().saturating_sub(WARNINGS_SHOWN);
    let text = |set: &desired::OverdueSet| format!("{}: {}", desired.sources.describe(set.origin), set.message);
    let mut all: Vec<String> = overdue.iter().take(WARNINGS_SHOWN).map(text).collect();
    if more > 0 {
        all.push(format!("{more} more [[set]] tables are there after their last day"));
    }
    all
}

async fn revisions(State(serving): Shared) -> Response<Body> {
    let revisions = serving.load().revisions.to_vec();
    json(&RevisionList { api_version: API_VERSION.into(), revisions })
}

/// The query parameters of a request.
#[derive(Debug, Deserialize)]
struct OfRevision {
    /// The id of a commit, or its first digits.
    revision: Option<String>,
}

/// Finds the commit of a request, or `None` if it is the served one.
fn asked(serving: &Serving, asked: &OfRevision) -> Result<Option<Arc<HeldCommit>>, (StatusCode, String)> {
    let Some(id) = asked.revision.as_deref().filter(|id| !id.is_empty()) else { return Ok(None) };
    let shown: String = id.chars().take(MAX_ID_TOLD).collect();
    let (status, detail) = match serving.ask(id) {
        Asked::Served => return Ok(None),
        Asked::Held(commit) => return Ok(Some(Arc::clone(commit))),
        Asked::Gone(revision) => {
            let held = format!("commit {} was taken at {}, and is not held any more", revision.short, revision.at);
            let hint = format!("in a clone: muster show NODE --rev {}", revision.short);
            (StatusCode::GONE, format!("{held}; {hint}"))
        }
        Asked::Several => (StatusCode::BAD_REQUEST, format!("several commits begin with {shown}: give more digits")),
        Asked::Unknown => {
            let held: Vec<&str> = serving.held.iter().map(|commit| commit.revision().short()).collect();
            let held = if held.is_empty() { "none but the one that is served".into() } else { held.join(", ") };
            let hint = "name one by its id, whole or cut, not by a branch";
            (StatusCode::NOT_FOUND, format!("no commit {shown} is known here; held are {held}; {hint}"))
        }
    };

    Err((status, detail))
}

/// Lists all nodes, streamed: some 60 MB at 100,000.
async fn nodes(State(serving): Shared, Query(of): Query<OfRevision>) -> Response<Body> {
    let serving = serving.load_full();
    let before = match asked(&serving, &of) {
        Ok(before) => before,
        Err((status, detail)) => return answer::problem(status, &detail).map(Body::new),
    };

    let list = |revision: Option<&Revision>| NodeList {
        api_version: API_VERSION.into(),
        revision: revision.map(ToString::to_string),
        nodes: Vec::new(),
    };

    if let Some(commit) = before {
        return streamed(&list(Some(commit.revision())), "nodes", commit.nodes());
    }

    let document = list(serving.snapshot.as_ref().map(|snapshot| snapshot.revision()));
    let count = serving.snapshot.as_ref().map_or(0, |snapshot| snapshot.nodes().len());
    let nodes = (0..count).filter_map(move |node| Some(view(&serving, serving.snapshot.as_deref()?, node)));
    streamed(&document, "nodes", nodes)
}

/// The query of `/api/v1/boots`; other keys are ignored.
#[derive(Deserialize)]
struct BootsAsked {
    after: Option<String>,
    limit: Option<usize>,
    nodes: Option<String>,
    #[serde(default)]
    stale: bool,
}

/// Returns the boots of nodes, page by page.
async fn boots(
    State(serving): Shared,
    Extension(turns): Extension<Arc<Semaphore>>,
    asked: Result<Query<BootsAsked>, QueryRejection>,
) -> Response<Body> {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(error) => return answer::problem(StatusCode::BAD_REQUEST, &error.body_text()).map(Body::new),
    };

    let limit = asked.limit.unwrap_or(board::PAGE);
    if !(1..=board::MAX_PAGE).contains(&limit) {
        let detail = format!("limit= is from 1 to {}", board::MAX_PAGE);
        return answer::problem(StatusCode::BAD_REQUEST, &detail).map(Body::new);
    }

    let wanted = Wanted { after: asked.after, limit, nodes: asked.nodes, stale: asked.stale };
    let serving = serving.load_full();
    let Ok(turn) = turns.acquire_owned().await else { return too_slow() };

    // It waits while another commit is followed, which must not delay boots.
    let page = tokio::task::spawn_blocking(move || match serving.board.page(&wanted) {
        Ok(page) => json(&page),
        Err(NoPage::Starting) => answer::starting().map(Body::new),
        Err(NoPage::Set(error)) => {
            answer::problem(StatusCode::BAD_REQUEST, &format!("nodes= is no node set: {error}")).map(Body::new)
        }
        Err(NoPage::Missing(name)) => {
            answer::problem(StatusCode::NOT_FOUND, &format!("no node is called {name}")).map(Body::new)
        }
    });

    let page = page.await.unwrap_or_else(|_| {
        answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "what nodes run cannot be told").map(Body::new)
    });

    page.map(|body| Body::new(Turn { body, _permit: turn }))
}

async fn node(State(serving): Shared, Path(name): Path<String>, Query(of): Query<OfRevision>) -> Response<Body> {
    let serving = serving.load();
    let before = match asked(&serving, &of) {
        Ok(before) => before,
        Err((status, detail)) => return answer::problem(status, &detail).map(Body::new),
    };

    if let Some(commit) = before {
        return match commit.node(&name) {
            Some(node) => json(&node),
            None => {
                let detail = format!("no node is called {name} at commit {}", commit.revision().short());
                answer::problem(StatusCode::NOT_FOUND, &detail).map(Body::new)
            }
        };
    }

    let Some(snapshot) = &serving.snapshot else { return answer::starting().map(Body::new) };
    match snapshot.by_name(&name) {
        Some(node) => json(&view(&serving, snapshot, node)),
        None => answer::problem(StatusCode::NOT_FOUND, &format!("no node is called {name}")).map(Body::new),
    }
}

fn view(serving: &Serving, snapshot: &Snapshot, node: usize) -> NodeView {
    let slot = &serving.slots[node];
    let current = match snapshot.answer(node) {
        snapshot::Answer::Script(prepared) => Some(&prepared.digest),
        snapshot::Answer::Retired | snapshot::Answer::Nothing => None,
    };
    NodeView {
        claim: claim_view(serving, node),
        last_boot: slot.fetch().map(|fetch| boot_view(&fetch, current)),
        cloud_init: slot.confirmed().map(|confirmed| cloud_init_view(&confirmed)),
        ..NodeView::declared(snapshot, node)
    }
}

fn claim_view(serving: &Serving, node: usize) -> Option<ClaimView> {
    let claim = serving.roll.claim_of(node)?;
    let (boots, held): (Vec<MacAddr>, Vec<MacAddr>) =
        claim.macs.iter().partition(|mac| serving.by_mac(**mac) == Some(node));
    let texts = |macs: Vec<MacAddr>| macs.iter().map(ToString::to_string).collect();
    Some(ClaimView {
        at: rfc3339(claim.at),
        bmc: claim.bmc.to_string(),
        system: claim.system.to_string(),
        macs: texts(boots),
        held: texts(held),
    })
}

fn boot_view(fetch: &BootFetch, current: Option<&[u8; 32]>) -> BootView {
    BootView {
        at: rfc3339(fetch.at),
        address: fetch.address.to_string(),
        user_agent: fetch.user_agent.to_string(),
        revision: fetch.revision.to_string(),
        script_digest: hex(&fetch.digest),
        current: current == Some(&fetch.digest),
        mac: fetch.mac.map(|mac| mac.to_string()),
        arch: fetch.arch.as_deref().map(str::to_owned),
    }
}

fn unknown_view(machine: &UnknownMac) -> UnknownView {
    UnknownView {
        mac: machine.mac.to_string(),
        first: rfc3339(machine.first),
        last: rfc3339(machine.last),
        count: machine.count,
        address: machine.address.to_string(),
        user_agent: machine.user_agent.to_string(),
    }
}

fn cloud_init_view(confirmed: &Confirmed) -> CloudInitView {
    CloudInitView {
        at: rfc3339(confirmed.at),
        address: confirmed.address.to_string(),
        instance_id: confirmed.instance_id.to_string(),
    }
}

/// Formats unix milliseconds as RFC 3339 in UTC, to the second.
pub(super) fn rfc3339(millis: i64) -> String {
    Timestamp::from_second(millis.div_euclid(1000)).unwrap_or_default().to_string()
}
