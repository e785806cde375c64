//! Writes the files of a fleet: credentials, host settings, and the list of planted differences.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fleet::Running;
use super::plant::Planted;
use muster_core::model::Secret;

/// The account of BMCs for which the cluster repository names no credential.
const USER: &str = "muster";

/// The file of credentials, next to the settings.
const CREDENTIALS: &str = "credentials.toml";

/// The file of the CA, next to the settings.
const CA: &str = "ca.pem";

/// The credentials of a fleet's BMCs: the user has the name of the credential, and all share one
/// password.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub password: Secret,
}

impl Default for Credentials {
    /// Generates a new random password.
    fn default() -> Self {
        Self { password: Secret::new(format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))) }
    }
}

impl Credentials {
    /// Returns user and password for the credential with a name.
    #[must_use]
    pub fn of(&self, name: Option<&str>) -> (Arc<str>, Arc<str>) {
        (name.unwrap_or(USER).into(), self.password.reveal().into())
    }
}

/// Writes host settings that point muster at a fleet and restrict it to the fleet. Next to them,
/// writes the CA's certificate and the passwords of all names (mode 0600). Returns the files.
///
/// # Errors
/// A file cannot be written.
pub fn write_settings(path: &Path, running: &Running, names: &[Box<str>]) -> io::Result<Vec<PathBuf>> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };

    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let (ca, credentials) = (folder.join(CA), folder.join(CREDENTIALS));
    let mut files = vec![path.to_owned(), credentials.clone()];
    let mut text =
        String::from("# Written by `muster simulate`: points muster at a fleet that ends with that process.\n[bmc]\n");

    if let Some(pem) = running.ca() {
        fs::write(&ca, pem)?;
        let _ = writeln!(text, "ca = [{}]", quoted(&ca.display().to_string()));
        files.push(ca);
    }

    // A BMC that is declared later, and that no setting rewrites, must never be contacted for real.
    let fleet = quoted(super::fleet::NETWORK);
    let _ = writeln!(text, "only = [{fleet}]");
    if running.ca().is_none() {
        let _ = writeln!(text, "plain = [{fleet}]");
    }
    let _ = writeln!(text, "credentials_file = {}\n\n[bmc.rewrite]", quoted(&credentials.display().to_string()));

    // The origin does not distinguish two BMCs at one origin: the first counts.
    let mut origins = BTreeMap::new();
    for at in 0..running.len() {
        if let Ok(url) = url::Url::parse(&running.bmc(at).1) {
            origins.entry(url.origin().ascii_serialization()).or_insert(at);
        }
    }

    for (origin, at) in origins {
        let _ = writeln!(text, "{} = {}", quoted(&origin), quoted(&running.origin(at)));
    }
    write_private(&credentials, &secrets(running.credentials(), names))?;
    fs::write(path, text)?;

    Ok(files)
}

fn secrets(credentials: &Credentials, names: &[Box<str>]) -> String {
    let mut text = String::new();
    for name in names {
        let (user, password) = credentials.of(Some(name));
        let _ = writeln!(text, "[{}]\nusername = {}\npassword = {}\n", quoted(name), quoted(&user), quoted(&password));
    }
    text
}

/// Writes a file that only its owner can read; replaces an older one, whatever its mode.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Writes the list of planted differences as JSON.
///
/// # Errors
/// The file cannot be written.
pub fn write_planted(path: &Path, planted: &[Planted]) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(planted).map_err(io::Error::from)?;
    text.push('\n');
    fs::write(path, text)
}

/// Writes a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
