//! One BMC over Redfish (DMTF DSP0266): a polite client, and a probe that makes one [`muster_core::observed::Observation`].
//!
//! The outer contract is strict, the JSON reader lenient: one bad resource costs that resource, never the survey. This room
//! does not know what a machine should look like, nor where what it saw is kept.

mod client;
mod gate;
mod probe;
mod quirks;
mod read;

pub use client::{Client, Endpoint, Grounds, GroundsError, Login, Options, TlsRule};
pub use gate::Gate;
pub use probe::survey;
pub use quirks::{NoticedBy, ROWS, Row};
