//! Word to systemd, where it asks for some: that muster serves, that it ends, and that it lives.
//!
//! Word that cannot be sent is a line of the log: systemd then does what the unit says of a service that is silent. It does
//! not know what is served.

use std::convert::Infallible;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// How many words may wait: a start, beats, and an end.
const WAITING: usize = 8;

/// The way to systemd. A word waits until systemd reads, so it is sent by a thread that nothing else needs and that the end of
/// the process does not wait for.
pub struct Notifier {
    words: SyncSender<NotifyState<'static>>,
}

impl Notifier {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start() -> std::io::Result<Self> {
        let (words, sent) = sync_channel(WAITING);
        let send = move || sent.iter().for_each(send);
        std::thread::Builder::new().name("notify".into()).spawn(send)?;
        Ok(Self { words })
    }

    /// Says that the listeners answer, and from then on that muster lives, as often as the unit's `WatchdogSec=` asks for it.
    ///
    /// Each beat is given by a task that the threads of the listeners ran: if they run nothing any more, it stays out, and
    /// systemd starts muster again. It ends when it is dropped.
    pub async fn living(&self) -> Infallible {
        self.say(NotifyState::Ready);
        let Some(within) = sd_notify::watchdog_enabled().filter(|within| !within.is_zero()) else {
            return std::future::pending().await;
        };
        // Twice within the time, as sd_watchdog_enabled(3) advises.
        let mut beat = tokio::time::interval((within / 2).max(Duration::from_millis(1)));
        loop {
            beat.tick().await;
            // It fails only if the runtime ends, which then says why.
            let _ = tokio::spawn(std::future::ready(())).await;
            self.say(NotifyState::Watchdog);
        }
    }

    /// Says that muster was told to end, and ends.
    pub fn stopping(&self) {
        self.say(NotifyState::Stopping);
    }

    fn say(&self, word: NotifyState<'static>) {
        // If it is full, systemd reads nothing, and would not read this.
        let _ = self.words.try_send(word);
    }
}

fn send(word: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[word]) {
        warn!(%error, "systemd cannot be told how it goes");
    }
}
