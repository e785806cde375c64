//! `muster build-in-child`: what `muster serve` starts to build a commit.

use std::time::Duration;

use clap::Args;

use super::{Failure, Outcome};
use crate::trial::{self, BuildBounds};

/// Build the commit that comes on standard input, for the process that started this one
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct Build {
    #[arg(long)]
    timeout_ms: u64,
    #[arg(long)]
    max_bytes: u64,
}

impl Build {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        trial::run(BuildBounds { timeout: Duration::from_millis(self.timeout_ms), max_bytes: self.max_bytes })?;
        Ok(Outcome::AsWished)
    }
}
