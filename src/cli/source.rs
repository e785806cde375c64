//! Where a command reads the wishes: a folder as it stands, or a commit.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use crate::git::{self, Repo, Trust};
use crate::model::{Diagnostic, Revision, Tree};
use crate::report;
use crate::snapshot::{self, Snapshot};

/// The options that say which wishes are read.
#[derive(Debug, Args)]
pub struct Source {
    /// The repository or folder of wishes
    #[arg(long, value_name = "DIR", env = "MUSTER_REPO", default_value = ".")]
    repo: PathBuf,
    /// Read this commit, branch or tag instead of the files as they stand
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// The folder of the cluster inside the repository
    #[arg(long, value_name = "DIR", env = "MUSTER_PATH", default_value = "")]
    path: String,
}

/// The wishes that were read.
pub struct Wishes {
    pub tree: Tree,
    pub revision: Revision,
    /// What stands before each path so that it can be opened from here.
    pub prefix: String,
}

impl Source {
    /// Reads the files.
    pub fn read(&self, folder: Option<&Path>) -> Result<Wishes, Failure> {
        let dir = folder.unwrap_or(&self.repo);
        let sub = self.path.trim_matches('/');
        let Some(rev) = &self.rev else {
            let tree = git::work_tree(dir, sub)?;
            let mut prefix = dir.join(sub).display().to_string();
            if !prefix.ends_with('/') {
                prefix.push('/');
            }
            let prefix = prefix.strip_prefix("./").map_or(prefix.clone(), str::to_owned);
            return Ok(Wishes { tree, revision: Revision::work_tree(), prefix });
        };
        let repo = Repo::open(dir, Trust::Person)?;
        let revision = repo.resolve(rev)?;
        let inside = [repo.prefix(), sub].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/");
        let tree = repo.tree(&revision, &inside)?;
        let prefix = if sub.is_empty() { String::new() } else { format!("{sub}/") };
        Ok(Wishes { tree, revision, prefix })
    }
}

impl Wishes {
    /// Builds the Snapshot, and returns it with all findings.
    pub fn build(&self) -> (Option<Snapshot>, Vec<Diagnostic>) {
        snapshot::build(&self.tree, self.revision.clone())
    }

    /// Builds the Snapshot for a command that needs one: findings go to stderr, and errors end the command.
    pub fn built(&self) -> Result<Snapshot, Failure> {
        let (snapshot, findings) = self.build();
        match snapshot {
            Some(snapshot) => Ok(snapshot),
            None => {
                let colour = std::io::stderr().is_terminal();
                let mut stderr = anstream::stderr();
                // Where nobody reads it, the failure still ends the command.
                let _ = write!(stderr, "{}", report::text(&findings, &self.tree, &self.prefix, colour));
                let message = format!("the wishes do not check: {}", report::count(&findings));
                Err(Failure::new(message).hint(Some("mend them first; `muster check` tells the same".into())))
            }
        }
    }
}
