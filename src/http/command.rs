//! What the api asks of the only room that may do it: each a command with a way back for the answer.

use tokio::sync::oneshot;

use crate::observed::Observation;
use crate::view::{ObservedFile, RefusedLogins};

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It failed, and may work later.
    Failed(String),
    /// This server does no such thing.
    NotHere(&'static str),
}

/// A question or an order to the one who keeps the store.
#[derive(Debug)]
pub enum Command {
    /// Tell all that is remembered of the BMCs.
    Observed(oneshot::Sender<Result<ObservedFile, Refusal>>),
    /// Take in what a survey elsewhere found. It claims no MAC address.
    Take(Vec<Observation>, oneshot::Sender<Result<(), Refusal>>),
    /// Tell which BMCs refused which credential.
    RefusedLogins(oneshot::Sender<Result<RefusedLogins, Refusal>>),
    /// Forget which BMCs refused their credential, so that they are tried again; all of them where none is named.
    RetryLogins(Vec<Box<str>>, oneshot::Sender<Result<u64, Refusal>>),
}
