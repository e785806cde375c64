//! The daemon: follows git, publishes snapshots, records what machines report, and runs the
//! listeners.
//!
//! The only room that knows all others, the only one that writes the store, and the only one that
//! changes what is served. It makes no decisions about machines: the pure rooms do.

#![expect(clippy::disallowed_methods, reason = "a bank room: it owns threads, tasks and the clock")]

mod building;
mod clock;
mod due;
mod follow;
mod guard;
mod intake;
pub mod keep;
mod memory;
mod notify;
mod orders;
mod parts;
mod pen;
mod pin;
mod remember;
mod replica;
mod repository;
mod rhythm;
mod rounds;
mod running;
mod standing;
mod surveys;
mod take;
mod trust;
mod unknown;
mod words;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::sync_channel;

use arc_swap::ArcSwap;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::git::GitError;
use crate::http::{ApiListener, Boot, BootListener, ListenError, MetricsListener, Orders, Serving, Webhook};
use crate::model::RepoAddress;
use crate::redfish::GroundsError;
use crate::settings::{Settings, SettingsError};
use crate::store::{Identity, Opened, Store, StoreError};
use crate::survey;
use crate::view::{SourceView, Status, StoreState, StoreView};

use follow::Follower;
use intake::UNKNOWN_WAITING;
use notify::Notifier;
use parts::Parts;
use pen::{Book, Pen};
use standing::Standing;
use surveys::Surveyor;
use unknown::Unknown;
use words::chain;

/// The number of API commands that may wait.
const COMMANDS_WAITING: usize = 16;

/// The reason why the server cannot start or continue.
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
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the server cannot {doing}")]
    System { doing: &'static str, source: io::Error },
    #[error("{part} stopped, although the server was not told to end")]
    Stopped { part: &'static str, source: Option<tokio::task::JoinError> },
    #[error("the follower of the repository stopped early")]
    Unfollowed,
}

impl ServeError {
    /// Returns the next step, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Git(error) => error.hint(),
            Self::Inside { root, prefix, .. } => Some(format!("use --repo {} --path {prefix}", root.display())),
            Self::Store(error) => error.hint(),
            Self::Grounds(_) => Some("correct `bmc.ca` in this host's settings".into()),
            Self::Settings(error) => error.hint().map(str::to_owned),
            Self::Stopped { .. } | Self::Unfollowed => {
                Some("this is a fault of muster; the log above says more. Start it again, and report it".into())
            }
            Self::Listen(_) | Self::System { .. } => None,
        }
    }
}

/// Serves until the process receives SIGTERM or SIGINT.
///
/// # Errors
/// The store, a listener or the repository's address cannot be used, or a part of the server
/// stopped without a request to end. An unreachable repository is not an error if the store has a
/// commit to serve.
pub fn serve(settings: Settings) -> Result<(), ServeError> {
    let system = |doing| move |source| ServeError::System { doing, source };
    keep_files_private();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(system("start its runtime"))?;
    allow_open_files();
    // A new commit keeps all cores busy for seconds. If the pool already exists, its threads keep
    // their priority.
    let _ = rayon::ThreadPoolBuilder::new().start_handler(|_| stand_back()).build_global();

    let repository = repository::find(&settings)?;
    let identity = Identity {
        repository: repository.to_string(),
        // A branch cannot have this as its full name.
        branch: settings.tag.as_ref().map(|tag| format!("refs/tags/{tag}")).or_else(|| settings.branch.clone()),
        path: settings.path.clone(),
    };

    let (store, opened) = Store::open_to_serve(&settings.store, &identity, clock::now_ms() / 1000)?;
    let replaced = tell_opened(&opened, &settings);
    let store = Arc::new(store);
    let status = first_status(&settings, &repository);

    let shared = Arc::new(ArcSwap::from_pointee(Serving::starting(Arc::new(status.clone()))));
    let unknown = Arc::new(AtomicU64::new(0));
    let surveyed = Arc::new(ArcSwap::default());
    let standing = Standing::new(status, replaced, Arc::clone(&unknown), Arc::clone(&surveyed));

    let settings = Settings { repo: repository, ..settings };
    let stop = CancellationToken::new();
    let book = Book::open(Arc::clone(&store));
    let follower = Follower::new(&settings, (Arc::clone(&store), &book), Arc::clone(&shared), standing, &stop);
    let follower = (follower, stop);
    let unknown = Unknown::new(unknown);

    if settings.boot_only {
        info!("this server only boots: it surveys no BMCs, and knows none of the MAC addresses that they report");
        return runtime.block_on(run(settings, (store, book), shared, follower, unknown, None));
    }

    let grounds = survey::grounds(&settings.bmc)?;
    let surveying = surveying().map_err(system("start the threads of the surveys"))?;
    let surveyor = Surveyor::new(settings.clone(), Arc::clone(&store), Arc::clone(&shared), grounds, surveyed);
    let surveys = Some((surveyor, surveying.handle().clone()));
    runtime.block_on(run(settings, (store, book), shared, follower, unknown, surveys))
}

