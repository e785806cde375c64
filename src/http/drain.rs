//! The end of a listener, so that a balancer before it loses no connection.
//!
//! A connection that the kernel has taken and nobody has accepted is cut as its listener closes. So, first no further one is
//! taken, then those that stand in the queue are accepted and answered, and then it closes. Whoever asks to connect
//! meanwhile is not answered and asks again within a second: of the next server, or of this one as it starts again.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long the queue is emptied: a loaded machine accepts thousands in it, and a handshake within a site takes a hundredth.
const EMPTYING: Duration = Duration::from_millis(150);

/// Waits for the wish to end, stops what comes in new, and tells `closed` once the queue had its time.
pub async fn before_closing(listener: Option<OwnedFd>, shutdown: CancellationToken, closed: CancellationToken) {
    shutdown.cancelled().await;
    if let Some(listener) = listener {
        take_no_more(&listener);
    }
    tokio::time::sleep(EMPTYING).await;
    closed.cancel();
}

/// Returns the listener by a second name, which must be gone before it closes.
pub fn handle(listener: &impl AsFd) -> Option<OwnedFd> {
    listener.as_fd().try_clone_to_owned().ok()
}

/// Lets the kernel drop whatever opens a connection: SYN without ACK, by the flags in the 14th byte of a TCP header (RFC 9293,
/// section 3.1). Handshakes that run are finished.
#[cfg(target_os = "linux")]
fn take_no_more(listener: &OwnedFd) {
    /// `ldb [13]; and #0x12; jeq #0x02, drop, keep; drop: ret #0; keep: ret #-1` (linux/filter.h).
    const FILTER: [(u16, u8, u8, u32); 5] =
        [(0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, u32::MAX)];
    let filter = FILTER.map(|(code, jt, jf, k)| socket2::SockFilter::new(code, jt, jf, k));
    // Where it cannot be, a connection of the last microseconds is cut.
    let _ = socket2::SockRef::from(listener).attach_filter(&filter);
}

#[cfg(not(target_os = "linux"))]
fn take_no_more(_: &OwnedFd) {}
