//! One repository: opening it, its branch tips, its revisions and its commits.

use std::collections::HashMap;
use std::path::Path;

use git2::{ErrorCode, ObjectType, Odb, Oid, ReferenceType, Repository};

use super::error::{GitError, similar};
use super::locate::{self, Dirs, git_error};
use super::{MAX_SUBJECT, sound};
use muster_core::model::clear_secret::cover_forms;
use muster_core::model::{Revision, Tree};

/// Whose word makes a repository trustworthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The administrator named it to be served: any owner will do, and no user's configuration is obeyed.
    Named,
    /// A person works in it: git's own rule holds, and the folder may lie inside the work tree.
    Person,
}

/// What of a repository is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The branch that HEAD names.
    Head,
    Branch(String),
    /// An annotated tag stands for its commit.
    Tag(String),
}

impl Wanted {
    /// Reads the names that settings give; full names (`refs/heads/main`) are taken too.
    #[must_use]
    pub fn new(branch: Option<&str>, tag: Option<&str>) -> Self {
        let short = |name: &str, prefix: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
        match (branch, tag) {
            (_, Some(tag)) => Self::Tag(short(tag, "refs/tags/")),
            (Some(branch), None) => Self::Branch(short(branch, "refs/heads/")),
            (None, None) => Self::Head,
        }
    }

    /// Says what kind of name it is.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Head | Self::Branch(_) => "branch",
            Self::Tag(_) => "tag",
        }
    }

    /// Returns the full name of a reference of this kind.
    pub(super) fn reference(&self, name: &str) -> String {
        match self {
            Self::Head | Self::Branch(_) => format!("refs/heads/{name}"),
            Self::Tag(_) => format!("refs/tags/{name}"),
        }
    }
}

/// Where a branch or a tag stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tip {
    /// The branch's last commit, or the tag's.
    Commit { branch: String, revision: Revision },
    /// There is no such branch or tag, but there are others; those most like it come first.
    Missing { branch: String, near: Vec<String> },
    /// There is no branch or tag at all yet, or no more.
    Empty { branch: String },
}

/// What a commit says of itself, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// The commit's id.
    pub revision: Revision,
    /// The first line of its message, at most [`MAX_SUBJECT`] characters; bytes that are not UTF-8 are replaced.
    pub subject: String,
    /// The name of its author; bytes that are not UTF-8 are replaced.
    pub author: String,
    /// When it was committed, in unix seconds.
    pub time: i64,
}

/// An open repository.
pub struct Repo {
    pub(super) inner: Repository,
    dirs: Dirs,
    prefix: String,
    /// The files that this repository, if it is a mirror of ours, left out for their size.
    pub(super) left_out: HashMap<Oid, u64>,
}

impl Repo {
    /// Opens a bare repository, a work tree or a linked work tree.
    ///
    /// # Errors
    /// Says what the path is instead, which format cannot be read, or who owns it.
    pub fn open(dir: &Path, trust: Trust) -> Result<Self, GitError> {
        let dirs = match trust {
            Trust::Named => locate::at(dir)?,
            Trust::Person => locate::above(dir)?,
        };
        locate::check_format(&dirs)?;
        let inner = match trust {
            Trust::Named => open_named(&dirs),
            Trust::Person => Repository::open(&dirs.root),
        }
        .map_err(|source| open_error(&dirs, source))?;
        let prefix = prefix(dir, &dirs.root);
        let left_out = sound::left_out(&dirs.git);
        Ok(Self { inner, dirs, prefix, left_out })
    }

    pub(super) fn of_parts(inner: Repository, dirs: Dirs) -> Self {
        Self { inner, dirs, prefix: String::new(), left_out: HashMap::new() }
    }

