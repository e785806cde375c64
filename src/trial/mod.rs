//! Builds commits where their death is a refusal: in a child process of this program, with bounds on its memory, its time
//! and its stack.
//!
//! The child builds the whole Snapshot and hands over its findings and its scripts. The parent loads and resolves the
//! same files meanwhile, once the child came through that, and takes the scripts from the child: what it then serves is
//! what one build alone would give, and no node is rendered twice. Whatever a commit does to the child, this process goes
//! on. This room does not know where commits come from, or what becomes of them.

#![expect(clippy::disallowed_methods, reason = "a bank room: it starts a process and watches the clock")]

mod child;
mod parent;
mod wire;

use std::time::Duration;

use crate::desired::Findings;
use crate::snapshot::Snapshot;

pub use child::run;
pub use parent::build;

/// The hidden command of this program that is the child.
pub const COMMAND: &str = "build-in-child";

/// What a build may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildBounds {
    pub timeout: Duration,
    /// The private memory of the process, in bytes.
    pub max_bytes: u64,
}

/// How a build ended.
pub enum Built {
    /// It came to its end: a Snapshot if no finding is an error, and all findings.
    Done(Option<Box<Snapshot>>, Findings),
    /// It died or passed a bound: why, and the setting that bounds it.
    Died(String),
    /// It was given up.
    Stopped,
}
