//! `muster serve`.

use std::io::IsTerminal;

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::hosted::{Hosted, Served};
use super::{Failure, Outcome};
use crate::reconcile;

/// Follow a repository of wishes and boot its nodes
///
/// Every commit that checks is served at once; one that does not is refused, and the last good one stays. The log goes
/// to stderr, as text on a terminal and as JSON otherwise; MUSTER_LOG sets its level (error, warn, info, debug).
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    hosted: Hosted,
    #[command(flatten)]
    served: Served,
}

impl Serve {
    /// Runs the command until it is told to stop.
    pub fn run(self) -> Result<Outcome, Failure> {
        let settings = self.hosted.settings(self.served)?;
        log();
        reconcile::serve(settings).map_err(|error| Failure::from_error(&error).hint(error.hint()))?;
        Ok(Outcome::AsWished)
    }
}

/// Begins to log.
fn log() {
    let filter = EnvFilter::try_from_env("MUSTER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().init();
    }
}
