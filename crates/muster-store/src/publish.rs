//! Stores accepted commits, and everything that is needed to serve the last good one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, Table, WriteTransaction};
use uuid::Uuid;

use super::codec::{self, Fault};
use super::tables::{ACCEPTED, BODIES, DOCUMENTS, LAST_GOOD, later};
use super::{Appended, Store, StoreError, events, shape};
use muster_core::model::{MacAddr, Revision, Tree};
use muster_core::story::Happening;

/// The most accepted commits: a year of three a day.
pub const MAX_ACCEPTED: usize = 1_000;

/// The largest script. Real ones have one or two kilobytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The identity of a script, from its bytes.
pub type Digest = [u8; 32];

const RECORD: &str = "record";
const INPUTS: &str = "inputs";
const ROWS: &str = "rows";
/// The key for data that later versions keep next to the rows. An earlier version leaves it
/// unchanged, so it names its commit.
const BESIDE: &str = "beside";

/// A commit that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The commit.
    pub revision: Revision,
    /// The time of acceptance, in Unix milliseconds.
    pub at: i64,
    /// The first line of its message.
    pub subject: Box<str>,
    /// The number of nodes that it declares.
    pub nodes: u32,
}

/// The assignment of a script to a machine: enough to serve stored bytes if the stored inputs no
/// longer pass the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootRow {
    /// The node's name.
    pub name: Box<str>,
    /// The MAC addresses that it boots from.
    pub macs: Vec<MacAddr>,
    /// Its number, if it has one.
    pub nid: Option<u32>,
    /// Its xname, if it has one.
    pub xname: Option<Box<str>>,
    /// Its serial number and its UUID, if they are declared.
    pub serial: Option<Box<str>>,
    pub uuid: Option<Uuid>,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// The digest of its script.
    pub digest: Digest,
}

/// Everything that was rendered from a commit, except the scripts themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The version of muster that rendered it; `None` if that version did not record it yet.
    pub muster: Option<Box<str>>,
    /// The cluster's name, the URL at which its machines reach muster, and the URLs of single
    /// networks.
    pub cluster: Box<str>,
    pub advertise: Option<Box<str>>,
    pub networks: Vec<(Vec<IpNet>, Box<str>)>,
    /// The rows in the order of nodes.
    pub rows: Vec<BootRow>,
    /// The nodes' documents, compressed by the renderer; `None` if there were too many.
    pub documents: Option<Vec<Arc<[u8]>>>,
}

/// The last accepted commit, with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastGood {
    /// The commit, and when it was accepted.
    pub accepted: Accepted,
    /// Its files.
    pub tree: Tree,
}

