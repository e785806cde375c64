//! The door through which every request to a BMC goes: [`muster_core::pace`] with a clock and wakers around it.
//!
//! It does not know what a request is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use muster_core::observed::{Failure, FailureKind};
use muster_core::pace::{BmcId, End, Kind, Limits, Next, Pace, Ticket};

/// The door to all BMCs of one process.
#[derive(Debug)]
pub struct Gate {
    born: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pace: Pace,
    waiting: BTreeMap<Ticket, UnboundedSender<Word>>,
    /// Why a BMC gave no sign of life the last time.
    last: BTreeMap<BmcId, FailureKind>,
}

/// What a waiting request is told.
#[derive(Debug)]
enum Word {
    Start,
    GiveUp,
    /// The time to wait for may be another now.
    Look,
}

/// The right to one request; it counts as in flight until it is ended or dropped.
#[derive(Debug)]
pub(super) struct Permit {
    gate: Arc<Gate>,
    bmc: BmcId,
    ticket: Ticket,
}

impl Gate {
    /// Opens the door; the seed drives the jitter.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        let state = State { pace: Pace::new(limits, seed), waiting: BTreeMap::new(), last: BTreeMap::new() };
        Self { born: Instant::now(), state: Mutex::new(state) }
    }

    /// Remembers that a BMC refused a credential; a restart needs this from what the store remembers.
    pub fn refuse_login(&self, origin: &url::Url, credential: &str) {
        let mut state = self.lock();
        let bmc = state.pace.bmc(&key(origin));
        state.pace.refuse_login(bmc, credential);
    }

    /// Lets the credentials that a BMC refused be tried again, by the origin that is really asked.
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

    /// Waits for the right to one request.
    ///
    /// # Errors
    /// [`FailureKind::Resting`] where the BMC is left alone for longer than a survey should wait.
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

    /// Milliseconds since the door was opened, rounded down; a wait for one ends at or after it.
    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives every request that has a decision its word.
    fn pump(&mut self, now: u64) {
        loop {
            let (ticket, word) = match self.pace.next(now) {
                Next::Start(ticket) => (ticket, Word::Start),
                Next::GiveUp(ticket, _) => (ticket, Word::GiveUp),
                Next::Wait(_) | Next::Idle => return,
            };
            // One that is not there any more leaves the pace when its permit is dropped.
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
    /// Ends the request; a failure that was no sign of life is remembered by its kind.
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

/// The name of a BMC in the pace: its origin, so that two names of one BMC share its bounds.
fn key(origin: &url::Url) -> String {
    origin.origin().ascii_serialization()
}
