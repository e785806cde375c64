//! The words of the field as plain values: MAC addresses, xnames, architectures, boot targets, node sets, patterns,
//! revisions, trees of files, origins and diagnostics; and what text from outside becomes before a person sees it
//! ([`text`]).
//!
//! This room knows no other room, no file, no clock and no network. Whatever it parses, it parses from text
//! it was handed; whatever it refuses, it refuses with a reason as a value.

mod address;
mod api_address;
mod arch;
mod boot_target;
pub mod clear_secret;
mod diagnostic;
mod duration;
mod identity;
mod lines;
mod nodeset;
mod origin;
mod pattern;
mod quirk;
mod repo_address;
mod revision;
mod secret;
pub mod text;
mod tree;
mod xname;

pub use address::{AddressError, Guid, MacAddr};
pub use api_address::{ApiAddress, NotAnAddress};
pub use arch::Arch;
pub use boot_target::BOOT_TARGETS;
pub use diagnostic::{Code, Diagnostic, Place, Severity, Span};
pub use duration::{format_duration, parse_duration};
pub use identity::{is_placeholder, is_placeholder_uuid, serial_key, uuid_key};
pub use lines::{Indexed, LineIndex, Positions};
pub use nodeset::{GroupName, MAX_NODES, NodeSet, NodeSetError, UnknownNames};
pub use origin::{FileId, Layer, Origin, Stated};
pub use pattern::{Pattern, PatternError};
pub use quirk::Quirk;
pub use repo_address::{NotARepo, RemoteUrl, RepoAddress, Transport};
pub use revision::Revision;
pub use secret::{Credential, Secret};
pub use text::SafeText;
pub use tree::{File, MAX_CLOUD_INIT_BYTES, MAX_TOML_BYTES, Tree};
pub use xname::{Xname, XnameError, XnameKind};
