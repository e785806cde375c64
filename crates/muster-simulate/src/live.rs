//! One running BMC: its machines, its sessions, and its state about clients.

use std::sync::Arc;

use super::fleet::{Counts, Timing};
use super::machine::Machine;
use super::world::Bmc;

/// One session. Times are milliseconds since the start of the fleet.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    pub id: u32,
    pub token: Box<str>,
    pub used: u64,
    pub requests: u32,
}

/// A running BMC.
pub struct Live {
    pub bmc: Bmc,
    /// Its index in the fleet.
    pub at: usize,
    pub user: Arc<str>,
    pub password: Arc<str>,
    pub sessions: Vec<SessionInfo>,
    pub next_session: u32,
    /// The number of consecutive wrong logins.
    pub failures: u32,
    pub locked_until: Option<u64>,
    pub counts: Counts,
    /// The machines before the last change, and the time of the change.
    pub before: Option<Box<(u64, Vec<Machine>)>>,
    /// The time and the machines to restore after an accepted change that does not last.
    pub revert: Option<Box<(u64, Vec<Machine>)>>,
    /// The time of the last request.
    pub asked: Option<u64>,
    /// Whether it never replies.
    pub dead: bool,
}

impl Live {
    pub fn new(bmc: Bmc, at: usize, (user, password): (Arc<str>, Arc<str>)) -> Self {
        Self {
            bmc,
            at,
            user,
            password,
            sessions: Vec::new(),
            next_session: 1,
            failures: 0,
            locked_until: None,
            counts: Counts::default(),
            before: None,
            revert: None,
            asked: None,
            dead: false,
        }
    }

    /// Advances the state to a time.
    pub fn settle(&mut self, now: u64, timing: &Timing) {
        if let Some(revert) = self.revert.take_if(|revert| revert.0 <= now) {
            self.bmc.machines = revert.1;
        }
        for machine in &mut self.bmc.machines {
            machine.settle(now, timing);
        }
        self.sessions.retain(|session| now.saturating_sub(session.used) < timing.session_idle);
        if self.locked_until.is_some_and(|until| until <= now) {
            self.locked_until = None;
            self.failures = 0;
        }
    }
}
