//! The accounts of BMCs on this host, by their declared names.
//!
//! The most specific source takes precedence: the host file's entry for one BMC, the environment,
//! systemd's credentials, the host file's entry for the name, an external program. A source that
//! has the name but cannot be read ends the search, so that a weaker account is never tried by
//! mistake. Secrets never appear in `Debug` output or errors.
//!
//! This room does not log in, and does not know which BMC has which name.

mod account;
mod command;
mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use account::Account;
use command::Asked;
use file::HostFile;
use zeroize::Zeroizing;

use super::{BmcSettings, SettingsError};
use crate::model::Credential;

/// The prefix of variables with an account.
const VARIABLE: &str = "MUSTER_CREDENTIAL_";

/// The variable with the folder of systemd's credentials (systemd.exec(5), `LoadCredential=`).
const FOLDER: &str = "CREDENTIALS_DIRECTORY";

/// The maximum length of one of systemd's credentials in bytes.
const MAX_FILE: u64 = 16 * 1024;

/// The accounts of this host.
#[derive(Debug)]
pub struct Credentials {
    /// By the name of the variable without its prefix.
    variables: BTreeMap<String, Result<Account, &'static str>>,
    folder: Option<PathBuf>,
    host_file: Option<(PathBuf, HostFile)>,
    command: Option<Asked>,
}

/// The error that this host has no account of a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this host has no credential `{name}`: {}", tried.join("; "))]
pub struct NoCredential {
    pub name: Box<str>,
    /// The sources that were searched, with the result of each; at least one.
    pub tried: Vec<Box<str>>,
}

impl NoCredential {
    /// Returns the next step.
    #[must_use]
    pub fn hint(&self) -> String {
        format!("set {VARIABLE}{}=user:password, or add the name to `bmc.credentials_file`", variable(&self.name))
    }
}

/// The result of one source for a name.
enum Found {
    Account(Account),
    /// No account, with the place that was searched.
    Nothing(String),
    /// An unusable account.
    Fault(String),
}

impl Credentials {
    /// Reads the sources that are read once: the host file and the environment, as from
    /// [`std::env::vars_os`].
    ///
    /// # Errors
    /// The host file cannot be read, is invalid, or others than its owner can read or write it.
    pub fn load(
        settings: &BmcSettings,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let mut variables = BTreeMap::new();
        let mut folder = None;
        for (key, value) in environment {
            let Some(key) = key.to_str() else { continue };
            if key == FOLDER {
                folder = Some(PathBuf::from(value)).filter(|path| path.is_absolute());
            } else if let Some(name) = key.strip_prefix(VARIABLE) {
                let text = value.into_string().map(Zeroizing::new);
                let account = text.map_err(|_| "is not UTF-8").and_then(|text| Account::from_pair(&text));
                variables.insert(name.to_owned(), account);
            }
        }
        let host_file = match &settings.credentials_file {
            Some(path) => Some((path.clone(), HostFile::read(path)?)),
            None => None,
        };
        Ok(Self { variables, folder, host_file, command: Asked::new(&settings.credentials_command) })
    }

    /// Finds the account for one BMC: its own, otherwise that of its declared name.
    ///
    /// Runs the program if necessary, waits for it at most 10 s, and keeps its answer.
    ///
    /// # Errors
    /// This host has no such account.
    pub fn for_bmc(&self, bmc: &str, name: Option<&str>) -> Result<Credential, NoCredential> {
        let own = self.host_file.as_ref().and_then(|(_, file)| file.of_bmc(bmc));
        match (own, name) {
            (Some(account), _) => Ok(account.clone().named(&format!("bmc/{bmc}"))),
            (None, Some(name)) => self.get(name),
            (None, None) => {
                let tried = match &self.host_file {
                    Some((path, _)) => format!("{} has no [bmc.\"{bmc}\"]", path.display()),
                    None => "the wishes name none for this BMC, and there is no `bmc.credentials_file`".into(),
                };
                Err(NoCredential { name: format!("bmc/{bmc}").into(), tried: vec![tried.into()] })
            }
        }
    }

    /// Finds the account of a name.
    ///
    /// Runs the program if necessary, waits for it at most 10 s, and keeps its answer.
    ///
    /// # Errors
    /// This host has no such account.
    pub fn get(&self, name: &str) -> Result<Credential, NoCredential> {
        let sources: [&dyn Fn(&str) -> Found; 4] = [
            &|name| self.in_environment(name),
            &|name| self.in_folder(name),
            &|name| self.in_host_file(name),
            &|name| self.by_command(name),
        ];
        let mut tried = Vec::new();
        for source in sources {
            match source(name) {
                Found::Account(account) => return Ok(account.named(name)),
                Found::Nothing(place) => tried.push(place.into()),
                Found::Fault(fault) => {
                    tried.push(fault.into());
                    break;
                }
            }
        }
        Err(NoCredential { name: name.into(), tried })
    }

    fn in_environment(&self, name: &str) -> Found {
        let key = variable(name);
        match self.variables.get(&key) {
            None => Found::Nothing(format!("{VARIABLE}{key} is not set")),
            Some(Ok(account)) => Found::Account(account.clone()),
            Some(Err(fault)) => Found::Fault(format!("{VARIABLE}{key} {fault}")),
        }
    }

    fn in_folder(&self, name: &str) -> Found {
        let Some(folder) = &self.folder else { return Found::Nothing(format!("{FOLDER} is not set")) };
        // A name must be one component of a path, so that it cannot lead elsewhere.
        if name.contains(['/', '\0']) {
            return Found::Nothing(format!("{FOLDER} has no such names"));
        }
        let path = folder.join(format!("muster-{name}"));
        match read_bounded(&path) {
            Ok(None) => Found::Nothing(format!("{} is not there", path.display())),
            Ok(Some(text)) => match Account::from_text(&text) {
                Ok(account) => Found::Account(account),
                Err(fault) => Found::Fault(format!("{} {fault}", path.display())),
            },
            Err(fault) => Found::Fault(format!("{} {fault}", path.display())),
        }
    }

    fn in_host_file(&self, name: &str) -> Found {
        let Some((path, file)) = &self.host_file else {
            return Found::Nothing("there is no `bmc.credentials_file`".into());
        };
        match file.of_name(name) {
            Some(account) => Found::Account(account.clone()),
            None => Found::Nothing(format!("{} has no [{name}]", path.display())),
        }
    }

    fn by_command(&self, name: &str) -> Found {
        let Some(command) = &self.command else {
            return Found::Nothing("there is no `bmc.credentials_command`".into());
        };
        match command.ask(name) {
            Ok(account) => Found::Account(account),
            Err(fault) => Found::Fault(fault),
        }
    }
}

/// Returns a variable's suffix for a name: capitals, and `_` for all that is neither letter nor
/// digit.
fn variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Reads a small file, or returns `None` if it does not exist.
fn read_bounded(path: &Path) -> Result<Option<Zeroizing<String>>, String> {
    use std::io::{ErrorKind, Read};
    let kind = match std::fs::metadata(path) {
        Ok(known) => known,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    if !kind.is_file() {
        return Err("is no file".into());
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("has over {MAX_FILE} bytes"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
        Err(_) => Err("is not UTF-8".into()),
    }
}
