//! Where a repository of wishes is: a folder of this host, or one that another host keeps.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use super::Secret;

/// The address of a repository.
///
/// Prints without the user and the password of an https address, so that it can stand in logs, in status and in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepoAddress {
    /// A folder of this host, as it was written.
    Local(PathBuf),
    /// A repository on another host.
    Remote(RemoteUrl),
}

/// By what means a remote repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Https,
    /// Nothing says that the answers are the host's own.
    Http,
    Ssh,
}

/// The address of a remote repository, with the account that was written into it.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    transport: Transport,
    /// As git is told, and as people are shown: an https address has no account here.
    shown: String,
    /// Scheme, host and port alone, with no slash at the end; what git's `credential.URL` settings go by.
    origin: String,
    username: Option<Secret>,
    password: Option<Secret>,
}

/// A text that is no [`RepoAddress`]. It never repeats what may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct NotARepo {
    fault: String,
    hint: &'static str,
}

impl NotARepo {
    /// Says what to write instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.hint
    }
}

fn not(fault: impl Into<String>, hint: &'static str) -> NotARepo {
    NotARepo { fault: fault.into(), hint }
}

const FORMS: &str = "write a folder, https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH; ./NAME for a folder whose name \
                     holds a colon";

impl FromStr for RepoAddress {
    type Err = NotARepo;

    fn from_str(text: &str) -> Result<Self, NotARepo> {
        if text.is_empty() {
            return Err(not("the address of the repository is empty", FORMS));
        }
        if let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
            return match &*scheme.to_ascii_lowercase() {
                "https" => remote(text, Transport::Https),
                "http" => remote(text, Transport::Http),
                "ssh" | "git+ssh" | "ssh+git" => remote(text, Transport::Ssh),
                "file" => local(text),
                "git" => Err(not(
                    "a git:// address says neither who answers nor who asks",
                    "use the repository's https:// or ssh:// address",
                )),
                other => Err(not(format!("`{other}://` is no way to reach a repository"), FORMS)),
            };
        }
        let before_slash = text.split('/').next().unwrap_or_default();
        match before_slash.split_once(':') {
            // git would run a program of this name.
            Some((_, rest)) if rest.starts_with(':') => {
                Err(not("an address with `::` names a program, and none is run to reach a repository", FORMS))
            }
            Some((host, _)) => scp(text, host).map(Self::Remote),
            None => Ok(Self::Local(text.into())),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Reads `file:///path` as the folder that it names.
fn local(text: &str) -> Result<RepoAddress, NotARepo> {
    let parsed = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
    let path = parsed.ok_or_else(|| not("a file:// address names a folder of this host", "write file:///PATH"))?;
    Ok(RepoAddress::Local(path))
}

fn remote(text: &str, transport: Transport) -> Result<RepoAddress, NotARepo> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(not("an address holds no blanks and no control characters", "write %20 for a blank"));
    }
    let url =
        Url::parse(text).map_err(|error| not(format!("the address of the repository is no URL: {error}"), FORMS))?;
    let host = url.host_str().unwrap_or_default();
    check_host(host)?;
    if url.path().trim_matches('/').is_empty() {
        return Err(not("the address of the repository names a host and no repository", FORMS));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let hint = "leave out what follows `?` or `#`; a token belongs into a credential helper";
        return Err(not("the address of a repository has no `?` and no `#`", hint));
    }
    let (username, password) = account(&url, transport)?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let (scheme, user) = match transport {
        Transport::Https => ("https", None),
        Transport::Http => ("http", None),
        Transport::Ssh => ("ssh", Some(url.username()).filter(|user| !user.is_empty())),
    };
    let origin = format!("{scheme}://{host}{port}");
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let shown = format!("{scheme}://{user}{host}{port}{}", url.path());
    Ok(RepoAddress::Remote(RemoteUrl { transport, shown, origin, username, password }))
}

