//! Redfish resources as they are written, to the parts of an observation.
//!
//! Every reader takes one JSON value and answers what can be understood of it. This room does not know how a resource was
//! asked for, nor which others there are.

pub mod boot;
pub mod nics;
pub mod parts;
pub mod service;
pub mod system;
pub mod words;
