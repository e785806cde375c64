//! What the api asks of the only room that may do it: each a command with a way back for the answer.

use std::sync::mpsc::SyncSender;

use tokio::sync::{mpsc, oneshot};

use crate::observed::Observation;
use crate::view::{ObservedFile, Ordered, PinOrder, RefusedLogins, RewindOrder, UnpinOrder};

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDone {
    /// It failed, and may work later.
    Failed(String),
    /// This server does no such thing.
    NotHere(&'static str),
}

/// A question or an order to the one who keeps the store.
#[derive(Debug)]
pub enum Command {
    /// Tell all that is remembered of the BMCs.
    Observed(oneshot::Sender<Result<ObservedFile, NotDone>>),
    /// Take in what a survey elsewhere found. It claims no MAC address.
    Take(Vec<Observation>, oneshot::Sender<Result<(), NotDone>>),
    /// Tell which BMCs refused which credential.
    RefusedLogins(oneshot::Sender<Result<RefusedLogins, NotDone>>),
    /// Forget which BMCs refused their credential, so that they are tried again; all of them where none is named.
    RetryLogins(Vec<Box<str>>, oneshot::Sender<Result<u64, NotDone>>),
    /// Forget all that surveys saw of these BMCs; those that are declared are surveyed again.
    ForgetBmcs(Vec<Box<str>>, oneshot::Sender<Result<u64, NotDone>>),
}

/// An order to the one who follows the repository. A refusal says why, and what to do next.
#[derive(Debug)]
pub enum Order {
    /// Serve one commit in place of the newest.
    Pin(PinOrder, oneshot::Sender<Result<Ordered, String>>),
    /// Follow the branch again.
    Unpin(UnpinOrder, oneshot::Sender<Result<Ordered, String>>),
    /// Let the branch go back to a commit.
    AllowRewind(RewindOrder, oneshot::Sender<Result<Ordered, String>>),
}

/// The way to the one who follows the repository: an order, and a wake-up, which carries none.
#[derive(Debug, Clone)]
pub struct Orders {
    orders: mpsc::Sender<Order>,
    wake: SyncSender<()>,
}

impl Orders {
    /// Sends orders one way, and wake-ups the other.
    #[must_use]
    pub fn new(orders: mpsc::Sender<Order>, wake: SyncSender<()>) -> Self {
        Self { orders, wake }
    }

    /// Gives an order and waits for what becomes of it; nothing where the server is about to end.
    pub(super) async fn give(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<Ordered, String>>) -> Order,
    ) -> Option<Result<Ordered, String>> {
        let (reply, replied) = oneshot::channel();
        self.orders.send(order(reply)).await.ok()?;
        // Where it is full, a wake-up is on its way.
        let _ = self.wake.try_send(());
        replied.await.ok()
    }
}