/// Takes the account out of an address; ssh keeps its user there, which is no secret.
fn account(url: &Url, transport: Transport) -> Result<(Option<Secret>, Option<Secret>), NotARepo> {
    let said = !url.username().is_empty() || url.password().is_some();
    match transport {
        Transport::Ssh if url.password().is_some() => {
            let hint = "use a key, in the agent or named in ~/.ssh/config";
            Err(not("ssh takes no password from an address", hint))
        }
        Transport::Ssh if url.username().starts_with('-') => Err(not("no user's name begins with a dash", FORMS)),
        Transport::Ssh => Ok((None, None)),
        Transport::Http if said => {
            let hint = "use https://, or leave the account out";
            Err(not("an account in a http:// address would be sent for anybody on the way to read", hint))
        }
        Transport::Http | Transport::Https => {
            let part = |text: &str| {
                let plain = percent_decoded(text).filter(|text| !text.chars().any(char::is_control));
                let fault = "the account in the address holds bytes that are no text";
                plain.map(Secret::new).ok_or_else(|| not(fault, "write them percent-encoded as UTF-8"))
            };
            let username = Some(url.username()).filter(|name| !name.is_empty()).map(part).transpose()?;
            Ok((username, url.password().map(part).transpose()?))
        }
    }
}

fn check_host(host: &str) -> Result<(), NotARepo> {
    // ssh would read it as an option.
    if host.is_empty() || host.starts_with('-') {
        return Err(not("the address of the repository names no host", FORMS));
    }
    Ok(())
}

