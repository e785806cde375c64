//! Reads the Systems of a BMC: which of them are servers, and the resources of each server.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::inventory::{self, inventory};
use super::nics::{Around, nics};
use super::walk::{Doc, Members, Walk};
use crate::quirks::Noted;
use crate::read::boot::{attributes, option, pending, secure_boot, settings, untold_attributes};
use crate::read::system::{facts, in_post, is_hollow, names_switch, post_age, power, summary, why_no_server};
use crate::read::words::{at, fact, health, id, is_absent, last, links, natural};
use muster_core::model::MacAddr;
use muster_core::observed::{
    BootSettings, Depth, Failure, FailureKind, NotServer, PowerState, Reading, SecureBoot, Shared, SharedSet, System,
};

/// The most Systems of one BMC. A chassis of blades has some 16, and a simulated one some hundred.
const MAX_SYSTEMS: usize = 256;

/// The Systems in the collection.
#[derive(Default)]
pub struct Listed {
    pub servers: Vec<Doc>,
    /// Baseboards of GPUs and the like, which appear as Systems.
    pub boards: Vec<Doc>,
    pub not_servers: Vec<NotServer>,
    /// The Systems that could not be read, so that their kind is unknown.
    pub unknown: Vec<(Box<str>, Failure)>,
    /// The reason for which there may be more Systems than are listed, if there may.
    pub lack: Option<Failure>,
}

impl Listed {
    /// Returns the reason for which there may be another server, if there may.
    pub fn open(&self) -> Option<&Failure> {
        self.unknown.first().map(|(_, failure)| failure).or(self.lack.as_ref())
    }
}

/// Sorts the members of the collection of Systems.
pub async fn sort(walk: &Walk<'_>, top: &Doc, members: Members) -> Listed {
    let mut listed = Listed { unknown: members.failed, lack: members.lack, ..Listed::default() };
    let mut bodies: HashSet<String> = HashSet::new();
    for doc in members.found {
        // Two paths to one resource are one System, in whatever case they are written.
        if !bodies.insert(doc.body.to_string()) {
            continue;
        }
        if bodies.len() > MAX_SYSTEMS {
            let why = format!("the service has more than {MAX_SYSTEMS} Systems");
            listed.lack = Some(Failure::new(FailureKind::TooLarge, why));
            break;
        }
        let mut why = why_no_server(&doc.body, &doc.uri);
        if why.is_none() && is_hollow(&doc.body) && has_switch(walk, top).await {
            why = Some("it is a switch tray: it has no processors and no memory, and its chassis is a switch".into());
        }
        match why {
            Some(why) => {
                walk.note(Noted::NotServer);
                listed.not_servers.push(NotServer { id: id(&doc.body, &doc.uri), why });
                if !is_absent(&doc.body) {
                    listed.boards.push(doc);
                }
            }
            None => listed.servers.push(doc),
        }
    }

    let by_id =
        |a: &Doc, b: &Doc| natural(&id(&a.body, &a.uri), &id(&b.body, &b.uri)).then_with(|| natural(&a.uri, &b.uri));
    listed.servers.sort_by(by_id);
    listed.boards.sort_by(by_id);
    listed.not_servers.sort_by(|a, b| natural(&a.id, &b.id));

    listed
}

/// Returns whether the name of one of a BMC's chassis is that of a switch; unreadable ones do not
/// count.
async fn has_switch(walk: &Walk<'_>, top: &Doc) -> bool {
    let Reading::Seen(collection) = walk.part(top, "Chassis").await else { return false };
    let listed = walk.listed(&collection).await;
    listed.is_ok_and(|listed| listed.uris.iter().any(|uri| names_switch(uri)))
}

/// The facts of a BMC that a full survey reads apart from its servers.
pub struct Beside<'a> {
    pub chassis: &'a [Placed],
    /// The chassis that could not be read; an entry without a URI means all of them.
    pub chassis_failed: &'a [(Box<str>, Failure)],
    /// The managers' ends of links to the host.
    pub host_links: &'a [MacAddr],
    /// The reason for which some of those ends may be unknown, if any may.
    pub host_links_unread: Option<&'a Failure>,
    pub boards: &'a [Doc],
    /// Whether there is one server, to which every resource that is not a System belongs.
    pub is_only: bool,
    /// The reason for which another System could not be read, so that it may or may not be a
    /// server.
    pub unknown: Option<&'a Failure>,
}