impl Store {
    /// Records an accepted commit in one transaction: the list, its inputs, the rendered data, the
    /// scripts and the events.
    ///
    /// Calls `body` only for scripts that are not stored yet, and removes scripts that are no
    /// longer named. If the commit is already the last of the list, it is not added again.
    ///
    /// # Errors
    /// The disk refused, a script is over [`MAX_BODY_BYTES`], or it is too early to try again.
    /// Nothing was changed.
    pub fn accept<'b>(
        &self,
        accepted: &Accepted,
        inputs: &Tree,
        rendered: &Rendered,
        body: &dyn Fn(&BootRow) -> Cow<'b, [u8]>,
        happened: &[Happening],
    ) -> Result<Appended, StoreError> {
        let named: BTreeMap<Digest, &BootRow> = rendered.rows.iter().map(|row| (row.digest, row)).collect();
        let values = Values::of(accepted, inputs, rendered).map_err(|fault| self.fault("record a commit", fault))?;
        let mut appended = Appended::default();

        self.write("record a commit", |txn, known| {
            append(txn, &values.record)?;
            let mut last = txn.open_table(LAST_GOOD)?;
            last.insert(RECORD, &*values.record)?;
            last.insert(INPUTS, &*values.inputs)?;
            last.insert(ROWS, &*values.rows)?;
            last.insert(BESIDE, &*values.beside)?;
            write_documents(&mut txn.open_table(DOCUMENTS)?, rendered.documents.as_deref().unwrap_or_default())?;
            let mut bodies = txn.open_table(BODIES)?;
            for (digest, row) in named.iter().filter(|(digest, _)| !known.scripts.contains(*digest)) {
                let bytes = body(row);
                if bytes.len() > MAX_BODY_BYTES {
                    let what = format!("the script of {}", row.name);
                    return Err(Fault::TooLarge { what, bytes: bytes.len() as u64, most: MAX_BODY_BYTES as u64 });
                }
                bodies.insert(&digest[..], &*codec::wrap(&bytes))?;
            }
            for digest in known.scripts.iter().filter(|digest| !named.contains_key(*digest)) {
                bodies.remove(&digest[..])?;
            }
            appended = events::append(txn, known, happened)?;
            known.scripts = named.keys().copied().collect::<BTreeSet<Digest>>();
            Ok(())
        })?;

        Ok(appended)
    }

    /// Lists accepted commits, newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn accepted(&self, limit: usize) -> Result<Vec<Accepted>, StoreError> {
        self.read("list the accepted commits", |txn| read_accepted(txn, limit))
    }

    /// Reads the last accepted commit and its files, if there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last_good(&self) -> Result<Option<LastGood>, StoreError> {
        self.read("read the last good inputs", read_last_good)
    }

    /// Reads the last accepted commit without its files, if there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last_accepted(&self) -> Result<Option<Accepted>, StoreError> {
        self.read("read the last good commit", read_record)
    }

    /// Reads the rendered data of the last accepted commit.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn rendered(&self) -> Result<Rendered, StoreError> {
        self.read("read what was rendered", |txn| {
            let mut rendered = read_rendered(txn)?;
            if let Some(documents) = &mut rendered.documents {
                *documents = read_documents(txn)?;
            }
            Ok(rendered)
        })
    }

    /// Reads the scripts of the last accepted commit by digest.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn bodies(&self) -> Result<HashMap<Digest, Arc<[u8]>>, StoreError> {
        self.read("read the stored scripts", |txn| {
            let mut bodies = HashMap::new();
            for row in txn.open_table(BODIES)?.iter()? {
                let (digest, bytes) = row?;
                let digest = Digest::try_from(digest.value()).map_err(|_| Fault::undecodable("script"))?;
                bodies.insert(digest, codec::body(bytes.value(), "script")?.into());
            }
            Ok(bodies)
        })
    }
}

/// The encoded values of one commit.
struct Values {
    record: Vec<u8>,
    inputs: Vec<u8>,
    rows: Vec<u8>,
    beside: Vec<u8>,
}

impl Values {
    fn of(accepted: &Accepted, inputs: &Tree, rendered: &Rendered) -> Result<Self, Fault> {
        let beside = shape::BesideRecord::of(accepted, rendered);
        let beside = postcard::to_stdvec(&beside).map_err(|e| Fault::Undecodable(e.to_string()))?;
        Ok(Self {
            record: codec::encode(&shape::AcceptedRecord::from(accepted))?,
            inputs: fold_tree(inputs)?,
            rows: fold_rows(&rendered.rows)?,
            beside: codec::fold([&*beside], BESIDE)?,
        })
    }
}

/// Writes the chunks of documents that differ from the stored ones, and removes those after the
/// last.
fn write_documents(table: &mut Table<'_, u32, &'static [u8]>, sheaves: &[Arc<[u8]>]) -> Result<(), Fault> {
    for (sheaf, number) in sheaves.iter().zip(0..) {
        let bytes = codec::wrap(sheaf);
        if table.get(number)?.is_none_or(|stored| stored.value() != bytes) {
            table.insert(number, &*bytes)?;
        }
    }
    let count = u32::try_from(sheaves.len()).unwrap_or(u32::MAX);
    while table.last()?.is_some_and(|(number, _)| number.value() >= count) {
        table.pop_last()?;
    }
    Ok(())
}

