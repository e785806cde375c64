//! API commands for the surveys: list observations, record those of other hosts, retry logins.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::{ACCOUNTS, Surveyor, credential_name};
use crate::http::{Command, NotDone};
use crate::observed::Observation;
use crate::reconcile::words::chain;
use crate::reconcile::{clock, keep};
use crate::store::RefusedLogin;
use crate::view::{API_VERSION, ObservedFile, RefusedLoginView, RefusedLogins};

impl Surveyor {
    /// Carries out a command and answers it; the client may have disconnected.
    pub(super) async fn command(&mut self, command: Command) {
        match command {
            Command::Observed(reply) => {
                let store = Arc::clone(&self.store);
                let read = tokio::task::spawn_blocking(move || store.observed()).await;
                let told = match read {
                    Ok(Ok(observed)) => Ok(ObservedFile::new(observed, clock::rfc3339(clock::now_ms()))),
                    Ok(Err(error)) => Err(NotDone::Failed(chain(&error))),
                    Err(error) => Err(NotDone::Failed(error.to_string())),
                };
                // The client may have disconnected.
                let _ = reply.send(told);
            }
            Command::Take(observations, reply) => {
                let _ = reply.send(self.take_over(observations).await.map_err(NotDone::Failed));
            }
            Command::RefusedLogins(reply) => {
                let store = Arc::clone(&self.store);
                let read = tokio::task::spawn_blocking(move || store.refused_logins()).await;
                let _ = reply.send(match read {
                    Ok(Ok(refused)) => Ok(told_refused(refused)),
                    Ok(Err(error)) => Err(NotDone::Failed(chain(&error))),
                    Err(error) => Err(NotDone::Failed(error.to_string())),
                });
            }
            Command::RetryLogins(bmcs, reply) => {
                let _ = reply.send(self.retry_logins(bmcs).await.map_err(NotDone::Failed));
            }
            Command::ForgetBmcs(bmcs, reply) => {
                let _ = reply.send(self.forget(bmcs).await.map_err(NotDone::Failed));
            }
        }
    }

    /// Records observations from another host; a login that was refused there is not tried here
    /// either.
    async fn take_over(&self, observations: Vec<Observation>) -> Result<(), String> {
        let named = self.targets.iter().filter_map(|(bmc, target)| Some((bmc.clone(), credential_name(target)?)));
        let credentials: BTreeMap<Box<str>, Box<str>> = named.collect();
        for observation in &observations {
            if let (true, Some(target), Some(credential)) =
                (keep::is_refusal(observation), self.targets.get(&observation.bmc), credentials.get(&observation.bmc))
            {
                self.grounds.gate().refuse_login(target.asked(), credential);
            }
        }

        let store = Arc::clone(&self.store);
        let write = move || {
            keep::keep(&store, None, &observations)?;
            keep::refused(&store, &observations, |bmc| credentials.get(bmc).cloned())
        };

        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(chain(&error)),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn forget(&mut self, bmcs: Vec<Box<str>>) -> Result<u64, String> {
        let store = Arc::clone(&self.store);
        let known = bmcs.clone();
        let forget = move || store.forget_bmcs(&known.iter().map(|name| &**name).collect::<Vec<_>>());
        let forgotten = tokio::task::spawn_blocking(forget).await.map_err(|error| error.to_string())?;
        forgotten.map_err(|error| chain(&error))?;
        // A declared BMC is surveyed again.
        bmcs.iter().for_each(|bmc| self.due.at_once(bmc));
        Ok(bmcs.len() as u64)
    }

    async fn retry_logins(&mut self, bmcs: Vec<Box<str>>) -> Result<u64, String> {
        let store = Arc::clone(&self.store);
        let forget = tokio::task::spawn_blocking(move || keep::retry_logins(&store, &bmcs)).await;
        let retried = forget.map_err(|error| error.to_string())?.map_err(|error| chain(&error))?;

        for bmc in &retried {
            if let Some(target) = self.targets.get(bmc) {
                self.grounds.gate().told(target.asked());
            }
            self.due.at_once(bmc);
        }

        // The accounts may have been corrected.
        if let Some((_, read)) = &mut self.known {
            *read = Instant::now().checked_sub(ACCOUNTS).unwrap_or(*read);
        }

        Ok(retried.len() as u64)
    }
}

fn told_refused(refused: Vec<RefusedLogin>) -> RefusedLogins {
    let view = |RefusedLogin { bmc, credential, at: _ }| RefusedLoginView { bmc, credential };
    RefusedLogins { api_version: API_VERSION.into(), refused: refused.into_iter().map(view).collect() }
}
