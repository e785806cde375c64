//! What the administrator of this host says: one field per setting, which is a key of the settings file, a flag and a
//! `MUSTER_*` variable at once.

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

/// What a settings file or the command line says; what is absent is decided elsewhere.
///
/// `store` and `api` are flags of every command, and stand with those.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema, Args)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The repository of wishes: a folder (bare, a work tree or a linked work tree), https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH
    #[arg(long, value_name = "REPO", env = "MUSTER_REPO", hide_env_values = true)]
    pub repo: Option<GivenRepo>,
    /// The branch to follow [default: the one that HEAD names]
    #[arg(long, env = "MUSTER_BRANCH")]
    pub branch: Option<String>,
    /// The tag to follow in place of a branch, wherever it is moved to
    #[arg(long, env = "MUSTER_TAG")]
    pub tag: Option<String>,
    /// The folder of the cluster inside the repository
    #[arg(long, value_name = "DIR", env = "MUSTER_PATH")]
    pub path: Option<String>,
    /// The file in which the server remembers what it saw [default: muster.redb]
    #[arg(skip)]
    pub store: Option<PathBuf>,
    /// The status listener: unix:PATH, or IP:PORT on loopback [default: a socket beside the store]
    #[arg(skip)]
    pub api: Option<String>,
    /// The boot listener: scripts and cloud-init [default: 127.0.0.1:8270]
    #[arg(long, value_name = "IP:PORT", env = "MUSTER_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// The URL by which nodes reach the boot listener, where the wishes name none [default: http:// and its address]
    #[arg(long, value_name = "URL", env = "MUSTER_ADVERTISE")]
    pub advertise: Option<String>,
    /// How many connections the boot listener holds at once [default: 8192]
    #[arg(long, value_name = "N", env = "MUSTER_CONNECTIONS")]
    pub connections: Option<u32>,
    /// The proxies whose word on a client's address counts: addresses, or networks such as 10.0.0.0/24; commas separate them
    #[arg(long, value_name = "NETS", env = "MUSTER_TRUSTED_PROXIES", value_delimiter = ',', value_parser = proxies::network)]
    #[serde(default, deserialize_with = "proxies::networks")]
    #[schemars(with = "Option<Vec<String>>")]
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// A listener for Prometheus alone, beside /metrics of the status listener
    #[arg(long, value_name = "IP:PORT", env = "MUSTER_METRICS")]
    pub metrics: Option<SocketAddr>,
    /// The file of the secret that a forge signs its webhooks with; without one there is no webhook
    #[arg(long, value_name = "FILE", env = "MUSTER_WEBHOOK_SECRET_FILE")]
    pub webhook_secret_file: Option<PathBuf>,
    /// Take only commits that a key of this file signed: allowed signers, as ssh-keygen(1) has them
    #[arg(long, value_name = "FILE", env = "MUSTER_REQUIRE_SIGNED")]
    pub require_signed: Option<PathBuf>,
    /// The file of public keys that sign nothing any more
    #[arg(long, value_name = "FILE", env = "MUSTER_REVOKED_SIGNERS")]
    pub revoked_signers: Option<PathBuf>,
    /// The file of OpenPGP keys that may sign too, where muster was built with the feature gpg
    #[arg(long, value_name = "FILE", env = "MUSTER_GPG_KEYRING")]
    pub gpg_keyring: Option<PathBuf>,
    /// Boot nodes only: survey no BMC, and remember nothing of machines but their boots
    #[arg(long, env = "MUSTER_BOOT_ONLY", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub boot_only: Option<bool>,
    /// How much is logged: error, warn, info, debug, or directives such as muster=debug,hyper=warn [default: info]
    #[arg(long, value_name = "LEVEL", env = "MUSTER_LOG")]
    pub log: Option<String>,
    /// Where accounts may go, by their names, as the file writes it: { NAME = { only = ["10.1.0.0/16"], tls = "verify" } }
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

/// Tells whether a table says nothing.
fn is_silent<T: Default + PartialEq>(table: &T) -> bool {
    *table == T::default()
}

/// Takes each field from the first where it is said, else from the second.
macro_rules! first {
    ($strong:ident, $weak:ident: $($field:ident),+ $(,)?) => {
        Self { $($field: $strong.$field.or($weak.$field)),+ }
    };
}
pub(super) use first;

impl Given {
    /// Reads a settings file. Its relative paths begin at its folder.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or has a key that is no setting.
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
        // What is empty is not said, and stays so.
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

    /// Fills what is absent here with what weaker settings say. A branch or a tag stands for both.
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
