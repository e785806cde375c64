//! Encodes and decodes records, with one error type for all failures.

use std::io::{Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::shape::BootedRecord;
use super::unreadable::Lost;
use muster_core::observed::{BmcRecord, Booted, Claim, SharedSet};

/// The version of the records themselves.
const VERSION: u8 = 1;

/// The version of the records of boots; [`VERSION`] had no architecture in them.
const BOOTED_VERSION: u8 = 2;

/// A record of surveys, whose shape is that of a type of `muster_core::observed`.
pub(super) trait Surveyed: Serialize + DeserializeOwned {
    /// The version of the record's shape. A record of another version is skipped, and reported,
    /// until it is written again.
    const SHAPE: u8;
}

impl Surveyed for BmcRecord {
    const SHAPE: u8 = 2;
}

impl Surveyed for SharedSet {
    const SHAPE: u8 = 2;
}

/// The shape of claims outlives the others, because machines boot by claims.
impl Surveyed for Claim {
    const SHAPE: u8 = 1;
}

/// The most bytes of a decompressed survey record. One of a large machine has some 100 kB.
const MAX_SURVEYED: usize = 64 * 1024 * 1024;

/// The most bytes of a decompressed large record, so that a damaged one cannot fill the memory.
pub(super) const MAX_UNFOLDED: u64 = 2 * 1024 * 1024 * 1024;

/// The reason for which a transaction failed.
#[derive(Debug)]
pub(super) enum Fault {
    Redb(Box<redb::Error>),
    Undecodable(String),
    TooLarge { what: String, bytes: u64, most: u64 },
}

impl Fault {
    pub(super) fn undecodable(what: &str) -> Self {
        Self::Undecodable(format!("the record `{what}` cannot be read"))
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(e: $error) -> Self {
                Self::Redb(Box::new(e.into()))
            }
        }
    )*};
}
from_redb!(redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError);

pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, Fault> {
    postcard::to_extend(record, vec![VERSION]).map_err(|e| Fault::Undecodable(e.to_string()))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Fault> {
    let record = body(bytes, what)?;
    match postcard::take_from_bytes(record) {
        Ok((record, [])) => Ok(record),
        Ok(_) | Err(_) => Err(Fault::undecodable(what)),
    }
}

/// Encodes the boots of a node, with the version of their own shape.
pub(super) fn encode_booted(booted: &Booted) -> Result<Vec<u8>, Fault> {
    postcard::to_extend(booted, vec![BOOTED_VERSION]).map_err(|e| Fault::Undecodable(e.to_string()))
}

/// Decodes the boots of a node, in this version's shape or the previous one.
pub(super) fn decode_booted(bytes: &[u8]) -> Result<Booted, Fault> {
    const WHAT: &str = "boot";
    let Some((&BOOTED_VERSION, record)) = bytes.split_first() else {
        return decode::<BootedRecord>(bytes, WHAT)?.read().ok_or_else(|| Fault::undecodable(WHAT));
    };
    match postcard::take_from_bytes(record) {
        Ok((booted, [])) => Ok(booted),
        Ok(_) | Err(_) => Err(Fault::undecodable(WHAT)),
    }
}

/// Adds the version byte before bytes that are stored uncompressed.
pub(super) fn wrap(bytes: &[u8]) -> Vec<u8> {
    wrap_as(VERSION, bytes)
}

fn wrap_as(version: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1);
    out.push(version);
    out.extend_from_slice(bytes);
    out
}

/// Removes the version byte.
pub(super) fn body<'b>(bytes: &'b [u8], what: &str) -> Result<&'b [u8], Fault> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some(_) | None => Err(Fault::undecodable(what)),
    }
}

/// Compresses the concatenated parts into one value.
pub(super) fn fold<'p>(parts: impl IntoIterator<Item = &'p [u8]>, what: &str) -> Result<Vec<u8>, Fault> {
    let mut total = 0;
    let mut frame = lz4_flex::frame::FrameEncoder::new(vec![VERSION]);
    for part in parts {
        total += part.len() as u64;
        if total > MAX_UNFOLDED {
            return Err(Fault::TooLarge { what: what.into(), bytes: total, most: MAX_UNFOLDED });
        }
        frame.write_all(part).map_err(|e| Fault::Undecodable(e.to_string()))?;
    }
    frame.finish().map_err(|e| Fault::Undecodable(e.to_string()))
}

pub(super) fn unfold(bytes: &[u8], what: &str) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let frame = lz4_flex::frame::FrameDecoder::new(body(bytes, what)?);
    match frame.take(MAX_UNFOLDED + 1).read_to_end(&mut out) {
        Ok(read) if read as u64 <= MAX_UNFOLDED => Ok(out),
        Ok(_) | Err(_) => Err(Fault::undecodable(what)),
    }
}

/// Encodes a survey record: the version, the length, and an lz4 block.
pub(super) fn pack<T: Surveyed>(record: &T, what: &str) -> Result<Vec<u8>, Fault> {
    let bytes = postcard::to_stdvec(record).map_err(|e| Fault::Undecodable(e.to_string()))?;
    if bytes.len() > MAX_SURVEYED {
        return Err(Fault::TooLarge { what: what.into(), bytes: bytes.len() as u64, most: MAX_SURVEYED as u64 });
    }
    Ok(wrap_as(T::SHAPE, &lz4_flex::block::compress_prepend_size(&bytes)))
}

pub(super) fn unpack<T: Surveyed>(bytes: &[u8]) -> Result<T, Lost> {
    let (version, block) = bytes.split_first().ok_or(Lost::Corrupt)?;
    if *version != T::SHAPE {
        return Err(Lost::OtherVersion);
    }
    let (length, _) = lz4_flex::block::uncompressed_size(block).map_err(|_| Lost::Corrupt)?;
    if length > MAX_SURVEYED {
        return Err(Lost::Corrupt);
    }

    let record = lz4_flex::block::decompress_size_prepended(block).map_err(|_| Lost::Corrupt)?;
    match postcard::take_from_bytes(&record) {
        Ok((record, [])) => Ok(record),
        Ok(_) | Err(_) => Err(Lost::Corrupt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::model::MacAddr;

    #[test]
    fn a_boot_that_an_earlier_version_stored_is_read() {
        let address = std::net::IpAddr::from([10, 0, 0, 1]);
        let mac = Some(MacAddr([2, 0, 0, 0, 0, 1]));
        let last = Some((10i64, address, "abc", "0a".repeat(32), mac, Some(11i64), None::<i64>));
        let none = None::<(i64, std::net::IpAddr, &str, String, Option<MacAddr>, Option<i64>, Option<i64>)>;

        let booted = decode_booted(&encode(&(last, none.clone())).unwrap()).unwrap();
        let boot = booted.last.as_ref().unwrap();
        assert_eq!((boot.at, boot.digest, boot.mac, boot.confirmed), (10, [10; 32], mac, Some(11)));
        assert_eq!((&boot.arch, &booted.uncounted), (&None, &None));
        assert_eq!(decode_booted(&encode_booted(&booted).unwrap()).unwrap(), booted);

        let damaged = Some((10i64, address, "abc", "0g".repeat(32), mac, None::<i64>, None::<i64>));
        assert!(decode_booted(&encode(&(damaged, none)).unwrap()).is_err());
    }
}
