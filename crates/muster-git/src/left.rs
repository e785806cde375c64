//! Cleans up after a killed process or a power cut in a mirror: stale locks, unfinished packs and
//! references without content.

use std::fs;
use std::path::{Path, PathBuf};

/// Does the same as [`sweep`], and removes damaged references, which the next fetch writes again.
pub(super) fn mend(mirror: &Path, head: &str) {
    sweep(mirror);
    let mut folders: Vec<PathBuf> = vec![mirror.join("refs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) if fs::read(entry.path()).is_ok_and(|bytes| !is_reference(&bytes)) => {
                    let _ = fs::remove_file(entry.path());
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    let packed = mirror.join("packed-refs");
    if fs::read(&packed).is_ok_and(|bytes| !are_packed(&bytes)) {
        let _ = fs::remove_file(packed);
    }
    let main = mirror.join("HEAD");

    if fs::read(&main).is_ok_and(|bytes| !bytes.starts_with(b"ref: ")) {
        let _ = fs::write(main, format!("ref: {head}\n"));
    }
}

/// Returns whether the content of a file is a reference.
fn is_reference(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ref: ") || is_id(bytes.trim_ascii_end())
}

/// Returns whether bytes are the content of `packed-refs`.
fn are_packed(bytes: &[u8]) -> bool {
    let is_line = |line: &[u8]| match line {
        [] | [b'#', ..] => true,
        [b'^', id @ ..] => is_id(id),
        line => line.get(..40).is_some_and(is_id) && line.get(40) == Some(&b' ') && line.len() > 41,
    };
    bytes.split(|byte| *byte == b'\n').all(is_line)
}

fn is_id(bytes: &[u8]) -> bool {
    bytes.len() == 40 && bytes.iter().all(u8::is_ascii_hexdigit) && bytes.iter().any(|byte| *byte != b'0')
}

/// Removes locks and unfinished packs, except those of a push by an administrator that is in
/// progress.
///
/// Only for a mirror of muster, when its server starts or is about to fetch. libgit2 and git refuse
/// a reference whose lock file exists, however old it is, so one stale lock stops all following.
fn sweep(mirror: &Path) {
    let is_left = |name: &str| name.ends_with(".lock") || name.starts_with("pack_git2_") || name.starts_with("tmp_");
    let mut folders: Vec<PathBuf> = vec![mirror.into()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = entry.file_name();
            if is_folder && !name.to_string_lossy().starts_with("tmp_objdir-incoming-") {
                folders.push(entry.path());
            } else if !is_folder && is_left(&name.to_string_lossy()) {
                // If a file cannot be removed, the fetch reports the reason.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
