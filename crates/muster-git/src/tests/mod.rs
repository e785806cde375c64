//! Tests with real repositories, made by the real git in temporary folders.

mod follow;
mod open;
mod read;
mod receive;
mod sound;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Repo, Tip, Trust, Wanted};
use muster_core::model::{File, Revision, Tree};

/// Returns a git command that ignores the configuration and environment of the user who runs the
/// tests.
fn git_command(dir: &Path) -> Command {
    let mut git = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
        git.env_remove(name);
    }
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C").current_dir(dir);

    for setting in [
        "user.name=Ada Tester",
        "user.email=ada@example",
        "init.defaultBranch=main",
        "protocol.file.allow=always",
        "safe.directory=*",
    ] {
        git.args(["-c", setting]);
    }

    git
}

pub(super) fn git(dir: &Path, args: &[&str]) -> String {
    let out = git_command(dir).args(args).output().expect("git runs");
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

fn write(dir: &Path, path: &str, text: impl AsRef<[u8]>) {
    let full = dir.join(path);
    std::fs::create_dir_all(full.parent().unwrap()).unwrap();
    std::fs::write(full, text).unwrap();
}

/// A bare repository and a clone of it with one commit.
struct Site {
    _folder: TempDir,
    root: PathBuf,
    bare: PathBuf,
    clone: PathBuf,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        git(&root, &["init", "--bare", "-q", "wishes.git"]);
        git(&root, &["init", "-q", "clone"]);
        let clone = root.join("clone");
        git(&clone, &["remote", "add", "origin", "../wishes.git"]);
        let site = Self { _folder: folder, bare: root.join("wishes.git"), clone, root };
        write(&site.clone, "cluster.toml", "name = \"first\"\n");
        site.push("first");
        site
    }

    /// Commits everything in the clone, pushes it with force, and returns the commit.
    fn push(&self, subject: &str) -> Revision {
        let revision = self.commit(subject);
        git(&self.clone, &["push", "-q", "--force", "origin", "HEAD:refs/heads/main"]);
        revision
    }

    fn commit(&self, subject: &str) -> Revision {
        git(&self.clone, &["add", "-A"]);
        git(&self.clone, &["commit", "-q", "--allow-empty", "-m", subject]);
        self.head()
    }

    fn head(&self) -> Revision {
        Revision::commit(&git(&self.clone, &["rev-parse", "HEAD"]))
    }
}

pub(super) fn named(dir: &Path) -> Repo {
    Repo::open(dir, Trust::Named).unwrap()
}

fn revision(tip: &Tip) -> Revision {
    match tip {
        Tip::Commit { revision, .. } => revision.clone(),
        Tip::Missing { .. } | Tip::Empty { .. } => panic!("no commit: {tip:?}"),
    }
}

fn text<'a>(tree: &'a Tree, path: &str) -> &'a str {
    match tree.get(path) {
        Some(File::Bytes(bytes)) => std::str::from_utf8(bytes).unwrap(),
        other => panic!("{path}: {other:?}"),
    }
}

/// Runs one ignored test of this binary in a process with its own environment.
fn in_child(test: &str, set: impl FnOnce(&mut Command)) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    set(&mut child);
    let out = child.output().unwrap();
    let shown = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && shown.contains("1 passed"), "{shown}");
}

#[test]
fn a_mirror_is_shared_and_the_rest_moves_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    fn moved<T: Send + 'static>() {}
    shared::<super::Mirror>();
    shared::<super::GitError>();
    moved::<Repo>();
    moved::<super::Watch>();
}
