//! A repository on another host: one look lists its branches and fetches a moved tip into the
//! mirror.
//!
//! The machine's own `git` does both, with the ssh configuration and the credential helpers of the
//! site; libgit2 reads the fetched objects, as in any other repository.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ask;
use super::child::{self, Bounds, End, MAX_OUT, Ran};
use super::error::{GitError, similar};
use super::fault::{self, RemoteError, RemoteFault};
use super::mirror::{Fetched, INCOMING, Mirror};
use super::repo::{Tip, Wanted};
use muster_core::model::{RemoteUrl, Revision, Transport};

/// The longest time for a list of branches: one reply, however large the repository.
const LISTING: Duration = Duration::from_secs(60);

/// The most memory that git may use while a host lists its branches, in bytes and in git's
/// notation.
const LISTING_BYTES: (usize, &str) = (64 << 20, "64m");

/// The most redirects within one host: forges redirect once or twice.
const MAX_HOPS: usize = 3;

/// The bounds of one fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchBounds {
    pub timeout: Duration,
    /// The bytes that the mirror may grow to.
    pub max_bytes: u64,
}

/// Returns whether to give up the current look.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// One branch or tag of a remote repository.
pub struct Remote {
    url: RemoteUrl,
    bounds: FetchBounds,
    stop: Stop,
    /// The URL that the host redirected to, within the host.
    moved: Option<RemoteUrl>,
    /// The tip whose content was refused, and the reason: it is not fetched again.
    refused: Option<(String, RemoteError)>,
}

/// The wanted branch or tag as the host lists it.
struct Listed {
    name: String,
    /// The full name of the reference to fetch.
    reference: String,
    /// The id of the commit, if the reference names one.
    id: String,
}

impl Remote {
    /// Creates a remote without contacting its host.
    #[must_use]
    pub fn new(url: RemoteUrl, bounds: FetchBounds, stop: Stop) -> Self {
        Self { url, bounds, stop, moved: None, refused: None }
    }

