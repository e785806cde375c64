//! `muster diff`.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::show::bad_set;
use super::{Failure, Format, Outcome};
use crate::change::{self, Change};
use crate::git::{self, Repo, Trust};
use crate::model::{Revision, Tree};
use crate::report::{self, ChangeReport};
use crate::snapshot::{self, Snapshot};

/// Show what a change means for machines: their boot scripts, their cloud-init, and what is wished of them
///
/// With no HEAD, the files as they stand (committed or not) are merged into BASE in memory, and BASE is compared with
/// what that yields; in a bare repository, HEAD is. With both, exactly these two commits are compared. Equal changes are
/// told once, under the set of their nodes. Exit codes: 0 no machine changes, 1 some do, 2 trouble: a side that does not
/// check, or a merge with conflicts.
#[derive(Debug, Args)]
pub struct Diff {
    /// The commit, branch or tag to compare with [default: origin/HEAD, else this branch's upstream, else main]
    base: Option<String>,
    /// Compare with this commit, as it is, instead of with the files as they stand, merged
    head: Option<String>,
    /// Show what this one commit, branch or tag changed: compare it with its first parent
    #[arg(long, value_name = "REV", conflicts_with_all = ["base", "head"])]
    rev: Option<String>,
    /// The repository of wishes
    #[arg(long, value_name = "DIR", env = "MUSTER_REPO", default_value = ".")]
    repo: PathBuf,
    /// The folder of the cluster inside the repository
    #[arg(long, value_name = "DIR", env = "MUSTER_PATH", default_value = "")]
    path: String,
    /// Compare these nodes only: a name, or a node set such as 'nid[0001-0008]' or '@compute', by either side
    #[arg(long, value_name = "NODESET")]
    nodes: Option<String>,
    /// Say of each change only whom it concerns and what it touches
    #[arg(long, conflicts_with = "format")]
    stat: bool,
    /// Print text or JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// One side that was read.
struct Side {
    tree: Tree,
    revision: Revision,
    /// What it is called.
    label: String,
    /// What stands before each path.
    prefix: String,
}

impl Diff {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let (base, head) = self.sides()?;
        let (old, new) = rayon::join(|| build(&base), || build(&head));
        let (old, new) = match (old, new) {
            (Ok(old), Ok(new)) => (Arc::new(old), Arc::new(new)),
            // Both are told, the base first.
            (old, new) => return Err(told([(&base, old.err()), (&head, new.err())])),
        };
        let only = self.nodes.as_deref().map(|set| selected(&old, &new, set)).transpose()?;
        let change = change::compare(&old, &new, only.as_ref());
        self.print(&change, &base.label, &head.label)?;
        Ok(if change.is_empty() { Outcome::AsWished } else { Outcome::Findings })
    }

    fn print(&self, change: &Change, base: &str, head: &str) -> Result<(), Failure> {
        let report = ChangeReport { change, folds: change::fold(change), base, head };
        let mut out = anstream::stdout().lock();
        let text = match self.format {
            Format::Text => report.text(self.stat, std::io::stdout().is_terminal()),
            Format::Json => report.json(),
        };
        out.write_all(text.as_bytes())?;
        Ok(())
    }

    fn sides(&self) -> Result<(Side, Side), Failure> {
        let repo = Repo::open(&self.repo, Trust::Person)?;
        let sub = self.path.trim_matches('/');
        let inside = [repo.prefix(), sub].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        let (name, base) = match (&self.base, &self.rev) {
            (Some(rev), _) => (rev.clone(), repo.resolve(rev)?),
            (None, Some(rev)) => (format!("{rev}^"), repo.first_parent(&repo.resolve(rev)?)?),
            (None, None) => repo.target()?,
        };
        let side = |tree, revision, label| {
            let prefix = if inside.is_empty() { String::new() } else { format!("{inside}/") };
            Side { tree, revision, label, prefix }
        };
        let called = |name: &str, revision: &Revision| match revision.as_str().starts_with(name) {
            true => revision.short().to_owned(),
            false => format!("{name} ({})", revision.short()),
        };
        let (tree, revision, label) = match self.head.as_ref().or(self.rev.as_ref()) {
            Some(rev) => {
                let revision = repo.resolve(rev)?;
                (repo.tree(&revision, &inside)?, revision.clone(), called(rev, &revision))
            }
            None if repo.is_bare() => {
                let revision = repo.resolve("HEAD")?;
                let label = format!("{}, merged into {name}", called("HEAD", &revision));
                (repo.merged(&base, &revision, &inside)?, revision, label)
            }
            None => {
                let work = git::work_tree(&self.repo, sub)?;
                let label = format!("the files as they stand, merged into {name}");
                (repo.merged_work(&base, &work, &inside)?, Revision::work_tree(), label)
            }
        };
        let label_of_base = called(&name, &base);
        Ok((side(repo.tree(&base, &inside)?, base, label_of_base), side(tree, revision, label)))
    }
}

/// Builds a side; where it does not check, says why.
fn build(side: &Side) -> Result<Snapshot, String> {
    let (snapshot, findings) = snapshot::build(&side.tree, side.revision.clone());
    snapshot.ok_or_else(|| {
        let colour = std::io::stderr().is_terminal();
        let text = report::text(&findings, &side.tree, &side.prefix, colour);
        format!("{text}{}: {}\n", side.label, report::count(&findings))
    })
}

/// Prints why sides do not check.
fn told(sides: [(&Side, Option<String>); 2]) -> Failure {
    let mut stderr = anstream::stderr();
    let mut names = Vec::new();
    for (side, text) in sides {
        if let Some(text) = text {
            // Where nobody reads it, the failure still ends the command.
            let _ = write!(stderr, "{text}");
            names.push(side.label.as_str());
        }
    }
    let message = format!("the wishes do not check: {}", names.join(" and "));
    Failure::new(message).hint(Some("what machines would get from them, nobody can tell; mend them first".into()))
}

fn selected(old: &Snapshot, new: &Snapshot, set: &str) -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    let mut missing: Option<Vec<String>> = None;
    for snapshot in [old, new] {
        let selection = snapshot.select(set).map_err(|error| bad_set(set, &error))?;
        names.extend(selection.nodes.iter().map(|at| snapshot.nodes()[*at].name.to_string()));
        // Either side may know a name.
        missing = Some(match missing {
            None => selection.missing,
            Some(before) => before.into_iter().filter(|name| selection.missing.contains(name)).collect(),
        });
    }
    match missing.unwrap_or_default().first() {
        None => Ok(names),
        Some(first) => {
            let all = new.nodes().iter().map(|node| &*node.name);
            let near = crate::desired::did_you_mean(first, all);
            Err(Failure::new(format!("no node of either side is called `{first}`")).hint(near))
        }
    }
}