fn append(txn: &WriteTransaction, record: &[u8]) -> Result<(), Fault> {
    let mut list = txn.open_table(ACCEPTED)?;
    if list.last()?.is_some_and(|(_, last)| last.value() == record) {
        return Ok(());
    }
    let next = list.last()?.map_or(0, |(number, _)| number.value() + 1);
    list.insert(next, record)?;
    while list.len()? > MAX_ACCEPTED as u64 {
        list.pop_first()?;
    }
    Ok(())
}

pub(super) fn read_accepted(txn: &ReadTransaction, limit: usize) -> Result<Vec<Accepted>, Fault> {
    let list = txn.open_table(ACCEPTED)?;
    list.iter()?
        .rev()
        .take(limit)
        .map(|row| Ok(codec::decode::<shape::AcceptedRecord>(row?.1.value(), "accepted")?.into()))
        .collect()
}

fn read_record(txn: &ReadTransaction) -> Result<Option<Accepted>, Fault> {
    let last = txn.open_table(LAST_GOOD)?;
    let Some(record) = last.get(RECORD)? else { return Ok(None) };
    Ok(Some(codec::decode::<shape::AcceptedRecord>(record.value(), RECORD)?.into()))
}

pub(super) fn read_last_good(txn: &ReadTransaction) -> Result<Option<LastGood>, Fault> {
    let Some(accepted) = read_record(txn)? else { return Ok(None) };
    let inputs = txn.open_table(LAST_GOOD)?.get(INPUTS)?.ok_or_else(|| Fault::undecodable(INPUTS))?;
    Ok(Some(LastGood { accepted, tree: unfold_tree(inputs.value())? }))
}

/// Reads the rendered data without the documents, whose list is empty if they are stored.
pub(super) fn read_rendered(txn: &ReadTransaction) -> Result<Rendered, Fault> {
    let last = txn.open_table(LAST_GOOD)?;
    let Some(rows) = last.get(ROWS)? else { return Ok(Rendered::default()) };
    let bytes = codec::unfold(rows.value(), ROWS)?;
    let rows: Vec<shape::RowRecord> = postcard::from_bytes(&bytes).map_err(|_| Fault::undecodable(ROWS))?;
    let rows = rows.into_iter().map(BootRow::from).collect();
    let Some(beside) = last.get(BESIDE)? else { return Ok(Rendered { rows, ..Rendered::default() }) };
    let bytes = codec::unfold(beside.value(), BESIDE)?;
    let beside: shape::BesideRecord = postcard::from_bytes(&bytes).map_err(|_| Fault::undecodable(BESIDE))?;
    let accepted = read_record(txn)?.ok_or_else(|| Fault::undecodable(RECORD))?;
    beside.with(&accepted, rows).ok_or_else(|| Fault::undecodable(BESIDE))
}

fn read_documents(txn: &ReadTransaction) -> Result<Vec<Arc<[u8]>>, Fault> {
    let Some(table) = later(txn, DOCUMENTS)? else { return Ok(Vec::new()) };
    table.iter()?.map(|row| Ok(codec::body(row?.1.value(), "documents")?.into())).collect()
}

pub(super) fn unfold_tree(bytes: &[u8]) -> Result<Tree, Fault> {
    let bytes = codec::unfold(bytes, INPUTS)?;
    let (list, rest): (shape::TreeRecord, _) =
        postcard::take_from_bytes(&bytes).map_err(|_| Fault::undecodable(INPUTS))?;
    list.with(rest).ok_or_else(|| Fault::undecodable(INPUTS))
}

pub(super) fn fold_tree(tree: &Tree) -> Result<Vec<u8>, Fault> {
    let list = postcard::to_stdvec(&shape::TreeRecord::from(tree)).map_err(|e| Fault::Undecodable(e.to_string()))?;
    let blobs = tree.blobs().map(|(_, bytes)| &**bytes);
    codec::fold(std::iter::once(&*list).chain(blobs), INPUTS)
}

fn fold_rows(rows: &[BootRow]) -> Result<Vec<u8>, Fault> {
    let rows: Vec<shape::RowRecord> = rows.iter().map(shape::RowRecord::from).collect();
    let bytes = postcard::to_stdvec(&rows).map_err(|e| Fault::Undecodable(e.to_string()))?;
    codec::fold([&*bytes], ROWS)
}