    /// Reads the tip of the branch or tag, and fetches it into the mirror if it moved. Ends at the
    /// bounds.
    ///
    /// # Errors
    /// Returns a [`RemoteFault`] with git's own message; the mirror keeps its last tip.
    pub fn look(&mut self, mirror: &Mirror, wanted: &Wanted) -> Result<Fetched, GitError> {
        let start = Instant::now();
        let listed = match self.list(mirror, wanted, start + self.bounds.timeout.min(LISTING))? {
            Ok(listed) => listed,
            Err(tip) => return Ok(Fetched { tip, changed: false }),
        };

        let tip = |id: Revision| Tip::Commit { branch: listed.name.clone(), revision: id };
        if let Some(ours) = mirror.tip().filter(|ours| ours.as_str() == listed.id) {
            return Ok(Fetched { tip: tip(ours), changed: false });
        }
        if let Some((_, error)) = self.refused.as_ref().filter(|(id, _)| *id == listed.id) {
            return Err(error.clone().into());
        }

        self.refused = None;
        match self.fetch(mirror, &listed, start + self.bounds.timeout) {
            Ok(revision) => Ok(Fetched { tip: tip(revision), changed: true }),
            Err(GitError::Remote(error)) => {
                if error.is_content() {
                    self.refused = Some((listed.id.clone(), error.clone()));
                }
                Err(error.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Lists the references, following redirects within the host; returns a tip if there is nothing
    /// to fetch.
    fn list(&mut self, mirror: &Mirror, wanted: &Wanted, deadline: Instant) -> Result<Result<Listed, Tip>, GitError> {
        let mut hops = 0;
        loop {
            match self.list_once(mirror, wanted, deadline) {
                Err(error) if hops < MAX_HOPS && error.fault == RemoteFault::Redirected(None) => {
                    let to = self.location(mirror, deadline)?;
                    let Some(to) = to else { return Err(error.into()) };
                    match self.here().moved_to(&to) {
                        Some(there) => self.moved = Some(there),
                        None => {
                            let to =
                                fault::redacted(&to, &self.url).chars().filter(|c| !c.is_control()).take(200).collect();
                            return Err(RemoteError { fault: RemoteFault::Redirected(Some(to)), ..error }.into());
                        }
                    }
                    hops += 1;
                }
                // The repository may be back at its first URL.
                Err(_) if self.moved.is_some() && hops == 0 => {
                    self.moved = None;
                    hops += 1;
                }
                listed => return Ok(listed?),
            }
        }
    }

    fn list_once(
        &self,
        mirror: &Mirror,
        wanted: &Wanted,
        deadline: Instant,
    ) -> Result<Result<Listed, Tip>, RemoteError> {
        let mut command = self.git(mirror.path())?;
        command.env("GIT_ALLOC_LIMIT", LISTING_BYTES.1).args(["-c", "protocol.version=2", "ls-remote", "--quiet"]);
        match wanted {
            Wanted::Head => command.args(["--symref", "--", self.here().as_str(), "HEAD", "refs/heads/*"]),
            Wanted::Branch(_) => command.args(["--heads", "--", self.here().as_str()]),
            Wanted::Tag(_) => command.args(["--tags", "--", self.here().as_str()]),
        };

        let ran = self.run(&mut command, &Bounds { deadline, stop: &*self.stop, folder: None }, LISTING)?;
        let text = String::from_utf8_lossy(&ran.out);
        let listing = Listing::read(&text);
        if listing.lines.iter().any(|(id, _)| id.len() > 40) {
            return Err(self.error(RemoteFault::Sha256, ""));
        }

        listing.pick(wanted).map_err(|fault| self.error(fault, ""))
    }

    /// Returns the target of a redirect, from curl's trace of the response header.
    fn location(&self, mirror: &Mirror, deadline: Instant) -> Result<Option<String>, RemoteError> {
        let mut command = self.git(mirror.path())?;
        command.env("GIT_TRACE_CURL", "1").env("GIT_TRACE_CURL_NO_DATA", "1");
        command.args(["ls-remote", "--quiet", "--", self.here().as_str()]);
        let ran = self.start(&mut command, &Bounds { deadline, stop: &*self.stop, folder: None })?;
        let lines = ran.err.lines().filter_map(|line| line.split_once("<= Recv header: ").map(|(_, header)| header));
        let mut places =
            lines.filter_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("location")));
        let place = places.next_back().map(|(_, place)| place.trim());
        Ok(place.map(|place| place.split("/info/refs").next().unwrap_or_default().to_owned()))
    }

    fn fetch(&self, mirror: &Mirror, listed: &Listed, deadline: Instant) -> Result<Revision, GitError> {
        let most = self.bounds.max_bytes;
        let mut bring = |dir: &Path| {
            let mut command = self.git(dir)?;
            command.args([
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-recurse-submodules",
                "--no-write-fetch-head",
                "--no-auto-gc",
            ]);
            command.args(["--atomic", "--force", "--refmap=", "--", self.here().as_str()]);
            command.arg(format!("+{}:{INCOMING}", listed.reference));
            let objects = dir.join("objects");
            let bounds = Bounds { deadline, stop: &*self.stop, folder: Some((&objects, most)) };
            self.run(&mut command, &bounds, self.bounds.timeout).map(|_| ()).map_err(GitError::from)
        };

        match mirror.receive(&mut bring) {
            // Objects that are no longer needed may be what fills the mirror.
            Err(GitError::Remote(error)) if matches!(error.fault, RemoteFault::TooLarge(_)) && mirror.packs()? > 1 => {
                mirror.compact()?;
                mirror.receive(&mut bring)
            }
            done => done,
        }
    }

    fn here(&self) -> &RemoteUrl {
        self.moved.as_ref().unwrap_or(&self.url)
    }

    fn git(&self, dir: &Path) -> Result<Command, RemoteError> {
        let mut command = ask::git(dir, &self.url);
        if self.url.transport() == Transport::Ssh {
            let mut config = ask::git(dir, &self.url);
            config.args(["config", "--get", "core.sshCommand"]);
            let deadline = Instant::now() + LISTING;
            let ran = self.start(&mut config, &Bounds { deadline, stop: &*self.stop, folder: None })?;
            if let Some(ssh) = ask::ssh(!ran.out.is_empty()) {
                command.env("GIT_SSH_COMMAND", ssh).env("GIT_SSH_VARIANT", "ssh");
            }
        }
        Ok(command)
    }

    /// Runs git, and turns every unsuccessful end into an error.
    fn run(&self, command: &mut Command, bounds: &Bounds<'_>, after: Duration) -> Result<Ran, RemoteError> {
        let ran = self.start(command, bounds)?;
        let fault = match ran.end {
            End::Exited(status) if status.success() => return Ok(ran),
            End::Exited(_) if ran.err.contains(&format!("over limit {}", LISTING_BYTES.0)) => {
                RemoteFault::TooManyRefs(LISTING_BYTES.0)
            }
            End::Exited(_) => fault::kind_of(&ran.err),
            End::TimedOut => RemoteFault::TimedOut(after.min(self.bounds.timeout)),
            End::Stopped => RemoteFault::Stopped,
            End::Grown => RemoteFault::TooLarge(self.bounds.max_bytes),
            End::Talked => RemoteFault::TooManyRefs(MAX_OUT),
        };

        let tells = matches!(ran.end, End::Exited(_)) && !matches!(fault, RemoteFault::Redirected(_));
        Err(self.error(fault, if tells { &ran.err } else { "" }))
    }

    fn start(&self, command: &mut Command, bounds: &Bounds<'_>) -> Result<Ran, RemoteError> {
        child::run(command, bounds).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => self.error(RemoteFault::NoProgram("git"), ""),
            _ => self.error(RemoteFault::Other, &error.to_string()),
        })
    }

