//! What was seen of the world: what each BMC said and when, or why it said nothing; the boot fetches of nodes; and the
//! addresses that nobody claims.
//!
//! An [`Observation`] is one BMC at one time. A [`BmcRecord`] is all that is remembered of one BMC: its last try, and a
//! short history of what it showed. What many machines share ([`Shared`]: BIOS settings, firmware, inventory) is kept once
//! and named by [`Digest`]. These types are records that come in and go out (the store, the export, the API), so they
//! carry serde derives; every change of a shape is a new version of the store's records and of the export.
//!
//! This room does not know how anything was seen, where it is kept, or whether it is as it should be.

mod attributes;
mod boots;
mod digest;
mod failure;
mod history;
mod parts;
mod record;
mod service;

pub use attributes::attributes;
pub use boots::{Boot, BootFetch, Booted, MAX_ARCH, MAX_USER_AGENT, Teller, UnknownMac, bounded, digest_from_hex};
pub use digest::{Digest, Shared, SharedSet};
pub use failure::{Failure, FailureKind};
pub use history::{Change, History, MAX_CHANGES, MAX_RUNS, Run};
pub use parts::{
    BootOption, BootSettings, Drive, Inventory, Memory, NicKind, PartSummary, PendingBoot, Processor, SecureBoot,
    SeenNic,
};
pub use record::{BmcRecord, Claim, Observation, Observed, Outcome, Trust};
pub use service::{
    Chassis, Depth, Facts, Firmware, Manager, NotServer, PostAge, PowerState, Reading, Root, Service, System, Unread,
};
