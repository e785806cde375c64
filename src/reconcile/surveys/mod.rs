//! The surveys of a server: schedules BMCs and records the observations.
//!
//! Sweeps (power, boot, identity) are frequent and deep surveys rare, both with jitter so that BMCs
//! do not fall into step. Each round starts from the current snapshot. If observations cannot be
//! written, the newest of each BMC are kept and written later.

mod orders;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::due::Due;
use super::words::chain;
use super::{clock, keep};
use crate::drift::runs;
use crate::http::{Command, Serving};
use crate::observed::{Claim, Depth, FailureKind, Observation, Outcome};
use crate::redfish::Grounds;
use crate::roll;
use crate::settings::{Credentials, Settings};
use crate::snapshot::Snapshot;
use crate::store::{Store, StoreError};
use crate::survey::{self, Target};
use crate::view::SurveyView;

/// The interval of checks for due BMCs, and of writes.
const EVERY: Duration = Duration::from_secs(1);

/// How long accounts are kept before this host's files are read again.
const ACCOUNTS: Duration = Duration::from_secs(60);

/// How long the server waits at its end for sessions on BMCs to be closed.
const FAREWELL: Duration = Duration::from_secs(5);

/// The number of observations that may wait to be written; past it surveys wait.
const WAITING: usize = 1024;

/// The state of a server's surveys.
pub struct Surveyor {
    settings: Settings,
    store: Arc<Store>,
    shared: Arc<ArcSwap<Serving>>,
    grounds: Arc<Grounds>,
    /// The results of the surveys, for the status.
    told: Arc<ArcSwap<SurveyView>>,
    due: Due,
    /// The snapshot of `targets` and `due`, and when the accounts were read.
    known: Option<(Arc<Snapshot>, Instant)>,
    targets: BTreeMap<Box<str>, Target>,
    /// The nodes behind each BMC of that snapshot.
    behind: runs::Nodes,
    /// Unwritten observations in the order of time: of each BMC the last deep survey and the last
    /// of all.
    unwritten: BTreeMap<Box<str>, Vec<Observation>>,
    failing: BTreeSet<Box<str>>,
    seen: BTreeSet<Box<str>>,
    /// The BMCs whose missing account has been reported.
    without_account: BTreeSet<Box<str>>,
    is_stuck: bool,
}

impl Surveyor {
    /// Starts with the observations of the store.
    pub fn new(
        settings: Settings,
        store: Arc<Store>,
        shared: Arc<ArcSwap<Serving>>,
        grounds: Arc<Grounds>,
        told: Arc<ArcSwap<SurveyView>>,
    ) -> Self {
        let due = Due::new(&settings.survey, fastrand::u64(..));
        Self {
            settings,
            store,
            shared,
            grounds,
            told,
            due,
            known: None,
            targets: BTreeMap::new(),
            behind: runs::Nodes::default(),
            unwritten: BTreeMap::new(),
            failing: BTreeSet::new(),
            seen: BTreeSet::new(),
            without_account: BTreeSet::new(),
            is_stuck: false,
        }
    }

    /// Runs surveys until the server ends, and handles API commands meanwhile.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.settings.survey.surveys));
        let (tell, mut told) = mpsc::channel(WAITING);
        let running = TaskTracker::new();
        self.restore().await;

