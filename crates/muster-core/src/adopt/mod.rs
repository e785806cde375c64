//! What was seen and is not declared, as edits of the wishes: new tables and facts rows, and cells that follow a replaced
//! part.
//!
//! [`adopt()`] is a pure function of a Snapshot, what was observed, what differs between them, and the files that the
//! Snapshot follows from. Names and addresses become patterns where they are regular; what differs by machine goes into a
//! facts file; what cannot be told for sure is said in a note and left to a person. This room writes no file, knows no
//! repository, and does not judge what differs: the drift room does.

mod arch;
mod bmcs;
mod columns;
mod edits;
mod expect;
mod facts;
mod found;
mod macs;
mod naming;
mod new;
mod nics;
mod proof;
mod replace;
mod tables;

#[cfg(test)]
mod tests;

use crate::drift::Drift;
use crate::model::text::plural;
use crate::model::{Code, File, MacAddr, Revision, Tree};
use crate::observed::Observed;
use crate::snapshot::{self, Snapshot};

pub use arch::of as arch_of;
pub use proof::{Broken, proven};

/// Where new tables go where nobody says; their facts go beside, into `nodes/adopted.facts.csv`.
pub const INTO: &str = "nodes/adopted.toml";

/// What a person says of what is to be adopted.
#[derive(Debug, Clone)]
pub struct Options {
    /// The names of the new nodes, a pattern; where none is said, the cluster's own names are continued.
    pub names: Option<String>,
    /// The addresses that the new nodes boot with, a pattern; none if the layers or a person state them.
    pub ips: Option<String>,
    /// The groups that the new nodes are in.
    pub groups: Vec<String>,
    /// Whether new tables also wish what was seen of the machines: memory, processors, BIOS version and the like.
    pub expect: bool,
    /// The TOML file that new tables are added to, under `nodes/`.
    pub into: String,
    /// Whether the addresses that BMCs reported for nodes with `macs = "from-bmc"` are declared.
    pub macs: bool,
    /// Which parts are looked at.
    pub scope: Scope,
    /// Which address an interface of the one selected node has now.
    pub nics: Vec<(String, MacAddr)>,
}

/// Which parts of what differs are adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Machines that nobody declares, and replaced parts of those that are declared.
    All,
    /// Machines that nobody declares.
    New,
    /// Replaced parts of nodes, by their indices.
    Nodes(Vec<usize>),
}

/// What is to be written, and what is left to a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adoption {
    /// By path; none where there is nothing to adopt.
    pub edits: Vec<Edit>,
    /// What was taken in.
    pub adopted: Vec<Adopted>,
    /// What was not, and why, each in one sentence.
    pub notes: Vec<String>,
}

/// One file as it is and as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The path from the cluster's root.
    pub path: String,
    /// Nothing where there is no such file.
    pub before: Option<String>,
    pub after: String,
}

/// One thing that the edits declare.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Adopted {
    /// A System behind a BMC, under the name of a new node.
    Node { name: String, bmc: String, system: String },
    /// A BMC without Systems, under a new name.
    Bmc { name: String, bmc: String },
    /// A value of a node or BMC that is declared.
    Value { name: String, attribute: String, value: String },
}

/// Why nothing can be adopted as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("`{pattern}` is no pattern of names: {why}")]
    Names { pattern: String, why: String },
    #[error("`{pattern}` names {}, and {} were seen that nobody declares", plural(*.named, "node"), plural(*.found, "machine"))]
    NameCount { pattern: String, named: usize, found: usize },
    #[error("`{pattern}` is not a pattern of IP addresses: {why}")]
    Ips { pattern: String, why: String },
    #[error("`{pattern}` stands for {}, and {} found", plural(*.given, "address"), plural(*.found, "new node"))]
    IpCount { pattern: String, given: usize, found: usize },
    #[error("{0} has no Ethernet interface that is known, so it cannot have an address")]
    NoNic(String),
    #[error("`{0}` stands in the pattern of names, and something is already called so")]
    NameTaken(String),
    #[error("there is no group `{0}`")]
    Group(String),
    #[error("`{0}` is no TOML file under nodes/")]
    Into(String),
    #[error("a facts file beside `{0}` cannot be written: every name for it is taken")]
    Facts(String),
    #[error("`{0}` is a link, too large, or no text, so nothing can be added to it")]
    Unreadable(String),
    #[error("an interface's address needs one selected node, and {0} are selected")]
    NicOfMany(usize),
}

