//! `muster check`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::source::Source;
use super::{Failure, Outcome};
use crate::model::{Diagnostic, Severity};
use crate::report;
use crate::view::FindingList;

/// Load and validate a folder of wishes or a commit, and tell all that is wrong
///
/// Builds everything that `muster serve` would send and drops it, so templates, scripts and line lengths are checked
/// too. Exit codes: 0 nothing is wrong (warnings do not count), 1 there are errors, 2 the wishes could not be read.
#[derive(Debug, Args)]
pub struct Check {
    /// The folder of wishes; the same as --repo
    dir: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Print findings as text, as JSON (schemas/findings.schema.json), or as annotations of GitHub Actions
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Count warnings as errors
    #[arg(long)]
    strict: bool,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Github,
}

impl Check {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let wishes = self.source.read(self.dir.as_deref())?;
        let (snapshot, findings) = wishes.build();
        let nodes = snapshot.as_ref().map(|snapshot| snapshot.nodes().len());
        match self.format {
            Format::Text => {
                let colour = std::io::stdout().is_terminal();
                let mut out = anstream::stdout().lock();
                write!(out, "{}", report::text(&findings, &wishes.tree, &wishes.prefix, colour))?;
                writeln!(out, "{}", last_line(&findings, nodes))?;
            }
            Format::Json => {
                let all = FindingList::of(&findings, &wishes.tree, &wishes.prefix);
                let mut out = std::io::stdout().lock();
                serde_json::to_writer_pretty(&mut out, &all).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
            Format::Github => {
                let all = report::github(&findings, &wishes.tree, &wishes.from_root, nodes);
                std::io::stdout().lock().write_all(all.as_bytes())?;
            }
        }
        let wrong = |finding: &Diagnostic| self.strict || finding.severity() == Severity::Error;
        Ok(if findings.iter().any(wrong) { Outcome::Findings } else { Outcome::AsWished })
    }
}

fn last_line(findings: &[Diagnostic], nodes: Option<usize>) -> String {
    match nodes {
        Some(nodes) => format!("{nodes} nodes; {}", report::count(findings)),
        None => report::count(findings),
    }
}
