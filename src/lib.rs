//! muster: a declarative GitOps reconciler for HPC and bare-metal clusters.
//!
//! It follows a git repository of TOML files that declare nodes and boot configurations, and serves the resolved iPXE
//! boot scripts and cloud-init documents over HTTP. A muster roll is the list of the people who should be present: here
//! the roll is in git, and the call is the boot.
//!
//! `docs/design.md` describes the architecture: the river, the laws, the tables of rooms with their dependencies, and the
//! decisions. `docs/glossary.md` defines the terms, and `docs/style.md` the language. `tests/layers.rs` reads the tables of
//! rooms and fails on any other edge.
//!
//! # The river
//!
//! ```text
//! git commit --> Tree --> Desired --> Resolved --> scripts     = Snapshot (one per commit, immutable)
//!                bytes    checked     merged       text            |
//!                                                                  +--> HTTP: MAC -> bytes
//!                claims -----------------------------> Roll -------+
//!                   ^                                              |
//! BMCs --> Observation per BMC --> Observed -----------------------+--> compare --> Drift --> reports
//!                                     |
//!                                   redb   (next to the last good inputs and scripts, boots, claims)
//! ```
//!
//! Data flows in one direction, and nothing calls back upstream. Every command is a part of the same river: `muster check`
//! builds the whole [`snapshot::Snapshot`] and drops it, `muster show` stops at some of its nodes, `muster diff` compares
//! two of them ([`mod@change`]), `muster discover` fills [`observed::Observed`], `muster drift` compares it with the
//! Snapshot, `muster adopt` turns observations into edits of the cluster repository, and `muster serve` keeps all of it
//! running. The daemon has no code path of its own.
//!
//! # Rooms
//!
//! Pure rooms have no I/O, no async, no clock, no logging and no environment:
//!
//! | room | purpose |
//! |---|---|
//! | [`model`] | the terms of the field as plain values: addresses, xnames, node sets, patterns, trees, origins, diagnostics |
//! | [`desired`] | [`model::Tree`] to [`desired::Desired`], or every reason why not |
//! | [`observed`] | the state of each BMC and its time, or the failure; boots and unknown machines |
//! | [`pace`] | a scheduler that limits requests to BMCs, with plain numbers |
//! | [`story`] | the history of each commit on this host, as a closed list of events |
//! | [`resolve`] | layers to one answer per node, each value with its [`model::Origin`] |
//! | [`ipxe`] | boot scripts as text with holes |
//! | [`cloudinit`] | meta-data, user-data, vendor-data, network-config |
//! | [`snapshot`] | everything that follows from one commit, and the lookup of nodes in it |
//! | [`change`] | the difference of two Snapshots, machine by machine, with equal changes grouped; guard rails |
//! | [`roll`] | which machine is which node according to its BMC, and contested addresses |
//! | [`drift`] | a verdict for every managed attribute of every node; which node runs which script |
//! | [`adopt`] | undeclared machines and replaced parts, as edits of the cluster repository |
//! | [`view`] | the published JSON, versioned |
//! | [`report`] | diagnostics, changes and boots for people; drift in six formats |
//!
//! The other rooms touch the world:
//!
//! | room | purpose |
//! |---|---|
//! | [`settings`] | the settings of this host |
//! | [`redfish`] | one BMC: a polite client, a probe that makes one observation, quirks as a table |
//! | [`simulate`] | simulated BMCs: stateful, seeded, with faults and quirks as switches |
//! | [`git`] | folders and commits to trees, and the history; the mirror and its fetches; the watch; signatures |
//! | [`store`] | redb: accepted commits, events, last good inputs, scripts and documents, pins, boots, observations, claims |
//! | [`survey`] | many BMCs concurrently: selection, accounts, and the run |
//! | [`trial`] | builds a commit in a child process, so that a crash is a refusal |
//! | [`http`] | listeners: boot (scripts, cloud-init), API (status, observations, commands, webhook), metrics |
//! | [`reconcile`] | the loops: git to Snapshots, BMCs to observations and claims; the only room that writes the store of a server |
//! | [`cli`] | one file per command |

pub use muster_core::{
    adopt, change, cloudinit, desired, drift, ipxe, model, observed, pace, report, resolve, roll, snapshot, story, view,
};
pub use muster_git as git;
pub use muster_redfish as redfish;
#[cfg(feature = "simulate")]
pub use muster_simulate as simulate;
pub use muster_store as store;

pub mod cli;
pub mod http;
pub mod reconcile;
pub mod settings;
pub mod survey;
pub mod trial;
