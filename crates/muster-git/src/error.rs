//! The errors of a repository, each with a hint about the next step.

use std::io;
use std::path::PathBuf;

/// A bound that a tree exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// More files than [`MAX_ENTRIES`](super::MAX_ENTRIES).
    Entries,
    /// Folders nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    Depth,
    /// A path longer than [`MAX_PATH_BYTES`](super::MAX_PATH_BYTES).
    Path,
    /// More bytes of declarations than [`MAX_TOTAL_BYTES`](super::MAX_TOTAL_BYTES).
    Bytes,
    /// A commit or tag object that is too large.
    Commit,
    /// A tree object that is too large.
    Folder,
}

impl Limit {
    pub(super) fn words(self) -> String {
        match self {
            Self::Entries => format!("more than {} files", super::MAX_ENTRIES),
            Self::Depth => format!("folders nested deeper than {}", super::MAX_DEPTH),
            Self::Path => format!("a path longer than {} bytes", super::MAX_PATH_BYTES),
            Self::Commit => format!("a commit or tag of more than {} MB", super::sound::MAX_COMMIT_BYTES >> 20),
            Self::Folder => format!("a list of a folder of more than {} MB", super::sound::MAX_FOLDER_BYTES >> 20),
            Self::Bytes => format!("more than {} MB of wishes", super::MAX_TOTAL_BYTES >> 20),
        }
    }
}

