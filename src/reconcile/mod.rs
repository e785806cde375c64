//! The daemon: follows git, publishes Snapshots, takes in what machines tell, and starts and stops the listeners.
//!
//! The only room that knows all others, the only one that writes the store, and the only one that changes what is
//! served. It decides nothing about machines: the pure rooms do.

#![expect(clippy::disallowed_methods, reason = "a bank room: it owns threads, tasks and the clock")]

mod clock;
mod follow;
mod intake;
mod standing;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::git::{GitError, Repo, Trust, Watch};
use crate::http::{self, ApiListener, Boot, BootListener, ListenError, Serving};
use crate::settings::{ApiAddress, Settings};
use crate::store::{Identity, Opened, Store, StoreError};
use crate::view::{SourceView, Status, StoreState, StoreView};

use follow::{Follower, chain};
use intake::Unknown;
use standing::Standing;

/// How often a local repository is looked at whatever the watch says: some file systems tell nothing.
const POLL: Duration = Duration::from_secs(2);

/// How long an event may be followed by others of the same push before the repository is looked at.
const SETTLE: Duration = Duration::from_millis(20);

/// How many unknown machines may wait to be noted; past it they are counted only.
const UNKNOWN_WAITING: usize = 4096;

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("the server cannot {doing}")]
    System { doing: &'static str, source: io::Error },
}

impl ServeError {
    /// Says what to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Git(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Listen(_) | Self::System { .. } => None,
        }
    }
}

/// Serves until the process is told to end (SIGTERM or SIGINT).
///
/// # Errors
/// The store, a listener or the repository's address cannot be used. A repository that is away is no error where the
/// store has a commit to serve.
pub fn serve(settings: Settings) -> Result<(), ServeError> {
    let system = |doing| move |source| ServeError::System { doing, source };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(system("start its runtime"))?;
    let repository = repository(&settings)?;
    let identity = Identity {
        repository: repository.display().to_string(),
        branch: settings.branch.clone(),
        path: settings.path.clone(),
    };
    let (store, opened) = Store::open(&settings.store, &identity, clock::now_ms() / 1000)?;
    let replaced = tell_opened(&opened, &settings);
    let store = Arc::new(store);
    let status = first_status(&settings, &repository);
    let shared = Arc::new(ArcSwap::from_pointee(Serving::starting(Arc::new(status.clone()))));
    let unknown = Arc::new(AtomicU64::new(0));
    let standing = Standing::new(status, replaced, Arc::clone(&unknown));
    let settings = Settings { repo: repository, ..settings };
    let follower = Follower::new(&settings, Arc::clone(&store), Arc::clone(&shared), standing);
    runtime.block_on(run(settings, store, shared, follower, Unknown::new(unknown)))
}

