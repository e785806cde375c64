//! The reasons for which a remote repository cannot be followed: messages of git and ssh sorted
//! into kinds, with hints.

use std::time::Duration;

use muster_core::model::{RemoteUrl, Transport, format_duration};

/// The most characters of git's output in a message.
const MAX_SAID: usize = 300;

/// The kind of fault in following a remote repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteFault {
    /// A required program, `git` or `ssh`, is not installed.
    NoProgram(&'static str),
    /// The host name is unknown, nothing listens at the port, or no packet comes back.
    Unreachable,
    /// The account, token or key is missing or was rejected.
    Account,
    /// The host's key is not in known_hosts.
    HostKeyUnknown,
    /// The host presents another key than the one in known_hosts.
    HostKeyChanged,
    /// The host answers but has no such repository, or hides it from this account.
    NotFound,
    /// The host's certificate has no trusted issuer, names another host, or is out of date.
    Certificate,
    /// The host redirects elsewhere; the target, if the host names it.
    Redirected(Option<String>),
    /// The fetched data and the mirror together exceed this many bytes.
    TooLarge(u64),
    /// The list of branches and tags exceeds this many bytes.
    TooManyRefs(usize),
    /// The operation did not end in this time.
    TimedOut(Duration),
    /// The received data is malformed or harmful.
    Unsound,
    /// The connection ended in the middle.
    CutShort,
    /// The host is overloaded, or limits requests.
    Busy,
    /// This host's settings lead to a transport that is not allowed.
    Transport,
    /// The disk of the mirror is full.
    DiskFull,
    /// The server is shutting down.
    Stopped,
    /// The repository names its objects by SHA-256.
    Sha256,
    /// HEAD of the repository names a commit instead of a branch.
    Detached,
    /// Any other fault.
    Other,
}

/// A [`RemoteFault`] with git's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteError {
    pub(super) url: String,
    pub(super) transport: Transport,
    pub(super) fault: RemoteFault,
    pub(super) said: String,
}

impl std::error::Error for RemoteError {}

impl std::fmt::Display for RemoteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.url, self.fault.words())?;
        if self.said.is_empty() { Ok(()) } else { write!(f, ": {}", self.said) }
    }
}

impl RemoteFault {
    fn words(&self) -> String {
        match self {
            Self::NoProgram(name) => {
                format!("there is no program `{name}` on this machine, which remote repositories need")
            }
            Self::Unreachable => "the host cannot be reached".into(),
            Self::Account => "the host refuses the account that this host has for it, or there is none".into(),
            Self::HostKeyUnknown => "the host's key is not known here".into(),
            Self::HostKeyChanged => {
                "the host shows another key than the one that is known; it may be somebody else".into()
            }
            Self::NotFound => "the host has no such repository, or does not show it to this account".into(),
            Self::Certificate => "the host's certificate is not trusted".into(),
            Self::Redirected(Some(to)) => format!("it redirects to {to}, which is not followed"),
            Self::Redirected(None) => "it redirects to another place, which is not followed".into(),
            Self::TooLarge(most) => {
                format!("the repository is larger than the {} MB that the mirror may have", most >> 20)
            }
            Self::TooManyRefs(most) => format!("its list of branches and tags is larger than {} MB", most >> 20),
            Self::TimedOut(after) => format!("no end after {}", format_duration(*after)),
            Self::Unsound => "what it sent is malformed or harmful, and was thrown away".into(),
            Self::CutShort => "the connection ended in the middle".into(),
            Self::Busy => "the host is busy, or was asked too often".into(),
            Self::Transport => "this host's git configuration leads elsewhere than https and ssh".into(),
            Self::DiskFull => "the disk of the mirror is full".into(),
            Self::Stopped => "the look was given up, since the server ends".into(),
            Self::Sha256 => "the repository uses SHA-256 object names, which cannot be read yet".into(),
            Self::Detached => "HEAD is detached, so there is no branch to follow".into(),
            Self::Other => "git cannot fetch from it".into(),
        }
    }
}

