//! Accepted commits, and of the last good one all that serving needs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::codec::{self, Fault};
use super::tables::{ACCEPTED, BODIES, LAST_GOOD};
use super::{Store, StoreError, shape};
use crate::model::{MacAddr, Revision, Tree};

/// How many accepted commits are remembered: a year of three a day.
pub const MAX_ACCEPTED: usize = 1_000;

/// The largest script. Real ones have one or two kilobytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The name of a script by its bytes.
pub type Digest = [u8; 32];

const RECORD: &str = "record";
const INPUTS: &str = "inputs";
const ROWS: &str = "rows";

/// One commit that was taken into service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The commit.
    pub revision: Revision,
    /// When it was accepted, in unix milliseconds.
    pub at: i64,
    /// The first line of its message.
    pub subject: Box<str>,
    /// How many nodes it declares.
    pub nodes: u32,
}

/// Which machine gets which script: enough to serve stored bytes when the stored inputs no longer pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootRow {
    /// The node's name.
    pub name: Box<str>,
    /// The MACs that it boots by.
    pub macs: Vec<MacAddr>,
    /// Its number, if it has one.
    pub nid: Option<u32>,
    /// Its xname, if it has one.
    pub xname: Option<Box<str>>,
    /// The digest of its script.
    pub digest: Digest,
}

/// The last commit that was accepted, with the files it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastGood {
    /// The commit, and when it was accepted.
    pub accepted: Accepted,
    /// Its files.
    pub tree: Tree,
}

impl Store {
    /// Records that a commit was taken into service, in one transaction: the list, its inputs, its rows, and the
    /// scripts. `body` is asked only for scripts that are not stored yet; those no longer named are dropped.
    ///
    /// # Errors
    /// The disk refused, a script is over [`MAX_BODY_BYTES`], or it is too early to try again. Nothing was changed.
    pub fn accept<'b>(
        &self,
        accepted: &Accepted,
        inputs: &Tree,
        rows: &[BootRow],
        body: &dyn Fn(&BootRow) -> Cow<'b, [u8]>,
    ) -> Result<(), StoreError> {
        let named: BTreeMap<Digest, &BootRow> = rows.iter().map(|row| (row.digest, row)).collect();
        let inputs = fold_tree(inputs).map_err(|fault| self.fault("record a commit", fault))?;
        let rows = fold_rows(rows).map_err(|fault| self.fault("record a commit", fault))?;
        let record = codec::encode(&shape::AcceptedRecord::from(accepted));
        let record = record.map_err(|fault| self.fault("record a commit", fault))?;
        self.write("record a commit", |txn, known| {
            append(txn, &record)?;
            let mut last = txn.open_table(LAST_GOOD)?;
            last.insert(RECORD, &*record)?;
            last.insert(INPUTS, &*inputs)?;
            last.insert(ROWS, &*rows)?;
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
            known.scripts = named.keys().copied().collect::<BTreeSet<Digest>>();
            Ok(())
        })
    }

    /// Lists accepted commits, the newest first.
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

    /// Reads the boot rows of the last accepted commit, in the order they were given.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn rows(&self) -> Result<Vec<BootRow>, StoreError> {
        self.read("read the boot rows", read_rows)
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

fn append(txn: &WriteTransaction, record: &[u8]) -> Result<(), Fault> {
    let mut list = txn.open_table(ACCEPTED)?;
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

pub(super) fn read_last_good(txn: &ReadTransaction) -> Result<Option<LastGood>, Fault> {
    let last = txn.open_table(LAST_GOOD)?;
    let Some(record) = last.get(RECORD)? else { return Ok(None) };
    let accepted = codec::decode::<shape::AcceptedRecord>(record.value(), RECORD)?.into();
    let inputs = last.get(INPUTS)?.ok_or_else(|| Fault::undecodable(INPUTS))?;
    Ok(Some(LastGood { accepted, tree: unfold_tree(inputs.value())? }))
}

pub(super) fn read_rows(txn: &ReadTransaction) -> Result<Vec<BootRow>, Fault> {
    let last = txn.open_table(LAST_GOOD)?;
    let Some(rows) = last.get(ROWS)? else { return Ok(Vec::new()) };
    let bytes = codec::unfold(rows.value(), ROWS)?;
    let rows: Vec<shape::RowRecord> = postcard::from_bytes(&bytes).map_err(|_| Fault::undecodable(ROWS))?;
    Ok(rows.into_iter().map(BootRow::from).collect())
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