/// Finds the repository's own folder, so that a store knows it however it was named.
fn repository(settings: &Settings) -> Result<PathBuf, ServeError> {
    match Repo::open(&settings.repo, Trust::Named) {
        Ok(repo) => Ok(repo.root().canonicalize().unwrap_or_else(|_| repo.root().into())),
        // It may be away for now; what the store has is served.
        Err(GitError::PathMissing { .. } | GitError::NotRepository { .. }) if settings.store.exists() => {
            Ok(std::path::absolute(&settings.repo).unwrap_or_else(|_| settings.repo.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

fn tell_opened(opened: &Opened, settings: &Settings) -> Option<String> {
    match opened {
        Opened::Fresh => {
            info!(store = %settings.store.display(), "a fresh store");
            None
        }
        Opened::Existing => None,
        Opened::MovedAside { to, why } => {
            warn!(store = %settings.store.display(), to = %to.display(), why, "the store was corrupt and was moved aside");
            Some(format!("{why}; the old file is {}", to.display()))
        }
    }
}

fn first_status(settings: &Settings, repository: &std::path::Path) -> Status {
    let source = SourceView {
        repository: repository.display().to_string(),
        branch: settings.branch.clone().unwrap_or_default(),
        path: settings.path.clone(),
        last_check: None,
        error: None,
    };
    let store = StoreView { path: settings.store.display().to_string(), state: StoreState::Ok, error: None };
    Status::starting(source, store, clock::rfc3339(clock::now_ms()))
}

/// Runs the listeners, the follower and the intake until the process is told to end, and joins them all.
async fn run(
    settings: Settings,
    store: Arc<Store>,
    shared: Arc<ArcSwap<Serving>>,
    follower: Follower,
    mut unknown: Unknown,
) -> Result<(), ServeError> {
    let boot_listener = BootListener::bind(settings.listen)?;
    let api_listener = ApiListener::bind(&match &settings.api {
        ApiAddress::Unix(path) => http::ApiAddress::Unix(path.clone()),
        ApiAddress::Tcp(address) => http::ApiAddress::Tcp(*address),
    })?;
    let address = boot_listener.local_addr();
    let advertise = settings.advertise.clone().unwrap_or_else(|| advertised(address));
    info!(boot = %address, api = %api_listener.local_addr(), advertise, "listening");

    let stop = CancellationToken::new();
    match store.unknown() {
        Ok(machines) => unknown.restore(machines),
        Err(error) => warn!(error = %chain(&error), "the unknown machines cannot be read from the store"),
    }
    let (note, noted) = mpsc::channel(UNKNOWN_WAITING);
    let boot = Boot::new(Arc::clone(&shared), &advertise, note);
    let (wake, woken) = sync_channel::<()>(1);
    let following = follow_in_thread(&settings, follower, wake.clone(), woken, stop.clone())?;
    let told = told_to_end(stop.clone());
    let boots = boot_listener.serve(boot, stop.clone());
    let api = api_listener.serve(Arc::clone(&shared), stop.clone());
    let intake = intake::run(shared, store, unknown, noted, stop.clone());
    let (told, (), (), ()) = tokio::join!(told, boots, api, intake);
    let _ = wake.try_send(());
    if following.join().is_err() {
        warn!("the follower ended early");
    }
    info!("stopped");
    told
}

/// Returns the URL of a listener's own address.
fn advertised(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Waits for SIGTERM or SIGINT, then tells everybody to stop.
async fn told_to_end(stop: CancellationToken) -> Result<(), ServeError> {
    let listen = |kind| signal(kind).map_err(|source| ServeError::System { doing: "listen for signals", source });
    let signals = listen(SignalKind::terminate()).and_then(|end| Ok((end, listen(SignalKind::interrupt())?)));
    let (mut terminate, mut interrupt) = match signals {
        Ok(signals) => signals,
        Err(error) => {
            stop.cancel();
            return Err(error);
        }
    };
    tokio::select! {
        _ = terminate.recv() => info!("told to end; finishing what runs"),
        _ = interrupt.recv() => info!("interrupted; finishing what runs"),
    }
    stop.cancel();
    Ok(())
}

/// Follows the repository in a thread of its own: git and the store block.
fn follow_in_thread(
    settings: &Settings,
    mut follower: Follower,
    wake: SyncSender<()>,
    woken: Receiver<()>,
    stop: CancellationToken,
) -> Result<std::thread::JoinHandle<()>, ServeError> {
    let repo = settings.repo.clone();
    let body = move || {
        follower.start_from_store();
        follower.list_revisions();
        let mut watch = watched(&repo, &wake, true);
        while !stop.is_cancelled() {
            follower.pass();
            match woken.recv_timeout(POLL) {
                Ok(()) => {
                    std::thread::sleep(SETTLE);
                    while woken.try_recv().is_ok() {}
                }
                Err(RecvTimeoutError::Timeout) => {
                    if watch.as_ref().is_none_or(|(_, folder)| folder_of(&repo) != *folder) {
                        watch = watched(&repo, &wake, false);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    };
    let spawned = std::thread::Builder::new().name("follow".into()).spawn(body);
    spawned.map_err(|source| ServeError::System { doing: "start the follower", source })
}

/// A watch, and the identity of the folder that it watches: one that was made anew needs another watch.
type Watched = (Watch, Option<(u64, u64)>);

fn watched(repo: &std::path::Path, wake: &SyncSender<()>, tell: bool) -> Option<Watched> {
    let wake = wake.clone();
    let folder = folder_of(repo);
    match Watch::new(repo, move || {
        let _ = wake.try_send(());
    }) {
        Ok(watch) => Some((watch, folder)),
        Err(error) => {
            if tell {
                warn!(error = %chain(&error), "changes are seen by looking every {POLL:?} only");
            }
            None
        }
    }
}

/// Returns the device and inode of a folder.
fn folder_of(path: &std::path::Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}
