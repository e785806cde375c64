//! A fleet of simulated BMCs: stateful, seeded, with faults and quirks as switches.
//!
//! It does not know how muster reads a BMC: it shares only the names of quirks with the redfish room.
