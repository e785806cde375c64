//! The API's unix socket: reachable only for its owner and group at any time, and removed with the
//! server.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::address::ListenError;

/// Read and write for the owner and the group: members of the server's group may use the API.
const MODE: u32 = 0o660;

/// The file of a bound socket; dropping it removes the file, unless another took its place.
pub struct SocketFile {
    pub path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

/// Binds a socket at a path. A dead server's socket is replaced; a live server's is not.
pub fn bind(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => ListenError::ReadOnly { path: path.into() },
        _ => ListenError::Socket { path: path.into(), source },
    };

    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => return Err(ListenError::NotASocket { path: path.into() }),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(ListenError::SocketInUse { path: path.into() }),
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {}
            Err(error) => return Err(failed(error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }

    // Bound next to its final path and moved there once its mode is right.
    let beside = beside(path);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }

    let listener = UnixListener::bind(&beside).map_err(failed)?;
    let placed = fs::set_permissions(&beside, fs::Permissions::from_mode(MODE))
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| identity(path));

    match placed {
        Ok(identity) => Ok((listener, SocketFile { path: path.into(), identity })),
        Err(error) => {
            // The current error says more than one from this call would.
            let _ = fs::remove_file(&beside);
            Err(failed(error))
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let there = fs::symlink_metadata(path)?;
    Ok((there.dev(), there.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.identity) {
            // A file that cannot be removed is replaced by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}
