//! A git repository: opening it, and its branch tips, revisions and commits.

use std::collections::HashMap;
use std::path::Path;

use git2::{ErrorCode, ObjectType, Odb, Oid, ReferenceType, Repository};

use super::error::{GitError, similar};
use super::locate::{self, Dirs, git_error};
use super::{MAX_SUBJECT, sound};
use muster_core::model::clear_secret::cover_forms;
use muster_core::model::{Revision, Tree};

/// The reason for which a repository is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The administrator configured it: any owner is accepted, and the configuration of users is
    /// ignored.
    Named,
    /// A person works in it: git's ownership rule applies, and the path may lie inside the work
    /// tree.
    Person,
}

/// The reference of a repository to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The branch that HEAD names.
    Head,
    Branch(String),
    /// A tag; an annotated tag is resolved to its commit.
    Tag(String),
}

impl Wanted {
    /// Creates a reference from the names in the settings; full names (`refs/heads/main`) are taken
    /// too.
    #[must_use]
    pub fn new(branch: Option<&str>, tag: Option<&str>) -> Self {
        let short = |name: &str, prefix: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
        match (branch, tag) {
            (_, Some(tag)) => Self::Tag(short(tag, "refs/tags/")),
            (Some(branch), None) => Self::Branch(short(branch, "refs/heads/")),
            (None, None) => Self::Head,
        }
    }

    /// Returns the word for this kind of reference.
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

/// The tip of a branch or a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tip {
    /// The commit of the branch or tag.
    Commit { branch: String, revision: Revision },
    /// There is no such branch or tag; `near` lists others, the most similar first.
    Missing { branch: String, near: Vec<String> },
    /// The repository has no branch or tag of this kind.
    Empty { branch: String },
}

/// The details of a commit, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// The commit's id.
    pub revision: Revision,
    /// The first line of its message, at most [`MAX_SUBJECT`] characters; invalid UTF-8 is
    /// replaced.
    pub subject: String,
    /// The name of its author; invalid UTF-8 is replaced.
    pub author: String,
    /// The commit time, in Unix seconds.
    pub time: i64,
}

/// An open repository.
pub struct Repo {
    pub(super) inner: Repository,
    dirs: Dirs,
    prefix: String,
    /// The files that the repository, if it is a mirror of muster, left out for their size.
    pub(super) left_out: HashMap<Oid, u64>,
}

impl Repo {
    /// Opens a bare repository, a work tree or a linked work tree.
    ///
    /// Reports what the path is instead, which format cannot be read, or that another user owns it.
    /// The error reports the actual kind of the path, the unsupported format, or another owner.
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

    /// Returns whether there is no work tree.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.inner.is_bare()
    }

    /// Returns the path of the opened folder inside the repository: "" for its root, else for
    /// example `clusters/west`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Resolves a branch, the branch that HEAD names, or a tag.
    ///
    /// # Errors
    /// HEAD is detached, or the repository cannot be read.
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

        // Peel tags one by one, so that no object is read before its size is known.
        let odb = self.inner.odb().map_err(damaged)?;
        while odb.read_header(id).map_err(damaged)?.1 == ObjectType::Tag {
            self.bounded(id)?;
            id = self.inner.find_tag(id).map_err(damaged)?.target_id();
        }

        self.bounded(id)?;
        let commit = self.inner.find_commit(id).map_err(damaged)?;
        Ok(Tip::Commit { branch, revision: Revision::commit(&commit.id().to_string()) })
    }

    /// Checks that an object is small enough to be read.
    pub(super) fn bounded(&self, id: Oid) -> Result<(), GitError> {
        let odb = self.inner.odb().map_err(|source| self.error("open its objects", source))?;
        match sound::passes(&odb, id) {
            None => Ok(()),
            Some(limit) => Err(GitError::TooMuch { at: format!("{} at {id}", self.dirs.root.display()), limit }),
        }
    }

    /// Returns the size of a file that is in the store or was left out.
    pub(super) fn size_of(&self, odb: &Odb<'_>, id: Oid) -> Result<u64, git2::Error> {
        match (odb.read_header(id), self.left_out.get(&id)) {
            (Ok((size, _)), _) => Ok(size as u64),
            (Err(_), Some(size)) => Ok(*size),
            (Err(error), None) => Err(error),
        }
    }

    /// Resolves a revision expression (`main`, `v1.2`, `HEAD~3`, an id) to a commit.
    ///
    /// # Errors
    /// The revision is unknown (the error suggests similar names), ambiguous or not a commit.
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

    /// Returns the details of a commit.
    ///
    /// # Errors
    /// The commit is missing or damaged.
    pub fn commit_info(&self, revision: &Revision) -> Result<CommitInfo, GitError> {
        let commit = self.commit(revision)?;
        // Terminals, logs and events all show the subject, so secrets in it are covered here.
        let subject = cover_forms(&short(commit.summary_bytes().unwrap_or_default())).into_owned();
        let author = short(commit.author().name_bytes());
        Ok(CommitInfo { revision: revision.clone(), subject, author, time: commit.time().seconds() })
    }

    /// Reads the files of a commit under a folder ("" is the root).
    ///
    /// # Errors
    /// The commit is missing or damaged, the folder is not in it, or it exceeds the bounds of this
    /// crate.
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

    /// Returns whether objects may be missing because this is a partial clone (`git clone
    /// --filter`).
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

    /// Lists references by a glob that ends in one star, without the prefix before the star.
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

/// Shortens a text of a commit to [`MAX_SUBJECT`] characters.
fn short(bytes: &[u8]) -> String {
    // A character has at most four bytes.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * (MAX_SUBJECT + 1))]);
    match text.char_indices().nth(MAX_SUBJECT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// Opens the git folder itself, which skips the ownership check, with only the repository's own
/// configuration.
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
        // The hint names this path to git, which compares full paths.
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
