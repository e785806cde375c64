//! This host's settings: the cluster repository, the store, the listeners, and access to BMCs with
//! accounts.
//!
//! Each setting is a key of the settings file, a flag and a `MUSTER_*` variable, and is defined
//! once ([`Given`]). A flag takes precedence over its variable, and that over the key of the
//! settings file. A relative path in a settings file starts at that file's folder. This room knows
//! nothing of the desired state, and only the names of BMCs.

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

/// The default address of the boot listener: loopback, so that nothing is open to a network by
/// accident.
const LISTEN: &str = "127.0.0.1:8270";

/// The default file of the store, in the current folder.
const STORE: &str = "muster.redb";

/// The settings of `muster serve`, complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub repo: RepoAddress,
    /// The followed branch; `None` follows that of HEAD, or the tag.
    pub branch: Option<String>,
    /// The tag that is followed instead of a branch.
    pub tag: Option<String>,
    /// The cluster's folder inside the repository, without slashes at its ends.
    pub path: String,
    pub store: PathBuf,
    pub listen: SocketAddr,
    pub api: ApiAddress,
    /// The URL by which nodes reach the boot listener, if neither their network nor the cluster
    /// declares one.
    pub advertise: Option<String>,
    /// The number of connections of the boot listener; at least 1, and its own limit if absent.
    pub connections: Option<usize>,
    /// The proxies that are trusted to report a client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// A separate listener for Prometheus, in addition to the status listener.
    pub metrics: Option<SocketAddr>,
    /// The file of the webhook's secret; without one, webhooks are disabled.
    pub webhook_secret_file: Option<PathBuf>,
    /// The file of accepted signers of commits; without one, no signature is required.
    pub require_signed: Option<PathBuf>,
    pub revoked_signers: Option<PathBuf>,
    /// The file of OpenPGP keys that may sign too.
    pub gpg_keyring: Option<PathBuf>,
    /// Whether this server only boots nodes.
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
        // A settings file that a program writes leaves a setting out by an empty text.
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

/// Parses the address of the status listener, which must be reachable from this host only.
///
/// # Errors
/// The text is not an address, or other hosts could reach it.
fn api_address(text: &str) -> Result<ApiAddress, SettingsError> {
    match text.parse()? {
        ApiAddress::Tcp(address) if !address.ip().is_loopback() => Err(SettingsError::ApiNotLoopback(address)),
        address => Ok(address),
    }
}

impl Settings {
    /// Returns the folder of the mirror, next to the store.
    #[must_use]
    pub fn mirror(&self) -> PathBuf {
        self.store.with_extension("mirror.git")
    }
}

#[cfg(test)]
mod tests;
