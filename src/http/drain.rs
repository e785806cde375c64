//! The end of a listener, without loss of connections for a balancer in front of it.
//!
//! A connection that the kernel has accepted but the process has not is cut when its listener
//! closes. So first, no new ones are admitted; then those in the queue are accepted and answered;
//! and then the listener closes. A client that connects meanwhile gets no answer and retries within
//! a second: the next server, or this one after its restart.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long the queue is emptied: a loaded machine accepts thousands in this time, and a handshake
/// within a site takes a hundredth of it.
const EMPTYING: Duration = Duration::from_millis(150);

/// Waits for the shutdown, stops new connections, and cancels `closed` once the queue had its time.
pub async fn before_closing(listener: Option<OwnedFd>, shutdown: CancellationToken, closed: CancellationToken) {
    shutdown.cancelled().await;
    if let Some(listener) = listener {
        take_no_more(&listener);
    }
    tokio::time::sleep(EMPTYING).await;
    closed.cancel();
}

/// Returns a duplicate handle of the listener, which must be dropped before it closes.
pub fn handle(listener: &impl AsFd) -> Option<OwnedFd> {
    listener.as_fd().try_clone_to_owned().ok()
}

/// Makes the kernel drop all packets that open a connection: SYN without ACK, by the flags in the
/// 14th byte of a TCP header (RFC 9293, section 3.1). Handshakes in progress are finished.
#[cfg(target_os = "linux")]
fn take_no_more(listener: &OwnedFd) {
    /// `ldb [13]; and #0x12; jeq #0x02, drop, keep; drop: ret #0; keep: ret #-1` (linux/filter.h).
    const FILTER: [(u16, u8, u8, u32); 5] =
        [(0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, u32::MAX)];
    let filter = FILTER.map(|(code, jt, jf, k)| socket2::SockFilter::new(code, jt, jf, k));
    // If this fails, a connection of the last microseconds is cut.
    let _ = socket2::SockRef::from(listener).attach_filter(&filter);
}

#[cfg(not(target_os = "linux"))]
fn take_no_more(_: &OwnedFd) {}
