//! The Systems of a BMC: which are servers, and all that is read of one.

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

/// How many Systems of one BMC are read. A chassis of blades has some 16, and a simulated one some hundred.
const MAX_SYSTEMS: usize = 256;

/// The Systems as the collection lists them.
#[derive(Default)]
pub struct Listed {
    pub servers: Vec<Doc>,
    /// Baseboards of GPUs and the like, which pose as Systems.
    pub boards: Vec<Doc>,
    pub not_servers: Vec<NotServer>,
    /// Those that could not be read, so that it is not known what they are.
    pub unknown: Vec<(Box<str>, Failure)>,
    /// Why there may be more than are listed, if there may.
    pub lack: Option<Failure>,
}

impl Listed {
    /// Says why a System that is not known may be a server, if one may.
    pub fn open(&self) -> Option<&Failure> {
        self.unknown.first().map(|(_, failure)| failure).or(self.lack.as_ref())
    }
}

/// Sorts the members of the collection of Systems.
pub async fn sort(walk: &Walk<'_>, top: &Doc, members: Members) -> Listed {
    let mut listed = Listed { unknown: members.failed, lack: members.lack, ..Listed::default() };
    let mut bodies: HashSet<String> = HashSet::new();
    for doc in members.found {
        // Two paths to one resource are one System, whatever case they are written in.
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

/// Tells whether one of a BMC's chassis is a switch by its name; what cannot be read is none.
async fn has_switch(walk: &Walk<'_>, top: &Doc) -> bool {
    let Reading::Seen(collection) = walk.part(top, "Chassis").await else { return false };
    let listed = walk.listed(&collection).await;
    listed.is_ok_and(|listed| listed.uris.iter().any(|uri| names_switch(uri)))
}

/// What a deep survey knows of a BMC beside its servers.
pub struct Beside<'a> {
    pub chassis: &'a [Placed],
    /// The chassis that could not be read; without a URI, all of them.
    pub chassis_failed: &'a [(Box<str>, Failure)],
    /// The managers' ends of links to the host.
    pub host_links: &'a [MacAddr],
    /// Why some of those ends may be unknown, if they may.
    pub host_links_unread: Option<&'a Failure>,
    pub boards: &'a [Doc],
    /// Whether there is one server, so that all that is no System is its.
    pub is_only: bool,
    /// Why another System could not be read, so that nobody knows whether it is a server.
    pub unknown: Option<&'a Failure>,
}

/// A chassis, with what tells which Systems stand in it.
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

/// Reads what the System itself tells.
///
/// `now` is the time by the BMC's clock if it tells it, else by this host's, in unix milliseconds.
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

/// Stands for a System that is listed and could not be read.
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

/// Reads all of a server.
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

/// Returns the chassis that hold a server: those that link to it or to which it links, or all where it is the only one;
/// and why they are not all known.
fn holding<'a>(doc: &Doc, beside: &Beside<'a>) -> (Vec<&'a Doc>, Option<Failure>) {
    let own: BTreeSet<String> = links(at(&doc.body, "Links/Chassis")).found.iter().map(|uri| plain(uri)).collect();
    let bears = |uri: &str| own.is_empty() || uri.is_empty() || own.contains(&plain(uri));
    let failed = beside.chassis_failed.iter().find(|(uri, _)| bears(uri)).map(|(_, failure)| failure.clone());
    let (name, uri) = (id(&doc.body, &doc.uri), plain(&doc.uri));
    let (mut linked, mut others): (Vec<&Doc>, Vec<&Doc>) = (Vec::new(), Vec::new());
    for chassis in beside.chassis {
        // Some services link neither way and give both the same name (HPE Cray EX nC).
        let is_named = own.is_empty() && chassis.systems.is_empty() && chassis.id == name;
        let holds = own.contains(&chassis.uri) || chassis.systems.contains(&uri) || is_named;
        if holds { linked.push(&chassis.doc) } else { others.push(&chassis.doc) }
    }
    match (beside.is_only, beside.unknown) {
        (false, _) => (linked, failed),
        (true, None) => (beside.chassis.iter().map(|chassis| &chassis.doc).collect(), failed),
        (true, Some(unknown)) => {
            // Adapters of another chassis are this server's, unless what could not be read is a server too.
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
        // A menu that is not whole is not told, as in a sweep; what applies was read all the same.
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
    /// Those that are staged and differ.
    staged: Attributes,
    /// Those that are named without a value.
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
