//! The loop of the follower: look, wait for the time or a wake-up, look again.
//!
//! A watch wakes it for a repository on this host. It knows nothing of commits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::ServeError;
use super::follow::Follower;
use super::rhythm::{LOCAL, Looked, Rhythm, SETTLE, Wait};
use super::words::chain;
use crate::git::Watch;
use crate::http::Order;
use crate::model::RepoAddress;
use crate::settings::Settings;

/// Follows the repository in its own thread: git and the store block.
pub fn follow_in_thread(
    settings: &Settings,
    follower: Follower,
    wake: SyncSender<()>,
    (woken, orders): (Receiver<()>, mpsc::Receiver<Order>),
    stop: CancellationToken,
) -> Result<JoinHandle<()>, ServeError> {
    let repo = settings.repo.clone();
    let rhythm = Rhythm::new(settings.fetch.interval, matches!(repo, RepoAddress::Remote(_)));
    let body = move || rounds(&repo, rhythm, follower, &wake, (&woken, orders), &stop);
    let spawned = std::thread::Builder::new().name("follow".into()).spawn(body);
    spawned.map_err(|source| ServeError::System { doing: "start the follower", source })
}

fn rounds(
    repo: &RepoAddress,
    mut rhythm: Rhythm,
    mut follower: Follower,
    wake: &SyncSender<()>,
    (woken, orders): (&Receiver<()>, mpsc::Receiver<Order>),
    stop: &CancellationToken,
) {
    follower.take_orders(orders);
    follower.start_from_store();
    super::stand_back();
    follower.list_revisions();

    let folder = match repo {
        RepoAddress::Local(path) => Some(path.as_path()),
        RepoAddress::Remote(_) => None,
    };

    let mut watch = folder.and_then(|folder| watched(folder, wake, true));
    while !stop.is_cancelled() {
        // A panic in one pass must not prevent all later commits.
        let looked = catch_unwind(AssertUnwindSafe(|| follower.pass())).unwrap_or_else(|_| {
            error!("a look at the repository failed; this is a fault of muster");
            Looked::Badly
        });
        if !wait(rhythm.after(looked, fastrand::f64()), woken, stop) {
            return;
        }
        if let Some(folder) = folder
            && watch.as_ref().is_none_or(|(_, folders)| folders_of(folder) != *folders)
        {
            watch = watched(folder, wake, false);
        }
    }
}

/// Waits for the time of the next look; false if a wake-up is no longer possible.
fn wait(wait: Wait, woken: &Receiver<()>, stop: &CancellationToken) -> bool {
    let start = Instant::now();
    match woken.recv_timeout(wait.unasked) {
        Ok(()) => {
            let next = (start + wait.woken).max(Instant::now() + SETTLE);
            // Other wake-ups until then ask for the same look; the one that ends the server does not wait.
            while !stop.is_cancelled() {
                match woken.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return false,
                }
            }
            debug!("woken by a change");
        }
        Err(RecvTimeoutError::Timeout) => debug!("looking unasked"),
        Err(RecvTimeoutError::Disconnected) => return false,
    }

    true
}

/// A watch, and the identities of its folders: a folder that was created again needs a new watch.
type Watched = (Watch, Folders);

/// Device, inode and time of birth, as inode numbers are reused: of the named folder, of its
/// `.git`, and of the references in either.
type Folders = [Option<(u64, u64, Option<SystemTime>)>; 4];

fn watched(repo: &Path, wake: &SyncSender<()>, tell: bool) -> Option<Watched> {
    let wake = wake.clone();
    let folders = folders_of(repo);
    match Watch::new(repo, move || {
        let _ = wake.try_send(());
    }) {
        Ok(watch) => Some((watch, folders)),
        Err(error) => {
            if tell {
                warn!(error = %chain(&error), "changes are seen by looking every {LOCAL:?} only");
            }
            None
        }
    }
}

fn folders_of(repo: &Path) -> Folders {
    use std::os::unix::fs::MetadataExt;
    ["", ".git", "refs", ".git/refs"].map(|name| {
        let meta = std::fs::metadata(repo.join(name)).ok()?;
        Some((meta.dev(), meta.ino(), meta.created().ok()))
    })
}
