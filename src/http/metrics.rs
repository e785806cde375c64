//! `/metrics` for Prometheus, in its text format (version 0.0.4).
//!
//! No label grows with the cluster: there is no node, MAC address or BMC here; `muster status` and
//! the API have those. Requests are only counted, so that metrics and scrapes cost a boot nothing.
//! Clients know more about response times: here they are microseconds.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use axum::http::{HeaderValue, Method, StatusCode};

use super::answer::{self, Answer};
use super::counters::{CLASSES, Counters, Door, Refusal, Route};
use super::process::Process;
use super::serving::Serving;
use crate::view::{State, Status, StoreState};

const KIND: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The source of the Prometheus listener's answers.
pub struct Scrapes {
    pub serving: Arc<ArcSwap<Serving>>,
}

impl Scrapes {
    /// Answers one request.
    pub async fn answer(&self, method: Method, path: String) -> Answer {
        match (path.as_str(), method) {
            ("/metrics", Method::GET | Method::HEAD) => scrape(self.serving.load_full()).await,
            ("/metrics", _) => answer::not_allowed("GET,HEAD"),
            _ => answer::not_found(),
        }
    }
}

/// Answers with all metrics. Reading `/proc` may take some milliseconds, so it runs off the threads
/// that boot machines.
pub async fn scrape(serving: Arc<Serving>) -> Answer {
    match tokio::task::spawn_blocking(move || text(&serving, &Process::read())).await {
        Ok(text) => answer::text(StatusCode::OK, KIND, text),
        Err(_) => answer::problem(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be told"),
    }
}

/// A writer of metric families, one after the other.
#[derive(Default)]
struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    fn counter(&mut self, name: &'static str, help: &str) -> &mut Self {
        self.begin(name, "counter", help)
    }

    fn gauge(&mut self, name: &'static str, help: &str) -> &mut Self {
        self.begin(name, "gauge", help)
    }

    fn begin(&mut self, name: &'static str, kind: &str, help: &str) -> &mut Self {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        self.family = name;
        self
    }

    fn is(&mut self, value: f64) -> &mut Self {
        self.with(&[], value)
    }

    /// Writes one value. Label texts are constants, a version or a commit id, and need no escapes.
    fn with(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.text.push_str(self.family);
        for (number, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{text}\"", if number == 0 { '{' } else { ',' });
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }
}

/// Formats all metrics of a moment.
fn text(serving: &Serving, process: &Process) -> String {
    let mut page = Page::default();
    let (status, counters) = (&*serving.status, &*serving.counters);
    page.gauge("muster_build_info", "The muster that serves.").with(&[("version", &status.muster)], 1.0);
    standing(&mut page, serving);
    repository(&mut page, status, counters);
    boots(&mut page, status, counters);
    listeners(&mut page, counters);
    runs(&mut page, serving);
    reality(&mut page, status);
    kept(&mut page, status, counters);
    own(&mut page, process);
    page.text
}

fn standing(page: &mut Page, serving: &Serving) {
    let status = &*serving.status;
    let held = serving.roll.held().len();
    let is_degraded = status.state == State::Degraded || held > 0;

    let state = match status.state {
        State::Starting => "starting",
        State::Serving | State::Degraded if is_degraded => "degraded",
        State::Serving | State::Degraded => "serving",
    };

    page.gauge("muster_state", "How well the server is: 1 for the state it is in.");
    for name in ["starting", "serving", "degraded"] {
        page.with(&[("state", name)], f64::from(name == state));
    }

    page.gauge("muster_macs_held", "MAC addresses that are given nothing to boot, as several claim them.");
    page.is(held as f64);
    page.gauge("muster_revision_info", "The commit that is served.");
    if let Some(served) = &status.served {
        page.with(&[("revision", &served.id)], 1.0);
    }

    page.gauge("muster_revision_accepted_timestamp_seconds", "When the commit that is served was accepted.");
    if let Some(at) = status.served.as_ref().and_then(|served| seconds(&served.at)) {
        page.is(at);
    }

    let nodes = &status.nodes;
    page.gauge("muster_nodes", "Nodes that the served commit declares.");
    for (state, count) in [
        ("active", nodes.active),
        ("maintenance", nodes.maintenance),
        ("spare", nodes.spare),
        ("retired", nodes.retired),
    ] {
        page.with(&[("state", state)], count as f64);
    }
}

fn repository(page: &mut Page, status: &Status, counters: &Counters) {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    page.counter("muster_commits_total", "Commits that were judged since the start.");
    page.with(&[("result", "accepted")], read(&counters.accepted));
    page.with(&[("result", "refused")], read(&counters.refused));
    page.gauge("muster_commit_refused", "1 while the newest commit is refused or held and an older one is served.");
    page.is(f64::from(status.refused.is_some()));
    page.gauge("muster_snapshot_build_seconds", "How long the last commit took to check, resolve and render.");
    page.is(read(&counters.build_micros) / 1e6);
    page.gauge("muster_repository_failing", "1 while the repository cannot be read.");
    page.is(f64::from(status.source.error.is_some()));
    page.gauge("muster_repository_last_success_timestamp_seconds", "When the repository was last read; 0 before that.");
    page.is((counters.repository_read.load(Ordering::Relaxed) / 1000) as f64);
    page.counter("muster_webhooks_total", "Requests to the webhook: those that woke the loop, and those refused.");
    page.with(&[("result", "woken")], read(&counters.hooks));

    page.with(&[("result", "refused")], read(&counters.hooks_refused));
}

