//! Limits on single objects: their sizes and the names of tree entries. Objects beyond them are
//! neither read nor copied; git's own fsck rejects the same names in fetched objects.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use git2::{Error, ErrorClass, ErrorCode, ObjectType, Odb, Oid};

use super::error::Limit;
use muster_core::model::MAX_TOML_BYTES;

/// The largest commit or tag: a message of a thousand pages.
pub(super) const MAX_COMMIT_BYTES: usize = 4 << 20;

/// The largest tree object: [`MAX_ENTRIES`](super::MAX_ENTRIES) entries with names of the greatest
/// length.
pub(super) const MAX_FOLDER_BYTES: usize = 64 << 20;

/// The largest file that the mirror holds. Muster reads no file that is larger, so its bytes would
/// be of no use.
pub(super) const MAX_BLOB_BYTES: u64 = MAX_TOML_BYTES;

/// The file in which the mirror lists the files that it left out, with their sizes.
const LEFT_OUT: &str = "muster-left-out";

/// Returns the limit that an object exceeds according to its header; the object is not unpacked.
pub(super) fn passes(odb: &Odb<'_>, id: Oid) -> Option<Limit> {
    // An object without a header is missing or damaged, which reading it reports.
    let (size, kind) = odb.read_header(id).ok()?;
    match kind {
        ObjectType::Commit | ObjectType::Tag if size > MAX_COMMIT_BYTES => Some(Limit::Commit),
        ObjectType::Tree if size > MAX_FOLDER_BYTES => Some(Limit::Folder),
        _ => None,
    }
}

/// Does the same as [`passes`], with a libgit2 error, for the code that copies objects.
pub(super) fn check(odb: &Odb<'_>, id: Oid) -> Result<(), Error> {
    match passes(odb, id) {
        None => Ok(()),
        Some(limit) => Err(error(format!("object {id} is {}", limit.words()))),
    }
}

/// Returns the fault in the name of an entry, given the names that came before it in the same
/// folder.
pub(super) fn fault_of_name(name: &[u8], seen: &mut HashSet<Box<[u8]>>) -> Option<&'static str> {
    match name {
        b"" => Some("has no name"),
        b"." | b".." => Some("names a folder around it"),
        _ if name.contains(&b'/') => Some("has a slash in its name"),
        _ if name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1") => {
            Some("is called like git's own folder")
        }
        _ if !seen.insert(name.into()) => Some("stands twice in its folder"),
        _ => None,
    }
}

/// Returns a fault of [`fault_of_name`] as a libgit2 error, for the code that copies objects.
pub(super) fn bad_name(folder: Oid, name: &[u8], why: &str) -> Error {
    error(format!("the entry `{}` of folder {folder} {why}", name.escape_ascii()))
}

fn error(message: String) -> Error {
    Error::new(ErrorCode::Invalid, ErrorClass::Object, message)
}

/// Reads the files that a mirror left out, with their sizes; empty for any other repository.
pub(super) fn left_out(git: &Path) -> HashMap<Oid, u64> {
    let text = fs::read_to_string(git.join(LEFT_OUT)).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.filter_map(|(id, size)| Some((Oid::from_str(id).ok()?, size.parse().ok()?))).collect()
}

/// Records the files that a mirror leaves out.
pub(super) fn leave_out(git: &Path, files: &[(Oid, u64)]) -> Result<(), Error> {
    if files.is_empty() {
        return Ok(());
    }
    let lines: String = files.iter().map(|(id, size)| format!("{id} {size}\n")).collect();
    let open = fs::OpenOptions::new().create(true).append(true).open(git.join(LEFT_OUT));
    let written = open.and_then(|mut file| file.write_all(lines.as_bytes()));
    written.map_err(|source| error(format!("{LEFT_OUT} cannot be written: {source}")))
}
