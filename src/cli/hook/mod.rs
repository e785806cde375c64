//! `muster hook`: what a git server runs at a push, and how it comes to run it.

mod history;
mod install;
mod judging;
mod receive;

use clap::{Args, Subcommand};

use super::apart::Bounds;
use super::{Failure, Outcome};
use crate::settings::SettingsError;

/// Check pushes on a git server, and refuse those that fail or violate a guard rail
#[derive(Debug, Args)]
pub struct Hook {
    #[command(subcommand)]
    of: Of,
}

#[derive(Debug, Subcommand)]
enum Of {
    PreReceive(receive::PreReceive),
    Install(install::Install),
    Uninstall(install::Uninstall),
}

impl Hook {
    /// Returns the limits of the builds, if there are any.
    ///
    /// # Errors
    /// A setting is outside the range of its key.
    pub fn bounds(&self) -> Result<Option<Bounds>, SettingsError> {
        match &self.of {
            Of::PreReceive(command) => command.bounds().map(Some),
            Of::Install(_) | Of::Uninstall(_) => Ok(None),
        }
    }

    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        match self.of {
            Of::PreReceive(command) => command.run(),
            Of::Install(command) => command.run(),
            Of::Uninstall(command) => command.run(),
        }
    }
}
