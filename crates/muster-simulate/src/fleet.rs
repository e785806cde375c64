//! A running fleet: starting, inspecting, changing and stopping it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::authority::Authority;
use super::chance;
use super::faults::Faults;
use super::files::Credentials;
use super::listen;
use super::live::Live;
use super::machine::{Machine, Phase};
use super::plant::{self, Planted};
use super::service::Rules;
use super::world::{Bmc, World};

/// The entry point for starting fleets.
#[derive(Debug)]
pub struct Fleet;

/// The options of a served fleet.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The port of all BMCs; 0 selects any free one.
    pub port: u16,
    /// Whether they serve HTTPS.
    pub tls: bool,
    pub timing: Timing,
    pub faults: Faults,
    /// The number of BMCs that never reply: every other one refuses connections, the rest accept
    /// and stay silent.
    pub dead: usize,
    pub credentials: Credentials,
}

/// Durations, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The extra time of every reply.
    pub latency: u64,
    /// The time from off to POST, and from on to off.
    pub power: u64,
    pub post: u64,
    /// The lifetime of an unused session.
    pub session_idle: u64,
    /// The time that an account stays locked after wrong passwords.
    pub lock: u64,
    /// The pause after which a reply counts as a first one.
    pub pause: u64,
    /// The extra time of a first reply, if the BMC has that quirk.
    pub slow_first: u64,
    /// The time until a change that does not last is undone.
    pub lie: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            latency: 0,
            power: 1_000,
            post: 5_000,
            session_idle: 1_800_000,
            lock: 300_000,
            pause: 30_000,
            slow_first: 3_000,
            lie: 2_000,
        }
    }
}

/// The counters of one BMC's clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: u64,
    /// Login attempts, right and wrong.
    pub logins: u32,
    pub refused_logins: u32,
    /// The number of times that the account was locked.
    pub locks: u32,
    pub sessions_opened: u32,
    pub sessions_closed: u32,
    pub connections: u32,
    /// Requests in progress.
    pub in_flight: u32,
    pub most_in_flight: u32,
}

/// The reason for which a fleet cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error("a fleet of {0} BMCs has too few loopback addresses; there are {max}", max = MAX_BMCS)]
    TooMany(usize),
    #[error("the fleet cannot listen on port {port} of the loopback device")]
    Listen { port: u16, source: io::Error },
}

/// The network of the BMCs of all fleets.
pub(super) const NETWORK: &str = "127.64.0.0/10";

/// The most BMCs of a fleet: the hosts of 127.64.0.0 to 127.127.255.0, without those that end in 0
/// or 255.
const MAX_BMCS: usize = 64 * 256 * 254;

/// Returns the loopback address of a numbered BMC.
#[must_use]
pub(super) fn address(at: usize) -> Ipv4Addr {
    let (net, host) = (at / 254, at % 254 + 1);
    Ipv4Addr::new(127, 64 + (net / 256) as u8, (net % 256) as u8, host as u8)
}

/// Returns the number of the BMC at a loopback address.
pub(super) fn number(address: Ipv4Addr) -> Option<usize> {
    let [127, b, c, d @ 1..=254] = address.octets() else { return None };
    Some((usize::from(b.checked_sub(64)?) * 256 + usize::from(c)) * 254 + usize::from(d) - 1)
}

/// The state that all connections share.
pub(super) struct Shared {
    pub bmcs: Vec<Mutex<Live>>,
    pub rules: Rules,
    pub authority: Option<Authority>,
    began: Instant,
}

impl Shared {
    /// Returns the milliseconds since the fleet was started.
    pub fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    pub fn lock(&self, at: usize) -> MutexGuard<'_, Live> {
        self.bmcs[at].lock().expect("no request panics")
    }
}

/// A fleet that is served until it is stopped or dropped.
pub struct Running {
    shared: Arc<Shared>,
    credentials: Credentials,
    port: u16,
    is_exposed_by: Binding,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// The way in which the fleet is restricted to loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// One socket, bound to the loopback device.
    Device,
    /// One socket for each address, if the kernel lets only root bind to a device.
    Addresses,
}

