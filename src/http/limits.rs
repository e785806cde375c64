//! How much of a listener one client, or all of them, may take.

use std::time::Duration;

/// The longest head of a request: iPXE's have under 500 bytes, and browsers' stay under 8 KiB.
pub const MAX_HEAD: usize = 16 * 1024;

/// The longest body of a request: a phone-home with five public keys has 4 KiB.
pub const MAX_BODY: usize = 64 * 1024;

/// The longest that a request is worked on.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The bounds of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at one time; more of them wait in the kernel's queue.
    pub connections: usize,
    /// How long a client may take for a head, and how long a connection may idle between two requests.
    pub head: Duration,
    /// How long a client may take nothing of an answer.
    pub stall: Duration,
    /// How long running requests have once the listener is told to end.
    pub grace: Duration,
}

impl Limits {
    /// Bounds the boot listener: 8,192 connections of machines that all start at once take about 80 MB.
    ///
    /// iPXE lets go of an idle connection after 10 s itself.
    #[must_use]
    pub const fn boot() -> Self {
        Self {
            connections: 8192,
            head: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            grace: Duration::from_secs(10),
        }
    }

    /// Bounds the api, which people and a few programs use.
    #[must_use]
    pub const fn api() -> Self {
        Self { connections: 256, ..Self::boot() }
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
fn open_files(limits: &str) -> Option<usize> {
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
