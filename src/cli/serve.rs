//! `muster serve`.

use std::io::IsTerminal;

use clap::Args;
use tracing::warn;
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
///
/// A log that cannot be written (its reader is gone, the disk is full) is lost in silence: the library's own complaint
/// would go to the same place and end the thread that logs.
fn log() {
    let asked = EnvFilter::builder().with_env_var("MUSTER_LOG").try_from_env();
    let wrong = asked.as_ref().err().filter(|_| std::env::var_os("MUSTER_LOG").is_some()).map(ToString::to_string);
    let filter = asked.unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let log = log.log_internal_errors(false);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().init();
    }
    if let Some(wrong) = wrong {
        warn!(wrong, "MUSTER_LOG is no level (error, warn, info, debug) and counts as info");
    }
}
