//! Requests of the API to the room that owns the store: commands, each with a channel for its
//! reply.

use std::sync::mpsc::SyncSender;

use tokio::sync::{mpsc, oneshot};

use crate::observed::Observation;
use crate::view::{ObservedFile, Ordered, PinOrder, RefusedLogins, RewindOrder, UnpinOrder};

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDone {
    /// It failed, and may succeed later.
    Failed(String),
    /// This server does not support it.
    NotHere(&'static str),
}

/// A query or an order to the owner of the store.
#[derive(Debug)]
pub enum Command {
    /// Return all stored observations.
    Observed(oneshot::Sender<Result<ObservedFile, NotDone>>),
    /// Record observations from another host. They claim no MAC address.
    Take(Vec<Observation>, oneshot::Sender<Result<(), NotDone>>),
    /// Return which BMCs refused which credential.
    RefusedLogins(oneshot::Sender<Result<RefusedLogins, NotDone>>),
    /// Forget which BMCs refused their credential, so that they are tried again; all of them if the
    /// list is empty.
    RetryLogins(Vec<Box<str>>, oneshot::Sender<Result<u64, NotDone>>),
    /// Forget all observations of these BMCs; declared ones are surveyed again.
    ForgetBmcs(Vec<Box<str>>, oneshot::Sender<Result<u64, NotDone>>),
}

/// An order to the follower of the repository. A refusal has the reason and the next step.
#[derive(Debug)]
pub enum Order {
    /// Serve one commit in place of the newest.
    Pin(PinOrder, oneshot::Sender<Result<Ordered, String>>),
    /// Follow the branch again.
    Unpin(UnpinOrder, oneshot::Sender<Result<Ordered, String>>),
    /// Let the branch go back to a commit.
    AllowRewind(RewindOrder, oneshot::Sender<Result<Ordered, String>>),
}

/// The channels to the follower of the repository: for orders, and for wake-ups without one.
#[derive(Debug, Clone)]
pub struct Orders {
    orders: mpsc::Sender<Order>,
    wake: SyncSender<()>,
}

impl Orders {
    /// Creates the channels for orders and wake-ups.
    #[must_use]
    pub fn new(orders: mpsc::Sender<Order>, wake: SyncSender<()>) -> Self {
        Self { orders, wake }
    }

    /// Sends an order and waits for its result; `None` if the server is ending.
    pub(super) async fn give(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<Ordered, String>>) -> Order,
    ) -> Option<Result<Ordered, String>> {
        let (reply, replied) = oneshot::channel();
        self.orders.send(order(reply)).await.ok()?;
        // If it is full, a wake-up is on its way.
        let _ = self.wake.try_send(());
        replied.await.ok()
    }
}
