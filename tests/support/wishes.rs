//! A repository of wishes in a temporary folder: a bare one, which `muster serve` follows, and a clone, in which a test
//! writes, commits and pushes as a person would, with the real git.
//!
//! Nothing of the machine's own git settings gets in, and equal histories have equal commit ids.

use std::cell::Cell;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// 2026-01-01T00:00:00Z; each commit is one second later.
const EPOCH: u64 = 1_767_225_600;

/// Holds a bare repository (branch `main`) and a clone of it; both go when dropped.
pub struct Wishes {
    dir: TempDir,
    commits: Cell<u64>,
}

impl Wishes {
    /// Makes both, with no commit.
    pub fn new() -> Wishes {
        let dir = tempfile::Builder::new().prefix("muster-").tempdir().expect("a temporary folder can be made");
        let wishes = Wishes { dir, commits: Cell::new(0) };
        let root = wishes.root().to_owned();
        wishes.git_in(&root, &["init", "-q", "--bare", "-b", "main", "wishes.git"]);
        wishes.git_in(&root, &["init", "-q", "-b", "main", "clone"]);
        wishes.git(&["remote", "add", "origin", "../wishes.git"]);
        wishes
    }

    /// Makes both with these files committed and pushed.
    pub fn of(files: &[(&str, &str)]) -> Wishes {
        let wishes = Wishes::new();
        for (path, text) in files {
            wishes.write(path, text);
        }
        wishes.publish("the first wishes");
        wishes
    }

    /// Makes both with a copy of `folder` committed and pushed.
    pub fn copy_of(folder: &Path) -> Wishes {
        let wishes = Wishes::new();
        copy(folder, &wishes.clone_dir());
        wishes.publish("the first wishes");
        wishes
    }

    /// Returns the temporary folder itself, for a store and the like.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the bare repository.
    pub fn bare(&self) -> PathBuf {
        self.root().join("wishes.git")
    }

    /// Returns the clone's work tree.
    pub fn clone_dir(&self) -> PathBuf {
        self.root().join("clone")
    }

    /// Writes a file of the clone, with its folders.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.clone_dir().join(path);
        fs::create_dir_all(path.parent().expect("a file stands in a folder")).expect("the folder can be made");
        fs::write(path, bytes).expect("the file can be written");
    }

    /// Reads a file of the clone.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.clone_dir().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Replaces the only place of `old` in a file of the clone.
    ///
    /// # Panics
    /// When `old` stands there not at all, or more than once.
    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert_eq!(text.matches(old).count(), 1, "{path} holds {old:?} once");
        self.write(path, text.replace(old, new));
    }

    /// Removes a file of the clone.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.clone_dir().join(path)).expect("the file is there");
    }

    /// Commits all that changed in the clone; returns the commit id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.commits.set(self.commits.get() + 1);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Pushes `main`, whatever stands there.
    pub fn push(&self) {
        self.git(&["push", "-q", "--force", "origin", "main"]);
    }

    /// Commits and pushes; returns the commit id.
    pub fn publish(&self, message: &str) -> String {
        let id = self.commit(message);
        self.push();
        id
    }

    /// Runs git in the clone; returns what it printed, trimmed.
    ///
    /// # Panics
    /// When git fails.
    pub fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.clone_dir(), args)
    }

    /// Runs git in any folder, as [`Wishes::git`] does.
    pub fn git_in(&self, dir: &Path, args: &[&str]) -> String {
        let output = self.git_command(dir).args(args).output().expect("git is here");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?} in {}: {said}", dir.display());
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Prepares git with a clean environment and a fixed identity and clock.
    pub fn git_command(&self, dir: &Path) -> Command {
        let date = format!("{} +0000", EPOCH + self.commits.get());
        let mut command = Command::new("git");
        command.current_dir(dir).env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.root()).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command.env("GIT_AUTHOR_NAME", "Ada").env("GIT_AUTHOR_EMAIL", "ada@site.example");
        command.env("GIT_COMMITTER_NAME", "Ada").env("GIT_COMMITTER_EMAIL", "ada@site.example");
        command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        command
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder can be made");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("the folder can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file has a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("the file can be copied");
        }
    }
}
