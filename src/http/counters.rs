//! Counters since the start of the server, for the status and for Prometheus.
//!
//! Counters of every request are in shards, one for each of a few threads, so that cores do not
//! contend for a cache line. This file does not know the external names of the numbers.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use axum::http::StatusCode;

/// The number of shards: further threads share one, which costs time but loses no count.
const SHARDS: usize = 8;

/// The kind of path of a request to the boot listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// A boot script.
    Script,
    /// The script that DHCP points at.
    Loader,
    /// A document of cloud-init.
    Document,
    /// The report of cloud-init that it is done.
    PhoneHome,
    /// Whether the server is alive, or ready.
    Health,
    /// An unknown path.
    Other,
}

impl Route {
    pub const ALL: [Self; 6] = [Self::Script, Self::Loader, Self::Document, Self::PhoneHome, Self::Health, Self::Other];

    /// Returns the kind of a path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path.strip_suffix('/').unwrap_or(path) {
            "/boot/v1/bootscript" | "/boot-service/bootscript" => Self::Script,
            "/boot.ipxe" => Self::Loader,
            "/healthz" | "/readyz" => Self::Health,
            path if path.starts_with("/cloud-init/") => {
                let is_word = path.ends_with("/phone-home") || path.starts_with("/cloud-init/phone-home/");
                if is_word { Self::PhoneHome } else { Self::Document }
            }
            _ => Self::Other,
        }
    }
}

/// The classes of status codes in answers.
pub const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Why a machine that asked for a script did not get one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is not declared, and the cluster repository has no script for such machines.
    Unknown,
    /// Several nodes claim its address.
    Held,
    /// Its UUID and its serial number belong to two nodes.
    Contradiction,
    /// Its node is retired.
    Retired,
    /// No layer names a boot configuration for it.
    Nothing,
    /// The request does not identify the machine, or has a value that is too long.
    Malformed,
    /// There is no commit to serve yet.
    Starting,
}

impl Refusal {
    pub const ALL: [Self; 7] =
        [Self::Unknown, Self::Held, Self::Contradiction, Self::Retired, Self::Nothing, Self::Malformed, Self::Starting];
}

/// The counts of one or a few threads; two cache lines are between two shards, as processors fetch
/// them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    boots: AtomicU64,
    requests: [[AtomicU64; CLASSES.len()]; Route::ALL.len()],
}

/// The counters since the start of the server.
#[derive(Debug, Default)]
pub struct Counters {
    shards: [Shard; SHARDS],
    refusals: [AtomicU64; Refusal::ALL.len()],
    /// Requests of undeclared machines.
    pub unknown: AtomicU64,
    /// Unknown machines that were not recorded, because more of them asked than could be recorded.
    pub unknown_dropped: AtomicU64,
    /// Boots of machines whose UUID or serial number is declared for another node.
    pub contradictions: AtomicU64,
    /// Boots of machines that named another architecture than the declared one.
    pub other_arch: AtomicU64,
    /// Commits that were taken into service.
    pub accepted: AtomicU64,
    /// Commits that were refused.
    pub refused: AtomicU64,
    /// The build time of the last snapshot, in microseconds; 0 before the first.
    pub build_micros: AtomicU64,
    /// The time of the last successful read of the repository, in unix milliseconds; 0 before that.
    pub repository_read: AtomicI64,
    /// Failed writes and reads of the store.
    pub store_errors: AtomicU64,
    /// Webhooks that woke the loop.
    pub hooks: AtomicU64,
    /// Requests to the webhook without a correct signature.
    pub hooks_refused: AtomicU64,
    /// The connections of the boot listener, and of the API.
    pub boot: Door,
    pub api: Door,
}

/// The connections of one listener.
#[derive(Debug, Default)]
pub struct Door {
    /// The maximum number of concurrent connections; 0 without a listener.
    pub places: AtomicU64,
    pub open: AtomicU64,
    pub accepted: AtomicU64,
    /// Longest idle connections that were closed for others.
    pub evicted: AtomicU64,
    /// Connections whose client took too long to ask or to read.
    pub slow: AtomicU64,
    /// Connections whose client did not speak HTTP.
    pub malformed: AtomicU64,
}

impl Counters {
    /// Counts a script that was given to a node to boot from.
    pub fn boot(&self) {
        self.shards[shard()].boots.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many scripts were given to nodes to boot from.
    #[must_use]
    pub fn boots(&self) -> u64 {
        self.shards.iter().map(|shard| shard.boots.load(Ordering::Relaxed)).sum()
    }

    /// Counts an answer of the boot listener.
    pub fn request(&self, route: Route, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        self.shards[shard()].requests[route as usize][class].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of answers of a class, by its index in [`CLASSES`].
    #[must_use]
    pub fn requests(&self, route: Route, class: usize) -> u64 {
        self.shards.iter().map(|shard| shard.requests[route as usize][class].load(Ordering::Relaxed)).sum()
    }

    /// Counts a machine that did not get a script.
    pub fn refuse(&self, why: Refusal) {
        self.refusals[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many machines did not get a script for a reason.
    #[must_use]
    pub fn refusals(&self, why: Refusal) -> u64 {
        self.refusals[why as usize].load(Ordering::Relaxed)
    }
}

/// Returns the shard of this thread.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    OWN.with(|own| *own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_count_is_the_sum() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..SHARDS + 3 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        counters.boot();
                        counters.request(Route::Script, StatusCode::NOT_MODIFIED);
                    }
                });
            }
        });
        assert_eq!(counters.boots(), 11_000);
        assert_eq!(counters.requests(Route::Script, 1), 11_000);
        assert_eq!(counters.requests(Route::Script, 0) + counters.requests(Route::Loader, 1), 0);
    }

    #[test]
    fn every_path_has_a_route() {
        for (path, route) in [
            ("/boot/v1/bootscript", Route::Script),
            ("/boot-service/bootscript/", Route::Script),
            ("/boot.ipxe", Route::Loader),
            ("/cloud-init/node/n1/meta-data", Route::Document),
            ("/cloud-init/user-data", Route::Document),
            ("/cloud-init/node/n1/phone-home", Route::PhoneHome),
            ("/cloud-init/phone-home/n1", Route::PhoneHome),
            ("/readyz", Route::Health),
            ("/", Route::Other),
            ("/metrics", Route::Other),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
