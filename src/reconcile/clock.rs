//! The wall clock, for timestamps.

use jiff::Timestamp;

/// Returns the time in unix milliseconds.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Formats unix milliseconds as RFC 3339 in UTC, to the second.
pub fn rfc3339(ms: i64) -> String {
    let whole = Timestamp::from_second(ms.div_euclid(1000));
    whole.map(|time| time.to_string()).unwrap_or_default()
}
