//! Many BMCs, surveyed side by side: whom to ask and with which account, and the run that asks them.
//!
//! How polite a run is, the redfish room's gate decides; what one BMC says, its probe. This room does not know where
//! observations are kept, nor what should be.

#![expect(clippy::disallowed_methods, reason = "a bank room: it reads the clock and starts tasks")]

mod ranges;
mod run;
mod target;

pub use ranges::{MAX_ADDRESSES, RangeError, addresses};
pub use run::{grounds, run};
pub use target::{Stranger, Target, declared, strangers};