/// A chassis, with its identity and the Systems that it links to.
pub struct Placed {
    pub doc: Doc,
    uri: String,
    id: Box<str>,
    systems: BTreeSet<String>,
}

impl Placed {
    pub fn new(doc: Doc) -> Self {
        let systems = links(at(&doc.body, "Links/ComputerSystems")).found;
        Self {
            uri: plain(&doc.uri),
            id: id(&doc.body, &doc.uri),
            systems: systems.iter().map(|uri| plain(uri)).collect(),
            doc,
        }
    }
}

/// Reads the System's own resource.
///
/// `now` is the time of the BMC's clock if it reports it, else of this host's, in Unix
/// milliseconds.
pub fn own(doc: &Doc, now: i64) -> System {
    let body = &*doc.body;
    let in_post = in_post(body);
    System {
        id: id(body, &doc.uri),
        uri: doc.uri.trim_end_matches('/').into(),
        facts: facts(body),
        power: power(body),
        in_post,
        post_age: post_age(body, now).filter(|_| in_post == Some(true)),
        health: health(body),
        bios_version: fact(body, "BiosVersion"),
        summary: summary(body),
        boot: settings(body),
        ..System::default()
    }
}

/// Returns the placeholder for a System that is listed but could not be read.
pub fn unknown(uri: &str, failure: &Failure, depth: Depth) -> System {
    let mut system = System {
        id: last(uri).into(),
        uri: uri.trim_end_matches('/').into(),
        power: Reading::Failed(failure.clone()),
        boot: Reading::Failed(failure.clone()),
        ..System::default()
    };

    if depth == Depth::Deep {
        system.nics = Reading::Failed(failure.clone());
        system.inventory = Reading::Failed(failure.clone());
        system.bios = Reading::Failed(failure.clone());
        system.secure_boot = Reading::Failed(failure.clone());
    }

    system
}

/// Reads all resources of a server.
pub async fn deep(walk: &Walk<'_>, doc: &Doc, beside: &Beside<'_>, now: i64) -> (System, Shared) {
    let mut system = own(doc, now);
    let (chassis, failure) = holding(doc, beside);
    let parts = inventory::Beside {
        boards: if beside.is_only { beside.boards } else { &[] },
        chassis: &chassis,
        chassis_failure: failure.as_ref(),
        unknown: beside.unknown.filter(|_| beside.is_only),
        is_off: system.power.seen() == Some(&PowerState::Off),
    };

    let boot = async {
        let options = options(walk, doc).await;
        let around = Around {
            chassis: &chassis,
            failure: failure.clone().or_else(|| beside.host_links_unread.cloned()),
            options: &options,
            host_links: beside.host_links,
            in_post: system.in_post,
        };
        let nics = nics(walk, doc, around).await;
        (options, nics)
    };

    let ((options, (nics, nics_unread)), bios, secure_boot, inventory, staged) = tokio::join!(
        boot,
        bios(walk, doc),
        secure(walk, doc),
        inventory(walk, doc, &parts),
        walk.settings_object(doc),
    );

    let mut shared = Shared::default();
    (system.nics, system.nics_unread) = (nics, nics_unread);
    system.boot = with_options(system.boot, options, staged);
    system.inventory = inventory.map(|set| shared.keep(SharedSet::Inventory(set)));
    system.bios = bios.applied.map(|set| shared.keep(SharedSet::Bios(set)));
    (system.bios_pending, system.bios_untold) = (bios.staged, bios.untold);
    system.secure_boot = secure_boot;

    (system, shared)
}

