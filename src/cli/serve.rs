//! `muster serve`.

use std::io::IsTerminal;

use clap::Args;

use super::hosted::Hosted;
use super::{Failure, Outcome};
use crate::reconcile;
use crate::settings::{Given, log_filter};

/// Follow a repository of wishes and boot its nodes
///
/// Every commit that checks is served at once; one that does not is refused, and the last good one stays. The log goes
/// to stderr, as text on a terminal and as JSON otherwise. Exit codes: 0 if it ended because SIGTERM or SIGINT said so, 2 for
/// any other reason.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    hosted: Hosted,
    #[command(flatten)]
    given: Given,
}

impl Serve {
    /// Runs the command until it is told to end.
    pub fn run(self) -> Result<Outcome, Failure> {
        let settings = self.hosted.settings(self.given)?;
        log(settings.log.as_deref().unwrap_or(DEFAULT_LOG))?;
        reconcile::serve(settings).map_err(|error| Failure::from_error(&error).hint(error.hint()))?;
        Ok(Outcome::AsWished)
    }
}

/// How much is logged if the settings do not say.
const DEFAULT_LOG: &str = "info";

/// Begins to log.
///
/// A log that cannot be written (its reader is gone, the disk is full) is lost in silence: the library's own complaint
/// would go to the same place and end the thread that logs.
fn log(filter: &str) -> Result<(), Failure> {
    let log = tracing_subscriber::fmt().with_env_filter(log_filter(filter)?).with_writer(std::io::stderr);
    let log = log.with_target(false).log_internal_errors(false);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().init();
    }
    Ok(())
}
