//! `muster serve`.

use std::io::IsTerminal;

use clap::Args;
use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::EnvFilter;

use super::hosted::Hosted;
use super::{Failure, Outcome};
use crate::reconcile;
use crate::settings::Given;

/// Follow a repository of wishes and boot its nodes
///
/// Every commit that checks is served at once; one that does not is refused, and the last good one stays. The log goes
/// to stderr, as text on a terminal and as JSON otherwise.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    hosted: Hosted,
    #[command(flatten)]
    given: Given,
}

impl Serve {
    /// Runs the command until it is told to stop.
    pub fn run(self) -> Result<Outcome, Failure> {
        let settings = self.hosted.settings(self.given)?;
        log(settings.log.as_deref().unwrap_or_default());
        reconcile::serve(settings).map_err(|error| Failure::from_error(&error).hint(error.hint()))?;
        Ok(Outcome::AsWished)
    }
}

/// Begins to log.
///
/// A log that cannot be written (its reader is gone, the disk is full) is lost in silence: the library's own complaint
/// would go to the same place and end the thread that logs.
fn log(asked: &str) {
    let filter = filter(asked);
    let wrong = filter.is_none() && !asked.is_empty();
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let log = log.log_internal_errors(false);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().init();
    }
    if wrong {
        warn!(asked, "what is asked of the log is no level (error, warn, info, debug) and counts as info");
    }
}

/// Reads a level, or directives such as `muster=debug,hyper=warn`; a bare word that is no level would name a part of the
/// program to the library, and mute all others.
fn filter(asked: &str) -> Option<EnvFilter> {
    let is_level = asked.parse::<LevelFilter>().is_ok();
    if !asked.is_empty() && (is_level || asked.contains('=')) { EnvFilter::try_new(asked).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn a_word_that_is_no_level_does_not_mute_the_log() {
        for text in ["", "loud", "muster", "debgu", "muster=loud"] {
            assert!(filter(text).is_none(), "{text}");
        }
        for text in ["error", "WARN", "debug", "muster=debug,hyper=warn"] {
            assert!(filter(text).is_some(), "{text}");
        }
    }
}
