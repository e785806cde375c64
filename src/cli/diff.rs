//! `muster diff`.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::sides::{self, Head, Side};
use super::{Failure, Outcome, node_set, output};
use crate::change::{self, Change};
use crate::report::ChangeReport;
use crate::settings::GivenBuild;
use crate::snapshot::Snapshot;

/// Show the effect of a change on machines: boot scripts, cloud-init and desired state
///
/// Without HEAD, the files in the work tree (committed or not) are merged into BASE in memory, and BASE is compared
/// with the result; in a bare repository, HEAD is merged. With both, exactly these two commits are compared. Equal
/// changes are listed once, under the set of their nodes. Violated guard rails of policy.toml are listed with the
/// digests to allow; `muster check --base`, the push hook and the server enforce them.
///
/// Exit codes: 0 no machine changes, 1 some do, 2 a side fails its checks, or the merge has conflicts.
#[derive(Debug, Args)]
pub struct Diff {
    /// The commit, branch or tag to compare with [default: origin/HEAD, else this branch's upstream, else main]
    base: Option<String>,
    /// Compare with exactly this commit instead of the merged work tree
    head: Option<String>,
    /// Show the effect of this commit, branch or tag, compared with its first parent
    #[arg(long, value_name = "REV", conflicts_with_all = ["base", "head"])]
    rev: Option<String>,
    /// The cluster repository
    #[arg(long, value_name = "DIR", env = "MUSTER_REPO", default_value = ".")]
    repo: PathBuf,
    /// The folder of the cluster inside the repository
    #[arg(long, value_name = "DIR", env = "MUSTER_PATH", default_value = "")]
    path: String,
    /// Compare only these nodes of either side: a name, or a node set such as 'nid[0001-0008]' or '@compute'
    #[arg(long, value_name = "NODESET")]
    nodes: Option<String>,
    /// Show only the nodes and the kind of each change
    #[arg(long, conflicts_with = "format")]
    stat: bool,
    /// The output format: text, JSON (schemas/diff.schema.json), Markdown for a comment on a pull request, or
    /// annotations of GitHub Actions
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    pub(super) limits: GivenBuild,
}

/// How a change is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
    Github,
}

impl Diff {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let head = match (&self.head, &self.rev) {
            (Some(head), _) => Head::Exactly(head),
            (None, Some(rev)) => Head::AfterItsParent(rev),
            (None, None) => Head::AsItStands,
        };
        let (base, head) = sides::read(&self.repo, &self.path, self.base.as_deref(), head)?;
        let (old, new) = sides::build(&base, &head)?;
        let only = self.nodes.as_deref().map(|set| selected(&old, &new, set)).transpose()?;
        let change = change::compare(&old, &new, only.as_ref());
        self.print(&change, &base, &head)?;
        Ok(if change.is_empty() { Outcome::AsWished } else { Outcome::Findings })
    }

    fn print(&self, change: &Change, base: &Side, head: &Side) -> Result<(), Failure> {
        let folds = change::fold(change);
        // Which nodes were asked for is no part of a change, and no rail's business.
        let judgement = self.nodes.is_none().then(|| change::judge(change, &folds));
        let report = ChangeReport { change, folds, judgement, base: &base.label, head: &head.label };
        let mut out = output::stdout();

        let text = match self.format {
            Format::Text => report.text(self.stat, out.is_terminal()),
            Format::Json => report.json(),
            Format::Markdown => report.markdown(head.prefix.trim_end_matches('/')),
            Format::Github => report.github(head.prefix.trim_end_matches('/')),
        };

        out.safe(&text)?;
        Ok(())
    }
}

fn selected(old: &Snapshot, new: &Snapshot, set: &str) -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    let mut missing: Option<Vec<String>> = None;
    for snapshot in [old, new] {
        let selection = node_set::select(snapshot, set)?;
        names.extend(selection.nodes.iter().map(|at| snapshot.nodes()[*at].name.to_string()));
        // Either side may know a name.
        missing = Some(match missing {
            None => selection.missing().collect(),
            Some(before) => {
                let here: HashSet<String> = selection.missing().collect();
                before.into_iter().filter(|name| here.contains(name)).collect()
            }
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
