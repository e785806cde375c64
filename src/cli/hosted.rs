//! The options of commands that concern this host: settings file, store, addresses.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::desired::advertise_fault;
use crate::model::ApiAddress;
use crate::settings::{Given, Settings, SettingsError};

/// Where this host's settings are, and how to find a running server.
#[derive(Debug, Args)]
pub struct Hosted {
    /// This host's settings file; flags and variables win over it
    #[arg(long, value_name = "FILE", env = "MUSTER_CONFIG")]
    config: Option<PathBuf>,
    /// The file in which the server remembers what it saw [default: muster.redb]
    #[arg(long, value_name = "FILE", env = "MUSTER_STORE")]
    store: Option<PathBuf>,
    /// The status listener: unix:PATH, or IP:PORT on loopback [default: a socket beside the store]
    #[arg(long, value_name = "ADDR", env = "MUSTER_API")]
    api: Option<String>,
}

/// What only the server is told.
#[derive(Debug, Args)]
pub struct Served {
    /// The repository of wishes: bare, a work tree or a linked work tree
    #[arg(long, value_name = "DIR", env = "MUSTER_REPO")]
    repo: Option<PathBuf>,
    /// The branch to follow [default: the one that HEAD names]
    #[arg(long, env = "MUSTER_BRANCH")]
    branch: Option<String>,
    /// The folder of the cluster inside the repository
    #[arg(long, value_name = "DIR", env = "MUSTER_PATH")]
    path: Option<String>,
    /// The boot listener: scripts and cloud-init [default: 127.0.0.1:8270]
    #[arg(long, value_name = "IP:PORT", env = "MUSTER_LISTEN")]
    listen: Option<SocketAddr>,
    /// The URL by which nodes reach the boot listener, where the wishes name none [default: http:// and its address]
    #[arg(long, value_name = "URL", env = "MUSTER_ADVERTISE")]
    advertise: Option<String>,
}

impl Hosted {
    fn given(&self) -> Result<Given, Failure> {
        let flags = Given { store: self.store.clone(), api: self.api.clone(), ..Given::default() };
        match &self.config {
            Some(file) => Ok(flags.or(Given::read(file)?)),
            None => Ok(flags),
        }
    }

    /// Finds the status listener of a running server.
    pub fn api(&self) -> Result<ApiAddress, Failure> {
        Ok(self.reach()?.api)
    }

    /// Completes what a command without a server needs: the store's file, and how BMCs are reached and surveyed.
    pub fn reach(&self) -> Result<Settings, Failure> {
        let given = Given { repo: Some(PathBuf::new()), listen: None, advertise: None, ..self.given()? };
        Ok(given.complete(advertise_fault)?)
    }

    /// Completes the settings of the server.
    pub fn settings(&self, served: Served) -> Result<Settings, Failure> {
        let Served { repo, branch, path, listen, advertise } = served;
        let flags = Given { repo, branch, path, listen, advertise, ..Given::default() };
        Ok(flags.or(self.given()?).complete(advertise_fault)?)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self::from_error(&error).hint(hint)
    }
}