impl RemoteError {
    /// Returns the kind of fault.
    #[must_use]
    pub fn fault(&self) -> &RemoteFault {
        &self.fault
    }

    /// Returns whether the host answered well and only the content of the repository is at fault,
    /// so that there is no reason to poll less often.
    #[must_use]
    pub fn is_content(&self) -> bool {
        matches!(
            self.fault,
            RemoteFault::TooLarge(_) | RemoteFault::Unsound | RemoteFault::Sha256 | RemoteFault::Detached
        )
    }

    pub(super) fn hint(&self) -> Option<String> {
        let host = || host_of(&self.url);
        let text = match &self.fault {
            RemoteFault::NoProgram("ssh") => "install it, such as: apt-get install openssh-client".into(),
            RemoteFault::NoProgram(name) => format!("install it, such as: apt-get install {name}"),
            RemoteFault::Account if self.transport == Transport::Ssh => {
                "give the user of muster a key without passphrase, name it in ~/.ssh/config, and add its public half to the \
                 repository as a deploy key that may read"
                    .into()
            }
            RemoteFault::Account => {
                "give the user of muster a git credential helper that has a token for this host, such as: git config \
                 --global credential.helper store"
                    .into()
            }
            RemoteFault::HostKeyUnknown => format!(
                "compare `ssh-keyscan {}` with what the host's keeper publishes, and add it to ~/.ssh/known_hosts of the user of muster",
                host()
            ),
            RemoteFault::HostKeyChanged => format!(
                "ask the host's keeper whether its key was changed; if so: ssh-keygen -R '{}', and add the new one",
                host()
            ),
            RemoteFault::NotFound => "check the address, and whether the account or key may read it".into(),
            RemoteFault::Certificate => {
                let origin = self.url.split('/').take(3).collect::<Vec<_>>().join("/");
                format!("name the authority that signs for it: git config --global http.{origin}.sslCAInfo FILE")
            }
            RemoteFault::Redirected(_) => "if that is where the repository is now, name it in `repo`".into(),
            RemoteFault::TooLarge(_) => "raise `fetch.max_mib`, or keep the wishes in a repository of their own".into(),
            RemoteFault::TooManyRefs(_) => "keep the wishes in a repository of their own".into(),
            RemoteFault::TimedOut(_) => "if the host is only slow, raise `fetch.timeout`".into(),
            RemoteFault::Unsound => {
                "find the commit with `git fsck` in a clone; `git config --global fetch.fsck.NAME ignore` bears one kind of fault"
                    .into()
            }
            RemoteFault::Transport => "look for url.*.insteadOf in: git config --list --show-origin".into(),
            RemoteFault::DiskFull => "make room where the store lies; it goes on by itself".into(),
            RemoteFault::Sha256 => "push it into a repository made with `git init --object-format=sha1`".into(),
            RemoteFault::Detached => "name a branch with --branch".into(),
            RemoteFault::Unreachable | RemoteFault::CutShort | RemoteFault::Busy | RemoteFault::Stopped | RemoteFault::Other => {
                return None;
            }
        };
        Some(text)
    }
}

/// Returns the host as known_hosts names it: `host`, or `[host]:port`.
fn host_of(url: &str) -> String {
    let (rest, is_url) = match url.split_once("://") {
        Some((_, rest)) => (rest.split('/').next().unwrap_or_default(), true),
        None => (url.split(':').next().unwrap_or_default(), false),
    };
    let host = rest.rsplit('@').next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if is_url && port.chars().all(|c| c.is_ascii_digit()) => format!("[{name}]:{port}"),
        Some(_) | None => host.to_owned(),
    }
}

