//! One node in one commit, read from no more files than necessary, and each of them once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use super::super::watch;
use crate::desired::{Mentions, is_of_machines, mentions};
use crate::git::{FolderId, GitError, Listed, Unread, Walk};
use crate::model::{File, Revision, Tree};
use crate::snapshot::{self, Snapshot};
use crate::view::DiagnosticView;

/// The number of built parts that are kept; nearly always only the previous one is needed.
const KEPT_PARTS: usize = 64;

/// The cluster that a node is compared with before the first commit.
const NO_CLUSTER: &str = "name = \"none\"\n";

/// One node in a commit.
pub struct Part {
    /// Valid for this one node only.
    pub snapshot: Arc<Snapshot>,
    /// Why the commit cannot be read: errors of single files, and all that concern the node.
    pub faults: Vec<DiagnosticView>,
}

/// The files that a part was built from: equal ones give equal parts.
type Sources = Vec<(Box<str>, Listed)>;

/// The declarations in files under `nodes/` for the machines of one set of names.
type Known = HashMap<(Listed, bool), Mentions>;

/// Reads parts of commits that have most of their files in common.
pub struct Parts<'r> {
    walk: Walk<'r>,
    sub: String,
    known: HashMap<BTreeSet<Box<str>>, Known>,
    by_folder: HashMap<(FolderId, Box<str>), Arc<Part>>,
    by_sources: HashMap<(Sources, Box<str>), Arc<Part>>,
    nothing: Arc<Part>,
}

impl<'r> Parts<'r> {
    /// Reads from a folder of each commit ("" is the root).
    pub fn new(walk: Walk<'r>, sub: &str) -> Self {
        let mut tree = Tree::default();
        tree.insert("cluster.toml", File::Bytes(NO_CLUSTER.as_bytes().into()));
        let (snapshot, _) = snapshot::build_part(&tree, Revision::work_tree(), "");
        let snapshot = Arc::new(snapshot.expect("a cluster is a name"));
        Self {
            walk,
            sub: sub.into(),
            known: HashMap::new(),
            by_folder: HashMap::new(),
            by_sources: HashMap::new(),
            nothing: Arc::new(Part { snapshot, faults: Vec::new() }),
        }
    }

    /// Returns the part that represents a missing commit.
    pub fn nothing(&self) -> Arc<Part> {
        Arc::clone(&self.nothing)
    }

    /// Reads a node in a commit; equal commits give the same part.
    pub fn of(&mut self, revision: &Revision, node: &str) -> Result<Arc<Part>, GitError> {
        let Some(folder) = self.walk.folder(revision, &self.sub)? else { return Ok(self.nothing()) };
        let by_folder = (folder, Box::from(node));
        if let Some(part) = self.by_folder.get(&by_folder) {
            return Ok(Arc::clone(part));
        }
        let part = self.read(folder, revision, node)?;
        if self.by_folder.len() >= 4 * KEPT_PARTS {
            self.by_folder.clear();
        }
        self.by_folder.insert(by_folder, Arc::clone(&part));
        Ok(part)
    }

    fn read(&mut self, folder: FolderId, revision: &Revision, node: &str) -> Result<Arc<Part>, GitError> {
        let listing = self.walk.list(folder, revision)?;
        if !listing.iter().any(|(path, _)| &**path == "cluster.toml") {
            return Ok(self.nothing());
        }

        let counts = |listed: &Listed| !matches!(listed, Listed::Other(Unread::NoWish));
        let (machines, mut sources): (Sources, Sources) =
            listing.iter().filter(|(_, listed)| counts(listed)).cloned().partition(|(path, _)| is_of_machines(path));
        let names = BTreeSet::from([Box::from(node)]);
        self.learn(&machines, &names, revision)?;
        let said = said(&self.known, &machines, &names);
        let bmcs: BTreeSet<Box<str>> = said.iter().flat_map(|said| said.bmcs.iter().cloned()).collect();
        let mut is_wanted: Vec<bool> = said.iter().map(|said| said.is_any).collect();
        let mut faults: Vec<DiagnosticView> = Vec::new();

        if !bmcs.is_empty() {
            self.learn(&machines, &bmcs, revision)?;
            let more = self::said(&self.known, &machines, &bmcs);
            is_wanted.iter_mut().zip(more).for_each(|(wanted, said)| *wanted |= said.is_any);
        }

        let said = self::said(&self.known, &machines, &names);
        for (((path, listed), wanted), said) in machines.iter().zip(is_wanted).zip(said) {
            if wanted {
                sources.push((path.clone(), listed.clone()));
            } else if !said.faults.is_empty() {
                let mut tree = Tree::default();
                tree.insert(path.clone(), self.walk.file(path, listed, revision)?);
                faults.extend(DiagnosticView::all(&said.faults, &tree));
            }
        }

        let key = (sources, Box::from(node));
        if let (Some(part), true) = (self.by_sources.get(&key), faults.is_empty()) {
            return Ok(Arc::clone(part));
        }

        let part = Arc::new(self.build(&key.0, revision, node, faults)?);
        if part.faults.is_empty() {
            if self.by_sources.len() >= KEPT_PARTS {
                self.by_sources.clear();
            }
            self.by_sources.insert(key, Arc::clone(&part));
        }

        Ok(part)
    }

    fn build(
        &mut self,
        sources: &Sources,
        revision: &Revision,
        node: &str,
        mut faults: Vec<DiagnosticView>,
    ) -> Result<Part, GitError> {
        let mut tree = Tree::default();
        for (path, listed) in sources {
            tree.insert(path.clone(), self.walk.file(path, listed, revision)?);
        }

        let what = format!("what commit {} says of {node}", revision.short());
        let build = || snapshot::build_part(&tree, revision.clone(), node);
        let (snapshot, found) = watch::building(&what, build);
        faults.extend(DiagnosticView::all(&found, &tree));
        let snapshot = snapshot.map_or_else(|| Arc::clone(&self.nothing.snapshot), Arc::new);

        Ok(Part { snapshot, faults })
    }

    /// Reads the files that were never read for these names, in parallel.
    fn learn(&mut self, files: &Sources, names: &BTreeSet<Box<str>>, revision: &Revision) -> Result<(), GitError> {
        let known = self.known.entry(names.clone()).or_default();
        let new: Vec<&(Box<str>, Listed)> =
            files.iter().filter(|(path, listed)| !known.contains_key(&key(path, listed))).collect();
        let mut read = Vec::with_capacity(new.len());
        for (path, listed) in new {
            read.push((path, listed, self.walk.file(path, listed, revision)?));
        }
        let said: Vec<_> =
            read.par_iter().map(|(path, listed, file)| (key(path, listed), mentions(path, file, names))).collect();
        known.extend(said);
        Ok(())
    }
}

/// The contents of a file depend only on its bytes and its kind.
fn key(path: &str, listed: &Listed) -> (Listed, bool) {
    (listed.clone(), path.ends_with(".csv"))
}

fn said<'k>(
    known: &'k HashMap<BTreeSet<Box<str>>, Known>,
    files: &Sources,
    names: &BTreeSet<Box<str>>,
) -> Vec<&'k Mentions> {
    let known = &known[names];
    files.iter().map(|(path, listed)| &known[&key(path, listed)]).collect()
}
