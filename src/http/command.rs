//! What the api asks of the only room that may do it: each a command with a way back for the answer.

use tokio::sync::oneshot;

use crate::observed::Observation;
use crate::view::{ObservedFile, RefusedLogins};

/// A question or an order to the one who keeps the store.
#[derive(Debug)]
pub enum Command {
    /// Tell all that is remembered of the BMCs.
    Observed(oneshot::Sender<Result<ObservedFile, String>>),
    /// Take in what a survey elsewhere found. It claims no MAC address.
    Take(Vec<Observation>, oneshot::Sender<Result<(), String>>),
    /// Tell which BMCs refused which credential.
    RefusedLogins(oneshot::Sender<Result<RefusedLogins, String>>),
    /// Forget which BMCs refused their credential, so that they are tried again; all of them where none is named.
    RetryLogins(Vec<Box<str>>, oneshot::Sender<Result<u64, String>>),
}
