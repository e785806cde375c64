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

/// Say which nodes run what: the script that each booted last, beside the one that it would be given today
///
/// A boot counts where it came from the node's own address, or cloud-init confirmed it; all else is unknown. A running
/// server is asked, which compares with what it serves; without one, the store is compared with the wishes. Where the
/// repository has the commit that nodes booted, it is told how it differs. Exit code: 0 all run today's script, 1 some run
/// another, 2 trouble, 3 none does but some are unknown.
#[derive(Debug, Args)]
pub struct Boots {
    /// Tell of these nodes only: a name, or a node set such as 'nid[0001-0008]' or '@compute'
    #[arg(long, value_name = "NODESET")]
    nodes: Option<String>,
    /// Tell only of nodes that run another script than today's
    #[arg(long)]
    stale: bool,
    /// Do not tell how it differs
    #[arg(long)]
    stat: bool,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    hosted: Hosted,
    #[command(flatten)]
    seen: Seen,
    /// Print text or JSON
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
