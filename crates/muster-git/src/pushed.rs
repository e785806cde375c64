//! A push as the hook of a git server sees it: objects in quarantine, and the references that would
//! move.

use std::path::Path;

use git2::Repository;

use super::error::GitError;
use super::locate::{self, Dirs};
use super::repo::{Repo, Wanted, open_error};
use muster_core::model::Revision;

/// A reference that a push would move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The commit before the push, or `None` if the push creates the reference.
    pub old: Option<Revision>,
    /// The commit after the push, or `None` if the push deletes the reference.
    pub new: Option<Revision>,
    /// Its full name, such as `refs/heads/main`.
    pub reference: String,
}

impl Update {
    /// Parses a line of `pre-receive`'s input: old id, new id and name, with zeros for no commit
    /// (githooks(5)).
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let (old, new, reference) = (words.next()?, words.next()?, words.next()?);
        let id = |text: &str| -> Option<Option<Revision>> {
            let is_id = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_none = text.bytes().all(|byte| byte == b'0');
            is_id.then(|| (!is_none).then(|| Revision::commit(text)))
        };
        let is_whole = reference.starts_with("refs/") && !reference.contains(char::is_whitespace);
        is_whole.then_some(Self { old: id(old)?, new: id(new)?, reference: reference.into() })
    }
}

impl Repo {
    /// Opens the repository that a hook runs in, including the objects of the push.
    ///
    /// Only here do `GIT_DIR`, `GIT_OBJECT_DIRECTORY` and `GIT_ALTERNATE_OBJECT_DIRECTORIES` count
    /// (git-receive-pack(1), quarantine environment).
    ///
    /// # Errors
    /// There is no repository, or its format cannot be read.
    pub fn pushed() -> Result<Self, GitError> {
        // Git runs the hook in the folder of the repository.
        locate::check_format(&locate::above(Path::new("."))?)?;
        let nowhere = |source| locate::git_error(Path::new("."), "open the repository", source);
        let inner = Repository::open_from_env().map_err(nowhere)?;
        // Git quotes an alternate whose path has a colon, which libgit2 does not parse.
        let objects = inner.commondir().join("objects");
        let odb = inner.odb().and_then(|odb| odb.add_disk_alternate(&objects.to_string_lossy()));
        odb.map_err(nowhere)?;
        let root = inner.workdir().unwrap_or_else(|| inner.path()).to_path_buf();
        let dirs = Dirs { root, git: inner.path().into(), common: inner.commondir().into() };
        Ok(Self::of_parts(inner, dirs))
    }

    /// Returns the full name of the wanted branch or tag, or of the branch that HEAD names, which
    /// need not exist yet.
    ///
    /// # Errors
    /// HEAD is detached.
    pub fn full_name(&self, wanted: &Wanted) -> Result<String, GitError> {
        let branch = match wanted {
            Wanted::Head => self.head_branch()?,
            Wanted::Branch(name) | Wanted::Tag(name) => name.clone(),
        };
        Ok(wanted.reference(&branch))
    }

    /// Counts the commits that are reachable from `old` but not from `new`.
    ///
    /// # Errors
    /// A commit or its history is missing.
    pub fn left_out(&self, old: &Revision, new: &Revision) -> Result<usize, GitError> {
        let (old, new) = (self.commit(old)?.id(), self.commit(new)?.id());
        let (left, _) =
            self.inner.graph_ahead_behind(old, new).map_err(|source| self.error("compare two commits", source))?;
        Ok(left)
    }

    /// Lists the commits that are reachable from `new` but not from `old`, newest first, at most
    /// `most`; `new` comes first.
    ///
    /// # Errors
    /// A commit or its history is missing.
    pub fn pushed_commits(
        &self,
        old: Option<&Revision>,
        new: &Revision,
        most: usize,
    ) -> Result<Vec<Revision>, GitError> {
        let new = self.commit(new)?.id();
        let old = old.map(|old| self.commit(old)).transpose()?.map(|old| old.id());
        let walk = || {
            let mut walk = self.inner.revwalk()?;
            walk.set_sorting(git2::Sort::TOPOLOGICAL)?;
            walk.push(new)?;
            old.map_or(Ok(()), |old| walk.hide(old))?;
            walk.take(most).collect::<Result<Vec<_>, _>>()
        };

        let all = walk().map_err(|source| self.error("list the commits of a push", source))?;
        Ok(all.into_iter().map(|id| Revision::commit(&id.to_string())).collect())
    }

    /// Returns the folder of the hooks that git runs here, and whether it belongs to this
    /// repository.
    ///
    /// `core.hooksPath` is relative to the repository's git folder, in which git runs the hooks of
    /// a push.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub fn hooks(&self) -> Result<(std::path::PathBuf, bool), GitError> {
        let doing = "read core.hooksPath";
        let config = self.inner.config().and_then(|mut config| config.snapshot());
        let config = config.map_err(|source| self.error(doing, source))?;
        let own = self.inner.commondir().to_path_buf();

        match config.get_path("core.hooksPath") {
            Ok(path) => {
                let folder = own.join(path);
                let is_own = folder.starts_with(&own) || folder.starts_with(self.root());
                Ok((folder, is_own))
            }
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok((own.join("hooks"), true)),
            Err(source) => Err(self.error(doing, source)),
        }
    }
}

/// Opens the repository at exactly this path in order to install a hook.
///
/// # Errors
/// There is no repository, it cannot be read, or it belongs to another user.
pub fn to_be_hooked(dir: &Path) -> Result<Repo, GitError> {
    let dirs = locate::at(dir)?;
    locate::check_format(&dirs)?;
    let inner = Repository::open(&dirs.root).map_err(|source| open_error(&dirs, source))?;
    Ok(Repo::of_parts(inner, dirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_push() {
        let (one, none) = ("1".repeat(40), "0".repeat(40));
        let update = Update::parse(&format!("{none} {one} refs/heads/a")).unwrap();
        assert_eq!((update.old, update.new), (None, Some(Revision::commit(&one))));
        assert_eq!(update.reference, "refs/heads/a");
        assert_eq!(Update::parse(&format!("{one} {none} refs/tags/v1")).unwrap().new, None);
        let bad = ["", "x", "1 2 refs/heads/a", &format!("{one} {one}"), &format!("{one} {one} main")];
        bad.iter().for_each(|line| assert_eq!(Update::parse(line), None, "{line}"));
        assert_eq!(Update::parse(&format!("{one} {one} refs/heads/a b")), None);
    }
}