    /// Returns the folder of the work tree, or of a bare repository.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.dirs.root
    }

    /// Tells whether there is no work tree.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.inner.is_bare()
    }

    /// Returns where the opened folder lies inside the repository: "" at its root, else such as `clusters/west`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Finds where a branch, or the branch that HEAD names, or a tag stands.
    ///
    /// # Errors
    /// A detached HEAD names no branch; anything else that fails is the repository's fault.
    pub fn tip(&self, wanted: &Wanted) -> Result<Tip, GitError> {
        let branch = match wanted {
            Wanted::Head => self.head_branch()?,
            Wanted::Branch(name) | Wanted::Tag(name) => name.clone(),
        };
        let found = match self.inner.find_reference(&wanted.reference(&branch)) {
            Ok(found) => found,
            Err(e) if matches!(e.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => {
                let names = self.names(&wanted.reference("*"))?;
                if names.is_empty() {
                    return Ok(Tip::Empty { branch });
                }
                let near = similar(&branch, names, true);
                return Ok(Tip::Missing { branch, near });
            }
            Err(source) => return Err(self.error("find the branch or tag", source)),
        };
        let damaged = |source| GitError::Damaged {
            path: self.dirs.root.clone(),
            revision: found.target().map_or_else(|| branch.clone(), |id| id.to_string()),
            source,
        };
        let target = found.resolve().map_err(damaged)?.target();
        let mut id = target.ok_or_else(|| damaged(git2::Error::from_str("it names nothing")))?;
        // Step by step, so that nothing is read before its size is known.
        let odb = self.inner.odb().map_err(damaged)?;
        while odb.read_header(id).map_err(damaged)?.1 == ObjectType::Tag {
            self.bounded(id)?;
            id = self.inner.find_tag(id).map_err(damaged)?.target_id();
        }
        self.bounded(id)?;
        let commit = self.inner.find_commit(id).map_err(damaged)?;
        Ok(Tip::Commit { branch, revision: Revision::commit(&commit.id().to_string()) })
    }

    /// Refuses an object that is too large to be read.
    pub(super) fn bounded(&self, id: Oid) -> Result<(), GitError> {
        let odb = self.inner.odb().map_err(|source| self.error("open its objects", source))?;
        match sound::passes(&odb, id) {
            None => Ok(()),
            Some(limit) => Err(GitError::TooMuch { at: format!("{} at {id}", self.dirs.root.display()), limit }),
        }
    }

    /// Returns how large a file is, here or left out.
    pub(super) fn size_of(&self, odb: &Odb<'_>, id: Oid) -> Result<u64, git2::Error> {
        match (odb.read_header(id), self.left_out.get(&id)) {
            (Ok((size, _)), _) => Ok(size as u64),
            (Err(_), Some(size)) => Ok(*size),
            (Err(error), None) => Err(error),
        }
    }

    /// Finds the commit that a revision expression names (`main`, `v1.2`, `HEAD~3`, an id).
    ///
    /// # Errors
    /// Names what is most like an unknown revision; refuses what is ambiguous or no commit.
    pub fn resolve(&self, rev: &str) -> Result<Revision, GitError> {
        let bad = |source| GitError::BadRevision { path: self.dirs.root.clone(), rev: rev.into(), source };
        match self.inner.revparse_single(rev) {
            Ok(object) => Ok(Revision::commit(&object.peel_to_commit().map_err(bad)?.id().to_string())),
            Err(e) if e.code() == ErrorCode::NotFound => {
                let mut names = self.names("refs/heads/*")?;
                names.extend(self.names("refs/tags/*")?);
                let near = similar(rev, names, false);
                let is_shallow = self.inner.is_shallow();
                Err(GitError::NoSuchRevision { path: self.dirs.root.clone(), rev: rev.into(), near, is_shallow })
            }
            Err(source) => Err(bad(source)),
        }
    }

    /// Reads what a commit says of itself.
    ///
    /// # Errors
    /// The commit is not in the repository, or damaged.
    pub fn commit_info(&self, revision: &Revision) -> Result<CommitInfo, GitError> {
        let commit = self.commit(revision)?;
        // Whatever shows a commit shows its subject: a terminal, a log, an event.
        let subject = cover_forms(&short(commit.summary_bytes().unwrap_or_default())).into_owned();
        let author = short(commit.author().name_bytes());
        Ok(CommitInfo { revision: revision.clone(), subject, author, time: commit.time().seconds() })
    }

    /// Reads the files of a commit under a folder ("" is the root).
    ///
    /// # Errors
    /// The commit is not there or damaged, the folder is not in it, or it is larger than the bounds of this room.
    pub fn tree(&self, revision: &Revision, sub: &str) -> Result<Tree, GitError> {
        super::commit_tree::read(self, revision, sub)
    }

    pub(super) fn commit(&self, revision: &Revision) -> Result<git2::Commit<'_>, GitError> {
        let id = Oid::from_str(revision.as_str()).map_err(|source| self.damaged(revision, source))?;
        self.bounded(id)?;
        self.inner.find_commit(id).map_err(|source| self.damaged(revision, source))
    }

    pub(super) fn damaged(&self, revision: &Revision, source: git2::Error) -> GitError {
        let (path, revision) = (self.dirs.root.clone(), revision.to_string());
        if source.code() == ErrorCode::NotFound && self.is_partial() {
            return GitError::Partial { path, revision };
        }
        GitError::Damaged { path, revision, source }
    }

    /// Tells whether objects may be missing because the clone left them with its host (`git clone --filter`).
    fn is_partial(&self) -> bool {
        let packs = std::fs::read_dir(self.dirs.common.join("objects/pack")).into_iter().flatten();
        packs.filter_map(Result::ok).any(|pack| pack.path().extension().is_some_and(|end| end == "promisor"))
    }

    pub(super) fn error(&self, doing: &'static str, source: git2::Error) -> GitError {
        git_error(&self.dirs.root, doing, source)
    }

    pub(super) fn head_branch(&self) -> Result<String, GitError> {
        let head = self.inner.find_reference("HEAD").map_err(|source| self.error("read HEAD", source))?;
        let detached = || GitError::Detached { path: self.dirs.root.clone() };
        if head.kind() != Some(ReferenceType::Symbolic) {
            return Err(detached());
        }
        let target = String::from_utf8_lossy(head.symbolic_target_bytes().unwrap_or_default()).into_owned();
        target.strip_prefix("refs/heads/").map(str::to_owned).ok_or_else(detached)
    }

    /// Lists references by a glob that ends in one star, without what stands before the star.
    pub(super) fn names(&self, glob: &str) -> Result<Vec<String>, GitError> {
        let doing = "list its branches and tags";
        let all = self.inner.references_glob(glob).map_err(|source| self.error(doing, source))?;
        let mut names = Vec::new();
        for reference in all {
            let reference = reference.map_err(|source| self.error(doing, source))?;
            let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
            names.push(name.strip_prefix(glob.trim_end_matches('*')).unwrap_or(&name).to_owned());
        }
        Ok(names)
    }
}

