//! The tables of the file, and the two records that identify its owner.

use std::collections::BTreeSet;

use redb::{
    Database, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, TableError, TableHandle, Value,
};

use super::codec::{self, Fault};
use super::publish::Digest;
use super::{Identity, shape};

/// The format that this version writes. Raise it if an older version could misread the stored data.
pub const FORMAT: u32 = 1;

pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Accepted commits by a running number.
pub(super) const ACCEPTED: TableDefinition<u64, &[u8]> = TableDefinition::new("accepted");
/// The last good commit: its record, its inputs, its boot rows.
pub(super) const LAST_GOOD: TableDefinition<&str, &[u8]> = TableDefinition::new("last-good");
/// Script bodies by digest: one version byte, then the bytes as they are served.
pub(super) const BODIES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("bodies");
/// The compressed documents of the last good commit, by a running number. Created by its first
/// write.
pub(super) const DOCUMENTS: TableDefinition<u32, &[u8]> = TableDefinition::new("documents");
/// The last boot fetch by node name.
pub(super) const FETCHES: TableDefinition<&str, &[u8]> = TableDefinition::new("boot-fetches");
/// Unclaimed machines by the six bytes of their MAC address.
pub(super) const UNKNOWN: TableDefinition<&[u8], &[u8]> = TableDefinition::new("unknown-macs");

/// Records of BMCs by name. This table and those below are created by their first write, so that an
/// older store opens unchanged.
pub(super) const BMCS: TableDefinition<&str, &[u8]> = TableDefinition::new("bmcs");
/// Sets that many machines share, by the 16 bytes of their digest.
pub(super) const SETS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("shared-sets");
/// Claimed MAC addresses by node name.
pub(super) const CLAIMS: TableDefinition<&str, &[u8]> = TableDefinition::new("claims");
/// The times at which BMCs refused credentials, in Unix milliseconds, by the names of both.
pub(super) const REFUSED: TableDefinition<(&str, &str), i64> = TableDefinition::new("refused-logins");
/// The followed branch: the pin, the newest accepted commit, and the one whose build died.
pub(super) const FOLLOWED: TableDefinition<&str, &[u8]> = TableDefinition::new("followed");
/// Events by their running number.
pub(super) const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");

/// The last boots of each node, and uncounted fetches, by its name.
pub(super) const BOOTED: TableDefinition<&str, &[u8]> = TableDefinition::new("booted");

const FORMAT_KEY: &str = "format";
const IDENTITY_KEY: &str = "identity";

/// The owner of an open file.
pub(super) enum Owner {
    /// No owner yet: the file has no tables.
    Nobody,
    /// Another program.
    Stranger,
    /// A newer version of muster.
    Newer(u32),
    /// Muster, without a cluster repository yet.
    Unclaimed,
    /// This cluster repository.
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

/// Creates all tables, and records the owner if it is known.
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

/// Records the owner of a store that had none.
pub(super) fn claim(db: &Database, identity: &Identity) -> Result<(), Fault> {
    let txn = db.begin_write()?;
    txn.open_table(META)?.insert(IDENTITY_KEY, &*codec::encode(&shape::Identity::from(identity))?)?;
    txn.commit()?;
    Ok(())
}

/// Opens a table that is only created by its first write.
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

/// Reads every record once, so that a store that opens is readable. Returns the digests of the
/// stored bodies.
///
/// Survey records are not checked here: their readers skip unreadable ones.
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
