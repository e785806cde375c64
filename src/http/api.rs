//! The api: status, nodes and revisions as JSON, for `muster status` and for programs; metrics, and the webhook.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{Request, Response, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::answer::{self, JSON, PLAIN};
use super::board::{self, NoPage, Wanted};
use super::command::{Command, NotDone, Orders};
use super::counters::Counters;
use super::events;
use super::held::Asked;
use super::history::History;
use super::limits::{MAX_BODY, PATIENCE};
use super::metrics;
use super::orders;
use super::serving::{Confirmed, Serving};
use super::webhook::Webhook;
use crate::desired::{self, Desired};
use crate::model::{MacAddr, SafeText};
use crate::observed::BootFetch;
use crate::snapshot::{self, Snapshot};
use crate::view::{
    API_VERSION, BootView, ClaimView, CloudInitView, ForgetBmcs, NodeList, NodeView, Observations, RetryLogins,
    RevisionList, State as Standing, Taken, hex,
};

/// How much of an id that is not known is told back.
const MAX_ID_TOLD: usize = 40;

/// How many held addresses the status tells one by one.
const HELD_TOLD: usize = 20;

/// How many `[[set]]` tables that are there after their last day the status lists one by one.
const WARNINGS_SHOWN: usize = 20;

type Shared = State<Arc<ArcSwap<Serving>>>;
type Commands = State<mpsc::Sender<Command>>;

/// The largest batch of observations that is taken: some hundred BMCs, each with BIOS settings that no other has.
const MAX_OBSERVATIONS: usize = 64 * 1024 * 1024;

/// The routes of the api.
pub struct Api {
    routes: Router,
    webhook: Option<Webhook>,
    serving: Arc<ArcSwap<Serving>>,
}

impl Api {
    /// Answers from what stands in `serving`.
    ///
    /// Without orders or a webhook there are none of either. Whoever follows what happens is let go once `stop` is cancelled.
    pub fn new(
        serving: Arc<ArcSwap<Serving>>,
        commands: mpsc::Sender<Command>,
        (orders, webhook): (Option<Orders>, Option<Webhook>),
        (history, stop): (Arc<History>, CancellationToken),
    ) -> Self {
        let seen = Router::new()
            .route("/api/v1/observed", get(observed))
            .route("/api/v1/observations", post(take).layer(DefaultBodyLimit::max(MAX_OBSERVATIONS)))
            .route("/api/v1/logins/refused", get(refused_logins))
            .route("/api/v1/logins/retry", post(retry_logins))
            .route("/api/v1/bmcs/forget", post(forget))
            .method_not_allowed_fallback(async || answer::not_allowed("GET,HEAD,POST").map(Body::new))
            .with_state(commands);
        let routes = Router::new()
            .route("/api/v1/status", get(status))
            .route("/api/v1/nodes", get(nodes))
            .route("/api/v1/nodes/{name}", get(node))
            .route("/api/v1/revisions", get(revisions))
            .route("/api/v1/boots", get(boots))
            .route("/metrics", get(scrape))
            .route("/healthz", get(async || answer::text(StatusCode::OK, PLAIN, &b"alive\n"[..]).map(Body::new)))
            .fallback(async || answer::not_found().map(Body::new))
            .method_not_allowed_fallback(async || answer::not_allowed("GET,HEAD").map(Body::new))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(Arc::clone(&serving));
        let routes = routes.merge(seen).merge(orders::routes(orders)).merge(events::routes(history, stop));
        Self { routes, webhook, serving }
    }

