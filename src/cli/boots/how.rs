//! The differences between booted and current scripts: both commits are built in parallel, if the
//! repository here has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::change;
use crate::cli::source::Source;
use crate::git::Repo;
use crate::model::Revision;
use crate::report;
use crate::snapshot::{self, Answer, Snapshot};
use crate::view::{BootsView, HowView, RunView, hex};

/// The number of commits that are built, those with most nodes first: each takes seconds at 100,000
/// nodes.
const MOST_COMMITS: usize = 8;

/// Describes how each group of nodes on another commit differs, or why that is unknown.
pub fn tell(view: &mut BootsView, rows: &[RunView], source: &Source, today: Option<Arc<Snapshot>>) {
    let rows: BTreeMap<&str, &RunView> = rows.iter().map(|row| (&*row.name, row)).collect();
    let mut commits = Commits { source, repo: None, built: BTreeMap::new(), today, revision: view.revision.clone() };
    for fold in &mut view.folds {
        let Some(revision) = fold.revision.clone().filter(|revision| *revision != view.revision) else { continue };
        let names: Vec<&RunView> = fold.names.iter().filter_map(|name| rows.get(&**name).copied()).collect();
        let how = commits.how(&revision, &names);
        fold.how = Some(how.unwrap_or_else(|why| HowView { untold: Some(why), changes: Vec::new() }));
    }
}

/// The commits of the comparison.
struct Commits<'s> {
    source: &'s Source,
    repo: Option<Result<(Repo, String), String>>,
    built: BTreeMap<String, Result<Arc<Snapshot>, String>>,
    today: Option<Arc<Snapshot>>,
    revision: String,
}

impl Commits<'_> {
    fn how(&mut self, revision: &str, rows: &[&RunView]) -> Result<HowView, String> {
        let head = match &self.today {
            Some(today) => Arc::clone(today),
            None => {
                let today = self.build(&self.revision.clone())?;
                Arc::clone(self.today.insert(today))
            }
        };

        let base = self.build(revision)?;
        if let Some(row) = rows.iter().find(|row| !is_as_served(&base, row)) {
            return Err(format!(
                "commit {} comes to another script of {} here than the one that it booted: another version of muster \
                 served it",
                short(revision),
                row.name
            ));
        }

        let only: BTreeSet<String> = rows.iter().map(|row| row.name.clone()).collect();
        Ok(report::how(&change::compare(&base, &head, Some(&only))))
    }

    fn build(&mut self, revision: &str) -> Result<Arc<Snapshot>, String> {
        if let Some(known) = self.built.get(revision) {
            return known.clone();
        }
        if self.built.len() > MOST_COMMITS {
            return Err(format!("more than {MOST_COMMITS} commits are booted; only those of most nodes are compared"));
        }
        let built = self.build_anew(revision);
        self.built.insert(revision.to_owned(), built.clone());
        built
    }

    fn build_anew(&mut self, revision: &str) -> Result<Arc<Snapshot>, String> {
        let source = self.source;
        let open =
            || source.repository().map_err(|_| "there is no repository here; name a clone with --repo".to_owned());
        let (repo, inside) = self.repo.get_or_insert_with(open).as_ref().map_err(Clone::clone)?;
        let missing = || {
            format!("commit {} is not in the repository here; name a clone that has it with --repo", short(revision))
        };
        let revision = repo.resolve(revision).map_err(|_| missing())?;
        let tree = repo.tree(&revision, inside).map_err(|error| error.to_string())?;
        let (snapshot, _) = snapshot::build(&tree, Revision::commit(revision.as_str()));
        snapshot.map(Arc::new).ok_or_else(|| format!("commit {} does not check with this muster", revision.short()))
    }
}

/// Returns whether a commit gives here the script that a node booted.
fn is_as_served(base: &Snapshot, row: &RunView) -> bool {
    let name = row.booted_as.as_deref().unwrap_or(&row.name);
    let prepared = base.by_name(name).map(|node| base.answer(node));
    match (prepared, &row.boot) {
        (Some(Answer::Script(prepared)), Some(boot)) => hex(&prepared.digest) == boot.script_digest,
        (Some(Answer::Retired | Answer::Nothing) | None, _) | (_, None) => false,
    }
}

fn short(revision: &str) -> &str {
    revision.get(..12).unwrap_or(revision)
}
