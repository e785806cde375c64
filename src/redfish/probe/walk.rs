//! A walk through one BMC's resources: each read once, what failed and what was odd noted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::gather::gather;
use crate::observed::{Failure, FailureKind, Reading, Service, Unread};
use crate::redfish::Client;
use crate::redfish::quirks::{Evidence, Noted, expand_drops_fields, notice, resource};
use crate::redfish::read::words::{at, flag, link, links, number, told};

/// How many resources one survey reads. The largest machines that are known (8 GPUs, 32 modules, 134 PCIe devices) have
/// under 1,000 that concern it; a service whose links never end is not followed further.
const MAX_RESOURCES: usize = 4096;

/// How many pages of one collection are followed.
const MAX_PAGES: usize = 64;

/// One resource as it was answered.
#[derive(Debug, Clone)]
pub struct Doc {
    /// The path by which it was asked; what the body says of itself may be wrong.
    pub uri: Box<str>,
    pub body: Arc<Value>,
}

/// The members of a collection.
#[derive(Debug, Default)]
pub struct Members {
    pub found: Vec<Doc>,
    /// Those that could not be read, and why.
    pub failed: Vec<(Box<str>, Failure)>,
}

/// How much of a part could be read: what was found, and why the rest could not be.
#[derive(Debug, Clone)]
pub struct Part<T> {
    pub found: Vec<T>,
    pub failure: Option<Failure>,
}

type Answer = Result<Arc<Value>, Failure>;

/// A walk.
pub struct Walk<'c> {
    pub(super) client: &'c Client,
    known: Mutex<BTreeMap<Box<str>, Arc<OnceCell<Answer>>>>,
    notes: Mutex<Notes>,
    pub(super) expands: AtomicBool,
}

#[derive(Default)]
pub(super) struct Notes {
    pub(super) noted: BTreeSet<Noted>,
    unread: BTreeMap<Box<str>, Failure>,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self { found: Vec::new(), failure: None }
    }
}

impl<T> Part<T> {
    /// Takes in another part of the same kind; the first failure stays.
    pub fn join(&mut self, other: Self) {
        self.found.extend(other.found);
        self.failure = self.failure.take().or(other.failure);
    }

    pub fn of_failure(failure: Failure) -> Self {
        Self { found: Vec::new(), failure: Some(failure) }
    }
}

impl Members {
    /// Reads every member by a function.
    pub fn read<T>(self, read: impl Fn(&Value, &str) -> Option<T>) -> Part<T> {
        let found = self.found.iter().filter_map(|doc| read(&doc.body, &doc.uri)).collect();
        Part { found, failure: self.failed.into_iter().next().map(|(_, failure)| failure) }
    }
}

impl<'c> Walk<'c> {
    pub fn new(client: &'c Client) -> Self {
        let root = client.root();
        let offered = at(root, "ProtocolFeaturesSupported/ExpandQuery");
        let evidence = Evidence { root: root.clone(), ..Evidence::default() };
        let expands = flag(offered, "NoLinks") == Some(true) && !expand_drops_fields(&evidence);
        Self { client, known: Mutex::default(), notes: Mutex::default(), expands: expands.into() }
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn note(&self, noted: Noted) {
        self.notes().noted.insert(noted);
    }

    /// Looks at the service root, which the client has read.
    pub fn note_root(&self, root: &Doc) {
        notice(&root.uri, &root.body, &mut self.notes().noted);
    }

    pub fn client(&self) -> &'c Client {
        self.client
    }

    pub fn noted(&self) -> BTreeSet<Noted> {
        self.notes().noted.clone()
    }

    /// Returns the resources that could not be read, the first by URI.
    pub fn unread(&self) -> Vec<Unread> {
        let notes = self.notes();
        let all = notes.unread.iter().take(Service::MAX_UNREAD);
        all.map(|(uri, failure)| Unread { uri: uri.clone(), failure: failure.clone() }).collect()
    }

    /// Reads a resource; a failure is noted.
    pub async fn get(&self, uri: &str) -> Result<Doc, Failure> {
        let uri: Box<str> = uri.into();
        match self.ask(&uri).await {
            Ok(body) => Ok(Doc { uri, body }),
            Err(failure) => {
                self.fail(&uri, &failure);
                Err(failure)
            }
        }
    }

    /// Notes that a resource could not be read.
    pub fn fail(&self, uri: &str, failure: &Failure) {
        let mut notes = self.notes();
        match failure.kind {
            FailureKind::Malformed => {
                notes.noted.insert(Noted::Malformed);
            }
            FailureKind::PasswordChange => {
                notes.noted.insert(Noted::PasswordChange);
            }
            FailureKind::Forbidden | FailureKind::ServerError if failure.why.to_ascii_lowercase().contains("licen") => {
                notes.noted.insert(Noted::Licence);
            }
            _ => {}
        }
        notes.unread.insert(uri.trim_end_matches('/').into(), failure.clone());
    }

