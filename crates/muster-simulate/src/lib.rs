//! A fleet of simulated BMCs: stateful, seeded, with faults and quirks as switches.
//!
//! [`World`] holds the machines: built from a resolved desired state so that they match it, then
//! changed by [`World::plant`]. [`Fleet::start`] serves it over HTTP or HTTPS, each BMC on a
//! loopback address of its own behind one listener. The state of machines, its changes and the
//! resources are pure: time comes in as milliseconds since the start of the fleet, and chance from
//! a seed. Only the listener, the certificates and the files have side effects.
//!
//! This crate does not know how muster reads a BMC: it shares only the names of quirks with the
//! redfish crate.

#![expect(clippy::disallowed_methods, reason = "a bank room: it listens, reads the clock and writes files")]

mod authority;
mod boot;
mod build;
mod catalog;
mod chance;
mod change;
mod faults;
mod files;
mod fleet;
mod listen;
mod live;
mod login;
mod machine;
mod metadata;
mod model;
mod odd;
mod plant;
mod quirks;
mod reply;
mod resource;
mod service;
mod wishes;
mod world;

pub use build::{BiosSettings, Build, Surplus};
pub use faults::{Faults, FaultsError};
pub use files::{Credentials, write_planted, write_settings};
pub use fleet::{Counts, Fleet, FleetError, Options, Running, Timing};
pub use machine::{Boot, Machine, Nic, Phase};
pub use model::{Mix, MixError, Model};
pub use plant::Planted;
pub use quirks::Quirks;
pub use wishes::wishes;
pub use world::{Bmc, Choices, World};
