//! Politeness towards BMCs as a pure scheduler: who may be asked now, who must wait, who is given up.
//!
//! Every request is asked for ([`Pace::ask`]), then started or given up by [`Pace::next`], then ended ([`Pace::done`]). Per
//! BMC the oldest request goes first, and between BMCs the oldest of those that may start. A BMC that answers that it is
//! busy is held for a while; one that gives no sign of life rests, and after the rest one single request probes it.
//!
//! It knows plain numbers only: no socket, no clock. Times are milliseconds of a clock that never goes back.

mod limits;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use limits::Limits;

/// How much more a dead answer weighs than a busy one, on the way to a rest.
const DEAD: u32 = 4;

/// One BMC, by the order in which it was first named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BmcId(u32);

/// One request, by the order in which it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Whether a request changes something; of those, one at a time goes to a BMC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The BMC answered, whatever it said.
    Answered,
    /// The BMC answered that it has no time now; `after` is how long it asks to be left alone, if it says.
    Busy { after: Option<u64> },
    /// No sign of life.
    Dead,
    /// It tells nothing of the BMC: cancelled, or a connection that had been idle.
    Unknown,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Send this request.
    Start(Ticket),
    /// Do not send this request: its BMC rests until then.
    GiveUp(Ticket, u64),
    /// Nothing before then, unless a request ends or another is asked for.
    Wait(u64),
    /// Nothing until a request ends or another is asked for.
    Idle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    /// Nothing starts before then.
    Held(u64),
    /// What is asked for before then is given up.
    Resting(u64),
    /// This one request finds out whether the BMC lives.
    Probed(Ticket),
}

#[derive(Debug)]
struct Bmc {
    standing: Standing,
    queue: VecDeque<Ticket>,
    flying: u32,
    writing: bool,
    /// The weight of the failures one after another.
    strikes: u32,
    /// How many rests one after another there were.
    rests: u32,
    /// How many busy answers one after another there were.
    busy: u32,
    /// What stands in [`Pace::ready`] for it.
    ready: Option<Ticket>,
    /// What stands in [`Pace::timers`] for it.
    timer: Option<u64>,
}

#[derive(Debug)]
struct Request {
    bmc: BmcId,
    kind: Kind,
    is_flying: bool,
}

/// The scheduler of all requests to all BMCs.
#[derive(Debug)]
pub struct Pace {
    limits: Limits,
    chance: fastrand::Rng,
    names: BTreeMap<Box<str>, BmcId>,
    bmcs: Vec<Bmc>,
    requests: BTreeMap<Ticket, Request>,
    flying: u32,
    last: u64,
    /// The oldest request of every BMC that may start one.
    ready: BTreeSet<(Ticket, BmcId)>,
    /// When a BMC that has requests waiting may be asked again.
    timers: BTreeSet<(u64, BmcId)>,
    given_up: VecDeque<(Ticket, u64)>,
    refused: BTreeSet<(BmcId, Box<str>)>,
}

impl Pace {
    /// Begins with nothing known; the seed drives the jitter.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            chance: fastrand::Rng::with_seed(seed),
            names: BTreeMap::new(),
            bmcs: Vec::new(),
            requests: BTreeMap::new(),
            flying: 0,
            last: 0,
            ready: BTreeSet::new(),
            timers: BTreeSet::new(),
            given_up: VecDeque::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Returns the BMC of a name, which it is given when it is named first.
    pub fn bmc(&mut self, name: &str) -> BmcId {
        if let Some(id) = self.names.get(name) {
            return *id;
        }
        let id = BmcId(u32::try_from(self.bmcs.len()).expect("there are fewer than 2^32 BMCs"));
        self.names.insert(name.into(), id);
        self.bmcs.push(Bmc {
            standing: Standing::Open,
            queue: VecDeque::new(),
            flying: 0,
            writing: false,
            strikes: 0,
            rests: 0,
            busy: 0,
            ready: None,
            timer: None,
        });
        id
    }

