//! The history of one node, as strangers see it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::published;
use super::{DiagnosticView, FoldView};

/// The commits that changed the boot of a node, or the values that muster compares it with, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogView {
    /// The version of this document: `v1`.
    pub api_version: String,
    /// The version of the muster that compared.
    pub muster: String,
    /// The name that the node has at the newest commit.
    pub node: String,
    pub commits: Vec<LogCommit>,
    /// How many commits were looked at.
    pub looked: u64,
    /// Whether older commits are not here, since the clone is shallow.
    pub is_cut: bool,
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogCommit {
    /// The full id of the commit.
    pub id: String,
    /// The name of its author.
    pub author: String,
    /// When it was committed, RFC 3339.
    pub at: String,
    /// The first line of its message.
    pub subject: String,
    /// Whether it has several parents; it is compared with the first of them then.
    pub is_merge: bool,
    /// The name that the node has at this commit.
    pub node: String,
    /// The changes of the node; null if the commit cannot be read.
    pub change: Option<FoldView>,
    /// The reason why the commit cannot be read, if it cannot. A commit with the same reasons as its parent is left
    /// out.
    pub faults: Vec<DiagnosticView>,
}

impl LogView {
    /// Returns the JSON schema of a history (draft 7): the name of its file, and its text, which ends in a newline.
    #[must_use]
    pub fn schema() -> (&'static str, String) {
        published::<Self>("log.schema.json", "The history of a node: muster log --format json")
    }
}
