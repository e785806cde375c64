//! Word to systemd, where it asks for some: that muster serves, that it ends, and that it lives.
//!
//! Word that cannot be sent is a line of the log: systemd then does what the unit says of a service that is silent. It does
//! not know what is served.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// Says that the listeners answer, and from then on that muster lives, as often as the unit's `WatchdogSec=` asks for it.
///
/// Each beat is sent by a task that the threads of the listeners ran: if they run nothing any more, it stays out, and
/// systemd starts muster again. It ends when it is dropped.
pub async fn living() -> Infallible {
    say(NotifyState::Ready);
    let Some(within) = sd_notify::watchdog_enabled().filter(|within| !within.is_zero()) else {
        return std::future::pending().await;
    };
    // Twice within the time, as sd_watchdog_enabled(3) advises.
    let mut beat = tokio::time::interval((within / 2).max(Duration::from_millis(1)));
    loop {
        beat.tick().await;
        // It fails only if the runtime ends, which then says why.
        let _ = tokio::spawn(async { say(NotifyState::Watchdog) }).await;
    }
}

/// Says that muster was told to end, and ends.
pub fn stopping() {
    say(NotifyState::Stopping);
}

fn say(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "systemd cannot be told how it goes");
    }
}