/// Phrases of git, curl and ssh (LC_ALL=C) with their faults, the more specific first.
const SIGNS: &[(&str, RemoteFault)] = &[
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", RemoteFault::HostKeyChanged),
    ("Host key verification failed", RemoteFault::HostKeyUnknown),
    ("cannot run ssh", RemoteFault::NoProgram("ssh")),
    ("ssh: not found", RemoteFault::NoProgram("ssh")),
    ("remote helper 'https'", RemoteFault::NoProgram("git-remote-https")),
    ("No space left on device", RemoteFault::DiskFull),
    ("' not allowed", RemoteFault::Transport),
    ("fsck error", RemoteFault::Unsound),
    ("Could not resolve host", RemoteFault::Unreachable),
    ("Couldn't connect to server", RemoteFault::Unreachable),
    ("Failed to connect to", RemoteFault::Unreachable),
    ("Connection refused", RemoteFault::Unreachable),
    ("No route to host", RemoteFault::Unreachable),
    ("Network is unreachable", RemoteFault::Unreachable),
    ("timed out", RemoteFault::Unreachable),
    ("SSL certificate problem", RemoteFault::Certificate),
    ("server certificate verification failed", RemoteFault::Certificate),
    ("no alternative certificate subject name", RemoteFault::Certificate),
    ("does not match target host name", RemoteFault::Certificate),
    ("certificate subject name", RemoteFault::Certificate),
    ("certificate verify", RemoteFault::Certificate),
    ("Authentication failed", RemoteFault::Account),
    ("could not read Username", RemoteFault::Account),
    ("could not read Password", RemoteFault::Account),
    ("Permission denied (", RemoteFault::Account),
    ("Too many authentication failures", RemoteFault::Account),
    ("does not appear to be a git repository", RemoteFault::NotFound),
    ("Repository not found", RemoteFault::NotFound),
    ("project you were looking for could not be found", RemoteFault::NotFound),
    ("Operation too slow", RemoteFault::CutShort),
    ("early EOF", RemoteFault::CutShort),
    ("hung up unexpectedly", RemoteFault::CutShort),
    ("unexpected disconnect", RemoteFault::CutShort),
    ("RPC failed", RemoteFault::CutShort),
    ("Connection reset", RemoteFault::CutShort),
    ("Empty reply from server", RemoteFault::CutShort),
    ("unexpected eof", RemoteFault::CutShort),
    ("Connection closed by", RemoteFault::CutShort),
    ("over limit", RemoteFault::Unsound),
    ("pack has bad object", RemoteFault::Unsound),
    ("bad pack header", RemoteFault::Unsound),
    ("pack signature mismatch", RemoteFault::Unsound),
    ("pack is corrupted", RemoteFault::Unsound),
    ("inflate returned", RemoteFault::Unsound),
    ("did not send all necessary objects", RemoteFault::Unsound),
    ("index-pack", RemoteFault::Unsound),
    ("is not valid: is this a git repository", RemoteFault::NotFound),
];

/// Classifies git's output.
pub(super) fn kind_of(said: &str) -> RemoteFault {
    match status_of(said) {
        Some(300..=399) => return RemoteFault::Redirected(None),
        Some(401 | 403 | 407) => return RemoteFault::Account,
        Some(404 | 410) => return RemoteFault::NotFound,
        Some(429 | 502..=504) => return RemoteFault::Busy,
        Some(_) | None => {}
    }

    let is_not_found =
        said.lines().any(|line| line.starts_with("fatal: repository '") && line.ends_with("' not found"));
    if is_not_found {
        return RemoteFault::NotFound;
    }
    let found = SIGNS.iter().find(|(sign, _)| said.contains(sign));

    found.map_or(RemoteFault::Other, |(_, fault)| fault.clone())
}

