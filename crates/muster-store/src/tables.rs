//! The tables of the file, and the two records that say whose it is.

use std::collections::BTreeSet;

use redb::{
    Database, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, TableError, TableHandle, Value,
};

use super::codec::{self, Fault};
use super::publish::Digest;
use super::{Identity, shape};

/// The format that this version writes. Raise it when an older version could misread what is stored.
pub const FORMAT: u32 = 1;

pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Accepted commits by a running number.
pub(super) const ACCEPTED: TableDefinition<u64, &[u8]> = TableDefinition::new("accepted");
/// Of the last good commit: its record, its inputs, its boot rows.
pub(super) const LAST_GOOD: TableDefinition<&str, &[u8]> = TableDefinition::new("last-good");
/// Script bodies by digest: one version byte, then the bytes as they are served.
pub(super) const BODIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("bodies");
/// The documents of the last good commit, folded, by a running number. Its first write makes it.
pub(super) const DOCUMENTS: TableDefinition<u32, &[u8]> = TableDefinition::new("documents");
/// The last boot fetch by node name.
pub(super) const FETCHES: TableDefinition<&str, &[u8]> = TableDefinition::new("boot-fetches");
/// Unclaimed machines by the six bytes of their MAC.
pub(super) const UNKNOWN: TableDefinition<&[u8], &[u8]> = TableDefinition::new("unknown-macs");

/// What is remembered of each BMC by its name. This table and those below are made by their first write: a store from
/// before them opens as it is.
pub(super) const BMCS: TableDefinition<&str, &[u8]> = TableDefinition::new("bmcs");
/// What many machines share, by the 16 bytes of its digest.
pub(super) const SETS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("shared-sets");
/// Claimed MAC addresses by node name.
pub(super) const CLAIMS: TableDefinition<&str, &[u8]> = TableDefinition::new("claims");
/// When a BMC refused a credential, in unix milliseconds, by the names of both.
pub(super) const REFUSED: TableDefinition<(&str, &str), i64> = TableDefinition::new("refused-logins");
/// Of the followed branch: the pin, the newest commit that was taken, and the one whose build died.
pub(super) const FOLLOWED: TableDefinition<&str, &[u8]> = TableDefinition::new("followed");
/// What happened, by its running number.
pub(super) const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");

/// What each node booted last, and what is not counted, by its name.
pub(super) const BOOTED: TableDefinition<&str, &[u8]> = TableDefinition::new("booted");

const FORMAT_KEY: &str = "format";
const IDENTITY_KEY: &str = "identity";

/// Whose an open file is.
pub(super) enum Owner {
    /// Nobody's yet: it has no tables.
    Nobody,
    /// Another program's.
    Stranger,
    /// A newer version's.
    Newer(u32),
    /// A store of ours that no wishes have claimed yet.
    Unclaimed,
    /// The store of these wishes.
    Wishes(Identity),
}

pub(super) fn owner(db: &Database) -> Result<Owner, Fault> {
    let txn = db.begin_read()?;
    let mut names = Vec::new();
    for table in txn.list_tables()? {
        names.push(table.name().to_owned());
    }
    if names.is_empty() {
        return Ok(Owner::Nobody);
    }
    if !names.iter().any(|name| name == META.name()) {
        return Ok(Owner::Stranger);
    }
    let meta = txn.open_table(META)?;
    let Some(format) = meta.get(FORMAT_KEY)? else { return Ok(Owner::Stranger) };
    let format = <[u8; 4]>::try_from(format.value()).map_err(|_| Fault::undecodable(FORMAT_KEY))?;
    let format = u32::from_le_bytes(format);
    if format > FORMAT {
        return Ok(Owner::Newer(format));
    }
    let Some(identity) = meta.get(IDENTITY_KEY)? else { return Ok(Owner::Unclaimed) };
    Ok(Owner::Wishes(codec::decode::<shape::Identity>(identity.value(), IDENTITY_KEY)?.into()))
}

/// Makes all tables, and says whose they are if that is known.
pub(super) fn create(db: &Database, identity: Option<&Identity>) -> Result<(), Fault> {
    let txn = db.begin_write()?;
    {
        let mut meta = txn.open_table(META)?;
        meta.insert(FORMAT_KEY, &FORMAT.to_le_bytes()[..])?;
        if let Some(identity) = identity {
            meta.insert(IDENTITY_KEY, &*codec::encode(&shape::Identity::from(identity))?)?;
        }
        txn.open_table(ACCEPTED)?;
        txn.open_table(LAST_GOOD)?;
        txn.open_table(BODIES)?;
        txn.open_table(FETCHES)?;
        txn.open_table(UNKNOWN)?;
    }
    txn.commit()?;
    Ok(())
}

/// Says whose a store is that was nobody's.
pub(super) fn claim(db: &Database, identity: &Identity) -> Result<(), Fault> {
    let txn = db.begin_write()?;
    txn.open_table(META)?.insert(IDENTITY_KEY, &*codec::encode(&shape::Identity::from(identity))?)?;
    txn.commit()?;
    Ok(())
}

/// Opens a table that only its first write makes.
pub(super) fn later<K: Key + 'static, V: Value + 'static>(
    txn: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, Fault> {
    match txn.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Reads every record once, so that a store that opens can be read. Returns the digests of the bodies that it holds.
///
/// What was surveyed is left to its readers: they skip what they cannot read.
pub(super) fn check(db: &Database) -> Result<BTreeSet<Digest>, Fault> {
    let txn = db.begin_read()?;
    super::publish::read_accepted(&txn, usize::MAX)?;
    super::publish::read_last_good(&txn)?;
    super::seen::read_fetches(&txn)?;
    super::seen::read_unknown(&txn)?;
    super::pin::read_pin(&txn)?;
    super::pin::read_baseline(&txn)?;
    super::attempt::read_died(&txn)?;
    later(&txn, BMCS)?;
    later(&txn, SETS)?;
    later(&txn, CLAIMS)?;
    later(&txn, REFUSED)?;
    later(&txn, EVENTS)?;
    later(&txn, DOCUMENTS)?;
    let rendered = super::publish::read_rendered(&txn)?;
    let digests: BTreeSet<Digest> = rendered.rows.iter().map(|row| row.digest).collect();
    let bodies = txn.open_table(BODIES)?;
    for digest in &digests {
        if bodies.get(&digest[..])?.is_none() {
            return Err(Fault::Undecodable("a boot row without its script".into()));
        }
    }
    Ok(digests)
}
