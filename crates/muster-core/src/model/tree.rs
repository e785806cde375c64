//! The files of one commit, as bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest TOML or facts file that is read. A parsed file takes about 33 times its size in memory (measured with
/// toml 1.2: 25 MB peaked at 815 MB), so 8 MB bounds one file at about 270 MB.
pub const MAX_TOML_BYTES: u64 = 8 * 1024 * 1024;

/// The largest file under `cloud-init/` that is read: as much as one document may have.
pub const MAX_CLOUD_INIT_BYTES: u64 = 1024 * 1024;

/// What stands at one path of a [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// A file of the wishes, with its bytes.
    Bytes(Arc<[u8]>),
    /// A file that is none of the wishes' kinds; its bytes were not fetched.
    Unread,
    /// A file of the wishes over [`Tree::max_bytes`]; its bytes were not fetched.
    TooLarge { bytes: u64 },
    /// A symbolic link. Links are never followed: what they name may lie outside the commit.
    Symlink,
    /// A submodule. Its files are not part of the commit.
    Submodule,
    /// A path that is not UTF-8; the key holds it with replacement characters.
    BadName,
}

/// The files of one commit or folder under the cluster's root, by path with `/` between the parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    files: BTreeMap<Box<str>, File>,
}

impl Tree {
    /// Returns whether the bytes of a path are part of the desired state, by the folders in docs/repository.md.
    ///
    /// Paths are relative to the cluster's root. Whatever answers false is listed in the tree without its bytes.
    #[must_use]
    pub fn is_wish(path: &str) -> bool {
        match path.split_once('/') {
            None => matches!(path, "cluster.toml" | "policy.toml"),
            Some(("nodes", _)) => path.ends_with(".toml") || path.ends_with(".facts.csv"),
            Some(("groups" | "boot" | "networks" | "exceptions", name)) => {
                name.ends_with(".toml") && !name.contains('/')
            }
            Some(("cloud-init", _)) => true,
            Some(_) => false,
        }
    }

    /// Returns how many bytes a file of the wishes has at most.
    #[must_use]
    pub fn max_bytes(path: &str) -> u64 {
        if path.starts_with("cloud-init/") { MAX_CLOUD_INIT_BYTES } else { MAX_TOML_BYTES }
    }

    /// Adds a file, replacing what stood at its path.
    pub fn insert(&mut self, path: impl Into<Box<str>>, file: File) {
        self.files.insert(path.into(), file);
    }

    /// Returns what stands at a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// Iterates over all paths in byte order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().map(|(path, file)| (&**path, file))
    }

    /// Iterates over the files whose bytes were read, in byte order of their paths.
    pub fn blobs(&self) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        self.iter().filter_map(|(path, file)| match file {
            File::Bytes(bytes) => Some((path, bytes)),
            File::Unread | File::TooLarge { .. } | File::Symlink | File::Submodule | File::BadName => None,
        })
    }

    /// Returns the number of paths.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Tells whether there is no file at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Builds a tree from one string: each `//- path` line starts a file. Files that are no wishes are listed unread.
    ///
    /// Text before the first heading is ignored.
    #[must_use]
    pub fn from_fixture(text: &str) -> Self {
        let mut tree = Self::default();
        for part in text.split("//- ").skip(1) {
            let (path, body) = part.split_once('\n').unwrap_or((part, ""));
            let path = path.trim();
            let file = if Self::is_wish(path) { File::Bytes(body.as_bytes().into()) } else { File::Unread };
            tree.insert(path, file);
        }
        tree
    }
}
