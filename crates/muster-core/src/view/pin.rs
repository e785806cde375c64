//! What an administrator orders of the followed branch, and how a pin stands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RevisionView;

/// The wish to serve one commit in place of the branch's newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinOrder {
    /// A branch, a tag, an id or the first digits of one, or an expression such as `HEAD~3`.
    pub rev: String,
    /// For how many seconds; nothing until it is unpinned.
    pub seconds: Option<u64>,
    /// Why, for whoever reads the status.
    #[serde(default)]
    pub reason: String,
    /// Who wishes it, for whoever reads the status.
    #[serde(default)]
    pub by: String,
    /// Whether it may lack the signature that this host requires.
    #[serde(default)]
    pub unsigned: bool,
}

/// The wish to follow the branch again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnpinOrder {
    /// Who wishes it, for whoever reads the log.
    #[serde(default)]
    pub by: String,
}

/// The wish to let the branch go back to a commit, or to another history, that this host would take for a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RewindOrder {
    /// The commit that the branch may stand at, as in [`PinOrder`].
    pub rev: String,
    /// Who wishes it, for whoever reads the log.
    #[serde(default)]
    pub by: String,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ordered {
    /// The commit that is served now.
    pub served: Option<RevisionView>,
    /// What was done, in one sentence.
    pub done: String,
    /// What to know about it, one sentence each.
    pub warnings: Vec<String>,
}

/// A pin in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PinView {
    /// The pinned commit; `at` is when it was pinned.
    pub revision: RevisionView,
    /// The end of the pin; null if only `muster unpin` ends it.
    pub until: Option<String>,
    /// Who pinned it, as they said.
    pub by: String,
    /// Why, as they said; empty where they did not.
    pub reason: String,
    /// Whether it needed no signature.
    pub unsigned: bool,
    /// The newest commit of the branch, where it checks and waits for the end of the pin.
    pub waits: Option<RevisionView>,
}