/// The reason for which a folder, a repository or a commit could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The path does not exist.
    #[error("{path}: no such folder")]
    PathMissing { path: PathBuf },
    /// The path is a file.
    #[error("{path}: is a {}, not a repository", if *bundle { "git bundle" } else { "file" })]
    IsFile { path: PathBuf, bundle: bool },
    /// The folder is not a repository.
    #[error("{path}: is not a git repository")]
    NotRepository { path: PathBuf },
    /// A linked work tree's `.git` file names a folder that is gone.
    #[error("{path}: its .git file names {target}, which is not there")]
    BrokenLink { path: PathBuf, target: PathBuf },
    /// The repository names its objects by SHA-256.
    #[error("{path}: the repository uses SHA-256 object names, which cannot be read yet")]
    Sha256 { path: PathBuf },
    /// The repository keeps its branches in another format, such as reftable.
    #[error("{path}: the repository keeps its branches in the `{format}` format, which cannot be read yet")]
    RefFormat { path: PathBuf, format: String },
    /// Another user owns the repository, and git's ownership rule refuses it.
    #[error("{path}: the repository belongs to another user")]
    OtherOwner { path: PathBuf },
    /// The user's git configuration cannot be accessed, so libgit2 opens nothing.
    #[error("the git configuration of this user ($HOME/.gitconfig) cannot be read, so no repository can be opened")]
    HomeConfig { source: git2::Error },
    /// HEAD names a commit instead of a branch.
    #[error("{path}: HEAD is detached, so there is no branch to follow")]
    Detached { path: PathBuf },
    /// The repository has no branch that can serve as the merge target.
    #[error("{path}: there is neither origin/HEAD, nor an upstream of this branch, nor `main`")]
    NoTarget { path: PathBuf },
    /// Two sides of a merge changed the same lines.
    #[error("{path}: both sides changed {}", files.join(", "))]
    Conflict { path: PathBuf, files: Vec<String> },
    /// The revision does not exist.
    #[error("{path}: there is no revision `{rev}`")]
    NoSuchRevision { path: PathBuf, rev: String, near: Vec<String>, is_shallow: bool },
    /// A commit that should be compared with its parent has no parent in this repository.
    #[error("{path}: commit {revision} {}", if *is_cut { "has no parent here: the clone is shallow" } else { "has no parent: it is the first one" })]
    NoParent { path: PathBuf, revision: String, is_cut: bool },
    /// A revision is malformed, is ambiguous, or does not name a commit.
    #[error("{path}: `{rev}` does not name one commit")]
    BadRevision { path: PathBuf, rev: String, source: git2::Error },
    /// The folder that `--path` names is not in the commit.
    #[error("{at}: there is no folder `{sub}`")]
    NoSuchFolder { at: String, sub: String, near: Vec<String> },
    /// The folder that `--path` names lies outside the repository, or holds no files of it.
    #[error("{at}: `{sub}` {why}")]
    BadFolder { at: String, sub: String, why: &'static str },
    /// The tree exceeds a bound of this crate.
    #[error("{at}: {}", limit.words())]
    TooMuch { at: String, limit: Limit },
    /// An entry of a folder has a name that no file can have.
    #[error("{at}: `{name}` {why}")]
    Unsound { at: String, name: String, why: &'static str },
    /// An object of the repository is missing or damaged.
    #[error("{path}: an object of commit {revision} cannot be read")]
    Damaged { path: PathBuf, revision: String, source: git2::Error },
    /// An object is missing because this is a partial clone.
    #[error("{path}: this is a partial clone, and files of commit {revision} are not in it")]
    Partial { path: PathBuf, revision: String },
    /// The folder for the mirror holds something else.
    #[error("{path}: is not empty and holds no mirror of ours")]
    NotOurMirror { path: PathBuf },
    /// The operating system refused an operation on a file.
    #[error("{path}: cannot be {doing}")]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    /// The repository cannot be watched for changes.
    #[error("{path}: cannot be watched for changes")]
    Watch { path: PathBuf, source: notify::Error },
    /// A remote repository could not be followed.
    #[error(transparent)]
    Remote(#[from] super::RemoteError),
    /// git failed for another reason.
    #[error("{path}: git cannot {doing}")]
    Git { path: PathBuf, doing: &'static str, source: git2::Error },
}

impl GitError {
    /// Returns the next step, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let path = |p: &PathBuf| p.display().to_string();
        match self {
            Self::PathMissing { .. } => Some("check the spelling of the path".into()),
            Self::IsFile { path: p, bundle: true } => {
                Some(format!("unpack it first: git clone --bare {} NAME.git", path(p)))
            }
            Self::IsFile { bundle: false, .. } => Some("name the folder of the repository".into()),
            Self::NotRepository { path: p } => {
                Some(format!("name the folder that holds .git, or make one: git init {}", path(p)))
            }
            Self::BrokenLink { .. } => Some("run `git worktree repair` in the main work tree".into()),
            Self::Sha256 { .. } => Some("clone it into a repository made with `git init --object-format=sha1`".into()),
            Self::RefFormat { .. } => Some("convert it: git refs migrate --ref-format=files".into()),
            Self::OtherOwner { path: p } => {
                Some(format!("if you trust it: git config --global --add safe.directory {}", path(p)))
            }
            Self::HomeConfig { .. } => Some("set HOME to a folder that this user may enter, or unset it".into()),
            Self::Detached { .. } => Some("name a branch with --branch".into()),
            Self::NoTarget { .. } => Some("name the branch or commit to compare with".into()),
            Self::Conflict { .. } => {
                Some("merge or rebase first: what a merge with conflicts yields, nobody knows".into())
            }
            Self::NoSuchRevision { is_shallow: true, near, .. } => {
                let near = nearest(near).map(|near| format!("; {near}")).unwrap_or_default();
                Some(format!("the clone is shallow, so older commits are not here: git fetch --unshallow{near}"))
            }
            Self::NoParent { is_cut: true, .. } => Some("fetch the rest of the history: git fetch --unshallow".into()),
            Self::NoParent { is_cut: false, .. } => Some("there is nothing before it to compare it with".into()),
            Self::NoSuchRevision { is_shallow: false, near, .. } => nearest(near)
                .or_else(|| Some("it may be a branch, a tag, a commit id, or an expression such as HEAD~1".into())),
            Self::BadRevision { .. } => Some("give more digits of the id, or a branch or tag that is a commit".into()),
            Self::NoSuchFolder { near, .. } => nearest(near),
            Self::BadFolder { .. } => Some("--path is a folder inside the repository, such as clusters/west".into()),
            Self::TooMuch { limit: Limit::Commit | Limit::Folder, .. } => {
                Some("find who made it, and rewrite the branch without it".into())
            }
            Self::Unsound { .. } => {
                Some("git itself writes no such entry: find who made the commit, and make it again".into())
            }
            Self::TooMuch { .. } => Some("root the cluster in a folder of its own with --path".into()),
            Self::Damaged { path: p, .. } => Some(format!("run: git -C {} fsck", path(p))),
            Self::Partial { .. } => {
                Some("clone it whole, without --filter: muster reads what is there, and asks no host".into())
            }
            Self::NotOurMirror { .. } => Some("move it away, or keep the store in another folder".into()),
            Self::Watch { .. } => {
                Some("changes are still found by looking; fs.inotify.max_user_watches may be too low".into())
            }
            Self::Remote(error) => error.hint(),
            Self::Io { .. } | Self::Git { .. } => None,
        }
    }

    /// Returns whether stored objects are at fault, so that recreating a mirror can help.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

fn nearest(near: &[String]) -> Option<String> {
    match near {
        [] => None,
        names => Some(format!("there is {}", names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", "))),
    }
}

/// Picks the three names most similar to the requested one, best first; dissimilar ones only if
/// `all` is set.
pub(super) fn similar(wanted: &str, names: impl IntoIterator<Item = String>, all: bool) -> Vec<String> {
    let mut scored: Vec<(f64, String)> = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wanted, &name), name))
        .filter(|(score, _)| all || *score > 0.7)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}
