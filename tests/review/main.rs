//! What a change means: laws over made-up pairs of trees, whole texts over edits of the example, and the command as a
//! reviewer runs it, on real repositories.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../../benches/support/fixture.rs"]
mod fixture;

mod command;
mod golden;
mod hook;
mod laws;
mod log;
mod machines;
mod markdown;
mod rails;
mod site;
mod why;
mod workflows;
