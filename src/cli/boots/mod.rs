//! `muster boots`.

mod how;
mod rows;

use clap::Args;
use jiff::Timestamp;

use super::hosted::Hosted;
use super::observations::Seen;
use super::source::Source;
use super::{Failure, Format, Outcome, output};
use crate::report::BootsReport;
use crate::view::RunState;

/// Show which nodes run which script: the last booted one, compared with the current one
///
/// A boot counts if it came from the node's own address, or if cloud-init confirmed it; otherwise it is unknown. A
/// running server compares with the commit in service; without one, the store is compared with the cluster
/// repository. If the repository has the booted commit, the differences are shown.
///
/// Exit codes: 0 all run the current script, 1 some run another, 2 trouble, 3 none runs another, but some are
/// unknown.
#[derive(Debug, Args)]
pub struct Boots {
    /// Show only these nodes: a name, or a node set such as 'nid[0001-0008]' or '@compute'
    #[arg(long, value_name = "NODESET")]
    nodes: Option<String>,
    /// Show only nodes that run another script than the current one
    #[arg(long)]
    stale: bool,
    /// Omit the differences
    #[arg(long)]
    stat: bool,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    hosted: Hosted,
    #[command(flatten)]
    seen: Seen,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Boots {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let rows::Told { revision, rows, today } = self.rows()?;
        let mut report = BootsReport::new(&revision, &rows);
        if self.stale {
            report.view.folds.retain(|fold| fold.state == RunState::Stale);
        }

        if !self.stat {
            how::tell(&mut report.view, &rows, &self.source, today);
        }

        let mut out = output::stdout();
        match self.format {
            Format::Json => out.json(&report.view)?,
            Format::Text => {
                let text = report.text(Timestamp::now().as_millisecond(), out.is_terminal());
                out.safe(&text)?;
            }
        }

        let counts = &report.view.counts;
        Ok(match (counts.stale, counts.unknown) {
            (0, 0) => Outcome::AsWished,
            (0, _) => Outcome::Unjudged,
            (_, _) => Outcome::Findings,
        })
    }
}
