//! Edits as a diff, and as files: all of them or none, if none has changed meanwhile.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::adopt::Edit;
use crate::cli::Failure;

/// The number of context lines around each change, as in diff and git.
const AROUND: usize = 3;

/// Formats an edit as a unified diff, with the path relative to the current folder.
pub fn diff(path: &str, edit: &Edit) -> String {
    let before = edit.before.as_deref().unwrap_or_default();
    let old = if edit.before.is_some() { path } else { "/dev/null" };
    TextDiff::from_lines(before, &edit.after).unified_diff().context_radius(AROUND).header(old, path).to_string()
}

/// Writes the files below a prefix.
///
/// Each is written next to its final path and renamed. Before the first rename, all are compared
/// with the contents that were read.
pub fn write(prefix: &str, edits: &[Edit]) -> Result<(), Failure> {
    let mut ready: Vec<(PathBuf, PathBuf)> = Vec::with_capacity(edits.len());
    let failed =
        |path: &Path, error: io::Error| Failure::new(format!("{}: cannot be written: {error}", path.display()));

    for edit in edits {
        let path = PathBuf::from(format!("{prefix}{}", edit.path));
        let temporary = unchanged(&path, edit).and_then(|()| beside(&path, edit).map_err(|error| failed(&path, error)));
        match temporary {
            Ok(temporary) => ready.push((temporary, path)),
            Err(failure) => {
                for (temporary, _) in &ready {
                    // A leftover file would be useless.
                    let _ = fs::remove_file(temporary);
                }
                return Err(failure);
            }
        }
    }

    for (temporary, path) in ready {
        fs::rename(&temporary, &path).map_err(|error| failed(&path, error))?;
    }

    Ok(())
}

fn unchanged(path: &Path, edit: &Edit) -> Result<(), Failure> {
    let now = match fs::symlink_metadata(path) {
        Ok(_) => Some(fs::read_to_string(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(error)),
    };

    let now = now.transpose();
    if now.as_ref().is_ok_and(|text| *text == edit.before) {
        return Ok(());
    }

    let message = match now {
        Ok(_) => format!("{}: was changed while muster looked at it", path.display()),
        Err(error) => format!("{}: cannot be read: {error}", path.display()),
    };

    Err(Failure::new(message).hint(Some("nothing was written; run it again".into())))
}

/// Writes the new text next to a file, with the file's permissions.
fn beside(path: &Path, edit: &Edit) -> io::Result<PathBuf> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}", std::process::id()));

    let written = || -> io::Result<()> {
        let mut file = File::create_new(&temporary)?;
        file.write_all(edit.after.as_bytes())?;
        if let Ok(known) = fs::metadata(path) {
            file.set_permissions(known.permissions())?;
        }
        file.sync_all()
    };

    match written() {
        Ok(()) => Ok(temporary),
        Err(error) => {
            // It may not exist.
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}
