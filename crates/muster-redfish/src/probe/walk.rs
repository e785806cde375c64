//! Walks one BMC's resources: reads each once, and records failures and oddities.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::gather::gather;
use crate::Client;
use crate::quirks::{Evidence, Noted, expand_drops_fields, notice, resource};
use crate::read::words::{Links, MAX_LIST, at, counted_links, flag, link, links, number, told};
use muster_core::observed::{Failure, FailureKind, Reading, Service, Unread};

/// The most resources of one survey. The largest known machines (8 GPUs, 32 modules, 134 PCIe
/// devices) have under 1,000 relevant ones; a service whose links never end is not followed
/// further. followed further.
const MAX_RESOURCES: usize = 4096;

/// The most failures, if they are also most of the requested resources. A machine with a broken
/// part fails on some dozens; a service that lists thousands of dead links would make its survey
/// take minutes.
const MAX_FAILED: usize = 256;

/// The most pages of one collection.
const MAX_PAGES: usize = 64;

/// One resource as the BMC returned it.
#[derive(Debug, Clone)]
pub struct Doc {
    /// The path of its request; the id in the body may be wrong.
    pub uri: Box<str>,
    pub body: Arc<Value>,
}

/// The members of a collection.
#[derive(Debug, Default)]
pub struct Members {
    pub found: Vec<Doc>,
    /// The members that could not be read, with the reasons.
    pub failed: Vec<(Box<str>, Failure)>,
    /// The reason for which there may be more members than are listed, if there may.
    pub lack: Option<Failure>,
}

/// The URIs of a collection's members.
#[derive(Debug, Default)]
pub struct Listing {
    pub uris: Vec<Box<str>>,
    /// The reason for which there may be more, if there may.
    pub lack: Option<Failure>,
}

/// The values found of a part, and the reason for which others may be missing.
#[derive(Debug, Clone)]
pub struct Part<T> {
    pub found: Vec<T>,
    pub failure: Option<Failure>,
}

type Answer = Result<Arc<Value>, Failure>;

/// One walk through the resources of a BMC.
pub struct Walk<'c> {
    pub(super) client: &'c Client,
    known: Mutex<BTreeMap<Box<str>, Arc<OnceCell<Answer>>>>,
    /// The number of those that could not be read.
    failed: AtomicUsize,
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
    /// Adds another part of the same kind; the gravest failure stays.
    pub fn join(&mut self, other: Self) {
        self.found.extend(other.found);
        self.fail(other.failure);
    }

    /// Adds a failure, if there is one. A missing resource is less grave than an unreadable one.
    pub fn fail(&mut self, failure: Option<Failure>) {
        let is_light = self.failure.as_ref().is_none_or(|known| known.kind == FailureKind::Missing);
        if is_light && failure.is_some() {
            self.failure = failure;
        }
    }

    pub fn of_failure(failure: Failure) -> Self {
        Self { found: Vec::new(), failure: Some(failure) }
    }
}

impl Members {
    /// Parses every member with a function.
    pub fn read<T>(self, read: impl Fn(&Value, &str) -> Option<T>) -> Part<T> {
        let found = self.found.iter().filter_map(|doc| read(&doc.body, &doc.uri)).collect();
        Part { found, failure: self.failure() }
    }

    /// Returns the gravest reason for which some members may be missing, if any may.
    pub fn failure(&self) -> Option<Failure> {
        let failures = || self.lack.iter().chain(self.failed.iter().map(|(_, failure)| failure));
        failures().find(|failure| failure.kind != FailureKind::Missing).or_else(|| failures().next()).cloned()
    }
}