    /// Asks for a request; [`Pace::next`] says when it starts.
    pub fn ask(&mut self, bmc: BmcId, kind: Kind, now: u64) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.requests.insert(ticket, Request { bmc, kind, is_flying: false });
        match self.of(bmc).standing {
            Standing::Resting(until) if now < until => self.given_up.push_back((ticket, until)),
            Standing::Open | Standing::Held(_) | Standing::Resting(_) | Standing::Probed(_) => {
                self.of(bmc).queue.push_back(ticket);
                self.list(bmc, now);
            }
        }
        ticket
    }

    /// Says what is to be done now. Each started request must be ended by [`Pace::done`] or [`Pace::leave`].
    pub fn next(&mut self, now: u64) -> Next {
        while let Some((until, bmc)) = self.timers.first().copied().filter(|(until, _)| *until <= now) {
            self.timers.remove(&(until, bmc));
            self.of(bmc).timer = None;
            self.list(bmc, now);
        }
        if let Some((ticket, until)) = self.given_up.pop_front() {
            self.requests.remove(&ticket);
            return Next::GiveUp(ticket, until);
        }
        match self.ready.first().copied() {
            Some((ticket, bmc)) if self.flying < self.limits.global.max(1) => {
                self.start(ticket, bmc, now);
                Next::Start(ticket)
            }
            _ => self.timers.first().map_or(Next::Idle, |(until, _)| Next::Wait(*until)),
        }
    }

    /// Ends a started request.
    pub fn done(&mut self, ticket: Ticket, end: End, now: u64) {
        let Some(request) = self.requests.remove(&ticket) else { return };
        debug_assert!(request.is_flying, "only what was started ends");
        self.flying -= 1;
        let bmc = self.of(request.bmc);
        bmc.flying -= 1;
        if request.kind == Kind::Write {
            bmc.writing = false;
        }
        match end {
            End::Answered => {
                (bmc.strikes, bmc.rests, bmc.busy) = (0, 0, 0);
                bmc.standing = match bmc.standing {
                    Standing::Held(until) if until > now => Standing::Held(until),
                    Standing::Open | Standing::Held(_) | Standing::Resting(_) | Standing::Probed(_) => Standing::Open,
                };
            }
            End::Busy { after } => self.struck(request.bmc, ticket, 1, Some(after), now),
            End::Dead => self.struck(request.bmc, ticket, DEAD, None, now),
            End::Unknown if bmc.standing == Standing::Probed(ticket) => bmc.standing = Standing::Resting(now),
            End::Unknown => {}
        }
        self.list(request.bmc, now);
    }

    /// Ends a request of which nothing is known, whether it was started or still waits.
    pub fn leave(&mut self, ticket: Ticket, now: u64) {
        let Some(request) = self.requests.get(&ticket) else { return };
        if request.is_flying {
            return self.done(ticket, End::Unknown, now);
        }
        let bmc = request.bmc;
        self.requests.remove(&ticket);
        self.given_up.retain(|(other, _)| *other != ticket);
        self.of(bmc).queue.retain(|other| *other != ticket);
        self.list(bmc, now);
    }

    /// Returns when a BMC that is held may be asked again.
    #[must_use]
    pub fn held_until(&self, bmc: BmcId) -> Option<u64> {
        match self.bmcs[bmc.0 as usize].standing {
            Standing::Held(until) => Some(until),
            Standing::Open | Standing::Resting(_) | Standing::Probed(_) => None,
        }
    }

    /// Iterates over the requests that wait for a BMC, the oldest first.
    pub fn waiting(&self, bmc: BmcId) -> impl Iterator<Item = Ticket> {
        self.bmcs[bmc.0 as usize].queue.iter().copied()
    }

    /// Remembers that a BMC refused a credential.
    pub fn refuse_login(&mut self, bmc: BmcId, credential: &str) {
        self.refused.insert((bmc, credential.into()));
    }

    /// Tells whether a BMC refused a credential and nobody told since that it may be tried again.
    #[must_use]
    pub fn is_login_refused(&self, bmc: BmcId, credential: &str) -> bool {
        self.refused.contains(&(bmc, credential.into()))
    }

    /// Lets the credentials that a BMC refused be tried again.
    pub fn told(&mut self, bmc: BmcId) {
        self.refused.retain(|(other, _)| *other != bmc);
    }

    fn of(&mut self, bmc: BmcId) -> &mut Bmc {
        &mut self.bmcs[bmc.0 as usize]
    }

    fn start(&mut self, ticket: Ticket, bmc: BmcId, now: u64) {
        let request = self.requests.get_mut(&ticket).expect("what waits is asked for");
        request.is_flying = true;
        let is_write = request.kind == Kind::Write;
        self.flying += 1;
        let bmc_of = self.of(bmc);
        bmc_of.queue.pop_front();
        bmc_of.flying += 1;
        bmc_of.writing |= is_write;
        bmc_of.standing = match bmc_of.standing {
            Standing::Resting(_) => Standing::Probed(ticket),
            standing @ (Standing::Open | Standing::Held(_) | Standing::Probed(_)) => standing,
        };
        self.list(bmc, now);
    }

    /// Counts a failure: enough of them and the BMC rests; a busy BMC is held.
    fn struck(&mut self, id: BmcId, ticket: Ticket, weight: u32, busy: Option<Option<u64>>, now: u64) {
        let part = self.chance.f64();
        let limits = self.limits;
        let bmc = self.of(id);
        let is_probe = bmc.standing == Standing::Probed(ticket);
        if !is_probe && matches!(bmc.standing, Standing::Resting(_) | Standing::Probed(_)) {
            return;
        }
        bmc.strikes = bmc.strikes.saturating_add(weight);
        if is_probe || bmc.strikes >= limits.dead_before_rest.max(1).saturating_mul(DEAD) {
            let until = now.saturating_add(limits.jittered(limits.rest(bmc.rests), part));
            bmc.rests = bmc.rests.saturating_add(1);
            bmc.standing = Standing::Resting(until);
            let queue = std::mem::take(&mut bmc.queue);
            self.given_up.extend(queue.into_iter().map(|ticket| (ticket, until)));
        } else if let Some(after) = busy {
            let own = limits.jittered(limits.hold(bmc.busy), part);
            bmc.busy = bmc.busy.saturating_add(1);
            let until = now.saturating_add(after.map_or(own, |after| after.min(limits.hold_cap)));
            bmc.standing = match bmc.standing {
                Standing::Held(older) => Standing::Held(older.max(until)),
                Standing::Open | Standing::Resting(_) | Standing::Probed(_) => Standing::Held(until),
            };
        }
    }

    /// Brings a BMC's entries in the two indices up to date.
    fn list(&mut self, id: BmcId, now: u64) {
        let per_bmc = self.limits.per_bmc.max(1);
        let bmc = &mut self.bmcs[id.0 as usize];
        if let Standing::Held(until) = bmc.standing
            && until <= now
        {
            bmc.standing = Standing::Open;
        }
        let head = bmc.queue.front().copied();
        let timer = match bmc.standing {
            Standing::Held(until) => head.map(|_| until),
            Standing::Open | Standing::Resting(_) | Standing::Probed(_) => None,
        };
        let is_write = head.is_some_and(|head| self.requests[&head].kind == Kind::Write);
        let may_start = match bmc.standing {
            Standing::Open | Standing::Resting(_) => bmc.flying < per_bmc && !(is_write && bmc.writing),
            Standing::Held(_) | Standing::Probed(_) => false,
        };
        let ready = head.filter(|_| may_start);
        let (old_ready, old_timer) =
            (std::mem::replace(&mut bmc.ready, ready), std::mem::replace(&mut bmc.timer, timer));
        if old_ready != ready {
            old_ready.map(|ticket| self.ready.remove(&(ticket, id)));
            ready.map(|ticket| self.ready.insert((ticket, id)));
        }
        if old_timer != timer {
            old_timer.map(|until| self.timers.remove(&(until, id)));
            timer.map(|until| self.timers.insert((until, id)));
        }
    }
}