/// Takes the beginning of a text of a commit.
fn short(bytes: &[u8]) -> String {
    // A character has four bytes at most.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * (MAX_SUBJECT + 1))]);
    match text.char_indices().nth(MAX_SUBJECT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// Opens the git folder itself, which asks nobody who owns it, and leaves the repository's own configuration only.
fn open_named(dirs: &Dirs) -> Result<Repository, git2::Error> {
    let repo = Repository::open_bare(&dirs.git)?;
    let mut config = git2::Config::new()?;
    let file = dirs.common.join("config");
    if file.is_file() {
        config.add_file(&file, git2::ConfigLevel::Local, false)?;
    }
    repo.set_config(&config)?;
    Ok(repo)
}

pub(super) fn open_error(dirs: &Dirs, source: git2::Error) -> GitError {
    let path = dirs.root.clone();
    let config = source.message().contains(".gitconfig") || source.message().contains("git/config");
    match source.code() {
        // The hint names this path to git, which compares it in full.
        ErrorCode::Owner => GitError::OtherOwner { path: std::fs::canonicalize(&path).unwrap_or(path) },
        _ if config && source.message().contains("stat") => GitError::HomeConfig { source },
        _ => git_error(&path, "open the repository", source),
    }
}

fn prefix(dir: &Path, root: &Path) -> String {
    let full = |path: &Path| std::fs::canonicalize(path).ok();
    match (full(dir), full(root)) {
        (Some(dir), Some(root)) => dir
            .strip_prefix(&root)
            .map(|rest| rest.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
            .unwrap_or_default(),
        _ => String::new(),
    }
}
