//! Finds the folders of a repository from a path, without opening it and without the environment.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::GitError;

/// The folders of one repository. They differ only in a linked work tree.
#[derive(Debug, Clone)]
pub(super) struct Dirs {
    /// The folder that a person would name: the work tree, or the bare repository.
    pub root: PathBuf,
    /// The folder of HEAD.
    pub git: PathBuf,
    /// The folder of objects, branches and packed-refs.
    pub common: PathBuf,
}

/// Finds the repository at exactly this path.
pub(super) fn at(dir: &Path) -> Result<Dirs, GitError> {
    let meta = fs::metadata(dir).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => GitError::PathMissing { path: dir.into() },
        _ => io_error(dir, "looked at", source),
    })?;

    if meta.is_file() {
        return Err(GitError::IsFile { path: dir.into(), bundle: is_bundle(dir) });
    }

    let git = match git_dir(dir)? {
        Some(git) => git,
        None if looks_bare(dir)? => dir.to_path_buf(),
        None => return Err(GitError::NotRepository { path: dir.into() }),
    };

    let common = common_dir(&git)?;
    Ok(Dirs { root: dir.into(), git, common })
}

/// Finds the repository at this path or above it, as git does in a work tree.
pub(super) fn above(dir: &Path) -> Result<Dirs, GitError> {
    let first = match at(dir) {
        Err(GitError::NotRepository { .. }) => GitError::NotRepository { path: dir.into() },
        found => return found,
    };
    let full = fs::canonicalize(dir).map_err(|source| io_error(dir, "looked at", source))?;
    for parent in full.ancestors().skip(1) {
        match at(parent) {
            Err(GitError::NotRepository { .. }) => {}
            found => return found,
        }
    }
    Err(first)
}

/// Refuses formats that libgit2 cannot read, based on the repository's own configuration file.
pub(super) fn check_format(dirs: &Dirs) -> Result<(), GitError> {
    let file = dirs.common.join("config");
    if !file.is_file() {
        return Ok(());
    }
    let doing = "read its configuration";
    let config = git2::Config::open(&file).map_err(|source| git_error(&dirs.root, doing, source))?;
    let value = |name: &str| config.get_string(name).ok().filter(|v| !v.is_empty());

    if value("extensions.objectformat").is_some_and(|v| !v.eq_ignore_ascii_case("sha1")) {
        return Err(GitError::Sha256 { path: dirs.root.clone() });
    }

    match value("extensions.refstorage") {
        Some(format) if !format.eq_ignore_ascii_case("files") => {
            Err(GitError::RefFormat { path: dirs.root.clone(), format })
        }
        Some(_) | None => Ok(()),
    }
}

/// Resolves `.git`, which is a folder or a file that names one.
fn git_dir(dir: &Path) -> Result<Option<PathBuf>, GitError> {
    let dot = dir.join(".git");
    match fs::metadata(&dot) {
        Ok(meta) if meta.is_dir() => Ok(looks_bare(&dot)?.then_some(dot)),
        Ok(_) => {
            let text = read_line(&dot)?;
            let Some(target) = text.strip_prefix("gitdir:") else { return Ok(None) };
            let target = dir.join(target.trim());
            if looks_bare(&target)? { Ok(Some(target)) } else { Err(GitError::BrokenLink { path: dir.into(), target }) }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_error(&dot, "looked at", source)),
    }
}

/// Returns whether a folder has the layout of a repository, or of the private part of a linked work
/// tree.
fn looks_bare(dir: &Path) -> Result<bool, GitError> {
    // HEAD may be a symbolic link to a branch that does not exist yet, as very old git made it.
    if dir.join("HEAD").symlink_metadata().is_err() {
        return Ok(false);
    }
    let common = common_dir(dir)?;
    Ok(common.join("objects").is_dir() && common.join("refs").is_dir())
}

fn common_dir(git: &Path) -> Result<PathBuf, GitError> {
    let file = git.join("commondir");
    if file.is_file() { Ok(git.join(read_line(&file)?.trim())) } else { Ok(git.to_path_buf()) }
}

/// Reads a file that holds one path: 4,096 bytes are the longest path that Linux accepts.
fn read_line(file: &Path) -> Result<String, GitError> {
    let mut text = String::new();
    fs::File::open(file)
        .and_then(|f| f.take(2 * 4096).read_to_string(&mut text))
        .map_err(|source| io_error(file, "read", source))?;
    Ok(text)
}

fn is_bundle(file: &Path) -> bool {
    let mut head = [0u8; 16];
    fs::File::open(file).and_then(|mut f| f.read(&mut head)).is_ok_and(|_| {
        let text = &head[..];
        text.starts_with(b"# v2 git bundle") || text.starts_with(b"# v3 git bundle")
    })
}

pub(super) fn io_error(path: &Path, doing: &'static str, source: io::Error) -> GitError {
    GitError::Io { path: path.into(), doing, source }
}

pub(super) fn git_error(path: &Path, doing: &'static str, source: git2::Error) -> GitError {
    GitError::Git { path: path.into(), doing, source }
}
