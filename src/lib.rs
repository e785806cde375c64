//! muster: a declarative GitOps reconciler for HPC and bare-metal clusters.
//!
//! It follows a git repository of TOML node and boot definitions and serves the resolved iPXE boot scripts and cloud-init
//! documents over HTTP. A muster roll is the list of who should be here: the roll is in git, the call is the boot.
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
//!                                   redb   (beside last good inputs and scripts, boot fetches, claims)
//! ```
//!
//! Each arrow is crossed once, and nothing calls back upstream. Every command is a cut through the same river:
//! `muster check` builds the whole [`snapshot::Snapshot`] and drops it, `muster show` stops at some nodes, `muster diff`
//! compares two of them ([`mod@change`]), `muster discover` fills [`observed::Observed`], `muster drift` compares it with the
//! Snapshot, `muster adopt` turns what was seen into wishes, and `muster serve` keeps it all flowing. There is no second
//! code path for the daemon.
//!
//! # The house
//!
//! Pure rooms do no I/O, know no clock, no environment, no log and no async:
//!
//! | room | what it does |
//! |---|---|
//! | [`model`] | the words of the field as plain values: addresses, xnames, node sets, patterns, trees, origins, diagnostics |
//! | [`desired`] | [`model::Tree`] to [`desired::Desired`], or every reason why not |
//! | [`observed`] | what each BMC showed and when, or why not; what machines told by asking |
//! | [`resolve`] | layers to one answer per node, each value with its [`model::Origin`] |
//! | [`ipxe`] | what a node boots, as script text with holes |
//! | [`cloudinit`] | meta-data, user-data, vendor-data, network-config |
//! | [`snapshot`] | all that follows from one commit, and the ways to find a node in it |
//! | [`story`] | what became of each commit on this host, as a closed list of events |
//! | [`change`] | the difference of two Snapshots, machine by machine, and folded |
//! | [`roll`] | which machine is which node by what BMCs reported, and which addresses are held, and why |
//! | [`pace`] | politeness towards BMCs as a scheduler of plain numbers |
//! | [`drift`] | desired against observed: a verdict for every managed attribute of every node; which node runs what |
//! | [`adopt`] | what was seen and is not declared, as edits of the wishes |
//! | [`view`] | the JSON that is promised to strangers |
//! | [`report`] | diagnostics, changes and boots for people; drift in six formats, for people and for CI |
//!
//! Bank rooms touch the world:
//!
//! | room | what it does |
//! |---|---|
//! | [`settings`] | this host's settings |
//! | [`git`] | folders and commits to trees, and the way back through them; the mirror, filled from here or from another host; the watch; who signed a commit |
//! | [`redfish`] | one BMC: a polite client, a probe that makes one observation, quirks as a table |
//! | [`survey`] | many BMCs side by side: whom to ask, with which account, and the run that asks them |
//! | [`store`] | redb: accepted commits, what became of each, last good inputs, scripts and documents, pins, boots, observations, claims |
//! | [`trial`] | builds a commit in a child process, so that its death is a refusal |
//! | [`http`] | listeners: boot (scripts, cloud-init), api (status, what was seen, orders, webhook), metrics |
//! | [`simulate`] | a fleet of simulated BMCs: stateful, seeded, with faults and quirks as switches |
//! | [`reconcile`] | the loops: git to Snapshot, BMCs to observations and claims; the only one that writes the store |
//! | [`cli`] | one file per command |
//!
//! `tests/layers.rs` holds which room may use which, and fails on any other edge.
//!
//! # The laws
//!
//! 1. Same commit and muster version, same Snapshot, byte for byte. A boot answer is a function of the Snapshot
//!    and the claims ([`observed::Claim`]), nothing else.
//! 2. A commit is taken whole or not at all. On any error the last good Snapshot stays, and status says why.
//! 3. Serving never waits on git or disk. It starts from the rendered bytes in the store, and goes on with the last good inputs
//!    beside them, git away or not.
//! 4. Unknown is not absent, stale is not fresh: what a BMC did not tell is never in sync. An older observation stays, with
//!    its age, and judges nothing once the BMC cannot be read.
//! 5. Wake-ups carry no data. Every pass starts from the latest state.
//! 6. Wishes are TOML, in git. The store holds only what we alone saw; losing it loses history, never intent.
//! 7. What a person wrote ([`desired::file`]) and what it means ([`desired::Desired`]) are two types. serde derives live
//!    only where bytes come in or go out.
//! 8. Snapshot bytes hold typed holes ([`ipxe::Hole`]) for what differs per request. `muster show` prints them as `<name>`.
//! 9. The daemon never writes to the repository of wishes. Tools print or write files; people commit.
//! 10. Git beats reality: what is declared is never contested by what was seen; the contradiction is drift.
//! 11. Accounts are named in git and read on the host. The type that holds a password prints as dots; one that a BMC refused
//!     is not tried again until a person says so.
//! 12. A commit hurts only itself: whatever it holds (depth, size, time, an abort), the last good one is served on, now and
//!     after a restart.
//!
//! # Where this house differs from its plan
//!
//! - The URL by which nodes reach a host is a hole too ([`ipxe::Hole::Server`]) where the wishes do not state it, so that
//!   replicas with other addresses still build the same Snapshot.
//! - Node sets are code of their own ([`model::NodeSet`]), compared with ClusterShell in tests: the `nodeset` crate reads
//!   files and the environment, which a pure room must not.
//! - Boot keys by MAC are looked up in the Snapshot, and only then in the [`roll::Roll`]: what is declared stays there, so
//!   that nothing that was seen can stand before it.
//! - The survey is a room of its own ([`survey`]), since `muster discover` runs it without a server; and so is politeness
//!   ([`pace`]), since it is pure.
//! - Observations carry serde derives themselves: they are records whose purpose is to come in and go out (the store, the
//!   export, the api), and a second set of types would say the same again.
//! - The Redfish client is reqwest and lenient readers of plain JSON, not the nv-redfish crates: their typed model refuses a
//!   whole resource for one odd field, their bodies are unbounded, and their client sits on another major version of reqwest.
//! - SSH signatures are framed by code of our own over aws-lc, which TLS brings, and compared with ssh-keygen in tests: the
//!   crates that have it bring a second set of arithmetic.
//! - The store keeps rendered documents beside scripts, so that a start serves whole nodes before anything is built, and goes
//!   on with them where an upgrade refuses the inputs.
//! - Templates reach the engine with guards around what their expressions keep and multiply ([`desired::template`]): its fuel
//!   counts what it does, but neither what lazily joined lists grow to nor how deep values nest.
//! - A server builds each commit in a child process ([`trial`]) and takes the scripts from it, but loads and resolves the
//!   same files itself: a Snapshot shares too much to be handed over whole.
//! - What decides by itself is the newest commit's own signature, not those of the commits below it; whoever signs a merge
//!   answers for it.

pub mod adopt;
pub mod change;
pub mod cli;
pub mod cloudinit;
pub mod desired;
pub mod drift;
pub mod git;
pub mod http;
pub mod ipxe;
pub mod model;
pub mod observed;
pub mod pace;
pub mod reconcile;
pub mod redfish;
pub mod report;
pub mod resolve;
pub mod roll;
pub mod settings;
pub mod simulate;
pub mod snapshot;
pub mod store;
pub mod story;
pub mod survey;
pub mod trial;
pub mod view;
