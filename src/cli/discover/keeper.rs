//! The destination of a survey's observations: the store, or the server that holds it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use crate::cli::{Failure, api, output};
use crate::model::ApiAddress;
use crate::observed::{Observation, Observed};
use crate::reconcile::keep;
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::store::{RefusedLogin, Store, StoreError};
use crate::view::{ForgetBmcs, Observations, ObservedFile, RefusedLoginView, RefusedLogins, RetryLogins, Taken};

/// The destination of observations.
pub enum Keeper {
    Store(Box<Store>),
    Server(ApiAddress),
}

impl Keeper {
    /// Opens the store, or finds the server that holds it.
    pub fn open(settings: &Settings, server: Option<&str>) -> Result<Self, Failure> {
        if let Some(server) = server {
            return Ok(Self::Server(crate::cli::observations::address(server)?));
        }

        match Store::open_any(&settings.store, Timestamp::now().as_second()) {
            Ok((store, _)) => Ok(Self::Store(Box::new(store))),
            Err(StoreError::Held { path, by }) => {
                let by = by.map_or_else(|| "another process".into(), |holder| holder.to_string());
                let _ = writeln!(
                    output::stderr(),
                    "{} is held by {by}; handed to the server at {}",
                    path.display(),
                    settings.api
                );
                Ok(Self::Server(settings.api.clone()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lists which BMCs refused which credential before.
    pub fn refused_logins(&self) -> Result<Vec<RefusedLoginView>, Failure> {
        match self {
            Self::Store(store) => {
                let view = |RefusedLogin { bmc, credential, at: _ }| RefusedLoginView { bmc, credential };
                Ok(store.refused_logins()?.into_iter().map(view).collect())
            }
            Self::Server(server) => Ok(api::get::<RefusedLogins>(server, "/api/v1/logins/refused")?.refused),
        }
    }

    /// Forgets that some BMCs refused their credential, since they accepted it now.
    pub fn forget_refusals(&self, bmcs: Vec<Box<str>>) -> Result<(), Failure> {
        if bmcs.is_empty() {
            return Ok(());
        }
        match self {
            Self::Store(store) => keep::retry_logins(store, &bmcs).map(drop).map_err(Into::into),
            Self::Server(server) => api::post::<Taken>(server, "/api/v1/logins/retry", &RetryLogins { bmcs }).map(drop),
        }
    }

    /// Reads all observations.
    pub fn observed(&self) -> Result<Observed, Failure> {
        match self {
            Self::Store(store) => Ok(store.observed()?),
            Self::Server(server) => Ok(api::get::<ObservedFile>(server, "/api/v1/observed")?.observed),
        }
    }

    /// Deletes all observations of some BMCs.
    pub fn forget(&self, bmcs: Vec<Box<str>>) -> Result<(), Failure> {
        match self {
            Self::Store(store) => {
                let names: Vec<&str> = bmcs.iter().map(|name| &**name).collect();
                Ok(store.forget_bmcs(&names)?)
            }
            Self::Server(server) => api::post::<Taken>(server, "/api/v1/bmcs/forget", &ForgetBmcs { bmcs }).map(drop),
        }
    }

    /// Records a batch of observations.
    pub fn keep(
        &self,
        snapshot: Option<&Snapshot>,
        batch: &[Observation],
        credentials: &BTreeMap<Box<str>, Box<str>>,
    ) -> Result<(), Failure> {
        match self {
            Self::Store(store) => {
                keep::keep(store, snapshot, batch)?;
                keep::refused(store, batch, |bmc| credentials.get(bmc).cloned())?;
                Ok(())
            }
            Self::Server(server) => {
                // The client blocks, and so does a store.
                let told = Observations::new(batch.to_vec());
                let server = server.clone();
                let send = move || api::post::<Taken>(&server, "/api/v1/observations", &told);
                std::thread::spawn(send).join().map_err(|_| Failure::new("handing over ended early"))?.map(drop)
            }
        }
    }

    /// Writes all observations to a file.
    pub fn export(&self, file: &Path) -> Result<(), Failure> {
        let observed = match self {
            Self::Store(store) => ObservedFile::new(store.observed()?, now()),
            Self::Server(server) => api::get(server, "/api/v1/observed")?,
        };
        let failed = |error: std::io::Error| Failure::new(format!("{}: cannot be written: {error}", file.display()));
        let text = serde_json::to_vec_pretty(&observed).map_err(|error| Failure::from_error(&error))?;
        std::fs::write(file, text).map_err(failed)
    }
}

/// Returns the time in RFC 3339, to the second.
fn now() -> String {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default().to_string()
}
