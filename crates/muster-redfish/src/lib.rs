//! Reads one BMC over Redfish (DMTF DSP0266): a client, and a probe that returns one
//! [`muster_core::observed::Observation`].
//!
//! The interface is strict and the JSON parser lenient: a bad resource costs only that resource,
//! never the survey. This crate does not know the desired state of a machine, or where observations
//! are stored.

mod client;
mod gate;
mod probe;
mod quirks;
mod read;

pub use client::{Client, Endpoint, Grounds, GroundsError, Login, Options, TlsRule};
pub use gate::Gate;
pub use probe::survey;
pub use quirks::{NoticedBy, ROWS, Row};
