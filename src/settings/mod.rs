//! This host's settings: where the wishes are, where the store lies, which addresses are listened on, how BMCs are reached
//! and with which accounts.
//!
//! What a flag gives counts before its `MUSTER_*` variable, and that before the key of the settings file. A relative path
//! in a settings file begins at that file's folder. This room knows nothing of what the wishes say, and of a BMC no more
//! than its name.

#![expect(clippy::disallowed_methods, reason = "a bank room: it reads the settings file")]

mod bmc;
mod credentials;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use bmc::{BmcSettings, GivenBmc, GivenSurvey, Login, SurveySettings};
pub use credentials::{Credentials, NoCredential};

use crate::model::{ApiAddress, NotAnAddress};

/// The address of the boot listener where nobody says: loopback, so that nothing is open to a network by accident.
const LISTEN: &str = "127.0.0.1:8270";

/// The file of the store where nobody says, in the current folder.
const STORE: &str = "muster.redb";

/// What a settings file or the command line says; what is absent is decided elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    pub repo: Option<PathBuf>,
    pub branch: Option<String>,
    pub path: Option<String>,
    pub store: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    pub api: Option<String>,
    pub advertise: Option<String>,
    #[serde(default)]
    pub bmc: GivenBmc,
    #[serde(default)]
    pub survey: GivenSurvey,
}