/// Reads `user@host:path`, which is ssh.
fn scp(text: &str, before: &str) -> Result<RemoteUrl, NotARepo> {
    let host = before.rsplit('@').next().unwrap_or_default();
    check_host(host)?;
    // A user and a password, as in a URL without its scheme.
    if before.starts_with(['-', '@'])
        || text.split_once(':').is_some_and(|(_, path)| path.split('/').next().unwrap_or_default().contains('@'))
    {
        return Err(not("the address of the repository cannot be told apart from an account", FORMS));
    }
    let path = &text[before.len() + 1..];
    if path.trim_matches('/').is_empty()
        || path.starts_with('-')
        || text.chars().any(|c| c.is_control() || c.is_whitespace())
    {
        return Err(not("the address of the repository names a host and no repository", FORMS));
    }
    let origin = format!("ssh://{host}");
    Ok(RemoteUrl { transport: Transport::Ssh, shown: text.into(), origin, username: None, password: None })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

impl RemoteUrl {
    /// Returns by what means it is reached.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Returns the address as git is told, which has no password, and for https no user.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// Returns scheme, host and port, such as `https://git.example:8443`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the user that an https address names; it may be a token.
    #[must_use]
    pub fn username(&self) -> Option<&Secret> {
        self.username.as_ref()
    }

    /// Returns the password that an https address holds.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// Returns this repository at the place where its host says that it is now; nothing for a place of another origin.
    #[must_use]
    pub fn moved_to(&self, location: &str) -> Option<Self> {
        let base = Url::parse(&self.shown).ok()?;
        let there = base.join(location).ok()?;
        match there.as_str().parse().ok()? {
            RepoAddress::Remote(there) if there.origin == self.origin && there.username.is_none() => {
                let (username, password) = (self.username.clone(), self.password.clone());
                Some(Self { username, password, ..there })
            }
            RepoAddress::Remote(_) | RepoAddress::Local(_) => None,
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteUrl").field(&self.shown).finish()
    }
}

impl fmt::Display for RepoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Remote(url) => write!(f, "{url}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<RepoAddress, NotARepo> {
        text.parse()
    }

    fn remote(text: &str) -> RemoteUrl {
        match read(text).unwrap() {
            RepoAddress::Remote(url) => url,
            RepoAddress::Local(path) => panic!("{text} is local: {path:?}"),
        }
    }

    #[test]
    fn addresses_are_read_as_git_reads_them() {
        for (text, transport, shown, origin) in [
            ("https://git.example/a/b.git", Transport::Https, "https://git.example/a/b.git", "https://git.example"),
            ("HTTPS://Git.Example:8443/a", Transport::Https, "https://git.example:8443/a", "https://git.example:8443"),
            ("https://git.example:443/a", Transport::Https, "https://git.example/a", "https://git.example"),
            ("http://[::1]:80/a", Transport::Http, "http://[::1]/a", "http://[::1]"),
            ("ssh://git@h:2222/~/a.git", Transport::Ssh, "ssh://git@h:2222/~/a.git", "ssh://h:2222"),
            ("git@git.example:site/a.git", Transport::Ssh, "git@git.example:site/a.git", "ssh://git.example"),
            ("host:/srv/a.git", Transport::Ssh, "host:/srv/a.git", "ssh://host"),
        ] {
            let url = remote(text);
            assert_eq!((url.transport(), url.as_str(), url.origin()), (transport, shown, origin), "{text}");
        }
        for text in ["/srv/wishes.git", "wishes", "./a:b", "a/b:c", "../x"] {
            assert_eq!(read(text), Ok(RepoAddress::Local(text.into())), "{text}");
        }
        assert_eq!(read("file:///srv/my%20wishes"), Ok(RepoAddress::Local("/srv/my wishes".into())));
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for text in [
            "",
            "git://h/a",
            "ext::sh -c true",
            "fd::3",
            "ftp://h/a",
            "https://",
            "https://h",
            "https://h/",
            "ssh://-oProxyCommand=x/a",
            "-h:a",
            "h:",
            "git@:a",
            "https://h/a?token=x",
            "https://h/a#x",
            "ssh://u:p@h/a",
            "http://u:p@h/a",
            "http://u@h/a",
            "https://h/a b",
            "https://u:%ff@h/a",
            "https://u:%0a@h/a",
            "file://elsewhere/a",
            "u:p@h/a",
            "git@h:-x",
            "ssh://-u@h/a",
            "transport::https://h/a",
            "h: x",
        ] {
            let error = read(text).unwrap_err();
            assert!(!error.to_string().is_empty() && !error.hint().is_empty(), "{text}");
        }
    }

    #[test]
    fn an_account_is_kept_apart_and_never_shown() {
        let url = remote("https://ada:s%40cret@git.example/a.git");
        assert_eq!((url.username().unwrap().reveal(), url.password().unwrap().reveal()), ("ada", "s@cret"));
        let told = format!("{url} {url:?} {:?} {:#?}", RepoAddress::Remote(url.clone()), url);
        assert!(!told.contains("cret") && !told.contains("ada"), "{told}");
        assert_eq!(remote("https://token@git.example/a.git").to_string(), "https://git.example/a.git");
        for text in [
            "https://u:hunter2@h/",
            "http://u:hunter2@h/a",
            "ssh://u:hunter2@h/a",
            "u:hunter2@h/a",
            "https://u:hunter2@h/a?b",
        ] {
            let error = read(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_move_stays_with_its_host() {
        let url = remote("https://ada:secret@git.example/a");
        let moved = url.moved_to("https://git.example/b.git").unwrap();
        assert_eq!((moved.as_str(), moved.password()), ("https://git.example/b.git", url.password()));
        assert_eq!(url.moved_to("/c.git").unwrap().as_str(), "https://git.example/c.git");
        for place in [
            "https://other.example/a",
            "http://git.example/a",
            "https://git.example:444/a",
            "//x/a",
            "file:///a",
            "ssh://git.example/a",
        ] {
            assert_eq!(url.moved_to(place), None, "{place}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_and_no_password_is_shown(text in "\\PC{0,30}", secret in "[a-z0-9]{12}") {
            let _ = read(&text);
            for text in [format!("https://u:{secret}@{text}"), format!("https://{secret}@{text}")] {
                // Text before the last `@` alone is the account; a `/` ends it.
                let told = read(&text).map_or_else(|error| format!("{error} {error:?}"), |read| format!("{read} {read:?}"));
                prop_assert!(!told.contains(&secret), "{}", told);
            }
        }

        #[test]
        fn what_is_shown_reads_the_same(text in "(https|ssh|http)://([a-z]{1,3}@)?[a-z]{1,5}(:[1-9][0-9]{0,3})?/[a-z%~/.]{1,9}") {
            if let Ok(RepoAddress::Remote(url)) = read(&text) {
                let again = remote(url.as_str());
                prop_assert_eq!(again.as_str(), url.as_str());
                prop_assert_eq!(again.origin(), url.origin());
            }
        }
    }
}
