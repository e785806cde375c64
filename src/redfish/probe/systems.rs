//! The Systems of a BMC: which are servers, and all that is read of one.

use std::collections::BTreeMap;

use super::inventory::inventory;
use super::nics::{Around, nics};
use super::walk::{Doc, Members, Part, Walk};
use crate::model::MacAddr;
use crate::observed::{
    BootSettings, Depth, Failure, FailureKind, NotServer, Reading, SecureBoot, Shared, SharedSet, System,
};
use crate::redfish::quirks::Noted;
use crate::redfish::read::boot::{attributes, option, pending, secure_boot, settings};
use crate::redfish::read::system::{facts, in_post, power, summary, why_no_server};
use crate::redfish::read::words::{at, fact, health, id, last, links, natural};

/// The Systems as the collection lists them.
#[derive(Default)]
pub struct Listed {
    pub servers: Vec<Doc>,
    /// Baseboards of GPUs and the like, which pose as Systems.
    pub boards: Vec<Doc>,
    pub not_servers: Vec<NotServer>,
    /// Those that could not be read, so that nobody knows what they are.
    pub unknown: Vec<(Box<str>, Failure)>,
}

/// Sorts the members of the collection of Systems.
pub fn sort(walk: &Walk<'_>, members: Members) -> Listed {
    let mut listed = Listed { unknown: members.failed, ..Listed::default() };
    for doc in members.found {
        match why_no_server(&doc.body, &doc.uri) {
            Some(why) => {
                walk.note(Noted::NotServer);
                listed.not_servers.push(NotServer { id: id(&doc.body, &doc.uri), why });
                listed.boards.push(doc);
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

/// What a deep survey knows of a BMC beside its servers.
pub struct Beside<'a> {
    pub chassis: &'a [Doc],
    /// The chassis that could not be read; without a URI, all of them.
    pub chassis_failed: &'a [(Box<str>, Failure)],
    /// The managers' ends of links to the host, and why some may be unknown.
    pub host_links: &'a Part<MacAddr>,
    pub boards: &'a [Doc],
    /// Whether there is one server, so that all that is no System is its.
    pub is_only: bool,
    /// Why another System could not be read, so that nobody knows whether it is a server.
    pub unknown: Option<&'a Failure>,
}

/// Reads what the System itself tells.
pub fn own(doc: &Doc) -> System {
    let body = &*doc.body;
    System {
        id: id(body, &doc.uri),
        uri: doc.uri.trim_end_matches('/').into(),
        facts: facts(body),
        power: power(body),
        in_post: in_post(body),
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
pub async fn deep(walk: &Walk<'_>, doc: &Doc, beside: &Beside<'_>) -> (System, Shared) {
    let mut system = own(doc);
    let boards = if beside.is_only { beside.boards } else { &[] };
    let boot = async {
        let options = options(walk, doc).await;
        let (chassis, failure) = holding(doc, beside);
        let around = Around {
            chassis,
            failure: failure.or_else(|| beside.host_links.failure.clone()),
            options: &options,
            host_links: &beside.host_links.found,
            in_post: system.in_post,
        };
        let nics = nics(walk, doc, around).await;
        (options, nics)
    };
    let ((options, nics), (bios, bios_pending), secure_boot, inventory, staged) = tokio::join!(
        boot,
        bios(walk, doc),
        secure(walk, doc),
        inventory(walk, doc, boards, beside.unknown.filter(|_| beside.is_only)),
        staged(walk, doc),
    );
    let mut shared = Shared::default();
    system.nics = nics;
    system.boot = with_options(system.boot, options, staged);
    system.inventory = inventory.map(|set| shared.keep(SharedSet::Inventory(set)));
    system.bios = bios.map(|set| shared.keep(SharedSet::Bios(set)));
    system.bios_pending = bios_pending;
    system.secure_boot = secure_boot;
    (system, shared)
}

/// Returns the chassis that hold a server: those that link to it or to which it links, or all where it is the only one;
/// and why they are not all known.
fn holding<'a>(doc: &Doc, beside: &Beside<'a>) -> (Vec<&'a Doc>, Option<Failure>) {
    let own: Vec<String> = links(at(&doc.body, "Links/Chassis")).iter().map(|uri| plain(uri)).collect();
    let bears = |uri: &str| own.is_empty() || uri.is_empty() || own.contains(&plain(uri));
    let failed = beside.chassis_failed.iter().find(|(uri, _)| bears(uri)).map(|(_, failure)| failure.clone());
    let name = id(&doc.body, &doc.uri);
    let holds = |chassis: &&Doc| {
        let back = links(at(&chassis.body, "Links/ComputerSystems"));
        // Some services link neither way and give both the same name (HPE Cray EX nC).
        own.contains(&plain(&chassis.uri))
            || back.iter().any(|uri| plain(uri) == plain(&doc.uri))
            || (own.is_empty() && back.is_empty() && id(&chassis.body, &chassis.uri) == name)
    };
    let (linked, others): (Vec<&Doc>, Vec<&Doc>) = beside.chassis.iter().partition(holds);
    match (beside.is_only, beside.unknown) {
        (false, _) => (linked, failed),
        (true, None) => (beside.chassis.iter().collect(), failed),
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
        Reading::Seen(Members { found, failed }) if failed.is_empty() => {
            boot.options = found.iter().map(|doc| option(&doc.body, &doc.uri)).collect();
            boot.options.sort_by(|a, b| natural(&a.reference, &b.reference));
        }
        Reading::Seen(_) | Reading::Failed(_) | Reading::Absent | Reading::Unasked => {}
    }
    match staged {
        Reading::Seen(doc) => boot.pending = pending(&boot, &doc.body),
        // AMI's service has no settings object before something is staged.
        Reading::Failed(failure) if failure.kind == FailureKind::Missing => {}
        Reading::Failed(failure) => return Reading::Failed(failure),
        Reading::Absent | Reading::Unasked => {}
    }
    Reading::Seen(boot)
}

/// Reads the settings object of a resource; absent where it names none.
async fn staged(walk: &Walk<'_>, doc: &Doc) -> Reading<Doc> {
    let settings = Doc { uri: doc.uri.clone(), body: at(&doc.body, "@Redfish.Settings").clone().into() };
    walk.part(&settings, "SettingsObject").await
}

type Attributes = BTreeMap<Box<str>, Box<str>>;

/// Reads the BIOS settings that apply, and those that are staged and differ.
async fn bios(walk: &Walk<'_>, doc: &Doc) -> (Reading<Attributes>, Attributes) {
    let none = Attributes::new();
    let bios = match walk.part(doc, "Bios").await {
        Reading::Seen(bios) => bios,
        Reading::Failed(failure) => return (Reading::Failed(failure), none),
        Reading::Absent | Reading::Unasked => return (Reading::Absent, none),
    };
    let Some(applied) = attributes(&bios.body) else { return (Reading::Absent, none) };
    match staged(walk, &bios).await {
        Reading::Seen(settings) => {
            let mut staged = attributes(&settings.body).unwrap_or_default();
            staged.retain(|name, value| applied.get(name) != Some(value));
            (Reading::Seen(applied), staged)
        }
        // AMI's service has no settings object before something is staged.
        Reading::Failed(failure) if failure.kind == FailureKind::Missing => (Reading::Seen(applied), none),
        Reading::Failed(failure) => (Reading::Failed(failure), none),
        Reading::Absent | Reading::Unasked => (Reading::Seen(applied), none),
    }
}

async fn secure(walk: &Walk<'_>, doc: &Doc) -> Reading<SecureBoot> {
    let read = walk.part(doc, "SecureBoot").await;
    if let Reading::Failed(Failure { kind: FailureKind::ServerError, .. }) = &read {
        walk.note(Noted::SecureBootFailed);
    }
    read.map(|doc| secure_boot(&doc.body))
}
