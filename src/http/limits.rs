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