    /// Returns where all is counted.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.serving.load().counters)
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<hyper::body::Incoming>) -> Response<Body> {
        let patience = if orders::takes_time(request.uri().path()) { orders::PATIENCE } else { PATIENCE };
        let answer = async {
            match &self.webhook {
                Some(webhook) if request.uri().path() == "/webhook" => Ok(self.hook(webhook, request).await),
                Some(_) | None => self.routes.clone().oneshot(request.map(Body::new)).await,
            }
        };
        match tokio::time::timeout(patience, answer).await {
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

async fn scrape(State(serving): Shared) -> Response<Body> {
    metrics::scrape(serving.load_full()).await.map(Body::new)
}

/// Asks the one who keeps the store, and waits for the answer.
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

async fn observed(State(commands): Commands) -> Response<Body> {
    match ask(&commands, Command::Observed).await {
        // Some 30 MB at 10,000 nodes: it keeps no boot waiting.
        Ok(file) => tokio::task::spawn_blocking(move || json(&file)).await.unwrap_or_else(|_| {
            answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "what was seen cannot be told").map(Body::new)
        }),
        Err(answer) => answer,
    }
}

async fn take(State(commands): Commands, Json(told): Json<Observations>) -> Response<Body> {
    let count = told.observations.len();
    match ask(&commands, |reply| Command::Take(told.observations, reply)).await {
        Ok(()) => json(&Taken { taken: count as u64 }),
        Err(answer) => answer,
    }
}

async fn refused_logins(State(commands): Commands) -> Response<Body> {
    match ask(&commands, Command::RefusedLogins).await {
        Ok(refused) => json(&refused),
        Err(answer) => answer,
    }
}

async fn retry_logins(State(commands): Commands, Json(told): Json<RetryLogins>) -> Response<Body> {
    match ask(&commands, |reply| Command::RetryLogins(told.bmcs, reply)).await {
        Ok(taken) => json(&Taken { taken }),
        Err(answer) => answer,
    }
}

async fn forget(State(commands): Commands, Json(wanted): Json<ForgetBmcs>) -> Response<Body> {
    match ask(&commands, |reply| Command::ForgetBmcs(wanted.bmcs, reply)).await {
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

/// Lists the `[[set]]` tables that are there after their last day, each with its place.
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

/// What a request may ask beside its path.
#[derive(Debug, Deserialize)]
struct OfRevision {
    /// The id of a commit, or the first digits of it.
    revision: Option<String>,
}

/// Finds the Snapshot that a request is about: nothing where it is the one that is served.
fn asked(serving: &Serving, asked: &OfRevision) -> Result<Option<Arc<Snapshot>>, (StatusCode, String)> {
    let Some(id) = asked.revision.as_deref().filter(|id| !id.is_empty()) else { return Ok(None) };
    let shown: String = id.chars().take(MAX_ID_TOLD).collect();
    let (status, detail) = match serving.ask(id) {
        Asked::Served => return Ok(None),
        Asked::Held(snapshot) => return Ok(Some(Arc::clone(snapshot))),
        Asked::Gone(revision) => {
            let held = format!("commit {} was taken at {}, and is not held any more", revision.short, revision.at);
            let hint = format!("in a clone: muster show NODE --rev {}", revision.short);
            (StatusCode::GONE, format!("{held}; {hint}"))
        }
        Asked::Several => (StatusCode::BAD_REQUEST, format!("several commits begin with {shown}: give more digits")),
        Asked::Unknown => {
            let held: Vec<&str> = serving.held.iter().map(|snapshot| snapshot.revision().short()).collect();
            let held = if held.is_empty() { "none but the one that is served".into() } else { held.join(", ") };
            let hint = "name one by its id, whole or cut, not by a branch";
            (StatusCode::NOT_FOUND, format!("no commit {shown} is known here; held are {held}; {hint}"))
        }
    };
    Err((status, detail))
}

/// Lists all nodes: a fifth of a second of work at 100,000, so it keeps no boot waiting.
async fn nodes(State(serving): Shared, Query(of): Query<OfRevision>) -> Response<Body> {
    let serving = serving.load_full();
    let before = match asked(&serving, &of) {
        Ok(before) => before,
        Err((status, detail)) => return answer::problem(status, &detail).map(Body::new),
    };
    let listed = tokio::task::spawn_blocking(move || {
        if let Some(snapshot) = before {
            let nodes = (0..snapshot.nodes().len()).map(|node| NodeView::declared(&snapshot, node)).collect();
            let revision = Some(snapshot.revision().to_string());
            return json(&NodeList { api_version: API_VERSION.into(), revision, nodes });
        }
        let snapshot = serving.snapshot.as_deref();
        let views = snapshot.iter().flat_map(|snapshot| {
            let serving = &serving;
            (0..snapshot.nodes().len()).map(move |node| view(serving, snapshot, node))
        });
        let revision = snapshot.map(|snapshot| snapshot.revision().to_string());
        json(&NodeList { api_version: API_VERSION.into(), revision, nodes: views.collect() })
    });
    listed.await.unwrap_or_else(|_| {
        answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "the nodes cannot be listed").map(Body::new)
    })
}

/// What `/api/v1/boots` may be asked; other keys are passed over.
#[derive(Deserialize)]
struct BootsAsked {
    after: Option<String>,
    limit: Option<usize>,
    nodes: Option<String>,
    #[serde(default)]
    stale: bool,
}

/// Tells which node runs what, page by page.
async fn boots(State(serving): Shared, asked: Result<Query<BootsAsked>, QueryRejection>) -> Response<Body> {
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
    // It waits while another commit is followed, which must keep no boot waiting.
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
    page.await.unwrap_or_else(|_| {
        answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "what nodes run cannot be told").map(Body::new)
    })
}

async fn node(State(serving): Shared, Path(name): Path<String>, Query(of): Query<OfRevision>) -> Response<Body> {
    let serving = serving.load();
    let before = match asked(&serving, &of) {
        Ok(before) => before,
        Err((status, detail)) => return answer::problem(status, &detail).map(Body::new),
    };
    if let Some(snapshot) = before {
        return match snapshot.by_name(&name) {
            Some(node) => json(&NodeView::declared(&snapshot, node)),
            None => {
                let detail = format!("no node is called {name} at commit {}", snapshot.revision().short());
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

fn cloud_init_view(confirmed: &Confirmed) -> CloudInitView {
    CloudInitView {
        at: rfc3339(confirmed.at),
        address: confirmed.address.to_string(),
        instance_id: confirmed.instance_id.to_string(),
    }
}

/// Writes unix milliseconds as RFC 3339 in UTC, in seconds.
pub(super) fn rfc3339(millis: i64) -> String {
    Timestamp::from_second(millis.div_euclid(1000)).unwrap_or_default().to_string()
}
