//! `muster serve`.

use clap::Args;

use super::hosted::Hosted;
use super::{Failure, Outcome, log_format};
use crate::reconcile;
use crate::settings::{Given, log_filter};

/// Follow a cluster repository and boot its nodes
///
/// A commit that passes its checks is served at once; one that fails is refused, and the last good one stays in
/// service. The log goes to stderr, as text on a terminal and as JSON otherwise.
///
/// Exit codes: 0 if SIGTERM or SIGINT ended it, 2 otherwise.
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
        let log = log_format::begin(log_filter(settings.log.as_deref().unwrap_or(DEFAULT_LOG))?)?;
        let served = reconcile::serve(settings);
        log.finish();
        served.map_err(|error| Failure::from_error(&error).hint(error.hint()))?;
        Ok(Outcome::AsWished)
    }
}

/// How much is logged if the settings do not say.
const DEFAULT_LOG: &str = "info";