/// Works out what to write so that what was seen is declared.
///
/// `drift` is the comparison of the same Snapshot and observations, and `tree` holds the files that the Snapshot follows
/// from. Equal inputs give equal edits.
///
/// # Errors
/// The options do not fit what was found.
pub fn adopt(
    snapshot: &Snapshot,
    observed: &Observed,
    drift: &Drift,
    tree: &Tree,
    options: &Options,
) -> Result<Adoption, Unfit> {
    check(snapshot, tree, options)?;
    let first = compose(snapshot, observed, drift, tree, options, None)?;
    if first.edits.is_empty() || !boots_nothing(&first.applied(tree)) {
        return Ok(first);
    }
    let mut spare = compose(snapshot, observed, drift, tree, options, Some("spare"))?;
    spare
        .notes
        .push("the layers give the new nodes nothing to boot, so they are spares; name a boot configuration".into());
    Ok(spare)
}

fn check(snapshot: &Snapshot, tree: &Tree, options: &Options) -> Result<(), Unfit> {
    if !options.into.starts_with("nodes/") || !options.into.ends_with(".toml") || options.into.contains("..") {
        return Err(Unfit::Into(options.into.clone()));
    }
    // A link in the place of a folder leads somewhere else.
    let mut above = options.into.match_indices('/').map(|(at, _)| &options.into[..at]);
    if let Some(file) = above.find(|folder| tree.get(folder).is_some()) {
        return Err(Unfit::Unreadable(file.to_owned()));
    }
    let unknown = options.groups.iter().find(|group| snapshot.desired().group(group).is_none());
    if let Some(group) = unknown {
        return Err(Unfit::Group(group.clone()));
    }
    match &options.scope {
        Scope::Nodes(nodes) if nodes.len() == 1 || options.nics.is_empty() => Ok(()),
        Scope::Nodes(nodes) => Err(Unfit::NicOfMany(nodes.len())),
        Scope::All | Scope::New if options.nics.is_empty() => Ok(()),
        Scope::All | Scope::New => Err(Unfit::NicOfMany(snapshot.nodes().len())),
    }
}

/// What every part of this room reads.
#[derive(Clone, Copy)]
struct World<'a> {
    snapshot: &'a Snapshot,
    observed: &'a Observed,
    drift: &'a Drift,
    tree: &'a Tree,
    options: &'a Options,
    /// The state of new nodes, where it is not the default one.
    state: Option<&'a str>,
}

fn compose(
    snapshot: &Snapshot,
    observed: &Observed,
    drift: &Drift,
    tree: &Tree,
    options: &Options,
    state: Option<&str>,
) -> Result<Adoption, Unfit> {
    let world = World { snapshot, observed, drift, tree, options, state };
    let mut draft = edits::Draft::default();
    if options.scope != Scope::New {
        replace::replaced(&world, &mut draft);
        if options.macs {
            macs::claimed(&world, &mut draft);
        }
    }
    if !matches!(options.scope, Scope::Nodes(_)) {
        new::machines(&world, &mut draft)?;
    }
    draft.finish(tree, options)
}

fn boots_nothing(tree: &Tree) -> bool {
    let (_, findings) = snapshot::build(tree, Revision::work_tree());
    findings.iter().any(|finding| finding.code == Code::BootsNothing)
}

impl Adoption {
    /// Returns the files as they are once the edits are written.
    #[must_use]
    pub fn applied(&self, tree: &Tree) -> Tree {
        let mut after = tree.clone();
        for edit in &self.edits {
            after.insert(edit.path.as_str(), File::Bytes(edit.after.as_bytes().into()));
        }
        after
    }

    /// Counts the new nodes, the new BMCs without nodes, and the values.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let (mut nodes, mut bmcs, mut values) = (0, 0, 0);
        for adopted in &self.adopted {
            match adopted {
                Adopted::Node { .. } => nodes += 1,
                Adopted::Bmc { .. } => bmcs += 1,
                Adopted::Value { .. } => values += 1,
            }
        }
        (nodes, bmcs, values)
    }
}
