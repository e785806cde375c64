//! What was found, as text for people and for the tools around them: diagnostics with their lines and
//! carets or as annotations, what a change means, which nodes run what, drift in six formats.
//!
//! This room writes text from values it is handed. It knows neither terminals, files nor exit codes, and no clock: ages
//! are told against the time that a comparison was made for.

mod boots;
mod change;
mod diagnostics;
mod drift;
mod event;
mod exceptions;
mod log;
mod markup;
mod page;
mod workflow;

pub use boots::{BootsReport, how};
pub use change::ChangeReport;
pub use diagnostics::{count, github, text};
pub use drift::{DriftReport, Fold, Format, MAX_SARIF_RESULTS, Times, UnknownFormat, fold};
pub use event::event;
pub use exceptions::exceptions;
pub use log::LogEntry;
pub use markup::MAX_BYTES as MAX_MARKDOWN_BYTES;
