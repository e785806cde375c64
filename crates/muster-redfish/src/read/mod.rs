//! Parses Redfish resources into the parts of an observation.
//!
//! Every function takes one JSON value and returns the part of it that it understands. This module
//! does not know how a resource was requested, or which others there are.

pub mod boot;
pub mod nics;
pub mod parts;
pub mod service;
pub mod system;
pub mod words;
