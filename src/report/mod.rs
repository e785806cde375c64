//! What was found, as text for people: diagnostics with their lines and carets.
//!
//! This room writes text from values it is handed. It knows neither terminals nor exit codes.

mod diagnostics;

pub use diagnostics::{count, text};
