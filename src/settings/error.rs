//! The errors of settings, each with the next step.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::model::{NotARepo, NotAnAddress};

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{path}: cannot be read")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path}: is no settings file")]
    Malformed { path: PathBuf, source: toml::de::Error },
    #[error("no repository is named")]
    NoRepository,
    #[error("`repo`: {0}")]
    Repository(NotARepo),
    #[error("a branch and a tag are named, and one of them can be followed")]
    BranchAndTag,
    #[error("keys are revoked or added to those that sign, and no signature is required")]
    SignersOfNothing,
    #[error(transparent)]
    ApiAddress(#[from] NotAnAddress),
    #[error("the api would listen on {0}, which other hosts reach, and it cannot tell who asks yet")]
    ApiNotLoopback(SocketAddr),
    #[error("`{0}` cannot be advertised to nodes: {1}")]
    Advertise(String, String),
    #[error("nodes cannot be told to reach {0}, which stands for every address of this host")]
    AdvertiseNeeded(SocketAddr),
    #[error("`log`: `{text}` is neither a level nor a list of directives: {fault}")]
    Log { text: String, fault: String },
    #[error("`{key}`: {fault}")]
    Value { key: &'static str, fault: String },
    #[error("{path}: the file of credentials cannot be read")]
    CredentialsUnreadable { path: PathBuf, source: io::Error },
    #[error("{path}: the file of the webhook's secret cannot be read")]
    WebhookUnreadable { path: PathBuf, source: io::Error },
    #[error("{path}: {fault}")]
    Credentials { path: PathBuf, fault: String, hint: &'static str },
}

impl SettingsError {
    /// Returns the next step.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable { .. } => Some("check the path given to --config"),
            Self::Malformed { .. } => None,
            Self::NoRepository => Some("name it: --repo REPO, MUSTER_REPO, or `repo` in the settings file"),
            Self::Repository(error) => Some(error.hint()),
            Self::BranchAndTag => Some("leave one out"),
            Self::SignersOfNothing => Some("name the file of allowed signers: --require-signed FILE"),
            Self::ApiAddress(_) => Some("write --api unix:/run/muster/muster.sock or --api 127.0.0.1:8271"),
            Self::ApiNotLoopback(_) => Some("use a unix socket or 127.0.0.1, and ssh to reach it from elsewhere"),
            Self::Advertise(..) => Some("write the URL that nodes can fetch from, such as http://10.0.0.1:8270"),
            Self::AdvertiseNeeded(_) => {
                Some("name the URL that nodes can fetch from: --advertise http://10.0.0.1:8270")
            }
            Self::Log { .. } => Some("write error, warn, info or debug, or directives such as warn,muster=info"),
            Self::Value { .. } => None,
            Self::CredentialsUnreadable { .. } => Some("check `bmc.credentials_file`, and who may read it"),
            Self::WebhookUnreadable { .. } => Some("check `webhook_secret_file`, and who may read it"),
            Self::Credentials { hint, .. } => Some(hint),
        }
    }
}
