//! `muster log`.

mod history;
mod part;

use clap::Args;

use super::source::Source;
use super::{Failure, Format, Outcome, output, watch};
use crate::model::text::plural;
use crate::report::LogEntry;
use crate::settings::GivenBuild;
use crate::snapshot;
use crate::view::{API_VERSION, LogView};
use history::History;

/// List the commits that changed a node, newest first, with the changes
///
/// The same differences count as in `muster diff`: boot script, cloud-init, identity, BMC, expectations, and whether
/// the node exists. A renamed node is followed. Merges are treated as in `git log`. A commit whose files cannot be
/// read, or with an error that concerns the node, is listed as one that fails its checks; errors of other nodes are
/// not searched for.
#[derive(Debug, Args)]
pub struct Log {
    /// The node: its name or xname
    node: String,
    #[command(flatten)]
    source: Source,
    /// Stop after this many commits
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_count: Option<u64>,
    /// Show the changed lines of script and cloud-init
    #[arg(short, long)]
    patch: bool,
    /// Follow only the first parent of each merge, to list what reached the branch
    #[arg(long)]
    first_parent: bool,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    pub(super) limits: GivenBuild,
}

impl Log {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let (repo, inside) = self.source.repository()?;
        let tip = repo.resolve(self.source.rev().unwrap_or("HEAD"))?;
        let tree = repo.tree(&tip, &inside)?;
        let what = format!("commit {}", tip.short());
        let (snapshot, _) = watch::building(&what, || snapshot::build(&tree, tip.clone()));
        let node = snapshot
            .as_ref()
            .and_then(|snapshot| snapshot.by_name(&self.node).map(|at| snapshot.nodes()[at].name.to_string()));

        let node = node.unwrap_or_else(|| self.node.clone());
        let mut history = History::new(&repo, &inside, &tip, &node, self.first_parent)?;
        let told = self.print(&mut history, &node)?;
        if told.is_ever {
            return Ok(Outcome::AsWished);
        }

        let near = snapshot.and_then(|snapshot| {
            crate::desired::did_you_mean(&self.node, snapshot.nodes().iter().map(|node| &*node.name))
        });

        Err(Failure::new(format!(
            "no node was ever called `{}`, in {}",
            self.node,
            plural(usize::try_from(history.looked).unwrap_or(usize::MAX), "commit")
        ))
        .hint(near))
    }
}

/// The result of the walk.
struct Told {
    /// Whether the node existed in any commit.
    is_ever: bool,
}

impl Log {
    fn print(&self, history: &mut History<'_>, node: &str) -> Result<Told, Failure> {
        let mut out = output::stdout();
        let colour = out.is_terminal();
        let (mut count, mut refused, mut commits) = (0, 0, Vec::new());

        // There is no output for a node that never existed.
        let mut held: Vec<LogEntry> = Vec::new();
        while self.max_count.is_none_or(|most| count + refused < most) {
            let Some(entry) = history.next()? else { break };
            *(if entry.change.is_some() { &mut count } else { &mut refused }) += 1;
            held.push(entry);
            if !history.is_there {
                continue;
            }
            for entry in held.drain(..) {
                match self.format {
                    Format::Text => out.safe(&entry.text(self.patch, colour))?,
                    Format::Json => commits.push(entry.view()),
                }
            }
        }

        let looked = history.looked;
        let is_ever = count > 0 || history.is_there;
        match self.format {
            Format::Json if is_ever => {
                let (api_version, muster) = (API_VERSION.into(), env!("CARGO_PKG_VERSION").into());
                let is_cut = !history.cut.is_empty();
                let all = LogView { api_version, muster, node: node.into(), commits, looked, is_cut };
                out.json(&all)?;
            }
            Format::Text if is_ever => {
                for revision in &history.cut {
                    let short = revision.short();
                    writeln!(
                        out,
                        "the clone is shallow: what came before {short} is not here (git fetch --unshallow)"
                    )?;
                }
                let refused = match refused {
                    0 => String::new(),
                    1 => ", 1 that does not check".into(),
                    refused => format!(", {refused} that do not check"),
                };
                let commits = plural(usize::try_from(looked).unwrap_or(usize::MAX), "commit");
                writeln!(out, "{commits} looked at: {count} changed {node}{refused}")?;
            }
            Format::Json | Format::Text => {}
        }

        Ok(Told { is_ever })
    }
}
