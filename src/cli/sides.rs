//! The two sides of a comparison of commits: the base, and the result of merging into it.

use std::path::Path;
use std::sync::Arc;

use super::{Failure, output, watch};
use crate::git::{self, Repo, Trust};
use crate::model::{Revision, SafeText, Tree};
use crate::report;
use crate::snapshot::{self, Snapshot};

/// One side of the comparison.
pub struct Side {
    pub tree: Tree,
    pub revision: Revision,
    /// Its label.
    pub label: String,
    /// The prefix of each path.
    pub prefix: String,
}

/// The choice of the other side.
#[derive(Clone, Copy)]
pub enum Head<'a> {
    /// The files of the work tree, merged into the base; in a repository without files, the commit
    /// of
    /// `HEAD`, merged.
    AsItStands,
    /// A commit, merged into the base.
    Merged(&'a str),
    /// A commit without a merge.
    Exactly(&'a str),
    /// A commit without a merge, compared with its first parent if no base is named.
    AfterItsParent(&'a str),
}

/// Reads both sides from the repository around a folder; without `base`, the usual merge target is
/// used, and `sub` is the folder of the cluster relative to it.
pub fn read(folder: &Path, sub: &str, base: Option<&str>, head: Head<'_>) -> Result<(Side, Side), Failure> {
    let repo = Repo::open(folder, Trust::Person)?;
    let sub = sub.trim_matches('/');
    let inside = [repo.prefix(), sub].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");

    let (name, base) = match (base, head) {
        (Some(rev), _) => (rev.to_owned(), repo.resolve(rev)?),
        (None, Head::AfterItsParent(rev)) => (format!("{rev}^"), repo.first_parent(&repo.resolve(rev)?)?),
        (None, Head::AsItStands | Head::Merged(_) | Head::Exactly(_)) => repo.target()?,
    };

    let called = |name: &str, revision: &Revision| match revision.as_str().starts_with(name) {
        true => revision.short().to_owned(),
        false => format!("{name} ({})", revision.short()),
    };

    let merged = |rev: &str| -> Result<_, Failure> {
        let revision = repo.resolve(rev)?;
        let label = format!("{}, merged into {name}", called(rev, &revision));
        Ok((repo.merged(&base, &revision, &inside)?, revision, label))
    };

    let (tree, revision, label) = match head {
        Head::Exactly(rev) | Head::AfterItsParent(rev) => {
            let revision = repo.resolve(rev)?;
            (repo.tree(&revision, &inside)?, revision.clone(), called(rev, &revision))
        }
        Head::Merged(rev) => merged(rev)?,
        Head::AsItStands if repo.is_bare() => merged("HEAD")?,
        Head::AsItStands => {
            let work = git::work_tree(folder, sub)?;
            let label = format!("the files as they stand, merged into {name}");
            (repo.merged_work(&base, &work, &inside)?, Revision::work_tree(), label)
        }
    };

    let side = |tree, revision, label| {
        let prefix = if inside.is_empty() { String::new() } else { format!("{inside}/") };
        Side { tree, revision, label, prefix }
    };

    let label_of_base = called(&name, &base);
    Ok((side(repo.tree(&base, &inside)?, base, label_of_base), side(tree, revision, label)))
}

/// Builds both sides; if the checks of one fail, prints its findings on stderr, the base's first.
pub fn build(base: &Side, head: &Side) -> Result<(Arc<Snapshot>, Arc<Snapshot>), Failure> {
    let what = format!("{} and {}", base.label, head.label);
    match watch::building(&what, || rayon::join(|| one(base), || one(head))) {
        (Ok(old), Ok(new)) => Ok((Arc::new(old), Arc::new(new))),
        (old, new) => Err(told([(base, old.err()), (head, new.err())])),
    }
}

/// Builds a side, or returns why its checks fail.
fn one(side: &Side) -> Result<Snapshot, SafeText> {
    let (snapshot, findings) = snapshot::build(&side.tree, side.revision.clone());
    snapshot.ok_or_else(|| {
        let mut text = report::text(&findings, &side.tree, &side.prefix, output::stderr().is_terminal());
        text.push_line(&format!("{}: {}", side.label, report::count(&findings)));
        text
    })
}

/// Prints why the checks of sides fail.
fn told(sides: [(&Side, Option<SafeText>); 2]) -> Failure {
    let mut stderr = output::stderr();
    let mut names = Vec::new();
    for (side, text) in sides {
        if let Some(text) = text {
            // If stderr is closed, the failure still ends the command.
            let _ = stderr.safe(&text);
            names.push(side.label.as_str());
        }
    }
    let message = format!("the wishes do not check: {}", names.join(" and "));
    Failure::new(message).hint(Some("what machines would get from them, nobody can tell; mend them first".into()))
}
