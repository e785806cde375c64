//! `muster adopt`.

mod write;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::hosted::Hosted;
use super::observations::Seen;
use super::source::{Source, Wishes};
use super::{Failure, Format, Outcome, node_set, output};
use crate::adopt::{self, Adoption, INTO, Options, Scope, Unfit};
use crate::drift::{self, Drift, Finding, Subject};
use crate::model::text::plural;
use crate::model::{Code, Diagnostic, MacAddr, Revision, Severity};
use crate::observed::Observed;
use crate::report;
use crate::roll;
use crate::snapshot::{self, Snapshot};

/// Declare new machines and replaced parts
///
/// Prints the edits of the cluster repository as a diff, or writes the files with --write; you commit them. New
/// machines get names, patterns if addresses are regular, and rows in a facts file. For a replaced mainboard or
/// network card, the one value that declares the old one is changed. Uncertain cases are reported on stderr and left
/// alone. Edits that would fail the checks, or differ from the observations, are not written.
///
/// Exit codes: 0 nothing to adopt, or written, 1 there is something to adopt and it was only printed, 2 trouble.
#[derive(Debug, Args)]
pub struct Adopt {
    /// Only handle replaced parts of these nodes: a name, or a node set such as 'nid[0001-0008]' or '@compute'
    #[arg(conflicts_with = "new")]
    nodes: Option<String>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    hosted: Hosted,
    #[command(flatten)]
    seen: Seen,
    /// Only declare new machines, and ignore replaced parts
    #[arg(long)]
    new: bool,
    /// The names of the new nodes: a pattern such as 'nid[0101-0108]', in the order of their BMCs' addresses
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    /// The addresses of the new nodes on their boot interface: a pattern such as '10.1.0.[101-108]', in the order of
    /// their names
    #[arg(long, value_name = "PATTERN")]
    ip: Option<String>,
    /// Put the new nodes into these groups
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    groups: Vec<String>,
    /// Also declare the observed memory, processors, accelerators, drives and BIOS version of new machines
    #[arg(long)]
    expect: bool,
    /// Add new tables to this file; their facts file is next to it
    #[arg(long, value_name = "FILE", default_value = INTO)]
    into: String,
    /// Also declare the addresses that BMCs reported for nodes with macs = "from-bmc"
    #[arg(long)]
    macs: bool,
    /// The current address of an interface of the one selected node, such as eth0=02:00:00:00:00:01
    #[arg(long, value_name = "NIC=MAC", value_parser = nic, requires = "nodes")]
    nic: Vec<(String, MacAddr)>,
    /// Write the files instead of printing the changes
    #[arg(long, conflicts_with = "rev")]
    write: bool,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What is printed for programs.
#[derive(Serialize)]
struct Report<'a> {
    written: bool,
    edits: Vec<EditView<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct EditView<'a> {
    path: String,
    before: Option<&'a str>,
    after: &'a str,
}

impl Adopt {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let wishes = self.source.read(None)?;
        let snapshot = wishes.built()?;
        let options = self.options(&snapshot)?;
        let seen = self.seen.read(&self.hosted)?;
        let at = Timestamp::now().as_millisecond();
        let observed = roll::declared(&snapshot, seen);
        let before = drift::compare(&snapshot, &observed, at, &drift::Options::default());
        let adoption = adopt::adopt(&snapshot, &observed, &before, &wishes.tree, &options)?;
        let differs = prove(&wishes, &adoption, observed, &before)?;
        if self.write {
            write::write(&wishes.prefix, &adoption.edits)?;
        }

        self.print(&wishes, &adoption)?;
        talk(&adoption, &differs)?;
        let is_done = self.write || adoption.edits.is_empty();
        Ok(if is_done { Outcome::AsWished } else { Outcome::Findings })
    }

    fn options(&self, snapshot: &Snapshot) -> Result<Options, Failure> {
        let scope = match &self.nodes {
            Some(set) => Scope::Nodes(node_set::nodes(snapshot, set)?),
            None if self.new => Scope::New,
            None => Scope::All,
        };

        Ok(Options {
            names: self.name.clone(),
            ips: self.ip.clone(),
            groups: self.groups.clone(),
            expect: self.expect,
            into: self.into.clone(),
            macs: self.macs,
            scope,
            nics: self.nic.clone(),
        })
    }

    fn print(&self, wishes: &Wishes, adoption: &Adoption) -> Result<(), Failure> {
        let mut out = output::stdout();
        let path = |path: &str| format!("{}{path}", wishes.prefix);
        if self.format == Format::Json {
            let edits = adoption.edits.iter();
            let edits = edits.map(|edit| EditView {
                path: path(&edit.path),
                before: edit.before.as_deref(),
                after: &edit.after,
            });
            let report = Report { written: self.write, edits: edits.collect(), notes: &adoption.notes };
            out.json(&report)?;
            return Ok(());
        }

        for edit in &adoption.edits {
            if self.write {
                writeln!(out, "wrote {}", path(&edit.path))?;
            } else {
                out.document(&write::diff(&path(&edit.path), edit))?;
            }
        }

        writeln!(out, "{}", last_line(adoption))?;
        Ok(())
    }
}

