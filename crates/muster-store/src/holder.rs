//! Finds the process that holds a file, from the kernel's list of locks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::Holder;

/// Finds the holder of a lock on a file; `None` if the kernel does not show it (another container,
/// another host).
pub(super) fn of(file: &Path) -> Option<Holder> {
    let meta = fs::metadata(file).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let holders = locks.lines().filter_map(|line| pid(line, meta.ino()));
    // The list names the file system by a number that stat does not always return (btrfs,
    // overlays), so the inode selects the candidates and an open file decides.
    holders.into_iter().find(|pid| has_open(*pid, &meta)).map(|pid| Holder { pid, program: program(pid) })
}

/// Parses the process of one line of `/proc/locks` (`1: FLOCK ADVISORY WRITE 4711 08:01:1234 0
/// EOF`).
fn pid(line: &str, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().filter(|word| *word != "->");
    let (pid, place) = (words.nth(4)?, words.next()?);
    let found: u64 = place.rsplit(':').next()?.parse().ok()?;
    if found == inode { pid.parse().ok() } else { None }
}

/// Returns whether a process has the file open. For another user's process that is not visible, and
/// the lock suffices.
fn has_open(pid: u32, wanted: &fs::Metadata) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Path::new(&format!("/proc/{pid}")).exists() };
    open.filter_map(Result::ok)
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .any(|meta| (meta.dev(), meta.ino()) == (wanted.dev(), wanted.ino()))
}

fn program(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).map_or_else(|_| "unknown".into(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::pid;

    #[test]
    fn a_line_of_the_kernels_list_is_read() {
        assert_eq!(pid("12: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF", 1234), Some(4711));
        assert_eq!(pid("12: FLOCK  ADVISORY  WRITE 4711 fd:01:1235 0 EOF", 1234), None);
        assert_eq!(pid("3: OFDLCK ADVISORY  WRITE -1 00:2b:1234 0 EOF", 1234), None);
        assert_eq!(pid("3: -> FLOCK  ADVISORY  WRITE 4712 00:2b:1234 0 EOF", 1234), Some(4712));
        assert_eq!(pid("nonsense", 1234), None);
    }
}