/// Hides new files (the store, the mirror, files moved aside) from everyone except the owner and
/// the group, whatever umask the process inherited: a cluster repository is not for all users of
/// a host. A stricter mask is kept.
fn keep_files_private() {
    let others = Mode::RWXO | Mode::WGRP;
    let given = umask(others);
    if !others.contains(given) {
        umask(given | others);
    }
}

/// Raises the soft limit of open files to the hard one: the usual 1,024 is less than the number
/// of connections of a machine room.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        warn!(%error, "the limit of open files cannot be raised; it bounds how many machines are served at once");
    }
}

/// The nice(2) value of survey and build threads: next to a thread that is always busy, they get
/// a tenth of a core.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Starts the threads that survey BMCs, at a lower priority than those that boot machines.
fn surveying() -> io::Result<tokio::runtime::Runtime> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.thread_name("survey").enable_all();
    threads.on_thread_start(stand_back);
    threads.build()
}

/// Lowers the priority of the calling thread below those that boot machines.
///
/// Only on Linux does a thread have its own priority; elsewhere this would affect the whole
/// process.
fn stand_back() {
    // If this fails, the work is as urgent as boots.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICE);
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

fn first_status(settings: &Settings, repository: &RepoAddress) -> Status {
    let source = SourceView {
        repository: repository.to_string(),
        branch: settings.branch.clone().unwrap_or_default(),
        tag: settings.tag.clone(),
        warning: repository::warning(settings),
        path: settings.path.clone(),
        last_check: None,
        error: None,
    };
    let store = StoreView { path: settings.store.display().to_string(), state: StoreState::Ok, error: None };
    Status { boot_only: settings.boot_only, ..Status::starting(source, store, clock::rfc3339(clock::now_ms())) }
}

/// Runs the listeners, the follower and the intake until the process is asked to end, and joins
/// them all.
async fn run(
    settings: Settings,
    (store, book): (Arc<Store>, Arc<Book>),
    shared: Arc<ArcSwap<Serving>>,
    (follower, stop): (Follower, CancellationToken),
    mut unknown: Unknown,
    surveys: Option<(Surveyor, tokio::runtime::Handle)>,
) -> Result<(), ServeError> {
    // Before anyone can connect: from then on, a signal is a request to end.
    let mut signals = Signals::listen()?;
    let boot_listener = BootListener::bind(settings.listen)?
        .with_connections(settings.connections)
        .with_trusted_proxies(&settings.trusted_proxies);
    let api_listener = bind_api(&settings, &store)?;
    let metrics_listener = settings.metrics.map(MetricsListener::bind).transpose()?;
    let secret = settings.webhook_secret(std::env::vars_os())?;

    let address = boot_listener.local_addr();
    let advertise = settings.advertise.clone().unwrap_or_else(|| advertised(address));
    let scraped = metrics_listener.as_ref().map(|listener| tracing::field::display(listener.local_addr()));
    let api = api_listener.as_ref().map(|listener| tracing::field::display(listener.local_addr()));
    info!(boot = %address, api, metrics = scraped, advertise, "listening");

    unknown.only_count(settings.boot_only);
    match store.unknown() {
        Ok(machines) => unknown.restore(machines),
        Err(error) => warn!(error = %chain(&error), "the unknown machines cannot be read from the store"),
    }
    let (note, noted) = mpsc::channel(UNKNOWN_WAITING);
    let boot = Boot::new(Arc::clone(&shared), &advertise, note);
    let (wake, woken) = sync_channel::<()>(1);
    let hooked = wake.clone();
    let webhook = secret.map(|secret| {
        Webhook::new(secret, move || {
            // If the channel is full, a look is due already.
            let _ = hooked.try_send(());
        })
    });
    let (follow, followed) = mpsc::channel(COMMANDS_WAITING);
    let api_listener = api_listener.map(|listener| {
        let listener = listener.with_history(Arc::clone(&book.history));
        listener.with_orders(Orders::new(follow, wake.clone())).with_webhook(webhook)
    });
    let following = rounds::follow_in_thread(&settings, follower, wake.clone(), (woken, followed), stop.clone())?;
    let (order, orders) = mpsc::channel(COMMANDS_WAITING);
    let surveys = match surveys {
        Some((surveyor, threads)) => threads.spawn(surveyor.run(orders, stop.clone())),
        None => tokio::spawn(replica::refuse(orders)),
    };

    // Each part is its own task: no part waits for another, and neither signals nor the watchdog
    // wait for any part.
    let mut listeners = Parts::default();
    listeners.start("the boot listener", boot_listener.serve(Arc::new(boot), stop.clone()));
    if let Some(listener) = api_listener {
        listeners.start("the api listener", listener.serve(Arc::clone(&shared), order, stop.clone()));
    }
    if let Some(listener) = metrics_listener {
        listeners.start("the metrics listener", listener.serve(Arc::clone(&shared), stop.clone()));
    }
    let unheard = CancellationToken::new();
    let mut intake = Parts::default();
    intake.start(
        "the intake",
        intake::run(Arc::clone(&shared), (store, Pen::new(book)), unknown, noted, unheard.clone()),
    );

    let mut surveys = std::pin::pin!(surveyed_to_the_end(surveys, stop.clone()));
    let mut surveyed = None;
    let notifier = Notifier::start().map_err(|source| ServeError::System { doing: "start a thread", source })?;
    let mut living = std::pin::pin!(notifier.living());
    let signal = loop {
        tokio::select! {
            signal = signals.next() => break signal,
            early = listeners.first_to_stop() => return Err(early),
            early = intake.first_to_stop() => return Err(early),
            // Booting continues without surveys.
            ended = &mut surveys, if surveyed.is_none() => surveyed = Some(ended),
            never = &mut living => match never {},
        }
    };
    info!(signal, "told to end; finishing what runs");
    notifier.stopping();
    stop.cancel();
    let _ = wake.try_send(());

    let finished = async {
        let listened = listeners.all_stop().await;
        // The intake ends after the listeners, so that the last boots are written too.
        unheard.cancel();
        let taken_in = intake.all_stop().await;
        let surveyed = match surveyed {
            Some(ended) => ended,
            None => surveys.await,
        };
        listened.and(taken_in).and(surveyed)
    };
    tokio::select! {
        finished = finished => finished?,
        never = &mut living => match never {},
        signal = signals.next() => {
            warn!(signal, "told again; ending at once");
            return Ok(());
        }
    }
    following.join().map_err(|_| ServeError::Unfollowed)?;
    info!("stopped");
    Ok(())
}

/// Binds the API listener, or returns `None` if its socket would be on the read-only file system
/// of the store. A server that starts on a broken disk still boots machines.
fn bind_api(settings: &Settings, store: &Store) -> Result<Option<ApiListener>, ServeError> {
    match ApiListener::bind(&settings.api) {
        Err(error @ ListenError::ReadOnly { .. }) if store.trouble().is_some() => {
            error!(error = %chain(&error), "status, orders and the webhook do not work until a restart; boots go on");
            Ok(None)
        }
        bound => Ok(Some(bound?)),
    }
}

/// Waits for the surveys to end. An early end is a fault, and is logged at once.
async fn surveyed_to_the_end(surveys: JoinHandle<()>, stop: CancellationToken) -> Result<(), ServeError> {
    let ended = surveys.await;
    let source = match ended {
        Ok(()) if stop.is_cancelled() => return Ok(()),
        Ok(()) => None,
        Err(error) => Some(error),
    };
    error!(
        error = source.as_ref().map(tracing::field::display),
        "the surveys stopped early; this is a fault of muster"
    );
    Err(ServeError::Stopped { part: "the part that surveys BMCs", source })
}

/// Returns the URL of a listener's own address.
fn advertised(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The signals that ask the process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(|source| ServeError::System { doing: "listen for signals", source });
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for the next signal.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
