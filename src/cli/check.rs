//! `muster check`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::source::Source;
use super::{Failure, Format, Outcome};
use crate::model::{Diagnostic, Severity};
use crate::report;
use crate::view::DiagnosticView;

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
    /// Print findings as text or as JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Count warnings as errors
    #[arg(long)]
    strict: bool,
}

impl Check {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let wishes = self.source.read(self.dir.as_deref())?;
        let (snapshot, findings) = wishes.build();
        match self.format {
            Format::Text => {
                let colour = std::io::stdout().is_terminal();
                let mut out = anstream::stdout().lock();
                write!(out, "{}", report::text(&findings, &wishes.tree, &wishes.prefix, colour))?;
                let nodes = snapshot.as_ref().map(|snapshot| snapshot.nodes().len());
                writeln!(out, "{}", last_line(&findings, nodes))?;
            }
            Format::Json => {
                let view = |finding| DiagnosticView::of(finding, &wishes.tree);
                let mut all: Vec<DiagnosticView> = findings.iter().map(view).collect();
                all.iter_mut().for_each(|finding| finding.path.insert_str(0, &wishes.prefix));
                let mut out = std::io::stdout().lock();
                serde_json::to_writer_pretty(&mut out, &all).map_err(std::io::Error::from)?;
                writeln!(out)?;
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