        // A new interval per command would never elapse under constant commands.
        let mut look = tokio::time::interval(EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);

        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = look.tick() => {}
                Some(command) = commands.recv() => {
                    self.command(command).await;
                    continue;
                }
            }
            while let Ok(observation) = told.try_recv() {
                self.take(observation);
            }
            self.write().await;
            self.refresh().await;
            for (depth, targets) in self.take_due() {
                let (grounds, places, stop, tell) =
                    (Arc::clone(&self.grounds), Arc::clone(&places), stop.clone(), tell.clone());
                running.spawn(async move { survey::run(&grounds, targets, depth, &places, &stop, &tell).await });
            }
        }

        running.close();
        if tokio::time::timeout(FAREWELL, running.wait()).await.is_err() {
            info!("some sessions on BMCs are left to expire: their BMCs do not answer");
        }

        while let Ok(observation) = told.try_recv() {
            self.take(observation);
        }

        self.write().await;
    }

    /// Takes the BMCs that are due. A missing account on this host is reported once per BMC, and
    /// not written repeatedly.
    fn take_due(&mut self) -> Vec<(Depth, Vec<Target>)> {
        let now = Instant::now();
        let mut all = Vec::new();
        for (depth, names) in self.due.take(now) {
            let mut targets = Vec::new();
            for name in names {
                match self.targets.get(&name) {
                    Some(target) if target.credential.is_ok() || !self.without_account.contains(&name) => {
                        targets.push(target.clone());
                    }
                    Some(_) | None => self.due.done(&name, depth, false, now),
                }
            }
            if !targets.is_empty() {
                all.push((depth, targets));
            }
        }

        all
    }

    /// Restores the state of earlier runs.
    async fn restore(&mut self) {
        let store = Arc::clone(&self.store);
        let read = tokio::task::spawn_blocking(move || {
            let observed = store.observed()?;
            let times: Vec<_> = observed
                .bmcs
                .into_values()
                .map(|record| (record.bmc, record.seen_deep, record.failure.is_some()))
                .collect();
            Ok::<_, StoreError>((times, observed.claims, store.refused_logins()?))
        });

        match read.await {
            Ok(Ok((times, claims, refused))) => {
                let now = clock::now_ms();
                for (bmc, deep, is_failing) in times {
                    let age = deep.map(|deep| Duration::from_millis(u64::try_from(now - deep).unwrap_or(0)));
                    self.due.remember(bmc.clone(), age);
                    if is_failing {
                        self.failing.insert(bmc)
                    } else {
                        self.seen.insert(bmc)
                    };
                }
                Serving::publish_claims(&self.shared, &claims.into());
                self.due.refused = refused.into_iter().map(|refused| (refused.bmc, refused.credential)).collect();
            }
            Ok(Err(error)) => warn!(error = %chain(&error), "what was surveyed cannot be read from the store"),
            Err(error) => warn!(%error, "reading what was surveyed ended early"),
        }
    }

    fn take(&mut self, observation: Observation) {
        let bmc = observation.bmc.clone();
        let is_seen = matches!(observation.outcome, Outcome::Seen(_));
        self.due.done(&bmc, observation.depth, is_seen, Instant::now());
        self.without_account.remove(&bmc);

        if let Outcome::Failed(failure) = &observation.outcome {
            if matches!(failure.kind, FailureKind::NoCredential | FailureKind::NotAllowed) {
                self.without_account.insert(bmc.clone());
                self.failing.insert(bmc.clone());
            } else if self.failing.insert(bmc.clone()) {
                warn!(bmc = %bmc, kind = %failure.kind, "a BMC cannot be surveyed: {}", failure.why);
            }
            self.seen.remove(&bmc);
        } else {
            if self.failing.remove(&bmc) {
                info!(bmc = %bmc, "a BMC can be surveyed again");
            }
            self.seen.insert(bmc.clone());
            self.note_ends(&observation);
        }

        let waiting = self.unwritten.entry(bmc).or_default();
        let is_deep = |one: &Observation| one.depth == Depth::Deep && matches!(one.outcome, Outcome::Seen(_));
        let is_newer = is_deep(&observation);
        waiting.retain(|older| is_deep(older) && !is_newer);

        waiting.push(observation);
    }

    /// Records which machines are off or starting, since they no longer run what they booted.
    fn note_ends(&self, observation: &Observation) {
        let serving = self.shared.load();
        let (Outcome::Seen(service), Some(snapshot)) = (&observation.outcome, &serving.snapshot) else { return };
        // The indices are those of the followed snapshot; a new one is followed within a second.
        if self.known.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, snapshot)) {
            let ended = runs::ended(snapshot.desired(), &self.behind, &observation.bmc, service, observation.at);
            ended.for_each(|(node, at)| serving.slots[node].reset(at));
        }
    }

    /// Writes the observations and publishes the claims that follow from them.
    async fn write(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }

        let batch: Vec<Observation> = self.unwritten.values().flatten().cloned().collect();
        let last = batch.iter().map(|observation| observation.at).max();
        let snapshot = self.shared.load().snapshot.clone();
        let credentials: BTreeMap<Box<str>, Box<str>> =
            self.targets.iter().filter_map(|(bmc, target)| Some((bmc.clone(), credential_name(target)?))).collect();
        let store = Arc::clone(&self.store);

        let write = move || {
            let claims = keep::keep(&store, snapshot.as_deref(), &batch)?;
            keep::refused(&store, &batch, |bmc| credentials.get(bmc).cloned())?;
            Ok::<_, StoreError>(claims)
        };

        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(claims)) => {
                self.unwritten.clear();
                self.publish(claims);
                if std::mem::take(&mut self.is_stuck) {
                    info!("what is surveyed is stored again");
                }
                self.tell(last);
            }
            Ok(Err(error)) => {
                self.shared.load().counters.store_errors.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if !std::mem::replace(&mut self.is_stuck, true) {
                    warn!(error = %chain(&error), "what is surveyed cannot be stored; the newest of each BMC is kept");
                }
            }
            Err(error) => warn!(%error, "writing what was surveyed ended early"),
        }
    }

    fn publish(&self, claims: Option<Vec<Claim>>) {
        if let Some(claims) = claims {
            Serving::publish_claims(&self.shared, &claims.into());
        }
    }

    fn tell(&self, last: Option<i64>) {
        let among = |set: &BTreeSet<Box<str>>| self.targets.keys().filter(|name| set.contains(*name)).count() as u64;
        let last = last.map(clock::rfc3339).or_else(|| self.told.load().last.clone());
        let (seen, failing) = (among(&self.seen), among(&self.failing));
        self.told.store(Arc::new(SurveyView { bmcs: self.targets.len() as u64, seen, failing, last }));
    }

    /// Follows the current snapshot, and reads this host's accounts again after a while.
    async fn refresh(&mut self) {
        let Some(snapshot) = self.shared.load().snapshot.clone().filter(|snapshot| !snapshot.is_stored()) else {
            return;
        };

        let is_new = self.known.as_ref().is_none_or(|(known, _)| !Arc::ptr_eq(known, &snapshot));
        if !is_new && self.known.as_ref().is_some_and(|(_, read)| read.elapsed() < ACCOUNTS) {
            return;
        }

        let (settings, of) = (self.settings.clone(), Arc::clone(&snapshot));
        let read = tokio::task::spawn_blocking(move || {
            let credentials = Credentials::load(&settings.bmc, std::env::vars_os())?;
            Ok::<_, crate::settings::SettingsError>(survey::declared(of.desired(), &settings.bmc, &credentials))
        });

        match read.await {
            Ok(Ok(targets)) => {
                self.targets = targets.into_iter().map(|target| (target.endpoint.name.clone(), target)).collect();
                let count = self.targets.values().filter(|target| target.credential.is_err()).count();
                if is_new && count > 0 {
                    warn!(
                        bmcs = count,
                        "this host has no account for some BMCs, or its settings keep them from being asked; they are unknown"
                    );
                }
            }
            Ok(Err(error)) => {
                warn!(error = %chain(&error), "this host's accounts cannot be read; the ones before are used")
            }
            Err(error) => warn!(%error, "reading this host's accounts ended early"),
        }

        for (bmc, credential) in std::mem::take(&mut self.due.refused) {
            if let Some(target) = self.targets.get(&bmc) {
                self.grounds.gate().refuse_login(target.asked(), &credential);
            }
        }

        self.known = Some((Arc::clone(&snapshot), Instant::now()));
        if is_new {
            self.behind = runs::nodes_behind(snapshot.desired());
            self.follow(&snapshot).await;
        }
    }

    /// Makes the BMCs of a new snapshot due, and drops claims that have become meaningless.
    async fn follow(&mut self, snapshot: &Arc<Snapshot>) {
        self.due.follow(self.targets.keys(), Instant::now());
        let (store, of) = (Arc::clone(&self.store), Arc::clone(snapshot));
        let forget = tokio::task::spawn_blocking(move || {
            let claims = store.claims()?;
            let void = roll::void(&of, &claims);
            store.forget_claims(&void.iter().map(|node| &**node).collect::<Vec<_>>())?;
            if void.is_empty() { Ok::<_, StoreError>(claims) } else { store.claims() }
        });

        match forget.await {
            Ok(Ok(claims)) => {
                for bmc in unclaimed(snapshot, &claims) {
                    self.due.at_once(&bmc);
                }
                self.publish(Some(claims));
            }
            Ok(Err(error)) => warn!(error = %chain(&error), "claims cannot be read or forgotten"),
            Err(error) => warn!(%error, "forgetting claims ended early"),
        }

        self.tell(None);
    }
}

fn credential_name(target: &Target) -> Option<Box<str>> {
    Some(target.credential.as_ref().ok()?.as_ref()?.name.clone())
}

/// Lists the BMCs of nodes that boot by addresses from their BMC and have none yet.
fn unclaimed(snapshot: &Snapshot, claims: &[Claim]) -> Vec<Box<str>> {
    let desired = snapshot.desired();
    let claimed: BTreeSet<&str> = claims.iter().map(|claim| &*claim.node).collect();
    let mut bmcs: Vec<Box<str>> = keep::from_bmc(snapshot)
        .filter(|node| !claimed.contains(&*node.name))
        .filter_map(|node| node.bmc.map(|bmc| desired.bmcs[bmc.value as usize].name.clone()))
        .collect();
    bmcs.dedup();
    bmcs
}
