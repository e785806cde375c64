//! Surveys of many BMCs in parallel: the targets with their accounts, and the run itself.
//!
//! The gate of the redfish room limits the load of a run, and a probe there reads one BMC. This
//! room knows neither where observations are stored nor the desired state.

#![expect(clippy::disallowed_methods, reason = "a bank room: it reads the clock and starts tasks")]

mod ranges;
mod run;
mod target;

pub use ranges::{MAX_ADDRESSES, RangeError, addresses};
pub use run::{grounds, run};
pub use target::{Stranger, Target, declared, strangers};
