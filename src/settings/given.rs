//! The settings of this host as given: one field per setting, which is a key of the settings file,
//! a flag and a `MUSTER_*` variable at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::proxies;
use super::{GivenAccount, GivenBmc, GivenBuild, GivenFetch, GivenRepo, GivenSurvey, SettingsError};
use crate::model::{ApiAddress, RepoAddress};

/// The settings of a host, from a settings file or the command line. Absent ones get their defaults elsewhere.
///
/// `store` and `api` are flags of every command and are defined there.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema, Args)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The cluster repository: a folder (bare, a work tree or a linked work tree), https://HOST/PATH,
    /// ssh://USER@HOST/PATH or USER@HOST:PATH
    #[arg(long, value_name = "REPO", env = "MUSTER_REPO", hide_env_values = true)]
    pub repo: Option<GivenRepo>,
    /// The branch to follow [default: the branch of HEAD]
    #[arg(long, env = "MUSTER_BRANCH")]
    pub branch: Option<String>,
    /// The tag to follow instead of a branch, even if it moves
    #[arg(long, env = "MUSTER_TAG")]
    pub tag: Option<String>,
    /// The folder of the cluster inside the repository
    #[arg(long, value_name = "DIR", env = "MUSTER_PATH")]
    pub path: Option<String>,
    /// The store of the server [default: muster.redb]
    #[arg(skip)]
    pub store: Option<PathBuf>,
    /// The API listener: unix:PATH, or IP:PORT on loopback [default: a socket next to the store]
    #[arg(skip)]
    pub api: Option<String>,
    /// The boot listener: scripts and cloud-init [default: 127.0.0.1:8270]
    #[arg(long, value_name = "IP:PORT", env = "MUSTER_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// The URL by which nodes reach the boot listener, if the cluster repository does not declare one [default:
    /// http:// and its address]
    #[arg(long, value_name = "URL", env = "MUSTER_ADVERTISE")]
    pub advertise: Option<String>,
    /// The number of connections that the boot listener holds [default: 8192]
    #[arg(long, value_name = "N", env = "MUSTER_CONNECTIONS")]
    pub connections: Option<u32>,
    /// Proxies that are trusted to report the client address: addresses, or networks such as 10.0.0.0/24; separated
    /// by commas
    #[arg(long, value_name = "NETS", env = "MUSTER_TRUSTED_PROXIES", value_delimiter = ',', value_parser = proxies::network)]
    #[serde(default, deserialize_with = "proxies::networks")]
    #[schemars(with = "Option<Vec<String>>")]
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// A separate listener for Prometheus, in addition to /metrics of the API listener
    #[arg(long, value_name = "IP:PORT", env = "MUSTER_METRICS")]
    pub metrics: Option<SocketAddr>,
    /// The file with the secret that a forge signs its webhooks with; without it, webhooks are disabled
    #[arg(long, value_name = "FILE", env = "MUSTER_WEBHOOK_SECRET_FILE")]
    pub webhook_secret_file: Option<PathBuf>,
    /// Accept only commits signed with a key in this file, in the ALLOWED SIGNERS format of ssh-keygen(1)
    #[arg(long, value_name = "FILE", env = "MUSTER_REQUIRE_SIGNED")]
    pub require_signed: Option<PathBuf>,
    /// The file of revoked public keys
    #[arg(long, value_name = "FILE", env = "MUSTER_REVOKED_SIGNERS")]
    pub revoked_signers: Option<PathBuf>,
    /// The file of OpenPGP keys that may also sign, if muster was built with the feature gpg
    #[arg(long, value_name = "FILE", env = "MUSTER_GPG_KEYRING")]
    pub gpg_keyring: Option<PathBuf>,
    /// Only boot nodes: do not survey BMCs, and record nothing about machines except their boots
    #[arg(long, env = "MUSTER_BOOT_ONLY", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub boot_only: Option<bool>,
    /// The log level: error, warn, info, debug, or directives such as muster=debug,hyper=warn [default: info]
    #[arg(long, value_name = "LEVEL", env = "MUSTER_LOG")]
    pub log: Option<String>,
    /// The BMCs that accounts may be sent to, by name, in the syntax of the file: { NAME = { only = ["10.1.0.0/16"],
    /// tls = "verify" } }
    #[arg(long, value_name = "RULES", env = "MUSTER_CREDENTIALS", value_parser = super::places::accounts)]
    pub credentials: Option<BTreeMap<String, GivenAccount>>,
    #[command(flatten)]
    #[serde(default, skip_serializing_if = "is_silent")]
    pub fetch: GivenFetch,
    #[command(flatten)]
    #[serde(default, skip_serializing_if = "is_silent")]
    pub build: GivenBuild,
    #[command(flatten)]
    #[serde(default, skip_serializing_if = "is_silent")]
    pub bmc: GivenBmc,
    #[command(flatten)]
    #[serde(default, skip_serializing_if = "is_silent")]
    pub survey: GivenSurvey,
}

/// Returns whether a table has no values.
fn is_silent<T: Default + PartialEq>(table: &T) -> bool {
    *table == T::default()
}

/// Takes each field from the first that has a value, otherwise from the second.
macro_rules! first {
    ($strong:ident, $weak:ident: $($field:ident),+ $(,)?) => {
        Self { $($field: $strong.$field.or($weak.$field)),+ }
    };
}
pub(super) use first;

impl Given {
    /// Reads a settings file. Its relative paths start at its folder.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or has a key that is not a setting.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::Unreadable { path: path.into(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mut given: Self =
            toml::from_str(&text).map_err(|source| SettingsError::Malformed { path: path.into(), source })?;
        given.start_at(path.parent().unwrap_or(Path::new("")));
        Ok(given)
    }

    fn start_at(&mut self, folder: &Path) {
        let files = [
            &mut self.store,
            &mut self.webhook_secret_file,
            &mut self.require_signed,
            &mut self.revoked_signers,
            &mut self.gpg_keyring,
        ];

        // An empty value means absent, and stays empty.
        for path in files.into_iter().flatten().filter(|path| !path.as_os_str().is_empty()) {
            *path = folder.join(&*path);
        }

        if let Some(repo) = self.repo.as_mut().filter(|repo| !repo.is_empty())
            && let Ok(RepoAddress::Local(path)) = repo.read()
        {
            *repo = folder.join(path).to_string_lossy().into_owned().into();
        }

        if let Some(api) = &mut self.api
            && let Ok(ApiAddress::Unix(path)) = api.parse()
        {
            *api = ApiAddress::Unix(folder.join(path)).to_string();
        }

        self.bmc.start_at(folder);
    }

    /// Fills absent values from weaker settings. A branch or a tag overrides both.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        let weaker = match (&self.branch, &self.tag) {
            (None, None) => weaker,
            (Some(_), _) | (_, Some(_)) => Self { branch: None, tag: None, ..weaker },
        };
        first!(self, weaker:
            repo, branch, tag, path, store, api, listen, advertise, connections, trusted_proxies, metrics,
            webhook_secret_file, require_signed, revoked_signers, gpg_keyring, boot_only, log, credentials, fetch,
            build, bmc,
            survey,
        )
    }
}
