//! Secrets that a push leaves in the history, although its newest commit no longer contains them.
//!
//! The newest commit is checked completely, since it will be served. The commits below it are only
//! searched for secrets: everyone who can read the repository can read all that git ever accepted,
//! and no later commit removes it.

use std::collections::HashSet;

use super::judging::Patience;
use crate::desired::secret_findings;
use crate::git::{GitError, Listed, Repo, Walk};
use crate::model::clear_secret::find_in_file;
use crate::model::text::{bounded, plural};
use crate::model::{Diagnostic, File, Revision, SafeText, Tree};
use crate::view::DiagnosticView;

/// The maximum number of searched commits of a push, the newest ones; a migration of ten years may
/// have more.
pub const MAX_COMMITS: usize = 1_000;

/// The number of secrets in the message to a pusher.
const MAX_SHOWN: usize = 20;

/// The commits of a push, their base, and the folder of the cluster in them.
pub struct PushedHistory<'r> {
    pub repo: &'r Repo,
    pub sub: &'r str,
    pub old: Option<&'r Revision>,
    pub new: &'r Revision,
}

/// The secrets in the commits of a push below the newest one.
#[derive(Default)]
pub struct HistorySecrets {
    lines: Vec<String>,
    count: usize,
    commits: usize,
    /// Why not all commits were searched, if so.
    pub unsearched: Option<String>,
}

impl PushedHistory<'_> {
    /// Searches the commits of a push, oldest first, until the deadline.
    pub fn secrets(&self, patience: &Patience) -> Result<HistorySecrets, GitError> {
        let mut commits = self.repo.pushed_commits(self.old, self.new, MAX_COMMITS + 1)?;
        let mut all = HistorySecrets::default();
        if commits.len() > MAX_COMMITS {
            commits.truncate(MAX_COMMITS);
            all.unsearched = Some(format!("only the newest {MAX_COMMITS} commits of the push"));
        }

        let mut walk = self.repo.walk();
        // Secrets of the base are not new, and those of the newest commit are reported already.
        let mut known = HashSet::new();
        for revision in self.old.into_iter().chain([self.new]) {
            for (_, listed) in wishes(&mut walk, revision, self.sub)? {
                known.insert(listed);
            }
        }
        let below = commits.iter().skip(1).rev();
        for (done, revision) in below.enumerate() {
            if patience.left().is_zero() {
                all.unsearched = Some(format!("only {} of {}", done, plural(commits.len() - 1, "commit")));
                break;
            }
            let before = all.count;
            for (path, listed) in wishes(&mut walk, revision, self.sub)? {
                if !known.insert(listed.clone()) {
                    continue;
                }
                let file = walk.file(&path, &listed, revision)?;
                all.search(revision, self.sub, &path, &file);
            }
            all.commits += usize::from(all.count > before);
        }
        Ok(all)
    }
}

/// Lists the files of a commit that are read.
fn wishes(walk: &mut Walk<'_>, revision: &Revision, sub: &str) -> Result<Vec<(Box<str>, Listed)>, GitError> {
    let Some(folder) = walk.folder(revision, sub)? else { return Ok(Vec::new()) };
    let listing = walk.list(folder, revision)?;
    Ok(listing.iter().filter(|(_, listed)| matches!(listed, Listed::Wish(_))).cloned().collect())
}

impl HistorySecrets {
    fn search(&mut self, revision: &Revision, sub: &str, path: &str, file: &File) {
        let File::Bytes(bytes) = file else { return };
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let findings: Vec<Diagnostic> = secret_findings(path, text, find_in_file(path, text));
        if findings.is_empty() {
            return;
        }

        let mut tree = Tree::default();
        tree.insert(path, file.clone());
        for finding in &findings {
            self.count += 1;
            if self.lines.len() < MAX_SHOWN {
                let view = DiagnosticView::of(finding, &tree);
                let line = view.line.map(|line| format!(":{line}")).unwrap_or_default();
                let folder = if sub.is_empty() { String::new() } else { format!("{sub}/") };
                let commit = revision.short();
                let path = bounded(format!("{folder}{}", view.path));
                self.lines.push(format!("  commit {commit}: {path}{line}: {}", view.message));
            }
        }
    }

    /// Returns whether there are no secrets.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the message for the pusher, empty if there is none.
    pub fn text(&self) -> SafeText {
        let mut text = SafeText::default();
        if self.count > 0 {
            let (secrets, commits) = (plural(self.count, "secret"), plural(self.commits, "commit"));
            text.push_line(&format!(
                "warning[clear-secret]: {secrets} in {commits} of this push, which its newest commit no longer has:"
            ));
            self.lines.iter().for_each(|line| text.push_line(line));
            if self.count > self.lines.len() {
                text.push_line(&format!("  … and {} more", self.count - self.lines.len()));
            }
            text.push_line(
                "  help: git keeps what it has once taken: take it out of these commits before you push (`git rebase -i`), and \
                 change the secret",
            );
        }

        if let Some(searched) = &self.unsearched {
            text.push_line(&format!("note: {searched} were searched for secrets"));
        }

        text
    }
}
