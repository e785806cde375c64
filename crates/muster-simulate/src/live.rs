//! One BMC while it runs: its machines, its sessions, and what it remembers of those who asked.

use std::sync::Arc;

use super::fleet::{Counts, Timing};
use super::machine::Machine;
use super::world::Bmc;

/// One session. Times are milliseconds since the fleet began.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    pub id: u32,
    pub token: Box<str>,
    pub used: u64,
    pub requests: u32,
}

/// A BMC that runs.
pub struct Live {
    pub bmc: Bmc,
    /// Its place in the fleet.
    pub at: usize,
    pub user: Arc<str>,
    pub password: Arc<str>,
    pub sessions: Vec<SessionInfo>,
    pub next_session: u32,
    /// Wrong logins in a row.
    pub failures: u32,
    pub locked_until: Option<u64>,
    pub counts: Counts,
    /// The machines before the last change, and when that was.
    pub before: Option<Box<(u64, Vec<Machine>)>>,
    /// What the machines fall back to, and when: a change that was accepted and does not last.
    pub revert: Option<Box<(u64, Vec<Machine>)>>,
    /// When it was last asked.
    pub asked: Option<u64>,
    /// Whether it answers at all.
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

    /// Lets time pass.
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
