//! The source of the cluster repository for a command: a folder, or a commit.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, output, watch};
use crate::git::{self, Repo, Trust};
use crate::model::{Diagnostic, RepoAddress, Revision, Tree};
use crate::report;
use crate::snapshot::{self, Snapshot};

/// The options that say which wishes are read.
#[derive(Debug, Args)]
pub struct Source {
    /// The cluster repository, or its folder
    #[arg(long, value_name = "DIR", env = "MUSTER_REPO", hide_env_values = true, default_value = ".")]
    repo: PathBuf,
    /// Read this commit, branch or tag instead of the files in the work tree
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// The folder of the cluster inside the repository
    #[arg(long, value_name = "DIR", env = "MUSTER_PATH", default_value = "")]
    path: String,
}

/// The files that were read.
pub struct Wishes {
    pub tree: Tree,
    pub revision: Revision,
    /// The prefix that makes each path relative to the current folder.
    pub prefix: String,
    /// The prefix that makes each path relative to the root of the git repository.
    pub from_root: String,
    /// The folder of the files, if they were read from the work tree.
    pub folder: Option<PathBuf>,
}

impl Source {
    /// Returns the commit, branch or tag that is requested by name.
    pub fn revision(&self) -> Option<&str> {
        self.rev.as_deref()
    }

    /// Returns the given folder, or the configured one, and the cluster's folder relative to it.
    pub fn folder(&self, folder: Option<&Path>) -> Result<(PathBuf, &str), Failure> {
        Ok((here(folder.unwrap_or(&self.repo))?, &self.path))
    }

    /// Reads the files.
    pub fn read(&self, folder: Option<&Path>) -> Result<Wishes, Failure> {
        let dir = &here(folder.unwrap_or(&self.repo))?;
        let sub = self.path.trim_matches('/');
        let Some(rev) = &self.rev else {
            let tree = git::work_tree(dir, sub)?;
            let mut prefix = dir.join(sub).display().to_string();
            if !prefix.ends_with('/') {
                prefix.push('/');
            }
            let prefix = prefix.strip_prefix("./").map_or(prefix.clone(), str::to_owned);
            let from_root = from_root(dir, sub);
            return Ok(Wishes {
                tree,
                revision: Revision::work_tree(),
                prefix,
                from_root,
                folder: Some(dir.join(sub)),
            });
        };

        let (repo, inside) = self.repository_of(dir)?;
        let revision = repo.resolve(rev)?;
        let tree = repo.tree(&revision, &inside)?;
        let prefix = if sub.is_empty() { String::new() } else { format!("{sub}/") };
        let from_root = if inside.is_empty() { inside } else { format!("{inside}/") };

        Ok(Wishes { tree, revision, prefix, from_root, folder: None })
    }

    /// Opens the repository, and returns the cluster's folder in it.
    pub fn repository(&self) -> Result<(Repo, String), Failure> {
        self.repository_of(&here(&self.repo)?)
    }

    /// Returns the named commit, branch or tag.
    pub fn rev(&self) -> Option<&str> {
        self.rev.as_deref()
    }

    fn repository_of(&self, dir: &Path) -> Result<(Repo, String), Failure> {
        let repo = Repo::open(dir, Trust::Person)?;
        let parts = [repo.prefix(), self.path.trim_matches('/')];
        let inside = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        Ok((repo, inside))
    }
}

/// Returns the folder of a name; a repository on another host is not read from here.
fn here(dir: &Path) -> Result<PathBuf, Failure> {
    let text = dir.to_string_lossy();
    if dir.exists() || text.is_empty() {
        return Ok(dir.into());
    }
    match text.parse() {
        Ok(RepoAddress::Local(path)) => Ok(path),
        Ok(RepoAddress::Remote(url)) => {
            let hint = format!("clone it, and name the clone: git clone {url} wishes");
            Err(Failure::new(format!("{url}: is on another host, and this command reads a folder")).hint(Some(hint)))
        }
        Err(error) => Err(Failure::from_error(&error).hint(Some(error.hint().into()))),
    }
}

/// Returns the path of a folder from the root of its repository, or from itself outside of one.
fn from_root(dir: &Path, sub: &str) -> String {
    let around = Repo::open(dir, Trust::Person).map(|repo| repo.prefix().to_owned()).unwrap_or_default();
    let parts: Vec<&str> = [around.as_str(), sub].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!("{}/", parts.join("/")) }
}

impl Wishes {
    /// Builds the snapshot, and returns it with all findings.
    pub fn build(&self) -> (Option<Snapshot>, Vec<Diagnostic>) {
        let what = match &self.folder {
            Some(folder) => format!("the files in {}", folder.display()),
            None => format!("commit {}", self.revision.short()),
        };
        watch::building(&what, || snapshot::build(&self.tree, self.revision.clone()))
    }

    /// Builds the snapshot for a command that needs one: findings go to stderr, and errors end the
    /// command.
    pub fn built(&self) -> Result<Snapshot, Failure> {
        let (snapshot, findings) = self.build();
        match snapshot {
            Some(snapshot) => Ok(snapshot),
            None => {
                let mut stderr = output::stderr();
                let text = report::text(&findings, &self.tree, &self.prefix, stderr.is_terminal());
                // If stderr is closed, the failure still ends the command.
                let _ = stderr.safe(&text);
                let message = format!("the wishes do not check: {}", report::count(&findings));
                Err(Failure::new(message).hint(Some("mend them first; `muster check` tells the same".into())))
            }
        }
    }
}
