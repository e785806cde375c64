//! How much of a listener one client, or all of them, may take.
//!
//! Of this process, a connection that waits for a request takes at most [`IDLE_BYTES`], and one whose request is worked on
//! those, the rest of its head ([`MAX_HEAD`]), its body ([`MAX_BODY`]) and one answer: requests that a client sends ahead
//! are read one by one, and only as fast as it takes the answers. The kernel keeps at most twice [`KERNEL_WRITES`] and
//! twice [`KERNEL_READS`] of each beside. With all places of the boot listener taken, idle ones come to 128 MiB and busy
//! ones to 768 MiB and the answers in the making; what is past the bound costs a place in the kernel's queue.
//!
//! Time is bounded too: for a head, for a body, for taking an answer; and when all places are taken, whoever has gone
//! longest without a new request gives way (`room`).

use std::time::Duration;

/// The longest head of a request: iPXE's have under 500 bytes, and browsers' stay under 8 KiB.
pub const MAX_HEAD: usize = 16 * 1024;

/// The longest body of a request: a phone-home with five public keys has 4 KiB.
pub const MAX_BODY: usize = 64 * 1024;

/// The most that this process keeps of a connection between two requests: its task, and the buffer of its reader.
pub const IDLE_BYTES: usize = 16 * 1024;

/// The buffer of answers that the kernel is asked for, for each connection, and doubles: without a bound it takes 4 MiB
/// for a client that asks much and reads nothing. Scripts are under 4 KiB, and documents seldom over 64.
pub const KERNEL_WRITES: u32 = 128 * 1024;

/// The buffer of requests that the kernel is asked for, for each connection, and doubles: a head and a body.
pub const KERNEL_READS: u32 = 64 * 1024;

/// The longest that a request is worked on.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The bounds of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at one time. For one more, those that idled longest are closed; where none may be, it waits in the
    /// kernel's queue.
    pub connections: usize,
    /// How long a connection may be silent before it gives way to others that wait, or to the end of the server if it
    /// has not asked yet.
    pub idle: Duration,
    /// How long a client may take for a head, and how long a connection may idle between two requests.
    pub head: Duration,
    /// How long a client may take nothing of an answer.
    pub stall: Duration,
    /// How long running requests have once the listener is told to end.
    pub grace: Duration,
}

impl Limits {
    /// Bounds the boot listener: 8,192 connections of machines that all start at once.
    ///
    /// iPXE lets go of an idle connection after 10 s itself. Half a second is longer than a request takes that was lost on its way and
    /// sent again (TCP waits 200 ms or more for that), and short enough to wait for.
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

    /// Bounds the api, which people and a few programs use, all of them on this host: what they ask is there at once, so who
    /// is silent gives way sooner.
    #[must_use]
    pub const fn api() -> Self {
        Self { connections: 256, idle: Duration::from_millis(100), ..Self::boot() }
    }

    /// Bounds the listener for Prometheus, which a few servers ask every few seconds.
    #[must_use]
    pub const fn metrics() -> Self {
        Self { connections: 32, ..Self::boot() }
    }
}

/// Bounds connections by half of the files that this process may open: the store, git and the log need some, too.
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

/// Reads the soft limit out of `/proc/self/limits`; nothing where there is none.
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
