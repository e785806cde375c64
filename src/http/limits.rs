//! Limits on the use of a listener by one client, or by all of them.
//!
//! In this process, a connection that waits for a request takes at most [`IDLE_BYTES`]. A
//! connection with a request in progress takes this plus the rest of its head ([`MAX_HEAD`]), its
//! body ([`MAX_BODY`]) and one answer: pipelined requests are read one by one, and only as fast as
//! the client reads the answers. In addition, the kernel keeps at most twice [`KERNEL_WRITES`] and
//! twice [`KERNEL_READS`] per connection. With all places of the boot listener taken, idle
//! connections amount to 128 MiB, and busy ones to 768 MiB plus the answers in progress;
//! connections past the bound take places in the kernel's queue.
//!
//! Time is limited too: for a head, for a body, for reading an answer; and when all places are
//! taken, the connections that have gone longest without a new request are closed (`room`). longest
//! without a new request gives way (`room`).

use std::time::Duration;

/// The longest head of a request: iPXE's have under 500 bytes, and browsers' stay under 8 KiB.
pub const MAX_HEAD: usize = 16 * 1024;

/// The longest body of a request: a phone-home with five public keys has 4 KiB.
pub const MAX_BODY: usize = 64 * 1024;

/// The memory of a connection in this process between two requests: its task, and the buffer of its
/// reader.
pub const IDLE_BYTES: usize = 16 * 1024;

/// The requested size of the kernel's buffer for answers per connection, which the kernel doubles.
/// Unbounded, it takes 4 MiB for a client that asks much and reads nothing. Scripts are under 4
/// KiB, and documents seldom over 64.
pub const KERNEL_WRITES: u32 = 128 * 1024;

/// The requested size of the kernel's buffer for requests per connection, which the kernel doubles:
/// a head and a body.
pub const KERNEL_READS: u32 = 64 * 1024;

/// The maximum processing time of a request.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The limits of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The number of concurrent connections. For one more, the longest idle ones are closed; if
    /// none may be, it waits in the kernel's queue.
    pub connections: usize,
    /// How long a connection may be silent before it is closed for one that waits, or at the end of
    /// the server if it has not sent a request yet.
    pub idle: Duration,
    /// The time limit for a head, and for idling between two requests.
    pub head: Duration,
    /// How long a client may read nothing of an answer.
    pub stall: Duration,
    /// How long running requests have after the listener is asked to end.
    pub grace: Duration,
}

impl Limits {
    /// Returns the limits of the boot listener: 8,192 connections of machines that start together.
    ///
    /// iPXE itself closes an idle connection after 10 s. Half a second is longer than the
    /// retransmission of a lost request takes (TCP waits 200 ms or more for that), and short enough
    /// to wait for.
    #[must_use]
    pub const fn boot() -> Self {
        Self {
            connections: 8192,
            idle: Duration::from_millis(500),
            head: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            grace: Duration::from_secs(10),
        }
    }

    /// Returns the limits of the API. Its clients are people and a few programs on this host, whose
    /// requests arrive at once, so a silent client can be closed sooner.
    #[must_use]
    pub const fn api() -> Self {
        Self { connections: 256, idle: Duration::from_millis(100), ..Self::boot() }
    }

    /// Returns the limits of the listener for Prometheus, which a few servers ask every few
    /// seconds.
    #[must_use]
    pub const fn metrics() -> Self {
        Self { connections: 32, ..Self::boot() }
    }
}

/// Limits connections to half of the open files of this process: the store, git and the log need
/// some, too.
pub fn within_open_files(connections: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let most = open_files(&limits).map_or(connections, |files| connections.min((files / 2).max(1)));
    if most < connections {
        tracing::warn!(
            connections = most,
            wanted = connections,
            "the limit of open files bounds connections; raise it (`ulimit -n`, or LimitNOFILE= of the systemd unit)"
        );
    }
    most
}

/// Parses the soft limit in the text of `/proc/self/limits`, if there is one.
pub fn open_files(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             unlimited            unlimited            processes \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files(&limits.replace("1024  ", "unlimited")), None);
        assert_eq!(open_files(""), None);
        assert_eq!(within_open_files(1), 1);
    }
}
