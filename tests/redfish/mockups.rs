//! Answers of real machines, replayed over HTTP.