impl Fleet {
    /// Serves a world. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// There are more BMCs than loopback addresses, or the port cannot be bound.
    pub fn start(world: World, options: Options) -> Result<Running, FleetError> {
        let count = world.bmcs.len();
        if count > MAX_BMCS {
            return Err(FleetError::TooMany(count));
        }
        listen::allow_open_files();
        let listening = listen::bind(options.port, count);
        let (listeners, binding) = listening.map_err(|source| FleetError::Listen { port: options.port, source })?;

        let port = listeners[0].local_addr().map_or(options.port, |address| address.port());
        let dead = dead(&world, options.dead);
        let live = world.bmcs.into_iter().enumerate().map(|(at, bmc)| {
            let login = options.credentials.of(bmc.credential.as_deref());
            let mut live = Live::new(bmc, at, login);
            live.dead = dead.contains(&at);
            Mutex::new(live)
        });

        let shared = Arc::new(Shared {
            bmcs: live.collect(),
            rules: Rules { timing: options.timing, faults: options.faults, secret: fastrand::u64(..) },
            authority: options.tls.then(|| Authority::new(count)),
            began: Instant::now(),
        });

        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        for listener in listeners {
            tasks.spawn(listen::accept(listener, Arc::clone(&shared), shutdown.clone(), tasks.clone()));
        }
        Ok(Running { shared, credentials: options.credentials, port, is_exposed_by: binding, shutdown, tasks })
    }
}

fn dead(world: &World, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..world.bmcs.len()).collect();
    order.sort_by_key(|at| chance::number(world.seed, &["dead", &world.bmcs[*at].name]));
    order.truncate(count);
    order
}

impl Running {
    /// Returns the port of all BMCs.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether one socket is bound to the loopback device, instead of one to each address.
    #[must_use]
    pub fn is_bound_to_device(&self) -> bool {
        self.is_exposed_by == Binding::Device
    }

    /// Returns the address of a numbered BMC.
    #[must_use]
    pub fn address(&self, bmc: usize) -> SocketAddr {
        (address(bmc), self.port).into()
    }

    /// Returns the origin of a numbered BMC, such as `https://127.64.0.1:8443`.
    #[must_use]
    pub fn origin(&self, bmc: usize) -> String {
        let scheme = if self.shared.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address(bmc))
    }

    /// Returns the certificate of the fleet's CA as PEM, if it serves HTTPS.
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.shared.authority.as_ref().map(Authority::pem)
    }

    /// Returns the credentials.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the number of BMCs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.bmcs.len()
    }

    /// Returns whether there are no BMCs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.bmcs.is_empty()
    }

    /// Returns the name of a numbered BMC and its declared URL.
    #[must_use]
    pub fn bmc(&self, bmc: usize) -> (Box<str>, Box<str>) {
        let live = self.shared.lock(bmc);
        (live.bmc.name.clone(), live.bmc.url.clone())
    }

    /// Returns the client counters of a numbered BMC.
    #[must_use]
    pub fn counts(&self, bmc: usize) -> Counts {
        self.shared.lock(bmc).counts
    }

    /// Changes or inspects a numbered BMC.
    pub fn with<T>(&self, bmc: usize, f: impl FnOnce(&mut Bmc) -> T) -> T {
        let now = self.shared.now();
        let mut live = self.shared.lock(bmc);
        live.settle(now, &self.shared.rules.timing);
        f(&mut live.bmc)
    }

    /// Finds a node's machine: the numbers of its BMC and of the machine behind it.
    #[must_use]
    pub fn find(&self, node: &str) -> Option<(usize, usize)> {
        (0..self.len()).find_map(|bmc| {
            let live = self.shared.lock(bmc);
            Some((bmc, live.bmc.machines.iter().position(|machine| &*machine.node == node)?))
        })
    }

    /// Changes or inspects a node's machine; `None` for a node without one.
    pub fn machine<T>(&self, node: &str, f: impl FnOnce(&mut Machine) -> T) -> Option<T> {
        let (bmc, at) = self.find(node)?;
        Some(self.with(bmc, |bmc| f(&mut bmc.machines[at])))
    }

    /// Turns a node's machine on or off at once, like a power cut; `false` for a node without one.
    pub fn power(&self, node: &str, on: bool) -> bool {
        self.machine(node, |machine| machine.phase = if on { Phase::On } else { Phase::Off }).is_some()
    }

    /// Plants a difference in one attribute of one node; `None` if it is not managed or cannot
    /// differ.
    #[must_use]
    pub fn plant(&self, node: &str, attribute: &str, seed: u64) -> Option<Planted> {
        let (bmc, at) = self.find(node)?;
        self.with(bmc, |bmc| plant::one(bmc, at, attribute, seed))
    }

    /// Makes a numbered BMC dead, or alive again.
    pub fn kill(&self, bmc: usize, dead: bool) {
        self.shared.lock(bmc).dead = dead;
    }

    /// Stops serving and waits for running tasks.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