fn boots(page: &mut Page, status: &Status, counters: &Counters) {
    page.counter("muster_boots_total", "Scripts that were given to nodes to boot from.").is(counters.boots() as f64);
    page.counter("muster_boot_refusals_total", "Requests for a script that were given none.");
    for why in Refusal::ALL {
        let reason = match why {
            Refusal::Unknown => "unknown",
            Refusal::Held => "held",
            Refusal::Contradiction => "contradiction",
            Refusal::Retired => "retired",
            Refusal::Nothing => "nothing",
            Refusal::Malformed => "malformed",
            Refusal::Starting => "starting",
        };
        page.with(&[("reason", reason)], counters.refusals(why) as f64);
    }

    page.counter("muster_unknown_requests_total", "Requests for a script by machines that nobody declares.");
    page.is(counters.unknown.load(Ordering::Relaxed) as f64);
    page.counter("muster_unknown_dropped_total", "Unknown machines that were not noted, as too many came at once.");
    page.is(counters.unknown_dropped.load(Ordering::Relaxed) as f64);
    page.gauge("muster_unknown_machines", "MAC addresses that asked to boot and nobody declares.");
    page.is(status.unknown_macs as f64);
    page.counter("muster_http_requests_total", "Answers of the boot listener.");

    for route in Route::ALL {
        let name = match route {
            Route::Script => "script",
            Route::Loader => "loader",
            Route::Document => "document",
            Route::PhoneHome => "phone_home",
            Route::Health => "health",
            Route::Other => "other",
        };
        for (class, code) in CLASSES.iter().enumerate() {
            page.with(&[("route", name), ("code", code)], counters.requests(route, class) as f64);
        }
    }
}

fn runs(page: &mut Page, serving: &Serving) {
    let counts = serving.board.counts();
    page.gauge("muster_node_runs", "Nodes by whether they run the script that they would be given today.");
    for (state, count) in
        [("current", counts.current), ("stale", counts.stale), ("unknown", counts.unknown), ("idle", counts.idle)]
    {
        page.with(&[("state", state)], count as f64);
    }
}

fn listeners(page: &mut Page, counters: &Counters) {
    let doors: [(&str, &Door); 2] = [("boot", &counters.boot), ("api", &counters.api)];
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    page.gauge("muster_connections", "Connections that are open.");
    for (name, door) in doors {
        page.with(&[("listener", name)], load(&door.open));
    }

    page.gauge("muster_connections_max", "Connections that may be open; for one more, the longest idle is closed.");
    for (name, door) in doors {
        page.with(&[("listener", name)], load(&door.places));
    }

    page.counter("muster_connections_accepted_total", "Connections that were accepted.");
    for (name, door) in doors {
        page.with(&[("listener", name)], load(&door.accepted));
    }

    page.counter(
        "muster_connections_dropped_total",
        "Connections that were closed: for others, for being slow, for not being HTTP.",
    );

    for (name, door) in doors {
        page.with(&[("listener", name), ("reason", "room")], load(&door.evicted));
        page.with(&[("listener", name), ("reason", "slow")], load(&door.slow));
        page.with(&[("listener", name), ("reason", "malformed")], load(&door.malformed));
    }
}

fn reality(page: &mut Page, status: &Status) {
    let survey = &status.survey;
    page.gauge("muster_bmcs", "BMCs that the served commit declares, by how their last survey ended.");
    page.with(&[("state", "seen")], survey.seen as f64);
    page.with(&[("state", "failing")], survey.failing as f64);
    let unasked = survey.bmcs.saturating_sub(survey.seen + survey.failing);
    page.with(&[("state", "unasked")], unasked as f64);
    page.gauge("muster_survey_last_timestamp_seconds", "When the newest observation of a BMC was made.");
    if let Some(at) = survey.last.as_deref().and_then(seconds) {
        page.is(at);
    }
}

fn kept(page: &mut Page, status: &Status, counters: &Counters) {
    page.gauge("muster_store_state", "How well the store is: 1 for the state it is in.");
    for (name, state) in [("ok", StoreState::Ok), ("replaced", StoreState::Replaced), ("failing", StoreState::Failing)]
    {
        page.with(&[("state", name)], f64::from(state == status.store.state));
    }
    page.counter("muster_store_errors_total", "Reads and writes of the store that failed.");
    page.is(counters.store_errors.load(Ordering::Relaxed) as f64);
}

fn own(page: &mut Page, process: &Process) {
    if let Some(cpu) = process.cpu_seconds {
        page.counter("process_cpu_seconds_total", "Processor time of user and system.").is(cpu);
    }

    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory.", process.resident_bytes),
        ("process_virtual_memory_bytes", "Virtual memory.", process.virtual_bytes),
        ("process_open_fds", "Open file descriptors.", process.open_fds),
        ("process_max_fds", "The most file descriptors that may be open.", process.max_fds),
        ("process_start_time_seconds", "When the process started.", process.start),
    ] {
        if let Some(value) = value {
            page.gauge(name, help).is(value);
        }
    }
}

/// Parses the status's notation of a time.
fn seconds(rfc3339: &str) -> Option<f64> {
    rfc3339.parse::<jiff::Timestamp>().ok().map(|at| at.as_second() as f64)
}
