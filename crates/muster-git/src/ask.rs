//! How `git` is called for a remote repository: which of this host's settings reach it, and which of ours win.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use muster_core::model::{RemoteUrl, Transport};

/// The variables of git that a site may set for muster's git. All others, `GIT_DIR` and the traces among them, are taken
/// away, and so is what says that certificates are not verified.
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

/// What holds whatever the site's configuration says.
const SETTINGS: &[(&str, &str)] = &[
    // No program of the site runs because a reference of ours moved.
    ("core.hooksPath", "/dev/null"),
    // Larger blobs are hashed as they flow, not held in memory; no wish is as large (MAX_TOML_BYTES).
    ("core.bigFileThreshold", "8m"),
    // What is malformed or harmful is not kept.
    ("fetch.fsckObjects", "true"),
    // One pack for each fetch, as compaction counts them.
    ("fetch.unpackLimit", "1"),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.writeCommitGraph", "false"),
    ("fetch.prune", "false"),
    ("fetch.pruneTags", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // A host that redirects is followed by us, and never to another origin: a header that the site configured would go along.
    ("http.followRedirects", "false"),
    ("http.sslVerify", "true"),
    // A connection on which nothing comes for a minute is dead.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    // The cores are for those who boot.
    ("pack.threads", "1"),
    ("transfer.bundleURI", "false"),
];

/// The most that git may take at once for one object, or for the result of one delta: harm comes in small packs too.
const MAX_ALLOCATION: &str = "512m";

/// How ssh is called where the site does not say: it asks nothing, keeps no connection for others, and notices a dead peer.
const SSH: &str =
    "ssh -o BatchMode=yes -o ControlMaster=no -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

/// Names the account of an address in variables, which the shell's own printf writes; no command line holds it.
const HELPER: &str = r#"!f() { test "$1" != get || printf 'username=%s\npassword=%s\n' "$MUSTER_REMOTE_USERNAME" "$MUSTER_REMOTE_PASSWORD"; }; f"#;

/// Prepares `git` in the mirror at `dir`.
pub(super) fn git(dir: &Path, url: &RemoteUrl) -> Command {
    let mut command = Command::new("git");
    clean(&mut command);
    command.arg("--git-dir").arg(dir).current_dir(dir);
    command.env("LC_ALL", "C").env("LANGUAGE", "C");
    // Nobody is there to answer.
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

/// Takes away what is not git's business: its own variables but the kept ones, and ours, which may hold BMCs' passwords.
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

/// Gives git the account that the address holds, for this host alone and before what the site's helpers know.
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

/// Adds settings by variables, after those that the site gives in the same way, so that ours win.
fn configure(command: &mut Command, settings: &[(String, String)]) {
    let theirs: usize = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    for (at, (key, value)) in settings.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{}", theirs + at), key);
        command.env(format!("GIT_CONFIG_VALUE_{}", theirs + at), value);
    }
    command.env("GIT_CONFIG_COUNT", (theirs + settings.len()).to_string());
}

/// Returns the ssh command for a site that names none of its own by variable; `configured` is its `core.sshCommand`.
pub(super) fn ssh(configured: bool) -> Option<OsString> {
    let said =
        ["GIT_SSH_COMMAND", "GIT_SSH"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    (!said && !configured).then(|| SSH.into())
}
