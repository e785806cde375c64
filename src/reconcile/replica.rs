//! A server that only boots: no surveys, no claims, and of its observations only the boot fetches.
//!
//! It stores the data for a start without git as every server does. It knows nothing of the other
//! replicas.

use tokio::sync::{mpsc, oneshot};

use crate::http::{Command, NotDone};

/// The refusal of an order that belongs to the surveying server.
const WHY: &str =
    "this server only boots (`boot_only`): it surveys no BMCs and keeps nothing of them; ask the one that does";

/// Refuses all requests of the API until no sender is left.
pub async fn refuse(mut orders: mpsc::Receiver<Command>) {
    while let Some(order) = orders.recv().await {
        match order {
            Command::Observed(reply) => answer(reply),
            Command::Take(_, reply) => answer(reply),
            Command::RefusedLogins(reply) => answer(reply),
            Command::RetryLogins(_, reply) | Command::ForgetBmcs(_, reply) => answer(reply),
        }
    }
}

fn answer<T>(reply: oneshot::Sender<Result<T, NotDone>>) {
    // The client may have disconnected.
    let _ = reply.send(Err(NotDone::NotHere(WHY)));
}
