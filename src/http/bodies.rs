//! The bodies of requests to the API: which paths accept one, and how much of them is in memory at
//! once over all clients.
//!
//! A body is read before it is used, so that a client that sends slowly occupies only the memory of
//! what it sent. This module does not interpret bodies; the webhook's is hashed as it arrives, and
//! never here.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::MAX_BODY;

/// The largest accepted batch of observations: some hundred BMCs, each with BIOS settings of its
/// own.
pub const MAX_OBSERVATIONS: usize = 64 * 1024 * 1024;

/// The bytes of large bodies in memory at once: one batch of the largest kind, and some usual ones.
const LARGE_IN_FLIGHT: usize = 96 * 1024 * 1024;

/// The bytes of small bodies in memory at once: one of the largest for each connection. Orders are
/// among these, so large bodies never block one.
const SMALL_IN_FLIGHT: usize = 256 * MAX_BODY;

/// Returns the maximum length of the body of a request; 0 for a path that accepts none.
pub fn most(method: &Method, path: &str) -> usize {
    match (path, method == Method::POST) {
        ("/api/v1/observations", true) => MAX_OBSERVATIONS,
        (
            "/api/v1/logins/retry" | "/api/v1/bmcs/forget" | "/api/v1/pin" | "/api/v1/unpin" | "/api/v1/allow-rewind",
            true,
        ) => MAX_BODY,
        _ => 0,
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// The path accepts none.
    NotTaken,
    TooLarge(usize),
    /// Other requests use all the memory for bodies.
    Busy,
    /// It ended before its length.
    Broken,
}

impl Unread {
    /// Returns the status, and the message for the client.
    pub fn problem(self) -> (StatusCode, String) {
        match self {
            Self::NotTaken => (StatusCode::BAD_REQUEST, "this path takes no body".into()),
            Self::TooLarge(most) => (StatusCode::PAYLOAD_TOO_LARGE, format!("at most {most} bytes are read")),
            Self::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, "too much is being sent by others; send it again in 5 s".into())
            }
            Self::Broken => (StatusCode::BAD_REQUEST, "the body ends before its length".into()),
        }
    }
}

/// A body, and its share of the memory for bodies.
#[derive(Debug)]
pub struct Held {
    pub bytes: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

/// The memory for bodies.
pub struct Bodies {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { small: Arc::new(Semaphore::new(SMALL_IN_FLIGHT)), large: Arc::new(Semaphore::new(LARGE_IN_FLIGHT)) }
    }
}

impl Bodies {
    /// Reads a body of at most so many bytes. One that is declared longer, or that the path does
    /// not accept, is refused before any of it is read.
    ///
    /// # Errors
    /// Returns why it was not read completely.
    pub async fn read(&self, body: impl Body<Data = Bytes>, most: usize) -> Result<Held, Unread> {
        if most == 0 {
            let is_none = body.is_end_stream();
            return if is_none { Ok(Held { bytes: Bytes::new(), _permit: None }) } else { Err(Unread::NotTaken) };
        }
        if body.size_hint().lower() > most as u64 {
            return Err(Unread::TooLarge(most));
        }

        let free = if most > MAX_BODY { &self.large } else { &self.small };
        let mut body = std::pin::pin!(body);
        let mut bytes = BytesMut::new();
        let mut permit: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            if bytes.len() + data.len() > most {
                return Err(Unread::TooLarge(most));
            }
            let size = u32::try_from(data.len()).map_err(|_| Unread::TooLarge(most))?;
            let more = Arc::clone(free).try_acquire_many_owned(size).map_err(|_| Unread::Busy)?;
            match &mut permit {
                Some(all) => all.merge(more),
                None => permit = Some(more),
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Held { bytes: bytes.freeze(), _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};

    use super::*;

    fn sized(size: usize) -> Full<Bytes> {
        Full::new(vec![b'x'; size].into())
    }

    #[tokio::test]
    async fn what_is_not_taken_or_too_long_is_refused() {
        let bodies = Bodies::default();
        assert!(bodies.read(Empty::new(), 0).await.is_ok());
        assert_eq!(bodies.read(sized(1), 0).await.unwrap_err(), Unread::NotTaken);
        assert_eq!(bodies.read(sized(11), 10).await.unwrap_err(), Unread::TooLarge(10));
        assert_eq!(bodies.read(sized(10), 10).await.unwrap().bytes.len(), 10);
        for (method, path, expected) in [
            (Method::GET, "/api/v1/pin", 0),
            (Method::POST, "/api/v1/pin", MAX_BODY),
            (Method::POST, "/api/v1/status", 0),
            (Method::POST, "/api/v1/observations", MAX_OBSERVATIONS),
            (Method::POST, "/api/v1/bmcs/forget", MAX_BODY),
        ] {
            assert_eq!(most(&method, path), expected, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn what_all_bodies_may_take_is_bounded_and_large_ones_leave_room_for_orders() {
        let bodies = Bodies { small: Arc::new(Semaphore::new(100)), large: Arc::new(Semaphore::new(1000)) };
        let first = bodies.read(sized(900), MAX_OBSERVATIONS).await.unwrap();
        assert_eq!(bodies.read(sized(900), MAX_OBSERVATIONS).await.unwrap_err(), Unread::Busy);
        assert!(bodies.read(sized(100), MAX_BODY).await.is_ok());

        drop(first);
        assert!(bodies.read(sized(900), MAX_OBSERVATIONS).await.is_ok());
        assert_eq!((bodies.small.available_permits(), bodies.large.available_permits()), (100, 1000));
    }
}