/// Returns the HTTP status with which git failed.
fn status_of(said: &str) -> Option<u16> {
    let (_, after) = said.split_once("The requested URL returned error: ")?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Extracts the relevant part of git's output: one bounded line without control characters and
/// secrets.
pub(super) fn words(said: &str, url: &RemoteUrl) -> String {
    let chatter = |line: &str| {
        line.is_empty()
            || line.starts_with(['@', '*', '+'])
            || line.starts_with("warning: ")
            || [
                "Please make sure",
                "and the repository exists",
                "fatal: Could not read from remote",
                "Warning: Permanently added",
            ]
            .iter()
            .any(|start| line.starts_with(start))
    };

    let lines = said.lines().map(str::trim).filter(|line| !chatter(line)).map(|line| core_of(line, url));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let joined = lines.join("; ");
    let text: String = joined.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(&redacted(&text, url))
}

/// Strips the beginning of a line of git's that repeats the message around it.
fn core_of<'l>(line: &'l str, url: &RemoteUrl) -> &'l str {
    let line = line.strip_prefix("fatal: ").or_else(|| line.strip_prefix("error: ")).unwrap_or(line);
    let access = line.strip_prefix("unable to access '").and_then(|rest| rest.strip_prefix(url.as_str()));
    access.and_then(|rest| rest.trim_start_matches('/').strip_prefix("': ")).unwrap_or(line)
}

/// Shortens a long text to its beginning and its end.
fn cut(text: &str) -> String {
    let length = text.chars().count();
    if length <= MAX_SAID {
        return text.to_owned();
    }
    let head: String = text.chars().take(MAX_SAID / 2).collect();
    let tail: String = text.chars().skip(length - MAX_SAID / 2).collect();
    format!("{head} ... {tail}")
}

/// Removes the account of the URL from a text, and the accounts in any other URL.
pub(super) fn redacted(text: &str, url: &RemoteUrl) -> String {
    let mut text = text.to_owned();
    for secret in [url.password(), url.username()].into_iter().flatten().filter(|secret| !secret.reveal().is_empty()) {
        text = text.replace(secret.reveal(), "***");
    }
    let mut told = String::with_capacity(text.len());
    let mut rest = text.as_str();

    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        let is_ssh = before.ends_with("ssh://");
        told.push_str(before);
        let end = after.find(|c: char| c == '/' || c == '\'' || c == '"' || c.is_whitespace()).unwrap_or(after.len());
        rest = after;
        if let Some(account) = after[..end].rfind('@') {
            match after[..account].split_once(':') {
                None if is_ssh => told.push_str(&after[..account]),
                Some(_) | None => told.push_str("***"),
            }
            rest = &after[account..];
        }
    }

    told.push_str(rest);
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::model::RepoAddress;
    use proptest::prelude::*;

    fn url(text: &str) -> RemoteUrl {
        match text.parse() {
            Ok(RepoAddress::Remote(url)) => url,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_account_is_told() {
        let url = url("https://ada:hunter2@git.example/a");
        let said = "fatal: unable to access 'https://eve:s3@x.example/a/': remote: bad hunter2 \u{1b}[31m\nremote: ssh://git@h/a https://tok@h/a\n";
        let told = words(said, &url);
        assert_eq!(
            told,
            "unable to access 'https://***@x.example/a/': remote: bad ***  [31m; remote: ssh://git@h/a https://***@h/a"
        );
    }

    #[test]
    fn the_address_is_told_once() {
        let said = "fatal: unable to access 'https://h/a.git/': Could not resolve host: h\n";
        assert_eq!(words(said, &url("https://h/a.git")), "Could not resolve host: h");
    }

    #[test]
    fn what_is_long_is_cut_at_neither_end() {
        let long = format!("remote: first\n{}\nfatal: last", "remote: x\n".repeat(10_000));
        let told = words(&long, &url("https://h/a"));
        assert!(told.len() < 400 && told.starts_with("remote: first") && told.ends_with("last"), "{told}");
    }

    #[test]
    fn hosts_are_named_as_known_hosts_does() {
        assert_eq!(host_of("ssh://git@h.example:2222/a"), "[h.example]:2222");
        assert_eq!(host_of("git@h.example:a"), "h.example");
        assert_eq!(host_of("ssh://h/a:1"), "h");
    }

    proptest! {
        #[test]
        fn a_password_in_any_address_is_not_told(before in "[ -~]{0,20}", user in "[a-z]{1,5}", secret in "[A-Z]{12}", after in "[ -~]{0,20}") {
            let told = redacted(&format!("{before} https://{user}:{secret}@h{after}"), &url("https://h/a"));
            prop_assert!(!told.contains(&secret), "{}", told);
        }
    }
}
