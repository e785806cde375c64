//! Verifies OpenPGP signatures with the machine's `gpg` and the keys of one file, without any
//! user's keyring.
//!
//! Unlike with SSH, gpg compares the validity of a key with this host's clock.

use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::Why;

/// The timeout of gpg; it normally takes some hundredths of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// The rejected digests, by their numbers in RFC 9580: MD5, SHA-1 and RIPEMD-160 are broken or too
/// short.
const WEAK: [&str; 3] = ["1", "2", "3"];

/// Verifies a signature; returns the signer.
pub(super) fn verify(keyring: &Path, payload: &[u8], signature: &[u8]) -> Result<String, Why> {
    let trouble = |error: io::Error| Why::Gpg(format!("its OpenPGP signature cannot be judged: {error}"));

    // tempfile creates it with mode 0700, as gpg requires.
    let home = tempfile::Builder::new().prefix("muster-gpg-").tempdir().map_err(trouble)?;
    let file = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, bytes).map(|()| path)
    };

    let (payload, signature) = (file("commit", payload).map_err(trouble)?, file("sig", signature).map_err(trouble)?);
    let imported = gpg(home.path(), &["--import".as_ref(), keyring.as_ref()]).map_err(trouble)?;
    if !imported.status.success() {
        let what = "holds no keys that gpg can read; export them: gpg --export WHO > FILE".into();
        return Err(super::file_fault(keyring, what));
    }

    let args = ["--verify".as_ref(), signature.as_os_str(), payload.as_os_str()];
    judge(&String::from_utf8_lossy(&gpg(home.path(), &args).map_err(trouble)?.stdout))
}

fn gpg(home: &Path, args: &[&std::ffi::OsStr]) -> io::Result<Output> {
    let mut command = Command::new("gpg");
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).env("LC_ALL", "C.UTF-8");
    command.arg("--homedir").arg(home).args(["--batch", "--no-tty", "--no-autostart", "--trust-model", "always"]);
    command
        .args(["--no-auto-key-retrieve", "--no-auto-key-locate", "--disable-dirmngr", "--status-fd", "1"])
        .args(args);
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();

    let mut child = started.map_err(|error| io::Error::new(error.kind(), format!("gpg cannot be run: {error}")))?;
    let deadline = Instant::now() + PATIENCE;

    // The output of gpg fits in a pipe.
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other("gpg does not end"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }

    child.wait_with_output()
}

/// Evaluates gpg's status lines (GnuPG's doc/DETAILS): good only with exactly one good signature
/// and nothing else.
fn judge(status: &str) -> Result<String, Why> {
    let lines = status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] "));
    let lines: Vec<Vec<&str>> = lines.map(|line| line.split_ascii_whitespace().collect()).collect();
    let said = |word: &str| lines.iter().find(|line| line.first() == Some(&word)).map(|line| &line[1..]);
    let key = |parts: &[&str]| format!("OpenPGP {}", parts.first().copied().unwrap_or_default());
    let rest = |parts: &[&str]| parts.get(1..).unwrap_or_default().join(" ");
    if let Some(parts) = said("BADSIG") {
        return Err(Why::Bad { key: key(parts) });
    }

    if let Some(parts) = said("REVKEYSIG") {
        return Err(Why::Revoked { key: key(parts) });
    }
    if let Some(parts) = said("EXPKEYSIG").or_else(|| said("EXPSIG")) {
        let until = "a day that has passed".into();
        return Err(Why::Expired { who: rest(parts), key: key(parts), until });
    }

    if let Some(parts) = said("ERRSIG") {
        return Err(Why::Unknown { key: key(parts) });
    }
    let times = lines.iter().filter(|line| line.first() == Some(&"GOODSIG")).count();

    match (said("GOODSIG"), said("VALIDSIG")) {
        (Some(who), Some(valid)) if times == 1 => {
            let digest = valid.get(7).copied().unwrap_or_default();
            if digest.is_empty() || WEAK.contains(&digest) {
                return Err(Why::Gpg(
                    "its OpenPGP signature rests on a digest that is broken; sign with SHA-256".into(),
                ));
            }
            Ok(format!("{} with {}", rest(who), key(valid)))
        }
        _ => Err(Why::Malformed),
    }
}