impl<'c> Walk<'c> {
    pub fn new(client: &'c Client) -> Self {
        let root = client.root();
        let offered = at(root, "ProtocolFeaturesSupported/ExpandQuery");
        let evidence = Evidence { root: root.clone(), ..Evidence::default() };
        let expands = flag(offered, "NoLinks") == Some(true) && !expand_drops_fields(&evidence);
        Self {
            client,
            known: Mutex::default(),
            failed: AtomicUsize::new(0),
            notes: Mutex::default(),
            expands: expands.into(),
        }
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn note(&self, noted: Noted) {
        self.notes().noted.insert(noted);
    }

    /// Looks for oddities in the service root, which the client has already read.
    pub fn note_root(&self, root: &Doc) {
        notice(&root.uri, &root.body, &mut self.notes().noted);
    }

    pub fn client(&self) -> &'c Client {
        self.client
    }

    pub fn noted(&self) -> BTreeSet<Noted> {
        self.notes().noted.clone()
    }

    /// Returns the resources that could not be read, sorted by URI.
    pub fn unread(&self) -> Vec<Unread> {
        let notes = self.notes();
        let all = notes.unread.iter().take(Service::MAX_UNREAD);
        all.map(|(uri, failure)| Unread { uri: uri.clone(), failure: failure.clone() }).collect()
    }

    /// Reads a resource; records a failure.
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

    /// Records that a resource could not be read.
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

    /// Reads a resource once, however often it is requested.
    async fn ask(&self, uri: &str) -> Answer {
        // A known resource is returned without waiting. A walk that requests it again and again
        // must still let other surveys run, and end at its time limit.
        tokio::task::consume_budget().await;

        let cell = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if !known.contains_key(uri.trim_end_matches('/'))
                && let Some(why) = self.limit(known.len())
            {
                return Err(Failure::new(FailureKind::TooLarge, why));
            }
            Arc::clone(known.entry(uri.trim_end_matches('/').into()).or_default())
        };

