//! The secret that a forge signs its webhooks with: from a file of this host, or from systemd's
//! credentials.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::private::{self, Fault};
use super::{Settings, SettingsError};
use crate::model::Secret;

/// The variable with the folder of systemd's credentials, and the secret's name there
/// (`LoadCredential=`).
const FOLDER: &str = "CREDENTIALS_DIRECTORY";
const CREDENTIAL: &str = "muster.webhook-secret";

/// The maximum length of a secret in bytes.
const MAX_BYTES: u64 = 4096;

const SHAPE: &str = "write one line: the secret as the forge has it";

impl Settings {
    /// Reads the secret of the webhook, or returns `None` if none is configured.
    ///
    /// A configured file takes precedence over systemd's credential; line breaks at the end are not
    /// part of the secret.
    ///
    /// # Errors
    /// It cannot be read, others can read it, or it is not a valid secret.
    pub fn webhook_secret(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Option<Secret>, SettingsError> {
        if let Some(path) = &self.webhook_secret_file {
            return secret(path, private::read(path, MAX_BYTES)).map(Some);
        }
        let folder = environment.into_iter().find(|(key, _)| key == FOLDER).map(|(_, folder)| PathBuf::from(folder));
        let path = folder.map(|folder| folder.join(CREDENTIAL)).filter(|path| path.is_absolute() && path.is_file());
        let Some(path) = path else { return Ok(None) };
        // systemd protects the folder, and the file belongs to root.
        let bytes = File::open(&path).map_err(Fault::from).and_then(|file| private::bounded(file, MAX_BYTES));
        secret(&path, bytes).map(Some)
    }
}

fn secret(path: &Path, bytes: Result<Zeroizing<Vec<u8>>, Fault>) -> Result<Secret, SettingsError> {
    let refuse = |fault: String, hint| SettingsError::Credentials { path: path.into(), fault, hint };
    let bytes = bytes.map_err(|fault| match fault {
        Fault::Unreadable(source) => SettingsError::WebhookUnreadable { path: path.into(), source },
        Fault::Refused(fault, hint) => refuse(fault, hint),
    })?;

    let text = std::str::from_utf8(&bytes).map_err(|_| refuse("it is not UTF-8".into(), SHAPE))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(refuse("it holds no secret".into(), SHAPE));
    }

    if text.contains(['\n', '\r', '\0']) {
        return Err(refuse("it has more than one line".into(), SHAPE));
    }

    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Given;
    use std::os::unix::fs::PermissionsExt;

    fn settings(file: Option<PathBuf>) -> Settings {
        let given = Given { repo: Some("a".into()), webhook_secret_file: file, ..Given::default() };
        given.complete(|_| None).unwrap()
    }

    fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_file_counts_before_systemds_and_its_line_break_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let environment = || [(FOLDER.into(), folder.path().as_os_str().to_owned())];
        assert!(settings(None).webhook_secret(environment()).unwrap().is_none());
        write(&folder.path().join(CREDENTIAL), "systemd's", 0o440);
        let own = folder.path().join("own");
        write(&own, "It's a Secret\r\n", 0o600);
        let read = |file| settings(file).webhook_secret(environment()).unwrap().unwrap();
        assert_eq!(read(None).reveal(), "systemd's");
        assert_eq!(read(Some(own)).reveal(), "It's a Secret");
        assert!(settings(None).webhook_secret([]).unwrap().is_none());
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let why = || settings(Some(file.clone())).webhook_secret([]).unwrap_err().to_string();
        assert!(why().ends_with("the file of the webhook's secret cannot be read"), "{}", why());
        for (text, mode, fault) in [
            ("hush", 0o640, "others than its owner can read or write it (mode 640)"),
            ("\n", 0o600, "it holds no secret"),
            ("hush\nhush", 0o600, "it has more than one line"),
            (&"x".repeat(5000), 0o600, "it has over 4096 bytes"),
        ] {
            write(&file, text, mode);
            assert!(why().contains(fault) && !why().contains("hush"), "{}", why());
        }
    }
}
