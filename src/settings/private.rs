//! Files with secrets, which only their owner may read or write.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

/// The permissions that group and others must not have: to read, and to write.
const FOREIGN: u32 = 0o066;

/// Why a file is not used.
pub enum Fault {
    Unreadable(io::Error),
    /// The problem, and the next step.
    Refused(String, &'static str),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Reads a file of at most so many bytes; for a symbolic link, its target's permissions count.
pub fn read(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Fault> {
    // Opening a pipe would block, so it is not opened.
    if !std::fs::metadata(path)?.is_file() {
        return Err(Fault::Refused("is no file".into(), "name a file"));
    }

    let file = File::open(path)?;
    let known = file.metadata()?;
    if known.mode() & FOREIGN != 0 {
        let fault = format!("others than its owner can read or write it (mode {:03o})", known.mode() & 0o777);
        return Err(Fault::Refused(fault, "chmod 600 the file, and change what it holds if others have read it"));
    }

    if known.uid() != 0 && known.uid() != rustix::process::geteuid().as_raw() {
        let fault = format!("it belongs to another user ({})", known.uid());
        return Err(Fault::Refused(fault, "chown the file to the user that runs muster, or to root"));
    }

    bounded(file, most)
}

/// Reads at most so many bytes.
pub fn bounded(file: File, most: u64) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Fault::Refused(format!("it has over {most} bytes"), "is this the right file?"));
    }
    Ok(bytes)
}
