//! muster as a client of Redfish services, over real sockets.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

mod facts;
mod manners;
mod mockups;
mod replay;
