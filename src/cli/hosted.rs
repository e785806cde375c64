//! The options of commands that concern this host: settings file, store, addresses.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::desired::advertise_fault;
use crate::model::ApiAddress;
use crate::settings::{Given, Settings, SettingsError};

/// Where this host's settings are, and how to find a running server.
#[derive(Debug, Args)]
pub struct Hosted {
    /// The settings file of this host; flags and variables override it
    #[arg(long, value_name = "FILE", env = "MUSTER_CONFIG")]
    config: Option<PathBuf>,
    /// The store of the server [default: muster.redb]
    #[arg(long, value_name = "FILE", env = "MUSTER_STORE")]
    store: Option<PathBuf>,
    /// The API listener: unix:PATH, or IP:PORT on loopback [default: a socket next to the store]
    #[arg(long, value_name = "ADDR", env = "MUSTER_API")]
    api: Option<String>,
}

impl Hosted {
    /// Returns the settings of the settings file and of the flags that every command has.
    fn given(&self) -> Result<Given, Failure> {
        let flags = Given { store: self.store.clone(), api: self.api.clone(), ..Given::default() };
        match &self.config {
            Some(file) => Ok(flags.or(Given::read(file)?)),
            None => Ok(flags),
        }
    }

    /// Finds the status listener of a running server.
    pub fn api(&self) -> Result<ApiAddress, Failure> {
        Ok(self.reach(Given::default())?.api)
    }

    /// Completes the settings of a command without a server: the store's file, access to BMCs, and
    /// the survey schedule.
    ///
    /// `flags` are the settings from the command's own flags and variables.
    pub fn reach(&self, flags: Given) -> Result<Settings, Failure> {
        let given = Given { repo: Some(".".into()), listen: None, advertise: None, ..flags.or(self.given()?) };
        Ok(given.complete(advertise_fault)?)
    }

    /// Completes the settings of the server.
    pub fn settings(&self, flags: Given) -> Result<Settings, Failure> {
        Ok(self.all(flags)?.complete(advertise_fault)?)
    }

    /// Merges flags, variables and the settings file.
    pub fn all(&self, flags: Given) -> Result<Given, Failure> {
        Ok(flags.or(self.given()?))
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self::from_error(&error).hint(hint)
    }
}