        cell.get_or_init(|| self.fetch_counted(uri)).await.clone()
    }

    /// Returns the reason for which no further resource is requested after `asked` requests, if
    /// there is one.
    fn limit(&self, asked: usize) -> Option<String> {
        let failed = self.failed.load(Ordering::Relaxed);
        if asked >= MAX_RESOURCES {
            return Some(format!("the service links to more than {MAX_RESOURCES} resources"));
        }
        (failed >= MAX_FAILED && failed > asked / 2)
            .then(|| format!("{failed} resources of the service cannot be read, most of those it links to"))
    }

    async fn fetch_counted(&self, uri: &str) -> Answer {
        let answer = self.fetch(uri).await;
        if answer.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn fetch(&self, uri: &str) -> Answer {
        let body = self.client.get(uri).await?;
        if body.as_object().is_some_and(serde_json::Map::is_empty) {
            return Err(Failure::new(FailureKind::Missing, format!("GET {uri}: the answer is an empty object")));
        }

        if resource(&body).is_none() {
            // Some services reply with 200 and say in the body that the resource is missing (Intel,
            // Dell).
            let is_missing = body.to_string().contains("ResourceMissingAtURI");
            let kind = if is_missing { FailureKind::Missing } else { FailureKind::Malformed };
            return Err(Failure::new(kind, format!("GET {uri}: the answer is no resource")));
        }

        notice(uri, &body, &mut self.notes().noted);
        Ok(Arc::new(body))
    }

    /// Reads the resource that another one links to under a key; absent if there is no such link.
    ///
    /// If the link is dead and differs only in case from `OWNER/Key`, tries that.
    pub async fn part(&self, owner: &Doc, key: &str) -> Reading<Doc> {
        let value = at(&owner.body, key);
        let Some(link) = link(value) else {
            if value.is_null() {
                return Reading::Absent;
            }
            let why = format!("{}: `{key}` is not a link that can be followed", owner.uri);
            let failure = Failure::new(FailureKind::Malformed, why);
            self.fail(&part_uri(owner, key), &failure);
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

    /// Reads a settings object. A service that creates it only when something is staged has a dead
    /// link until then: absent.
    pub async fn settings_object(&self, owner: &Doc) -> Reading<Doc> {
        let settings = Doc { uri: owner.uri.clone(), body: at(&owner.body, "@Redfish.Settings").clone().into() };
        let Some(link) = link(at(&settings.body, "SettingsObject")) else {
            return self.part(&settings, "SettingsObject").await;
        };
        match self.ask(&link).await {
            Ok(body) => Reading::Seen(Doc { uri: link, body }),
            Err(failure) if failure.kind == FailureKind::Missing => Reading::Absent,
            Err(failure) => {
                self.fail(&link, &failure);
                Reading::Failed(failure)
            }
        }
    }

    /// Reads the members of a collection that a resource links to; absent if there is no such link.
    pub async fn members_of(&self, owner: &Doc, key: &str) -> Reading<Members> {
        // If the service expands correctly, one reply holds the collection with its members.
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

    /// Reads the resources that a list property links to; absent if there is no such property.
    ///
    /// A list that is shorter than the count next to it, or has dead entries, is read in part.
    pub async fn listed_in(&self, owner: &Doc, key: &str) -> Reading<Members> {
        let list = counted_links(&owner.body, key);
        if list.entries == 0 && list.lack.is_none() && at(&owner.body, key).is_null() {
            return Reading::Absent;
        }
        let lack = list.lack.map(|why| {
            let failure = Failure::new(FailureKind::Malformed, format!("{}: `{key}`: {why}", owner.uri));
            self.fail(&part_uri(owner, key), &failure);
            failure
        });
        Reading::Seen(self.read_all(list.found, lack).await)
    }

    /// Reads the members of a collection, page by page.
    ///
    /// # Errors
    /// The first page has no list of members.
    pub async fn members(&self, collection: &Doc) -> Result<Members, Failure> {
        let Listing { uris, lack } = self.listed(collection).await?;
        let members = self.read_all(uris, lack).await;
        if members.failed.iter().any(|(_, failure)| failure.kind == FailureKind::Missing) {
            self.note(Noted::DeadMember);
        }
        Ok(members)
    }

    async fn read_all(&self, uris: Vec<Box<str>>, lack: Option<Failure>) -> Members {
        let answers = gather(uris.iter().map(|uri| self.get(uri))).await;
        let mut members = Members { lack, ..Members::default() };
        for (uri, answer) in uris.into_iter().zip(answers) {
            match answer {
                Ok(doc) => members.found.push(doc),
                Err(failure) => members.failed.push((uri, failure)),
            }
        }
        members
    }

    /// Returns the URIs of a collection's members, each once.
    ///
    /// # Errors
    /// The first page has no list of members; faults of later pages are returned with the URIs.
    pub async fn listed(&self, collection: &Doc) -> Result<Listing, Failure> {
        let mut all = Listing::default();
        let mut known: BTreeSet<Box<str>> = BTreeSet::new();
        let mut pages: BTreeSet<Box<str>> = BTreeSet::from([plain(&collection.uri)]);
        let mut page = collection.clone();
        let mut entries = 0;
        let counted =
            number(&page.body, "Members@odata.count").or_else(|| number(&page.body, "Links/Members@odata.count"));

        let mut broken = None;
        let lack = loop {
            let list = self.listed_here(&page)?;
            entries += list.entries;
            for uri in list.found {
                if known.insert(plain(&uri)) {
                    all.uris.push(uri);
                }
            }
            if all.uris.len() > MAX_LIST {
                break Some((FailureKind::TooLarge, format!("it has more than {MAX_LIST} members")));
            }
            broken = broken.or(list.lack.map(|why| (FailureKind::Malformed, why)));
            let Some(next) = next_page(&page) else {
                // A service that reports a larger count than the number of entries has not listed
                // all.
                let short = counted.filter(|counted| *counted > entries as u64);
                break short.map(|counted| {
                    (FailureKind::Malformed, format!("it lists {entries} of {counted} members, and no next page"))
                });
            };
            if !pages.insert(plain(&next)) {
                break Some((FailureKind::Malformed, "its next page is one that was read".into()));
            }
            if pages.len() > MAX_PAGES {
                break Some((FailureKind::TooLarge, format!("it has more than {MAX_PAGES} pages")));
            }
            match self.get(&next).await {
                Ok(next) => page = next,
                Err(failure) => break Some((failure.kind, format!("its next page: {}", failure.why))),
            }
        };
        // A collection that is larger than any plausible one is not read at all.
        if all.uris.len() > MAX_LIST || matches!(lack, Some((FailureKind::TooLarge, _))) {
            all.uris.clear();
        }
        all.lack = lack.or(broken).map(|(kind, why)| {
            let failure = Failure::new(kind, format!("GET {}: {why}", collection.uri));
            self.fail(&collection.uri, &failure);
            failure
        });
        Ok(all)
    }

    fn listed_here(&self, page: &Doc) -> Result<Links, Failure> {
        let counted = number(&page.body, "Members@odata.count");
        let list = page.body.get("Members").or_else(|| page.body.get("Links")?.get("Members"));
        match list {
            Some(list @ Value::Array(_)) => return Ok(links(list)),
            Some(Value::Null) if counted.is_none_or(|count| count == 0) => return Ok(Links::default()),
            // AMI's service omits an empty list.
            None if counted == Some(0) || (counted.is_none() && is_collection(&page.body)) => {
                self.note(Noted::NullMembers);
                return Ok(Links::default());
            }
            Some(_) | None => {}
        }

        let why = format!("GET {}: it has no list of members", page.uri);
        let failure = Failure::new(FailureKind::Malformed, why);
        self.fail(&page.uri, &failure);
        Err(failure)
    }
}

/// Finds the next page of a collection (DSP0266: `Members@odata.nextLink`), under the names that
/// services use for it.
fn next_page(page: &Doc) -> Option<Box<str>> {
    let object = page.body.as_object()?;
    let named = object.iter().filter(|(key, _)| key.to_ascii_lowercase().ends_with("nextlink"));
    let mut named = named.filter_map(|(_, value)| link(value).or_else(|| query_of(page, value)));
    // HP's iLO 4 numbers its pages.
    let numbered = || {
        let next =
            ["links/NextPage", "Links/NextPage"].map(|path| at(&page.body, path)).into_iter().find(|v| !v.is_null())?;
        let number = number(next, "page")?;
        link(next).or_else(|| Some(format!("{}?page={number}", without_query(&page.uri)).into()))
    };
    named.next().or_else(numbered)
}

/// Parses a next link that is only a query, which must belong to the same collection.
fn query_of(page: &Doc, value: &Value) -> Option<Box<str>> {
    let query = value.as_str().or_else(|| value.get("@odata.id")?.as_str())?.trim();
    query.starts_with('?').then(|| format!("{}{query}", without_query(&page.uri)).into())
}

fn without_query(uri: &str) -> &str {
    uri.split('?').next().unwrap_or_default()
}

/// Returns the identity of a resource: its path without a trailing slash.
fn plain(uri: &str) -> Box<str> {
    uri.trim_end_matches('/').into()
}

/// Returns the name of an unread part of a resource: the path that it would have.
fn part_uri(owner: &Doc, key: &str) -> String {
    format!("{}/{key}", owner.uri.trim_end_matches('/'))
}

fn is_collection(body: &Value) -> bool {
    told(body, "@odata.type").is_some_and(|kind| kind.ends_with("Collection"))
}

/// Parses every member of a collection with a function; a missing collection counts as empty.
pub fn parts<T>(members: Reading<Members>, read: impl Fn(&Value, &str) -> Option<T>) -> Part<T> {
    match members {
        Reading::Seen(members) => members.read(read),
        Reading::Failed(failure) => Part::of_failure(failure),
        Reading::Absent | Reading::Unasked => Part::default(),
    }
}
