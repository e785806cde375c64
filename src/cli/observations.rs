//! The source of a command's observations: the store, a running server, or an exported file.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::hosted::Hosted;
use super::{Failure, api, output};
use crate::model::ApiAddress;
use crate::observed::Observed;
use crate::settings::Given;
use crate::store::{Store, StoreError};
use crate::view::{API_VERSION, ObservedFile};

/// The options that say where observations are read.
#[derive(Debug, Args)]
pub struct Seen {
    /// Read the observations from a file that `muster discover --export` wrote
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    observed: Option<PathBuf>,
    /// Use a running server: unix:PATH, http://IP:PORT or IP:PORT
    #[arg(long, value_name = "URL", env = "MUSTER_SERVER")]
    server: Option<String>,
}

/// The source of observations.
pub enum Reached {
    Server(ApiAddress),
    Read(Box<Observed>),
}

impl Seen {
    /// Reads all observations. A store that a server holds is read through that server.
    pub fn read(&self, hosted: &Hosted) -> Result<Observed, Failure> {
        match self.reach(hosted)? {
            Reached::Server(server) => from_server(&server),
            Reached::Read(observed) => Ok(*observed),
        }
    }

    /// Finds the server with the observations, or reads the store if there is none.
    pub fn reach(&self, hosted: &Hosted) -> Result<Reached, Failure> {
        if let Some(path) = &self.observed {
            return Ok(Reached::Read(Box::new(from_file(path)?)));
        }

        if let Some(server) = &self.server {
            return Ok(Reached::Server(address(server)?));
        }

        let settings = hosted.reach(Given::default())?;
        if !settings.store.exists() {
            let message = format!("{}: there is no store", settings.store.display());
            let hint = "survey the BMCs first: muster discover; or name --store, --server or --observed";
            return Err(Failure::new(message).hint(Some(hint.into())));
        }

        match Store::open_any(&settings.store, Timestamp::now().as_second()) {
            Ok((store, _)) => {
                let observed = store.observed()?;
                if let Some(trouble) = store.trouble() {
                    let _ = writeln!(output::stderr(), "warning: {trouble}");
                }
                Ok(Reached::Read(Box::new(observed)))
            }
            Err(StoreError::Held { .. }) => Ok(Reached::Server(settings.api)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Parses the address of a server as people write it.
pub fn address(server: &str) -> Result<ApiAddress, Failure> {
    let bare = server.trim_start_matches("http://").trim_end_matches('/');
    bare.parse().map_err(|error: crate::model::NotAnAddress| {
        let hint = "write unix:/run/muster/muster.sock or http://127.0.0.1:8271";
        Failure::from_error(&error).hint(Some(hint.into()))
    })
}

fn from_server(server: &ApiAddress) -> Result<Observed, Failure> {
    Ok(api::get::<ObservedFile>(server, "/api/v1/observed")?.observed)
}

fn from_file(path: &std::path::Path) -> Result<Observed, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(format!("{}: cannot be read: {error}", path.display()));
    let text = std::fs::read(path).map_err(unreadable)?;
    let hint = || Some("write it with `muster discover --export FILE`, by the same version of muster".into());
    let file: ObservedFile = serde_json::from_slice(&text).map_err(|error| {
        Failure::new(format!("{}: is no file of observations: {error}", path.display())).hint(hint())
    })?;
    if file.api_version != API_VERSION {
        let message =
            format!("{}: has version {}, and this muster reads {API_VERSION}", path.display(), file.api_version);
        return Err(Failure::new(message).hint(hint()));
    }
    Ok(file.observed)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::from_error(&error).hint(error.hint())
    }
}
