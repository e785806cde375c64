//! The daemon: follows git, publishes Snapshots, takes in what machines tell, and starts and stops the listeners.
//!
//! The only room that knows all others, the only one that writes the store, and the only one that changes what is
//! served. It decides nothing about machines: the pure rooms do.

#![expect(clippy::disallowed_methods, reason = "a bank room: it owns threads, tasks and the clock")]

mod clock;
mod due;
mod follow;
mod intake;
pub mod keep;
mod notify;
mod remember;
mod repository;
mod standing;
mod surveys;
mod words;

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::git::{GitError, Watch};
use crate::http::{ApiListener, Boot, BootListener, ListenError, Serving};
use crate::redfish::{Grounds, GroundsError};
use crate::settings::Settings;
use crate::store::{Identity, Opened, Store, StoreError};
use crate::survey;
use crate::view::{SourceView, Status, StoreState, StoreView, SurveyView};

use follow::Follower;
use intake::Unknown;
use standing::Standing;
use surveys::Surveyor;
use words::chain;

/// How often a local repository is looked at whatever the watch says: some file systems tell nothing.
const POLL: Duration = Duration::from_secs(2);

/// How long an event may be followed by others of the same push before the repository is looked at.
const SETTLE: Duration = Duration::from_millis(20);

/// How many unknown machines may wait to be noted; past it they are counted only.
const UNKNOWN_WAITING: usize = 4096;

/// How many commands of the api may wait.
const COMMANDS_WAITING: usize = 16;

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("{}: lies inside the repository {}, and is none itself", path.display(), root.display())]
    Inside { path: PathBuf, root: PathBuf, prefix: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Grounds(#[from] GroundsError),
    #[error("the server cannot {doing}")]
    System { doing: &'static str, source: io::Error },
}

impl ServeError {
    /// Says what to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Git(error) => error.hint(),
            Self::Inside { root, prefix, .. } => Some(format!("use --repo {} --path {prefix}", root.display())),
            Self::Store(error) => error.hint(),
            Self::Grounds(_) => Some("correct `bmc.ca` in this host's settings".into()),
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
    allow_open_files();
    let repository = repository::find(&settings)?;
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
    let surveyed = Arc::new(ArcSwap::default());
    let standing = Standing::new(status, replaced, Arc::clone(&unknown), Arc::clone(&surveyed));
    let settings = Settings { repo: repository, ..settings };
    let grounds = survey::grounds(&settings.bmc)?;
    let follower = Follower::new(&settings, Arc::clone(&store), Arc::clone(&shared), standing);
    let surveying = surveying().map_err(system("start the threads of the surveys"))?;
    let surveys = (grounds, surveyed, surveying.handle().clone());
    runtime.block_on(run(settings, store, shared, follower, Unknown::new(unknown), surveys))
}

/// Raises the soft limit of open files to the hard one: the usual 1,024 are fewer than the connections of a machine room.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        warn!(%error, "the limit of open files cannot be raised; it bounds how many machines are served at once");
    }
}

/// By how much the surveys' threads stand back (nice(2)): beside a thread that never rests they have a tenth of a core.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Starts the threads in which BMCs are surveyed. They stand back behind those that boot machines.
fn surveying() -> io::Result<tokio::runtime::Runtime> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.thread_name("survey").enable_all();
    // On Linux alone this is of one thread; elsewhere it would be of the whole process.
    #[cfg(target_os = "linux")]
    threads.on_thread_start(|| {
        // Where it fails, surveys are as urgent as boots.
        let _ = rustix::process::setpriority_process(None, NICE);
    });
    threads.build()
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

fn first_status(settings: &Settings, repository: &Path) -> Status {
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
    (grounds, surveyed, threads): (Arc<Grounds>, Arc<ArcSwap<SurveyView>>, tokio::runtime::Handle),
) -> Result<(), ServeError> {
    // Before anybody can know that we listen: a signal from then on is a wish, not an accident.
    let mut signals = Signals::listen()?;
    let boot_listener = BootListener::bind(settings.listen)?;
    let api_listener = ApiListener::bind(&settings.api)?;
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
    let unheard = CancellationToken::new();
    let (order, orders) = mpsc::channel(COMMANDS_WAITING);
    let surveyor = Surveyor::new(settings, Arc::clone(&store), Arc::clone(&shared), grounds, surveyed);
    let surveys = threads.spawn(surveyor.run(orders, stop.clone()));
    let surveys = async {
        if let Err(error) = surveys.await {
            error!(%error, "the surveys ended early; this is a fault of muster");
        }
    };
    let listeners = async {
        let boots = boot_listener.serve(Arc::new(boot), stop.clone());
        let api = api_listener.serve(Arc::clone(&shared), order, stop.clone());
        tokio::join!(boots, api);
        unheard.cancel();
    };
    // It ends after the listeners, so that what they answered last is written too.
    let intake = intake::run(Arc::clone(&shared), store, unknown, noted, unheard.clone());
    let told_twice = async {
        info!(signal = signals.next().await, "told to end; finishing what runs");
        notify::stopping();
        stop.cancel();
        let _ = wake.try_send(());
        signals.next().await
    };
    tokio::select! {
        ((), (), ()) = async { tokio::join!(listeners, intake, surveys) } => {}
        never = notify::living() => match never {},
        signal = told_twice => {
            warn!(signal, "told again; ending at once");
            return Ok(());
        }
    }
    if following.join().is_err() {
        warn!("the follower ended early");
    }
    info!("stopped");
    Ok(())
}

/// Returns the URL of a listener's own address.
fn advertised(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The signals by which a process is told to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(|source| ServeError::System { doing: "listen for signals", source });
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
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
            // A fault of ours in one pass must not leave the server deaf to all later commits.
            if catch_unwind(AssertUnwindSafe(|| follower.pass())).is_err() {
                error!("a look at the repository failed; this is a fault of muster");
            }
            match woken.recv_timeout(POLL) {
                Ok(()) => {
                    std::thread::sleep(SETTLE);
                    while woken.try_recv().is_ok() {}
                    debug!("woken by a change");
                }
                Err(RecvTimeoutError::Timeout) => debug!("looking unasked"),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if watch.as_ref().is_none_or(|(_, folders)| folders_of(&repo) != *folders) {
                watch = watched(&repo, &wake, false);
            }
        }
    };
    let spawned = std::thread::Builder::new().name("follow".into()).spawn(body);
    spawned.map_err(|source| ServeError::System { doing: "start the follower", source })
}

/// A watch, and the identities of the folders that it rests on: one that was made anew needs another watch.
type Watched = (Watch, Folders);

/// Device, inode and time of birth, as an inode's number is given again: of the folder that is named, of its `.git`, and
/// of the references in either.
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
                warn!(error = %chain(&error), "changes are seen by looking every {POLL:?} only");
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