    fn error(&self, fault: RemoteFault, said: &str) -> RemoteError {
        let said = fault::words(said, &self.url);
        RemoteError { url: self.url.to_string(), transport: self.url.transport(), fault, said }
    }
}

/// The output of `git ls-remote`.
struct Listing<'t> {
    /// The full name of the branch that HEAD names.
    head: Option<&'t str>,
    /// Object ids and full names.
    lines: Vec<(&'t str, &'t str)>,
}

impl<'t> Listing<'t> {
    fn read(text: &'t str) -> Self {
        let mut listing = Self { head: None, lines: Vec::new() };
        for (left, name) in text.lines().filter_map(|line| line.split_once('\t')) {
            match left.strip_prefix("ref: ") {
                Some(target) if name == "HEAD" => listing.head = Some(target),
                Some(_) => {}
                None if left.len() >= 40 && left.chars().all(|c| c.is_ascii_hexdigit()) => {
                    listing.lines.push((left, name))
                }
                None => {}
            }
        }
        listing
    }

    fn id(&self, name: &str) -> Option<&'t str> {
        self.lines.iter().find(|(_, found)| *found == name).map(|(id, _)| *id)
    }

    fn pick(&self, wanted: &Wanted) -> Result<Result<Listed, Tip>, RemoteFault> {
        let (reference, name) = match wanted {
            Wanted::Head => match self.head.map(|head| (head, head.strip_prefix("refs/heads/"))) {
                Some((reference, Some(name))) => (reference.to_owned(), name.to_owned()),
                Some((_, None)) => return Err(RemoteFault::Detached),
                None if self.id("HEAD").is_some() => return Err(RemoteFault::Detached),
                None => return Ok(Err(self.missing(wanted, "HEAD"))),
            },
            Wanted::Branch(name) | Wanted::Tag(name) => (wanted.reference(name), name.clone()),
        };

        // The tag object names the commit; git lists it next to the tag with the suffix `^{}`.
        let id = self.id(&format!("{reference}^{{}}")).or_else(|| self.id(&reference));
        match id.filter(|_| git2::Reference::is_valid_name(&reference)) {
            Some(id) => Ok(Ok(Listed { name, reference, id: id.to_owned() })),
            None => Ok(Err(self.missing(wanted, &name))),
        }
    }

    fn missing(&self, wanted: &Wanted, name: &str) -> Tip {
        let prefix = wanted.reference("");
        let named = self.lines.iter().filter_map(|(_, name)| name.strip_prefix(&prefix));
        let names: Vec<String> = named.filter(|name| !name.ends_with("^{}")).map(str::to_owned).collect();
        if names.is_empty() {
            return Tip::Empty { branch: name.to_owned() };
        }
        Tip::Missing { branch: name.to_owned(), near: similar(name, names, true) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn a_listing_tells_what_to_fetch() {
        let text = format!("ref: refs/heads/main\tHEAD\n{A}\tHEAD\n{A}\trefs/heads/main\n{B}\trefs/heads/x/HEAD\n");
        let listing = Listing::read(&text);
        let listed = listing.pick(&Wanted::Head).unwrap().ok().unwrap();
        assert_eq!((&*listed.name, &*listed.reference, &*listed.id), ("main", "refs/heads/main", A));
        let missing = listing.pick(&Wanted::Branch("mian".into())).unwrap().err().unwrap();
        assert!(matches!(missing, Tip::Missing { near, .. } if near[0] == "main"));
        let tags = format!("{A}\trefs/tags/v1\n{B}\trefs/tags/v1^{{}}\n{A}\trefs/tags/v2\n");
        let id = |name: &str| Listing::read(&tags).pick(&Wanted::Tag(name.into())).unwrap().ok().unwrap().id;
        assert_eq!((id("v1"), id("v2")), (B.into(), A.into()));
        let detached = format!("{A}\tHEAD\n{A}\trefs/heads/main\n");
        assert_eq!(Listing::read(&detached).pick(&Wanted::Head).err(), Some(RemoteFault::Detached));
        assert!(matches!(Listing::read("").pick(&Wanted::Head), Ok(Err(Tip::Empty { .. }))));
    }

    #[test]
    fn no_name_of_a_host_or_of_ours_writes_another_reference() {
        for name in ["main:refs/heads/followed", "*", "a b", "-x:y", "a^{}", "../x", "a\\b"] {
            let text = format!("ref: refs/heads/{name}\tHEAD\n{A}\tHEAD\n{A}\trefs/heads/{name}\n");
            let listing = Listing::read(&text);
            for wanted in [Wanted::Head, Wanted::Branch(name.into())] {
                assert!(listing.pick(&wanted).unwrap().is_err(), "{name}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_listing_is_too_odd(text in "(ref: |[a-f0-9]{40})?[ -~\\t\\n]{0,60}") {
            let _ = Listing::read(&text).pick(&Wanted::Head);
            let _ = Listing::read(&text).pick(&Wanted::Tag("v".into()));
        }
    }
}
