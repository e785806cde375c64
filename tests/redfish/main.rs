//! muster as a client of Redfish services, over real sockets.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;

mod facts;
mod manners;
mod mockups;
mod replay;
mod small;
mod sushy;
mod sushy_clients;
