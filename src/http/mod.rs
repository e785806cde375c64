//! Two listeners: one for machines that boot (scripts, cloud-init), one for people and programs
//! (status, webhook, metrics); and an optional third for Prometheus alone.
//!
//! Every answer is a function of one [`Serving`], which a request loads once; so no answer mixes
//! two commits. Boot answers never wait: their records go into slots in memory and a bounded
//! channel. Nothing is derived from a `Host` header, which anyone can send; `X-Forwarded-For` and
//! similar headers are read from trusted proxies only, for lookups by address. This room does not
//! know where snapshots come from, what happens to its records, or how anything is stored.

#![expect(clippy::disallowed_methods, reason = "this room stamps requests with the time, and owns a socket file")]

mod address;
mod answer;
mod api;
mod board;
mod bodies;
mod boot;
mod bootscript;
mod command;
mod counters;
mod documents;
mod drain;
mod events;
mod forwarded;
mod held;
mod history;
mod limits;
mod listen;
mod lists;
mod loader;
mod local;
mod metrics;
mod orders;
mod patience;
mod process;
mod proxied;
mod query;
mod rendering;
mod room;
mod serving;
mod socket;
mod vain;
mod webhook;

use std::time::SystemTime;

pub use address::ListenError;
pub use board::Board;
pub use boot::Boot;
pub use command::{Command, NotDone, Order, Orders};
pub use counters::{CLASSES, Counters, Door, Refusal, Route};
pub use forwarded::Client;
pub use held::{HELD, HELD_NODES, HeldCommit};
pub use history::{History, MAX_READERS};
pub use limits::{IDLE_BYTES, Limits};
pub use listen::{ApiListener, BootListener, MetricsListener};
pub use serving::{Confirmed, Dirty, Serving, Slot};
pub use webhook::Webhook;

/// Returns the time in unix milliseconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
