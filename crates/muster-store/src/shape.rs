//! The stored records. Only this file of the crate has serde derives.
//!
//! postcard stores no field names, so changing a field here requires a new version byte in `codec`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Accepted, BootRow, Pin, Rendered};
use muster_core::model::{File, MacAddr, Revision, Tree};
use muster_core::observed::{Boot, BootFetch, Booted, UnknownMac, digest_from_hex};

#[derive(Serialize, Deserialize)]
pub(super) struct Identity {
    repository: String,
    branch: Option<String>,
    path: String,
}

impl From<&super::Identity> for Identity {
    fn from(from: &super::Identity) -> Self {
        let super::Identity { repository, branch, path } = from.clone();
        Self { repository, branch, path }
    }
}

impl From<Identity> for super::Identity {
    fn from(from: Identity) -> Self {
        let Identity { repository, branch, path } = from;
        Self { repository, branch, path }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct AcceptedRecord {
    revision: String,
    at: i64,
    subject: Box<str>,
    nodes: u32,
}

impl From<&Accepted> for AcceptedRecord {
    fn from(from: &Accepted) -> Self {
        let Accepted { revision, at, subject, nodes } = from;
        Self { revision: revision.to_string(), at: *at, subject: subject.clone(), nodes: *nodes }
    }
}

impl From<AcceptedRecord> for Accepted {
    fn from(from: AcceptedRecord) -> Self {
        let AcceptedRecord { revision, at, subject, nodes } = from;
        Self { revision: Revision::commit(&revision), at, subject, nodes }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct PinRecord {
    revision: String,
    subject: Box<str>,
    since: i64,
    until: Option<i64>,
    left: Option<u64>,
    by: Box<str>,
    reason: Box<str>,
    unsigned: bool,
}

impl From<&Pin> for PinRecord {
    fn from(from: &Pin) -> Self {
        let Pin { revision, subject, since, until, left, by, reason, unsigned } = from.clone();
        Self { revision: revision.to_string(), subject, since, until, left, by, reason, unsigned }
    }
}

impl From<PinRecord> for Pin {
    fn from(from: PinRecord) -> Self {
        let PinRecord { revision, subject, since, until, left, by, reason, unsigned } = from;
        Self { revision: Revision::commit(&revision), subject, since, until, left, by, reason, unsigned }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct RowRecord {
    name: Box<str>,
    macs: Vec<[u8; 6]>,
    nid: Option<u32>,
    xname: Option<Box<str>>,
    digest: [u8; 32],
}

impl From<&BootRow> for RowRecord {
    fn from(from: &BootRow) -> Self {
        let BootRow { name, macs, nid, xname, serial: _, uuid: _, ips: _, digest } = from.clone();
        Self { name, macs: macs.into_iter().map(|mac| mac.0).collect(), nid, xname, digest }
    }
}

impl From<RowRecord> for BootRow {
    fn from(from: RowRecord) -> Self {
        let RowRecord { name, macs, nid, xname, digest } = from;
        let macs = macs.into_iter().map(MacAddr).collect();
        Self { name, macs, nid, xname, serial: None, uuid: None, ips: Vec::new(), digest }
    }
}

/// The boots of a node, as stored before machines reported their architecture. It is read and never
/// written.
#[derive(Deserialize)]
pub(super) struct BootedRecord {
    last: Option<BootRecord>,
    uncounted: Option<BootRecord>,
}

#[derive(Deserialize)]
struct BootRecord {
    at: i64,
    address: IpAddr,
    revision: String,
    digest: String,
    mac: Option<MacAddr>,
    confirmed: Option<i64>,
    reset: Option<i64>,
}

impl BootedRecord {
    /// Converts the record; `None` if a digest in it is damaged.
    pub(super) fn read(self) -> Option<Booted> {
        let last = self.last.map(BootRecord::read);
        let uncounted = self.uncounted.map(BootRecord::read);
        match (last, uncounted) {
            (Some(None), _) | (_, Some(None)) => None,
            (last, uncounted) => Some(Booted { last: last.flatten(), uncounted: uncounted.flatten() }),
        }
    }
}

impl BootRecord {
    fn read(self) -> Option<Boot> {
        let Self { at, address, revision, digest, mac, confirmed, reset } = self;
        let boot = Boot::new(at, address, Revision::commit(&revision), digest_from_hex(&digest)?, mac);
        Some(Boot { confirmed, reset, ..boot })
    }
}

/// The data next to the rows of a commit, which it names.
#[derive(Serialize, Deserialize)]
pub(super) struct BesideRecord {
    revision: String,
    muster: Option<Box<str>>,
    cluster: Box<str>,
    advertise: Option<Box<str>>,
    networks: Vec<(Vec<IpNet>, Box<str>)>,
    /// One entry for each row.
    more: Vec<MoreRecord>,
    has_documents: bool,
}

#[derive(Serialize, Deserialize)]
struct MoreRecord {
    serial: Option<Box<str>>,
    uuid: Option<[u8; 16]>,
    ips: Vec<IpAddr>,
}

impl BesideRecord {
    pub(super) fn of(accepted: &Accepted, from: &Rendered) -> Self {
        let Rendered { muster, cluster, advertise, networks, rows, documents } = from;
        let more = |row: &BootRow| MoreRecord {
            serial: row.serial.clone(),
            uuid: row.uuid.map(Uuid::into_bytes),
            ips: row.ips.clone(),
        };

        Self {
            revision: accepted.revision.to_string(),
            muster: muster.clone(),
            cluster: cluster.clone(),
            advertise: advertise.clone(),
            networks: networks.clone(),
            more: rows.iter().map(more).collect(),
            has_documents: documents.is_some(),
        }
    }

    /// Joins it with the rows of its commit. Returns the rows alone if it belongs to another
    /// commit, and `None` if the two do not match.
    pub(super) fn with(self, accepted: &Accepted, mut rows: Vec<BootRow>) -> Option<Rendered> {
        let Self { revision, muster, cluster, advertise, networks, more, has_documents } = self;
        if revision != accepted.revision.as_str() {
            return Some(Rendered { rows, ..Rendered::default() });
        }
        if more.len() != rows.len() {
            return None;
        }
        for (row, MoreRecord { serial, uuid, ips }) in rows.iter_mut().zip(more) {
            (row.serial, row.uuid, row.ips) = (serial, uuid.map(Uuid::from_bytes), ips);
        }
        let documents = has_documents.then(Vec::new);
        Some(Rendered { muster, cluster, advertise, networks, rows, documents })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct FetchRecord {
    at: i64,
    address: IpAddr,
    user_agent: Box<str>,
    revision: String,
    digest: [u8; 32],
    mac: Option<[u8; 6]>,
    arch: Option<Box<str>>,
}

impl From<&BootFetch> for FetchRecord {
    fn from(from: &BootFetch) -> Self {
        let BootFetch { node: _, at, address, user_agent, revision, digest, mac, arch } = from.clone();
        let (revision, mac) = (revision.as_str().to_owned(), mac.map(|mac| mac.0));
        Self { at, address, user_agent, revision, digest, mac, arch }
    }
}

impl FetchRecord {
    pub(super) fn of(self, node: &str) -> BootFetch {
        let Self { at, address, user_agent, revision, digest, mac, arch } = self;
        let (revision, mac) = (Revision::commit(&revision), mac.map(MacAddr));
        BootFetch { node: node.into(), at, address, user_agent, revision, digest, mac, arch }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct UnknownRecord {
    first: i64,
    last: i64,
    count: u64,
    address: IpAddr,
    user_agent: Box<str>,
}

impl From<&UnknownMac> for UnknownRecord {
    fn from(from: &UnknownMac) -> Self {
        let UnknownMac { mac: _, first, last, count, address, user_agent } = from.clone();
        Self { first, last, count, address, user_agent }
    }
}

impl UnknownRecord {
    pub(super) fn of(self, mac: MacAddr) -> UnknownMac {
        let Self { first, last, count, address, user_agent } = self;
        UnknownMac { mac, first, last, count, address, user_agent }
    }
}

/// The list of a tree's files; the bytes of those that have any follow it, in the same order.
#[derive(Serialize, Deserialize)]
pub(super) struct TreeRecord {
    files: Vec<(Box<str>, FileRecord)>,
}

#[derive(Serialize, Deserialize)]
enum FileRecord {
    Bytes { bytes: u64 },
    Unread,
    TooLarge { bytes: u64 },
    Symlink,
    Submodule,
    BadName,
}

impl From<&Tree> for TreeRecord {
    fn from(tree: &Tree) -> Self {
        let record = |file: &File| match file {
            File::Bytes(bytes) => FileRecord::Bytes { bytes: bytes.len() as u64 },
            File::Unread => FileRecord::Unread,
            File::TooLarge { bytes } => FileRecord::TooLarge { bytes: *bytes },
            File::Symlink => FileRecord::Symlink,
            File::Submodule => FileRecord::Submodule,
            File::BadName => FileRecord::BadName,
        };
        Self { files: tree.iter().map(|(path, file)| (path.into(), record(file))).collect() }
    }
}

impl TreeRecord {
    /// Joins the list with the bytes that follow it; `None` if the two do not match.
    pub(super) fn with(self, mut rest: &[u8]) -> Option<Tree> {
        let mut tree = Tree::default();
        for (path, file) in self.files {
            let file = match file {
                FileRecord::Bytes { bytes } => {
                    let (head, tail) = rest.split_at_checked(usize::try_from(bytes).ok()?)?;
                    rest = tail;
                    File::Bytes(head.into())
                }
                FileRecord::Unread => File::Unread,
                FileRecord::TooLarge { bytes } => File::TooLarge { bytes },
                FileRecord::Symlink => File::Symlink,
                FileRecord::Submodule => File::Submodule,
                FileRecord::BadName => File::BadName,
            };
            tree.insert(path, file);
        }

        rest.is_empty().then_some(tree)
    }
}
