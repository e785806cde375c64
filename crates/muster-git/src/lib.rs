//! Reads the cluster repository. A plain folder or a commit becomes a
//! [`Tree`](muster_core::model::Tree); a followed branch or tag is copied into a bare mirror; and a
//! watch on the source reports when it may have moved.
//!
//! The machine's own `git` fetches repositories of other hosts ([`Remote`]), bounded in time and
//! size; libgit2 does everything else. All functions block; callers on an async runtime use a
//! blocking thread. This crate does not know what the files mean, which commit is served, or when
//! to fetch again. It writes only its own mirror, runs no hooks, runs no `git` for a repository on
//! this host, and obeys `GIT_DIR` and related variables only in a hook ([`Repo::pushed`]).

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

/// The most files in one tree: 20 times the largest fixture, and few enough to list in memory.
pub const MAX_ENTRIES: usize = 200_000;

/// The deepest folder that is read; sites nest three or four levels.
pub const MAX_DEPTH: usize = 64;

/// The longest path that is read, in bytes: Linux opens no longer one (PATH_MAX). Git does not
/// limit the names in a commit, and paths multiply if its folders contain each other.
pub const MAX_PATH_BYTES: usize = 4096;

/// The most bytes of declarations in one tree. A repository of 100,000 nodes has about 50 MB.
pub const MAX_TOTAL_BYTES: u64 = 1024 * 1024 * 1024;

/// The longest subject and author name, in characters; a shortened text ends in `…`.
pub const MAX_SUBJECT: usize = 500;
