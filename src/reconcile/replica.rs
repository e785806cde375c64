//! A server that only boots: it surveys nothing, claims nothing, and keeps of what it sees the boot fetches alone.
//!
//! What it needs to start again without git is stored as everywhere. It knows nothing of the other replicas.

use tokio::sync::{mpsc, oneshot};

use crate::http::{Command, NotDone};

/// What an order is refused with that is for the server which surveys.
const WHY: &str =
    "this server only boots (`boot_only`): it surveys no BMCs and keeps nothing of them; ask the one that does";

/// Refuses whatever the api asks for, until nobody can ask any more.
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
    // Who asked may have gone away.
    let _ = reply.send(Err(NotDone::NotHere(WHY)));
}
