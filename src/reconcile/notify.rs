//! Notifications to systemd, if it asks for them: that muster is ready, alive or stopping.
//!
//! A notification that cannot be sent is logged: systemd then treats the service as silent, as the
//! unit says. This module does not know what is served.

use std::convert::Infallible;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// The number of notifications that may wait: a start, beats, and an end.
const WAITING: usize = 8;

/// The channel to systemd. A notification blocks until systemd reads it, so a thread sends it that
/// nothing else needs and that the end of the process does not wait for.
pub struct Notifier {
    words: SyncSender<NotifyState<'static>>,
}

impl Notifier {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system cannot create a thread.
    pub fn start() -> std::io::Result<Self> {
        let (words, sent) = sync_channel(WAITING);
        let send = move || sent.iter().for_each(send);
        std::thread::Builder::new().name("notify".into()).spawn(send)?;
        Ok(Self { words })
    }

    /// Reports that the listeners answer, and then keeps reporting that muster is alive, as often
    /// as the unit's `WatchdogSec=` requires.
    ///
    /// Each beat is sent by a task on the threads of the listeners: if these run nothing any more,
    /// the beat is missing, and systemd restarts muster. It ends when it is dropped.
    pub async fn living(&self) -> Infallible {
        self.say(NotifyState::Ready);
        let Some(within) = sd_notify::watchdog_enabled().filter(|within| !within.is_zero()) else {
            return std::future::pending().await;
        };
        // Twice within the time, as sd_watchdog_enabled(3) advises.
        let mut beat = tokio::time::interval((within / 2).max(Duration::from_millis(1)));
        loop {
            beat.tick().await;
            // It fails only if the runtime ends, which reports the reason itself.
            let _ = tokio::spawn(std::future::ready(())).await;
            self.say(NotifyState::Watchdog);
        }
    }

    /// Reports that muster is stopping.
    pub fn stopping(&self) {
        self.say(NotifyState::Stopping);
    }

    fn say(&self, word: NotifyState<'static>) {
        // If it is full, systemd does not read, and would not read this.
        let _ = self.words.try_send(word);
    }
}

fn send(word: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[word]) {
        warn!(%error, "systemd cannot be told how it goes");
    }
}
