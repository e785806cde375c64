//! What a repository of wishes means: the example, its schemas, every finding, and the laws of layers.
//!
//! All of it goes through the library, from the bytes of a tree to those of a Snapshot; only validators, cloud-init and iPXE
//! are processes.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../vm/mod.rs"]
mod vm;

mod bad;
mod cloud_init;
mod corpora;
mod example;
mod groups;
mod growth;
mod keys;
mod laws;
mod limits;
mod merging;
mod network;
mod parameters;
mod schemas;
mod secrets;
mod sets;
mod tree;
