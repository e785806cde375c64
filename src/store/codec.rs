//! Records to bytes and back, and the one way in which that fails.

use std::io::{Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::unreadable::Lost;
use crate::observed::{BmcRecord, Claim, SharedSet};

/// The version of the records themselves.
const VERSION: u8 = 1;

/// What is stored of surveys: a record whose shape is that of a type of `crate::observed`.
pub(super) trait Surveyed: Serialize + DeserializeOwned {
    /// The version of the record's shape. One of another version is skipped, and told of, until it is written again.
    const SHAPE: u8;
}

impl Surveyed for BmcRecord {
    const SHAPE: u8 = 2;
}

impl Surveyed for SharedSet {
    const SHAPE: u8 = 2;
}

/// Machines boot by claims, so that their shape outlives the others.
impl Surveyed for Claim {
    const SHAPE: u8 = 1;
}

/// The most bytes that a surveyed record may unfold to. One of a large machine has some 100 kB.
const MAX_SURVEYED: usize = 64 * 1024 * 1024;

/// The most bytes that a large record may unfold to, so that a damaged one cannot fill the memory.
pub(super) const MAX_UNFOLDED: u64 = 2 * 1024 * 1024 * 1024;

/// Why a transaction failed.
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

/// Puts the version byte before bytes that are stored as they are.
pub(super) fn wrap(bytes: &[u8]) -> Vec<u8> {
    wrap_as(VERSION, bytes)
}

fn wrap_as(version: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1);
    out.push(version);
    out.extend_from_slice(bytes);
    out
}

/// Takes the version byte off.
pub(super) fn body<'b>(bytes: &'b [u8], what: &str) -> Result<&'b [u8], Fault> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some(_) | None => Err(Fault::undecodable(what)),
    }
}

/// Compresses the parts, one after the other, into one value.
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

/// Encodes what was surveyed: the version, the length, and an lz4 block.
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