/// Ensures that the checks of the edits pass, and that they leave no drift in what they declare.
///
/// Returns the differences of the new nodes from their layers, one line each.
fn prove(wishes: &Wishes, adoption: &Adoption, observed: Observed, before: &Drift) -> Result<Vec<String>, Failure> {
    let refused = |why: String| {
        let hint = "nothing was written; this is a mistake of muster's, and --new or a node set may go round it";
        Failure::new(format!("adopting would break the wishes: {why}")).hint(Some(hint.into()))
    };

    let tree = adoption.applied(&wishes.tree);
    let (after, findings) = snapshot::build(&tree, Revision::work_tree());
    let Some(after) = after else {
        let mut err = output::stderr();
        err.safe(&report::text(&findings, &tree, &wishes.prefix, err.is_terminal()))?;
        return Err(unsound(adoption, &findings).unwrap_or_else(|| refused(report::count(&findings))));
    };

    let observed = roll::declared(&after, observed);
    let drift = drift::compare(&after, &observed, before.at, &drift::Options::default());
    let came = adopt::proven(adoption, before, &drift).map_err(|broken| refused(broken.to_string()))?;
    Ok(came.into_iter().filter_map(differs).collect())
}

/// Explains an adoption whose checks fail because of the new nodes' layers; `None` if the new
/// tables and rows themselves are at fault.
fn unsound(adoption: &Adoption, findings: &[Diagnostic]) -> Option<Failure> {
    let mut errors = findings.iter().filter(|finding| finding.severity() == Severity::Error);
    let is_written = |finding: &Diagnostic| adoption.edits.iter().any(|edit| edit.path == *finding.place.file);
    let is_of_layers = |finding: &Diagnostic| matches!(finding.code, Code::Template | Code::CloudInit);
    if !errors.all(|finding| is_of_layers(finding) || !is_written(finding)) {
        return None;
    }
    let hint = "adopted nodes have no address of their own: give them one with --ip PATTERN, or let a group compute it, such \
                as ip = \"{{ net('NETWORK') | host(nid) }}\" in its `nics`; or take out of the layers' files what only \
                other nodes have";
    let message = format!("the layers of the new nodes want what these do not have: {}", report::count(findings));
    Some(Failure::new(message).hint(Some(hint.into())))
}

fn differs(finding: &Finding) -> Option<String> {
    let Subject::Node(node) = &finding.subject else { return None };
    let text = |value: &Option<Box<str>>| value.as_deref().unwrap_or("nothing").to_owned();
    Some(format!("{node}: {}: expected {}, found {}", finding.attribute, text(&finding.wished), text(&finding.seen)))
}

/// The number of printed differences of new nodes; `muster drift` prints all.
const DIFFERENCES_PRINTED: usize = 10;

fn talk(adoption: &Adoption, differs: &[String]) -> Result<(), Failure> {
    let mut talk = output::stderr();
    for note in &adoption.notes {
        writeln!(talk, "note: {note}")?;
    }

    for line in differs.iter().take(DIFFERENCES_PRINTED) {
        writeln!(talk, "note: {line}")?;
    }

    if differs.len() > DIFFERENCES_PRINTED {
        writeln!(
            talk,
            "note: and {} from what the layers state",
            plural(differs.len() - DIFFERENCES_PRINTED, "more difference")
        )?;
    }

    Ok(())
}

fn last_line(adoption: &Adoption) -> String {
    let (nodes, bmcs, values) = adoption.counts();
    let count = |number: usize, what: &str| (number > 0).then(|| plural(number, what));
    let parts = [count(nodes, "new node"), count(bmcs, "new BMC"), count(values, "changed value")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "nothing to adopt".into() } else { parts.join(", ") }
}

fn nic(text: &str) -> Result<(String, MacAddr), String> {
    let (name, mac) = text.split_once('=').ok_or("write NIC=MAC, such as eth0=02:00:00:00:00:01")?;
    Ok((name.to_owned(), MacAddr::parse(mac).map_err(|error| error.to_string())?))
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Self {
        let hint = match &unfit {
            Unfit::Names { .. } => "write a pattern such as 'nid[0101-0108]'",
            Unfit::NameCount { .. } => "name each machine once; without --name the output shows which they are",
            Unfit::Ips { .. } => "write a pattern such as '10.1.0.[101-108]'",
            Unfit::IpCount { .. } => "give each new node one address, in the order of the names",
            Unfit::NoNic(_) => "survey its BMC again once it tells of its interfaces, or leave --ip out",
            Unfit::NameTaken(_) => "choose names that no node and no BMC has",
            Unfit::Group(_) => "make the group first: groups/NAME.toml",
            Unfit::Into(_) => "name a file such as nodes/rack7.toml",
            Unfit::Facts(_) | Unfit::Unreadable(_) => "name another file with --into",
            Unfit::NicOfMany(_) => "name the one node: muster adopt NODE --nic eth0=MAC",
        };

        Self::from_error(&unfit).hint(Some(hint.into()))
    }
}
