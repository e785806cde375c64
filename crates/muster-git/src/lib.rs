//! Where the wishes come from: a plain folder or a repository becomes a [`Tree`](muster_core::model::Tree), a followed
//! branch or tag is copied into a bare mirror of our own, and a watch on the source wakes whoever follows it.
//!
//! What another host keeps is fetched by the machine's own `git` ([`Remote`]), bounded in time and size; libgit2 does all
//! else. Everything here blocks; callers on an async runtime use a blocking thread. This room does not know what the files
//! mean, which commit is served, or when to look again. It writes nothing but its own mirror, runs no hook, runs no `git`
//! for a repository of this host, and obeys `GIT_DIR` and its kin nowhere but where a hook asks it to ([`Repo::pushed`]).

#![expect(clippy::disallowed_methods, reason = "a bank room: it reads repositories, runs git and writes its mirror")]

mod ask;
mod child;
mod commit_tree;
mod error;
mod fault;
mod folder;
mod left;
mod locate;
mod merge;
mod mirror;
mod pushed;
mod remote;
mod repo;
mod signed;
mod sound;
mod source;
mod transfer;
mod walk;
mod watch;

#[cfg(test)]
mod tests;

pub use error::{GitError, Limit};
pub use fault::{RemoteError, RemoteFault};
pub use folder::work_tree;
pub use mirror::{FOLLOWED, Fetched, MAX_PACKS, Mirror};
pub use pushed::{Update, to_be_hooked};
pub use remote::{FetchBounds, Remote, Stop};
pub use repo::{CommitInfo, Repo, Tip, Trust, Wanted};
pub use signed::{Files, KeyFault, Refusal, Signers, Why};
pub use source::{Place, Source};
pub use walk::{BlobId, FolderId, Listed, Listing, Unread, Walk};
pub use watch::Watch;

/// The most files one tree may hold: 20 times the largest fixture, and little enough to list in memory.
pub const MAX_ENTRIES: usize = 200_000;

/// The deepest folder that is read; sites nest three or four.
pub const MAX_DEPTH: usize = 64;

/// The longest path that is read, in bytes: Linux opens no longer one (PATH_MAX). Names of one commit may be of any length, and
/// multiply where its folders hold each other.
pub const MAX_PATH_BYTES: usize = 4096;

/// The most bytes of wishes that one tree may hold. A repository of 100,000 nodes has about 50 MB.
pub const MAX_TOTAL_BYTES: u64 = 1024 * 1024 * 1024;

/// The longest subject and the longest name of an author that are read, in characters; what is cut ends in `…`.
pub const MAX_SUBJECT: usize = 500;
