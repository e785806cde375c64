//! Politeness, over real sockets and in real time.

mod bmc;
mod bounds;
mod login;
mod origin;
mod trust;
mod wire;