/// Returns the chassis that hold a server: those linked in either direction, or all if it is the
/// only server. The second value is the reason for which they are not all known, if they are not.
fn holding<'a>(doc: &Doc, beside: &Beside<'a>) -> (Vec<&'a Doc>, Option<Failure>) {
    let own: BTreeSet<String> = links(at(&doc.body, "Links/Chassis")).found.iter().map(|uri| plain(uri)).collect();
    let bears = |uri: &str| own.is_empty() || uri.is_empty() || own.contains(&plain(uri));
    let failed = beside.chassis_failed.iter().find(|(uri, _)| bears(uri)).map(|(_, failure)| failure.clone());
    let (name, uri) = (id(&doc.body, &doc.uri), plain(&doc.uri));
    let (mut linked, mut others): (Vec<&Doc>, Vec<&Doc>) = (Vec::new(), Vec::new());

    for chassis in beside.chassis {
        // Some services link in neither direction and give both the same name (HPE Cray EX nC).
        let is_named = own.is_empty() && chassis.systems.is_empty() && chassis.id == name;
        let holds = own.contains(&chassis.uri) || chassis.systems.contains(&uri) || is_named;
        if holds { linked.push(&chassis.doc) } else { others.push(&chassis.doc) }
    }

    match (beside.is_only, beside.unknown) {
        (false, _) => (linked, failed),
        (true, None) => (beside.chassis.iter().map(|chassis| &chassis.doc).collect(), failed),
        (true, Some(unknown)) => {
            // Adapters of another chassis belong to this server, unless a System that could not be
            // read is a server too.
            let is_open = others.iter().any(|chassis| !at(&chassis.body, "NetworkAdapters").is_null());
            (linked, failed.or_else(|| is_open.then(|| unknown.clone())))
        }
    }
}

fn plain(uri: &str) -> String {
    uri.trim_end_matches('/').to_ascii_lowercase()
}

async fn options(walk: &Walk<'_>, doc: &Doc) -> Reading<Members> {
    let boot = Doc { uri: doc.uri.clone(), body: at(&doc.body, "Boot").clone().into() };
    walk.members_of(&boot, "BootOptions").await
}

fn with_options(boot: Reading<BootSettings>, options: Reading<Members>, staged: Reading<Doc>) -> Reading<BootSettings> {
    let Reading::Seen(mut boot) = boot else { return boot };
    match options {
        // An incomplete list of options is left out, as in a sweep; the current settings were read
        // all the same.
        Reading::Seen(members) if members.failure().is_none() => {
            boot.options = members.found.iter().map(|doc| option(&doc.body, &doc.uri)).collect();
            boot.options.sort_by(|a, b| natural(&a.reference, &b.reference));
        }
        Reading::Seen(_) | Reading::Failed(_) | Reading::Absent | Reading::Unasked => {}
    }

    match staged {
        Reading::Seen(doc) => boot.pending = pending(&boot, &doc.body),
        Reading::Failed(failure) => return Reading::Failed(failure),
        Reading::Absent | Reading::Unasked => {}
    }

    Reading::Seen(boot)
}

type Attributes = BTreeMap<Box<str>, Box<str>>;

/// The BIOS settings of a machine.
#[derive(Default)]
struct Bios {
    applied: Reading<Attributes>,
    /// Staged settings that differ from the current ones.
    staged: Attributes,
    /// Settings that are listed without a value.
    untold: Vec<Box<str>>,
}

async fn bios(walk: &Walk<'_>, doc: &Doc) -> Bios {
    let nothing = |applied| Bios { applied, ..Bios::default() };
    let bios = match walk.part(doc, "Bios").await {
        Reading::Seen(bios) => bios,
        Reading::Failed(failure) => return nothing(Reading::Failed(failure)),
        Reading::Absent | Reading::Unasked => return nothing(Reading::Absent),
    };

    let Some(applied) = attributes(&bios.body) else { return nothing(Reading::Absent) };
    let staged = match walk.settings_object(&bios).await {
        Reading::Seen(settings) => {
            let mut staged = attributes(&settings.body).unwrap_or_default();
            staged.retain(|name, value| applied.get(name) != Some(value));
            staged
        }
        Reading::Failed(failure) => return nothing(Reading::Failed(failure)),
        Reading::Absent | Reading::Unasked => Attributes::new(),
    };

    Bios { applied: Reading::Seen(applied), staged, untold: untold_attributes(&bios.body) }
}

async fn secure(walk: &Walk<'_>, doc: &Doc) -> Reading<SecureBoot> {
    let read = walk.part(doc, "SecureBoot").await;
    if let Reading::Failed(Failure { kind: FailureKind::ServerError, .. }) = &read {
        walk.note(Noted::SecureBootFailed);
    }
    read.map(|doc| secure_boot(&doc.body))
}
