//! Schedules every request to a BMC: [`muster_core::pace`] with a clock and wakers around it.
//!
//! This module does not know what a request is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use muster_core::observed::{Failure, FailureKind};
use muster_core::pace::{BmcId, End, Kind, Limits, Next, Pace, Ticket};

/// The gate for the requests of one process to all BMCs.
#[derive(Debug)]
pub struct Gate {
    born: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pace: Pace,
    waiting: BTreeMap<Ticket, UnboundedSender<Word>>,
    /// The kind of the last failure without a sign of life, for each BMC.
    last: BTreeMap<BmcId, FailureKind>,
}

/// A message to a waiting request.
#[derive(Debug)]
enum Word {
    Start,
    GiveUp,
    /// Check again, because the end of the wait may have changed.
    Look,
}

/// The permission for one request, which counts as in flight until the permit is ended or dropped.
#[derive(Debug)]
pub(super) struct Permit {
    gate: Arc<Gate>,
    bmc: BmcId,
    ticket: Ticket,
}

impl Gate {
    /// Creates the gate; the seed drives the jitter.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        let state = State { pace: Pace::new(limits, seed), waiting: BTreeMap::new(), last: BTreeMap::new() };
        Self { born: Instant::now(), state: Mutex::new(state) }
    }

    /// Records that a BMC refused a credential; after a restart, the store supplies these records.
    pub fn refuse_login(&self, origin: &url::Url, credential: &str) {
        let mut state = self.lock();
        let bmc = state.pace.bmc(&key(origin));
        state.pace.refuse_login(bmc, credential);
    }

    /// Allows the credentials that a BMC refused to be tried again; `origin` is the one that is
    /// really contacted.
    pub fn told(&self, origin: &url::Url) {
        let mut state = self.lock();
        let bmc = state.pace.bmc(&key(origin));
        state.pace.told(bmc);
    }

    pub(super) fn bmc(&self, origin: &url::Url) -> BmcId {
        self.lock().pace.bmc(&key(origin))
    }

    pub(super) fn login_was_refused(&self, bmc: BmcId, credential: &str) {
        self.lock().pace.refuse_login(bmc, credential);
    }

    pub(super) fn is_login_refused(&self, bmc: BmcId, credential: &str) -> bool {
        self.lock().pace.is_login_refused(bmc, credential)
    }

    /// Waits for the permission for one request.
    ///
    /// # Errors
    /// [`FailureKind::Resting`] if the BMC rests for longer than a survey should wait.
    pub(super) async fn enter(self: &Arc<Self>, bmc: BmcId, kind: Kind) -> Result<Permit, Failure> {
        let (words, mut heard) = unbounded_channel();
        let permit = {
            let mut state = self.lock();
            let ticket = state.pace.ask(bmc, kind, self.now());
            state.waiting.insert(ticket, words);
            Permit { gate: Arc::clone(self), bmc, ticket }
        };

        loop {
            match self.word(bmc, &mut heard).await {
                Word::Start => return Ok(permit),
                Word::GiveUp => return Err(self.resting(bmc)),
                Word::Look => {}
            }
        }
    }

    async fn word(&self, bmc: BmcId, heard: &mut UnboundedReceiver<Word>) -> Word {
        let held = {
            let mut state = self.lock();
            state.pump(self.now());
            state.pace.held_until(bmc)
        };

        let word = async { heard.recv().await.expect("the sender stays until the word is given") };
        match held {
            None => word.await,
            Some(until) => tokio::select! {
                biased;
                word = word => word,
                () = tokio::time::sleep_until(self.born + Duration::from_millis(until)) => Word::Look,
            },
        }
    }

    fn resting(&self, bmc: BmcId) -> Failure {
        let last = self.lock().last.get(&bmc).copied();
        let last = last.map_or(String::new(), |last| format!(" (the last: {last})"));
        Failure::new(FailureKind::Resting, format!("left alone for a while after failures one after another{last}"))
    }

    /// Returns the milliseconds since the gate was created, rounded down, so that a timer never
    /// ends early.
    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Sends its message to every request for which there is a decision.
    fn pump(&mut self, now: u64) {
        loop {
            let (ticket, word) = match self.pace.next(now) {
                Next::Start(ticket) => (ticket, Word::Start),
                Next::GiveUp(ticket, _) => (ticket, Word::GiveUp),
                Next::Wait(_) | Next::Idle => return,
            };
            // A request that is gone leaves the pace when its permit is dropped.
            if let Some(words) = self.waiting.get(&ticket) {
                let _ = words.send(word);
            }
        }
    }

    fn end(&mut self, bmc: BmcId, now: u64) {
        self.pump(now);
        if self.pace.held_until(bmc).is_some() {
            for ticket in self.pace.waiting(bmc) {
                if let Some(words) = self.waiting.get(&ticket) {
                    let _ = words.send(Word::Look);
                }
            }
        }
    }
}

impl Permit {
    /// Ends the request; records the kind of a failure without a sign of life.
    pub(super) fn end(self, end: End, failure: Option<FailureKind>) {
        let now = self.gate.now();
        let mut state = self.gate.lock();
        state.pace.done(self.ticket, end, now);
        if let Some(kind) = failure {
            state.last.insert(self.bmc, kind);
        }
        // The drop that follows wakes the others.
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.gate.now();
        let mut state = self.gate.lock();
        state.waiting.remove(&self.ticket);
        state.pace.leave(self.ticket, now);
        state.end(self.bmc, now);
    }
}

/// Returns the key of a BMC in the pace: its origin, so that two names of one BMC share its limits.
fn key(origin: &url::Url) -> String {
    origin.origin().ascii_serialization()
}
