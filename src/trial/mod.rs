//! Builds commits in a child process of this program, with limits on its memory, its time and its
//! stack, so that a crash is only a refusal of the commit.
//!
//! The child builds the whole snapshot and returns its findings and its scripts. The parent loads
//! and resolves the same files meanwhile, once the child has completed that step, and takes the
//! scripts from the child: the served result is that of a single build, and no node is rendered
//! twice. Whatever a commit does to the child, this process continues. This room does not know
//! where commits come from, or what happens to them.

#![expect(clippy::disallowed_methods, reason = "a bank room: it starts a process and watches the clock")]

mod child;
mod parent;
mod wire;

use std::time::Duration;

use crate::desired::Findings;
use crate::snapshot::Snapshot;

pub use child::run;
pub use parent::build;

/// The hidden command of this program that runs the child.
pub const COMMAND: &str = "build-in-child";

/// The limits of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildBounds {
    pub timeout: Duration,
    /// The private memory of the process, in bytes.
    pub max_bytes: u64,
}

/// The result of a build.
pub enum Built {
    /// It completed: a snapshot if no finding is an error, and all findings.
    Done(Option<Box<Snapshot>>, Findings),
    /// It died or exceeded a limit: the reason, and the setting of the limit.
    Died(String),
    /// It was stopped.
    Stopped,
}