/// The settings of `muster serve`, complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub repo: PathBuf,
    /// The branch that is followed; nothing follows HEAD's.
    pub branch: Option<String>,
    /// The cluster's folder inside the repository, without slashes at its ends.
    pub path: String,
    pub store: PathBuf,
    pub listen: SocketAddr,
    pub api: ApiAddress,
    /// The URL by which nodes reach the boot listener, where neither their network nor the cluster names one.
    pub advertise: Option<String>,
    pub bmc: BmcSettings,
    pub survey: SurveySettings,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{path}: cannot be read")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path}: is no settings file")]
    Malformed { path: PathBuf, source: toml::de::Error },
    #[error("no repository is named")]
    NoRepository,
    #[error(transparent)]
    ApiAddress(#[from] NotAnAddress),
    #[error("the api would listen on {0}, which other hosts reach, and it cannot tell who asks yet")]
    ApiNotLoopback(SocketAddr),
    #[error("`{0}` cannot be advertised to nodes: {1}")]
    Advertise(String, String),
    #[error("nodes cannot be told to reach {0}, which stands for every address of this host")]
    AdvertiseNeeded(SocketAddr),
    #[error("`{key}`: {fault}")]
    Value { key: &'static str, fault: String },
    #[error("{path}: the file of credentials cannot be read")]
    CredentialsUnreadable { path: PathBuf, source: io::Error },
    #[error("{path}: {fault}")]
    Credentials { path: PathBuf, fault: String, hint: &'static str },
}

impl SettingsError {
    /// Says what to do next.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable { .. } => Some("check the path given to --config"),
            Self::Malformed { .. } => None,
            Self::NoRepository => Some("name it: --repo DIR, MUSTER_REPO, or `repo` in the settings file"),
            Self::ApiAddress(_) => Some("write --api unix:/run/muster/muster.sock or --api 127.0.0.1:8271"),
            Self::ApiNotLoopback(_) => Some("use a unix socket or 127.0.0.1, and ssh to reach it from elsewhere"),
            Self::Advertise(..) => Some("write the URL that nodes can fetch from, such as http://10.0.0.1:8270"),
            Self::AdvertiseNeeded(_) => {
                Some("name the URL that nodes can fetch from: --advertise http://10.0.0.1:8270")
            }
            Self::Value { .. } => None,
            Self::CredentialsUnreadable { .. } => Some("check `bmc.credentials_file`, and who may read it"),
            Self::Credentials { hint, .. } => Some(hint),
        }
    }
}

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
        let absolute = |path: &mut PathBuf| *path = folder.join(&*path);
        self.repo.iter_mut().for_each(absolute);
        self.store.iter_mut().for_each(absolute);
        if let Some(api) = &mut self.api
            && let Ok(ApiAddress::Unix(path)) = api.parse()
        {
            *api = ApiAddress::Unix(folder.join(path)).to_string();
        }
        self.bmc.start_at(folder);
    }

    /// Fills what is absent here with what weaker settings say.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        Self {
            repo: self.repo.or(weaker.repo),
            branch: self.branch.or(weaker.branch),
            path: self.path.or(weaker.path),
            store: self.store.or(weaker.store),
            listen: self.listen.or(weaker.listen),
            api: self.api.or(weaker.api),
            advertise: self.advertise.or(weaker.advertise),
            bmc: self.bmc.or(weaker.bmc),
            survey: self.survey.or(weaker.survey),
        }
    }

    /// Completes the settings of `muster serve`.
    ///
    /// # Errors
    /// No repository is named, or an address cannot be used.
    pub fn complete(self, advertise_fault: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
        // An empty variable is how a unit file or a compose file leaves a setting out.
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (branch, advertise) = (said(self.branch), said(self.advertise));
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
            repo: self.repo.ok_or(SettingsError::NoRepository)?,
            branch,
            path: self.path.unwrap_or_default().trim_matches('/').to_owned(),
            store,
            listen,
            api,
            advertise: advertise.map(|url| url.trim_end_matches('/').to_owned()),
            bmc: self.bmc.complete()?,
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
mod tests {
    use super::*;

    fn complete(given: Given) -> Result<Settings, SettingsError> {
        given.complete(|url| (!url.starts_with("http://")).then(|| "no URL".into()))
    }

    #[test]
    fn what_is_given_first_counts() {
        let flags = Given { repo: Some("a".into()), listen: Some("127.0.0.1:1".parse().unwrap()), ..Given::default() };
        let file = Given { repo: Some("b".into()), store: Some("x/m.redb".into()), ..Given::default() };
        let settings = complete(flags.or(file)).unwrap();
        assert_eq!(settings.repo, Path::new("a"));
        assert_eq!(settings.api, ApiAddress::Unix("x/m.sock".into()));
        assert_eq!(settings.mirror(), Path::new("x/m.mirror.git"));
        assert_eq!(settings.listen.port(), 1);
    }

    #[test]
    fn relative_paths_begin_at_the_settings_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("muster.toml");
        let text = "repo = \"wishes\"\nstore = \"/var/m.redb\"\napi = \"unix:run/m.sock\"\npath = \"a/b\"\n\
                    [bmc]\nca = [\"ca.pem\"]\ncredentials_file = \"../secret.toml\"\ncredentials_command = [\"bin/ask\", \"b/c\"]\n\
                    [survey]\nsweep = \"5s\"\n";
        std::fs::write(&file, text).unwrap();
        let settings = complete(Given::read(&file).unwrap()).unwrap();
        assert_eq!((settings.repo, settings.store), (folder.path().join("wishes"), "/var/m.redb".into()));
        assert_eq!(settings.api, ApiAddress::Unix(folder.path().join("run/m.sock")));
        assert_eq!(settings.path, "a/b");
        assert_eq!(settings.bmc.ca, [folder.path().join("ca.pem")]);
        assert_eq!(settings.bmc.credentials_file, Some(folder.path().join("../secret.toml")));
        let program = folder.path().join("bin/ask").to_string_lossy().into_owned();
        assert_eq!(settings.bmc.credentials_command, [program, "b/c".into()]);
        assert_eq!(settings.survey.sweep, Some(std::time::Duration::from_secs(5)));
        std::fs::write(&file, "[bmc]\nrequest = 5\n").unwrap();
        let error = Given::read(&file).unwrap_err();
        assert!(matches!(&error, SettingsError::Malformed { source, .. } if source.message().contains("request")));
        assert_eq!(Given::read(Path::new("nowhere.toml")).unwrap_err().to_string(), "nowhere.toml: cannot be read");
    }

    #[test]
    fn what_is_empty_is_not_said() {
        let empty = || Some(String::new());
        let given = Given { branch: empty(), api: empty(), advertise: empty(), path: empty(), ..Given::default() };
        let settings = complete(Given { repo: Some("a".into()), ..given }).unwrap();
        assert_eq!((settings.branch, settings.advertise, &*settings.path), (None, None, ""));
        assert_eq!(settings.api, ApiAddress::Unix("muster.sock".into()));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let given = |api: &str| Given { repo: Some("a".into()), api: Some(api.into()), ..Given::default() };
        assert!(matches!(complete(Given::default()), Err(SettingsError::NoRepository)));
        assert!(matches!(complete(given("0.0.0.0:80")), Err(SettingsError::ApiNotLoopback(_))));
        assert!(matches!(complete(given("[::]:80")), Err(SettingsError::ApiNotLoopback(_))));
        assert!(matches!(complete(given("x")), Err(SettingsError::ApiAddress(_))));
        assert_eq!(complete(given("[::1]:80")).unwrap().api.to_string(), "[::1]:80");
        let open = Given { listen: Some("0.0.0.0:8270".parse().unwrap()), ..given("/run/m.sock") };
        assert!(matches!(complete(open), Err(SettingsError::AdvertiseNeeded(_))));
    }
}
