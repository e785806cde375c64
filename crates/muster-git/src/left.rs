//! What a process that was killed or a power cut leaves in a mirror: locks that no process holds any more, packs that were
//! not finished, references without their content.

use std::fs;
use std::path::{Path, PathBuf};

/// Removes what is left, and references that name nothing, which the next fetch writes again. As [`sweep`] says.
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

/// Tells whether a file's bytes are those of a reference.
fn is_reference(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ref: ") || is_id(bytes.trim_ascii_end())
}

/// Tells whether bytes are those of a list of packed references.
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

/// Removes locks and unfinished packs. Only for a folder of our own, as its server starts or is about to fetch. What an administrator's push is
/// bringing in at the moment is left alone.
///
/// libgit2 and git refuse a reference whose lock file is there, however old it is, so that one left over ends all following.
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
                // Where it cannot be removed, the fetch says why.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
