//! The `git` command for a remote repository: which settings of this host it keeps, and which of
//! muster's override them.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use muster_core::model::{RemoteUrl, Transport};

/// The variables of git that a site may set for muster's git. All others, including `GIT_DIR` and
/// the trace variables, are removed, as are those that turn certificate verification off.
const KEPT: &[&str] = &[
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "GIT_PROXY_SSL_CAINFO",
    "GIT_PROXY_SSL_CERT",
    "GIT_PROXY_SSL_KEY",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
];

/// Settings that hold whatever the site's configuration says.
const SETTINGS: &[(&str, &str)] = &[
    // Hooks of the site must not run because a reference of the mirror moved.
    ("core.hooksPath", "/dev/null"),
    // Larger blobs are hashed as a stream, not held in memory; no file that muster reads is as
    // large (MAX_TOML_BYTES).
    ("core.bigFileThreshold", "8m"),
    // Malformed or harmful objects are rejected.
    ("fetch.fsckObjects", "true"),
    // One pack for each fetch, because compaction counts packs.
    ("fetch.unpackLimit", "1"),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.writeCommitGraph", "false"),
    ("fetch.prune", "false"),
    ("fetch.pruneTags", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // Muster follows redirects itself, and never to another origin: git would send along a header
    // that the site configured.
    ("http.followRedirects", "false"),
    ("http.sslVerify", "true"),
    // A connection without data for a minute is dead.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    // The cores are for booting machines.
    ("pack.threads", "1"),
    ("transfer.bundleURI", "false"),
];

/// The most memory that git may allocate at once, for one object or the result of one delta: a
/// small pack can expand too.
const MAX_ALLOCATION: &str = "512m";

/// The ssh command if the site configures none: it never prompts, does not become a connection
/// master, and notices a dead peer.
const SSH: &str =
    "ssh -o BatchMode=yes -o ControlMaster=no -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

/// A credential helper that prints the account of the URL from variables with the shell's own
/// printf, so that no command line holds it.
const HELPER: &str = r#"!f() { test "$1" != get || printf 'username=%s\npassword=%s\n' "$MUSTER_REMOTE_USERNAME" "$MUSTER_REMOTE_PASSWORD"; }; f"#;

/// Prepares `git` in the mirror at `dir`.
pub(super) fn git(dir: &Path, url: &RemoteUrl) -> Command {
    let mut command = Command::new("git");
    clean(&mut command);
    command.arg("--git-dir").arg(dir).current_dir(dir);
    command.env("LC_ALL", "C").env("LANGUAGE", "C");

    // There is no terminal to answer a prompt.
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ASKPASS", "").env("SSH_ASKPASS_REQUIRE", "never");
    command.env("GCM_INTERACTIVE", "never");
    command.env("GIT_ALLOW_PROTOCOL", if url.transport() == Transport::Http { "http:https:ssh" } else { "https:ssh" });
    command.env("GIT_ALLOC_LIMIT", MAX_ALLOCATION);
    let mut settings: Vec<(String, String)> =
        SETTINGS.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();

    account(&mut command, &mut settings, url);
    configure(&mut command, &settings);
    command
}

/// Removes git's variables except the kept ones, and muster's own, which may hold passwords of
/// BMCs.
fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_ours = text.starts_with("MUSTER_");
        let is_gits = text.starts_with("GIT_")
            && !KEPT.contains(&&*text)
            && !text.starts_with("GIT_CONFIG_KEY_")
            && !text.starts_with("GIT_CONFIG_VALUE_");
        if is_ours || is_gits || text == "SSH_ASKPASS" {
            command.env_remove(&name);
        }
    }
}

/// Passes the account of the URL to git, for this host only and ahead of the site's credential
/// helpers.
fn account(command: &mut Command, settings: &mut Vec<(String, String)>, url: &RemoteUrl) {
    let key = |name: &str| format!("credential.{}.{name}", url.origin());
    match (url.username(), url.password()) {
        (username, Some(password)) => {
            settings.push((key("helper"), String::new()));
            settings.push((key("helper"), HELPER.into()));
            command.env("MUSTER_REMOTE_USERNAME", username.map_or("", |name| name.reveal()));
            command.env("MUSTER_REMOTE_PASSWORD", password.reveal());
        }
        (Some(username), None) => settings.push((key("username"), username.reveal().into())),
        (None, None) => {}
    }
}

/// Adds settings as variables, after those that the site sets in the same way, so that muster's
/// win.
fn configure(command: &mut Command, settings: &[(String, String)]) {
    let theirs: usize = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    for (at, (key, value)) in settings.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{}", theirs + at), key);
        command.env(format!("GIT_CONFIG_VALUE_{}", theirs + at), value);
    }
    command.env("GIT_CONFIG_COUNT", (theirs + settings.len()).to_string());
}

/// Returns the ssh command if the site sets none by variable or configuration; `configured` says
/// that it has a `core.sshCommand`.
pub(super) fn ssh(configured: bool) -> Option<OsString> {
    let said =
        ["GIT_SSH_COMMAND", "GIT_SSH"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    (!said && !configured).then(|| SSH.into())
}
