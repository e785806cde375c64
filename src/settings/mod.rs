//! This host's settings: where the wishes are, where the store lies, which addresses are listened on, how BMCs are reached
//! and with which accounts.
//!
//! Each setting is a key of the settings file, a flag and a `MUSTER_*` variable, and is defined once ([`Given`]). What a flag
//! gives counts before its variable, and that before the key of the settings file. A relative path in a settings file
//! begins at that file's folder. This room knows nothing of what the wishes say, and of a BMC no more
//! than its name.

#![expect(clippy::disallowed_methods, reason = "a bank room: it reads the settings file")]

mod bmc;
mod build;
mod credentials;
mod error;
mod fetch;
mod given;
mod log;
mod places;
mod private;
mod proxies;
mod repo;
mod webhook;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

pub use bmc::{BmcSettings, GivenBmc, GivenSurvey, Login, SurveySettings};
pub use build::{BuildSettings, GivenBuild};
pub use credentials::{Credentials, NoCredential};
pub use error::SettingsError;
pub use fetch::{FetchSettings, GivenFetch};
pub use given::Given;
pub use log::log_filter;
pub use places::{AccountRule, GivenAccount, LeastTls, Places, accounts as account_rules};
pub use repo::GivenRepo;

use crate::model::{ApiAddress, RepoAddress};

/// The address of the boot listener where nobody says: loopback, so that nothing is open to a network by accident.
const LISTEN: &str = "127.0.0.1:8270";

/// The file of the store where nobody says, in the current folder.
const STORE: &str = "muster.redb";

/// The settings of `muster serve`, complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub repo: RepoAddress,
    /// The branch that is followed; nothing follows HEAD's, or the tag.
    pub branch: Option<String>,
    /// The tag that is followed in place of a branch.
    pub tag: Option<String>,
    /// The cluster's folder inside the repository, without slashes at its ends.
    pub path: String,
    pub store: PathBuf,
    pub listen: SocketAddr,
    pub api: ApiAddress,
    /// The URL by which nodes reach the boot listener, where neither their network nor the cluster names one.
    pub advertise: Option<String>,
    /// How many connections the boot listener holds at once; at least 1, and its own bound where nobody says.
    pub connections: Option<usize>,
    /// Whose word on a client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Where Prometheus finds the metrics, beside the status listener.
    pub metrics: Option<SocketAddr>,
    /// The file of the webhook's secret; without one there is no webhook.
    pub webhook_secret_file: Option<PathBuf>,
    /// The file of those whose signature a commit needs; without one it needs none.
    pub require_signed: Option<PathBuf>,
    pub revoked_signers: Option<PathBuf>,
    /// The file of OpenPGP keys that may sign too.
    pub gpg_keyring: Option<PathBuf>,
    /// Whether nodes are booted and nothing else is done.
    pub boot_only: bool,
    pub log: Option<String>,
    pub fetch: FetchSettings,
    pub build: BuildSettings,
    pub bmc: BmcSettings,
    pub survey: SurveySettings,
}

impl Given {
    /// Completes the settings of `muster serve`.
    ///
    /// # Errors
    /// No repository is named, or an address cannot be used.
    pub fn complete(self, advertise_fault: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
        // An empty text is how a settings file that a program writes leaves a setting out.
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let file = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
        let (branch, tag, advertise) = (said(self.branch), said(self.tag), said(self.advertise));
        if branch.is_some() && tag.is_some() {
            return Err(SettingsError::BranchAndTag);
        }
        let (signed, beside) = (file(self.require_signed), [&self.revoked_signers, &self.gpg_keyring]);
        if signed.is_none() && beside.into_iter().any(|path| file(path.clone()).is_some()) {
            return Err(SettingsError::SignersOfNothing);
        }
        let store = self.store.unwrap_or_else(|| STORE.into());
        let listen = self.listen.unwrap_or_else(|| LISTEN.parse().expect("the default is an address"));
        let api = match said(self.api) {
            None => ApiAddress::Unix(store.with_extension("sock")),
            Some(text) => api_address(&text)?,
        };
        if let Some(url) = &advertise
            && let Some(fault) = advertise_fault(url)
        {
            return Err(SettingsError::Advertise(url.clone(), fault));
        }
        if advertise.is_none() && listen.ip().is_unspecified() {
            return Err(SettingsError::AdvertiseNeeded(listen));
        }
        Ok(Settings {
            repo: self.repo.filter(|repo| !repo.is_empty()).ok_or(SettingsError::NoRepository)?.read()?,
            branch,
            tag,
            path: self.path.unwrap_or_default().trim_matches('/').to_owned(),
            store,
            listen,
            api,
            advertise: advertise.map(|url| url.trim_end_matches('/').to_owned()),
            connections: self.connections.map(|count| bmc::at_least_one("connections", count)).transpose()?,
            trusted_proxies: self.trusted_proxies.unwrap_or_default(),
            metrics: self.metrics,
            webhook_secret_file: file(self.webhook_secret_file),
            require_signed: signed,
            revoked_signers: file(self.revoked_signers),
            gpg_keyring: file(self.gpg_keyring),
            boot_only: self.boot_only.unwrap_or(false),
            log: said(self.log).map(|text| log_filter(&text).map(|_| text)).transpose()?,
            fetch: self.fetch.complete()?,
            build: self.build.complete()?,
            bmc: self.bmc.complete(self.credentials.unwrap_or_default())?,
            survey: self.survey.complete()?,
        })
    }
}

/// Reads the address of the status listener, which must be one that only this host reaches.
///
/// # Errors
/// The text is no address, or other hosts could reach it.
fn api_address(text: &str) -> Result<ApiAddress, SettingsError> {
    match text.parse()? {
        ApiAddress::Tcp(address) if !address.ip().is_loopback() => Err(SettingsError::ApiNotLoopback(address)),
        address => Ok(address),
    }
}

impl Settings {
    /// Returns the folder of the mirror, beside the store.
    #[must_use]
    pub fn mirror(&self) -> PathBuf {
        self.store.with_extension("mirror.git")
    }
}

#[cfg(test)]
mod tests;
