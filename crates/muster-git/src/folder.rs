//! Reads a plain folder as a tree, without git.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{GitError, Limit, similar};
use super::locate::io_error;
use super::{MAX_DEPTH, MAX_ENTRIES, MAX_PATH_BYTES, MAX_TOTAL_BYTES};
use muster_core::model::{File, Tree};

/// Reads the files of a folder under `sub` ("" is the folder itself), committed or not.
///
/// Links are not followed, `.git` is skipped, and a folder below with its own `.git` is a
/// submodule.
///
/// # Errors
/// The folder is missing or unreadable, or it exceeds the bounds of this crate.
pub fn work_tree(dir: &Path, sub: &str) -> Result<Tree, GitError> {
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return Err(GitError::IsFile { path: dir.into(), bundle: false }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(GitError::PathMissing { path: dir.into() }),
        Err(source) => return Err(io_error(dir, "looked at", source)),
    }

    let root = descend(dir, sub)?;
    let mut reading = Reading { tree: Tree::default(), budget: Budget::new(dir.display().to_string()) };
    let mut pending = vec![(root, String::new(), 0)];
    while let Some((folder, prefix, depth)) = pending.pop() {
        reading.folder(&folder, &prefix, depth, &mut pending)?;
    }

    Ok(reading.tree)
}

/// Counts entries and bytes against the bounds of this crate.
pub(super) struct Budget {
    at: String,
    entries: usize,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(at: String) -> Self {
        Self { at, entries: 0, bytes: 0 }
    }

    pub(super) fn entry(&mut self, depth: usize, path_bytes: usize) -> Result<(), GitError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(self.too_much(Limit::Entries));
        }
        if path_bytes > MAX_PATH_BYTES {
            return Err(self.too_much(Limit::Path));
        }
        if depth > MAX_DEPTH { Err(self.too_much(Limit::Depth)) } else { Ok(()) }
    }

    pub(super) fn bytes(&mut self, bytes: u64) -> Result<(), GitError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_TOTAL_BYTES { Err(self.too_much(Limit::Bytes)) } else { Ok(()) }
    }

    fn too_much(&self, limit: Limit) -> GitError {
        GitError::TooMuch { at: self.at.clone(), limit }
    }
}

/// Returns the largest size at which a file is read.
pub(super) fn most_bytes(path: &str) -> u64 {
    Tree::max_bytes(path)
}

/// Splits `--path` into its parts, without `.` and empty parts.
pub(super) fn parts<'a>(at: &str, sub: &'a str) -> Result<Vec<&'a str>, GitError> {
    let parts: Vec<&str> = sub.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if sub.starts_with('/') || parts.contains(&"..") {
        let why = "does not stay inside the repository";
        return Err(GitError::BadFolder { at: at.into(), sub: sub.into(), why });
    }
    Ok(parts)
}

struct Reading {
    tree: Tree,
    budget: Budget,
}

impl Reading {
    fn folder(
        &mut self,
        folder: &Path,
        prefix: &str,
        depth: usize,
        pending: &mut Vec<(PathBuf, String, usize)>,
    ) -> Result<(), GitError> {
        let entries = match fs::read_dir(folder) {
            // Removed after its parent was listed: treat it as if it had never been there.
            Err(e) if e.kind() == io::ErrorKind::NotFound && depth > 0 => return Ok(()),
            listed => listed.map_err(|source| io_error(folder, "listed", source))?,
        };

        for entry in entries {
            let entry = entry.map_err(|source| io_error(folder, "listed", source))?;
            let name = entry.file_name();
            if name == ".git" {
                continue;
            }
            self.budget.entry(depth, prefix.len() + name.len())?;
            let key = format!("{prefix}{}", name.to_string_lossy());
            if name.to_str().is_none() {
                self.tree.insert(key, File::BadName);
                continue;
            }
            let full = entry.path();
            let kind = entry.file_type().map_err(|source| io_error(&full, "looked at", source))?;
            if kind.is_symlink() {
                self.tree.insert(key, File::Symlink);
            } else if kind.is_dir() && full.join(".git").symlink_metadata().is_ok() {
                self.tree.insert(key, File::Submodule);
            } else if kind.is_dir() {
                pending.push((full, format!("{key}/"), depth + 1));
            } else if kind.is_file() && Tree::is_wish(&key) {
                self.wish(&full, key)?;
            } else {
                self.tree.insert(key, File::Unread);
            }
        }

        Ok(())
    }

    /// Reads one file; a file that vanished after the listing is skipped, as if it had never been
    /// there.
    fn wish(&mut self, full: &Path, key: String) -> Result<(), GitError> {
        let most = most_bytes(&key);
        let mut bytes = Vec::new();
        let read = fs::File::open(full).and_then(|file| {
            let size = file.metadata()?.len();
            if size <= most {
                file.take(most + 1).read_to_end(&mut bytes)?;
            }
            Ok(size.max(bytes.len() as u64))
        });

        let file = match read {
            Ok(size) if size > most => File::TooLarge { bytes: size },
            Ok(size) => {
                self.budget.bytes(size)?;
                File::Bytes(bytes.into())
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(io_error(full, "read", source)),
        };

        self.tree.insert(key, file);
        Ok(())
    }
}

/// Descends to `sub` without following links, because the tree of a commit has no folder behind a
/// link.
fn descend(dir: &Path, sub: &str) -> Result<PathBuf, GitError> {
    let at = dir.display().to_string();
    let mut folder = dir.to_path_buf();
    for part in parts(&at, sub)? {
        let next = folder.join(part);
        match fs::symlink_metadata(&next) {
            Ok(meta) if meta.is_dir() => folder = next,
            Ok(_) => return Err(GitError::BadFolder { at, sub: sub.into(), why: "is not a folder" }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let near = similar(part, folders(&folder)?, true);
                return Err(GitError::NoSuchFolder { at, sub: sub.into(), near });
            }
            Err(source) => return Err(io_error(&next, "looked at", source)),
        }
    }

    Ok(folder)
}

fn folders(folder: &Path) -> Result<Vec<String>, GitError> {
    let entries = fs::read_dir(folder).map_err(|source| io_error(folder, "listed", source))?;
    Ok(entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != ".git")
        .collect())
}