    /// Reads a resource once, however often it is asked for.
    async fn ask(&self, uri: &str) -> Answer {
        let cell = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MAX_RESOURCES && !known.contains_key(uri.trim_end_matches('/')) {
                let why = format!("the service links to more than {MAX_RESOURCES} resources");
                return Err(Failure::new(FailureKind::TooLarge, why));
            }
            Arc::clone(known.entry(uri.trim_end_matches('/').into()).or_default())
        };
        cell.get_or_init(|| self.fetch(uri)).await.clone()
    }

    async fn fetch(&self, uri: &str) -> Answer {
        let body = self.client.get(uri).await?;
        if resource(&body).is_none() {
            // Some services answer with 200 and say in the body that nothing is there (Intel, Dell).
            let is_missing = body.to_string().contains("ResourceMissingAtURI");
            let kind = if is_missing { FailureKind::Missing } else { FailureKind::Malformed };
            return Err(Failure::new(kind, format!("GET {uri}: the answer is no resource")));
        }
        notice(uri, &body, &mut self.notes().noted);
        Ok(Arc::new(body))
    }

    /// Reads what a resource links to under a key; absent where it has no such link.
    ///
    /// Where the link is dead and differs only in case from `OWNER/Key`, that is tried.
    pub async fn part(&self, owner: &Doc, key: &str) -> Reading<Doc> {
        let value = at(&owner.body, key);
        let Some(link) = link(value) else {
            if value.is_null() {
                return Reading::Absent;
            }
            let failure = Failure::new(FailureKind::Malformed, format!("{}: `{key}` is no link", owner.uri));
            self.fail(&format!("{}#{key}", owner.uri), &failure);
            return Reading::Failed(failure);
        };
        let other = format!("{}/{key}", owner.uri.trim_end_matches('/'));
        let failure = match self.ask(&link).await {
            Ok(body) => return Reading::Seen(Doc { uri: link, body }),
            Err(failure) => failure,
        };
        let written = link.trim_end_matches('/');
        if failure.kind == FailureKind::Missing
            && written.eq_ignore_ascii_case(&other)
            && written != other
            && let Ok(body) = self.ask(&other).await
        {
            self.note(Noted::OtherCase);
            return Reading::Seen(Doc { uri: other.into(), body });
        }
        self.fail(&link, &failure);
        Reading::Failed(failure)
    }

    /// Reads the members of a collection that a resource links to; absent where it has no such link.
    pub async fn members_of(&self, owner: &Doc, key: &str) -> Reading<Members> {
        // Where the service expands soundly, the collection comes with its members in one answer.
        if self.expands.load(Ordering::Relaxed)
            && let Some(link) = link(at(&owner.body, key))
            && let Some(members) = self.expanded(&link).await
        {
            return Reading::Seen(members);
        }
        match self.part(owner, key).await {
            Reading::Seen(collection) => match self.members(&collection).await {
                Ok(members) => Reading::Seen(members),
                Err(failure) => Reading::Failed(failure),
            },
            Reading::Absent => Reading::Absent,
            Reading::Failed(failure) => Reading::Failed(failure),
            Reading::Unasked => Reading::Unasked,
        }
    }

    /// Reads the members of a collection, page by page.
    pub async fn members(&self, collection: &Doc) -> Result<Members, Failure> {
        let uris = self.listed(collection).await?;
        let answers = gather(uris.iter().map(|uri| self.get(uri))).await;
        let mut members = Members::default();
        for (uri, answer) in uris.into_iter().zip(answers) {
            match answer {
                Ok(doc) => members.found.push(doc),
                Err(failure) => {
                    if failure.kind == FailureKind::Missing {
                        self.note(Noted::DeadMember);
                    }
                    members.failed.push((uri, failure));
                }
            }
        }
        Ok(members)
    }

    /// Returns the URIs of a collection's members, each once.
    pub async fn listed(&self, collection: &Doc) -> Result<Vec<Box<str>>, Failure> {
        let mut all: Vec<Box<str>> = Vec::new();
        let mut page = collection.clone();
        for _ in 0..MAX_PAGES {
            for uri in self.listed_here(&page)? {
                if !all.contains(&uri) {
                    all.push(uri);
                }
            }
            match link(at(&page.body, "Members@odata.nextLink")) {
                Some(next) => page = self.get(&next).await?,
                None => return Ok(all),
            }
        }
        let failure = Failure::new(FailureKind::TooLarge, format!("{} has too many pages", collection.uri));
        self.fail(&collection.uri, &failure);
        Err(failure)
    }

    fn listed_here(&self, page: &Doc) -> Result<Vec<Box<str>>, Failure> {
        let counted = number(&page.body, "Members@odata.count");
        let why = match page.body.get("Members") {
            Some(list @ Value::Array(entries)) => {
                let all = links(list);
                // A member without a link is one that cannot be read, not one that is not there.
                if entries.iter().all(|entry| link(entry).is_some()) {
                    return Ok(all);
                }
                "a member has no link"
            }
            Some(Value::Null) if counted.is_none_or(|count| count == 0) => return Ok(Vec::new()),
            // AMI's service leaves the list out where it would be empty.
            None if counted == Some(0) || (counted.is_none() && is_collection(&page.body)) => {
                self.note(Noted::NullMembers);
                return Ok(Vec::new());
            }
            Some(_) | None => "it has no list of members",
        };
        let failure = Failure::new(FailureKind::Malformed, format!("GET {}: {why}", page.uri));
        self.fail(&page.uri, &failure);
        Err(failure)
    }
}

fn is_collection(body: &Value) -> bool {
    told(body, "@odata.type").is_some_and(|kind| kind.ends_with("Collection"))
}

/// Reads every member of a collection by a function; one that is not there is empty.
pub fn parts<T>(members: Reading<Members>, read: impl Fn(&Value, &str) -> Option<T>) -> Part<T> {
    match members {
        Reading::Seen(members) => members.read(read),
        Reading::Failed(failure) => Part::of_failure(failure),
        Reading::Absent | Reading::Unasked => Part::default(),
    }
}
