//! Runs the machine's own `git` in a process group of its own, with bounds on time, output and disk
//! space.

use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

/// The most bytes that git may print to stdout: 100,000 branches are 10 MB.
pub(super) const MAX_OUT: usize = 32 << 20;

/// The bytes of stderr that are kept, from its end.
const MAX_ERR: usize = 64 << 10;

/// The interval at which the bounds are checked while git prints nothing.
const TICK: Duration = Duration::from_millis(50);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exited(ExitStatus),
    TimedOut,
    Stopped,
    /// The folder grew past its bound.
    Grown,
    /// The command printed more than [`MAX_OUT`].
    Talked,
}

/// The result of a run.
pub(super) struct Ran {
    pub end: End,
    pub out: Vec<u8>,
    pub err: String,
}

/// The bounds of a run.
pub(super) struct Bounds<'a> {
    pub deadline: Instant,
    pub stop: &'a dyn Fn() -> bool,
    /// A folder, and the bytes that it may grow to.
    pub folder: Option<(&'a Path, u64)>,
}

/// Runs a command until it ends or passes a bound, and then kills what is left of its process
/// group.
///
/// # Errors
/// The command cannot be started, or its pipes cannot be read.
pub(super) fn run(command: &mut Command, bounds: &Bounds<'_>) -> io::Result<Ran> {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    bound_files(&child, bounds);
    let watched = watch(&mut child, bounds);

    // The group may outlive its first process: ssh, a helper, index-pack.
    end_group(&child);
    let reaped = child.wait();
    let (end, out, err) = watched?;
    reaped?;

    let end = match end {
        End::Exited(status) if !status.success() && is_grown(bounds) => {
            // The kernel's file size limit struck before the next check.
            End::Grown
        }
        end => end,
    };

    Ok(Ran { end, out, err: String::from_utf8_lossy(&err).into_owned() })
}

fn watch(child: &mut Child, bounds: &Bounds<'_>) -> io::Result<(End, Vec<u8>, Vec<u8>)> {
    let mut out = Pipe::new(child.stdout.take())?;
    let mut err = Pipe::new(child.stderr.take())?;
    let mut next_look = Instant::now();

    loop {
        // Check for the exit before reading the pipes, so that the last output is read too.
        let ended = child.try_wait()?;
        out.read(MAX_OUT + 1)?;
        err.read(usize::MAX)?;
        err.keep_last(MAX_ERR);
        let end = match ended {
            Some(status) => Some(End::Exited(status)),
            None if (bounds.stop)() => Some(End::Stopped),
            None if Instant::now() >= bounds.deadline => Some(End::TimedOut),
            None if out.bytes.len() > MAX_OUT => Some(End::Talked),
            None if Instant::now() >= next_look => {
                next_look = Instant::now() + TICK;
                is_grown(bounds).then_some(End::Grown)
            }
            None => None,
        };
        if let Some(end) = end {
            return Ok((end, out.bytes, err.bytes));
        }
        rest(&[&out, &err])?;
    }
}

/// Waits until a pipe is readable, for one tick at most.
fn rest(pipes: &[&Pipe]) -> io::Result<()> {
    let mut open: Vec<PollFd<'_>> = pipes
        .iter()
        .filter_map(|pipe| Some(PollFd::from_borrowed_fd(pipe.file.as_ref()?.as_fd(), PollFlags::IN)))
        .collect();

    if open.is_empty() {
        thread::sleep(Duration::from_millis(5));
        return Ok(());
    }

    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    match poll(&mut open, Some(&tick)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The read end of a pipe that never blocks. A process that outlives git (an ssh connection master)
/// may keep the write end open, so nothing waits for end of file.
struct Pipe {
    file: Option<fs::File>,
    bytes: Vec<u8>,
}

impl Pipe {
    fn new(end: Option<impl Into<std::os::fd::OwnedFd>>) -> io::Result<Self> {
        let file = end.map(|end| fs::File::from(end.into()));
        if let Some(file) = &file {
            rustix::io::ioctl_fionbio(file, true)?;
        }
        Ok(Self { file, bytes: Vec::new() })
    }

    /// Reads the available bytes, up to `most` in all; stops after 64 reads, so that a busy writer
    /// cannot hold the caller.
    fn read(&mut self, most: usize) -> io::Result<()> {
        let mut part = [0; 16 << 10];
        for _ in 0..64 {
            let Some(file) = self.file.as_mut().filter(|_| self.bytes.len() < most) else { return Ok(()) };
            match file.read(&mut part) {
                Ok(0) => self.file = None,
                Ok(length) => self.bytes.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn keep_last(&mut self, most: usize) {
        if let Some(more) = self.bytes.len().checked_sub(most) {
            self.bytes.drain(..more);
        }
    }
}

/// Limits the size of each file to the folder's bound, because git can write faster than the checks
/// run.
#[cfg(target_os = "linux")]
fn bound_files(child: &Child, bounds: &Bounds<'_>) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let Some((_, most)) = bounds.folder else { return };
    // If this fails, the checks still bound it.
    let limit = Rlimit { current: Some(most + 1), maximum: Some(most + 1) };
    let _ = prlimit(Some(Pid::from_child(child)), Resource::Fsize, limit);
}

#[cfg(not(target_os = "linux"))]
fn bound_files(_: &Child, _: &Bounds<'_>) {}

fn end_group(child: &Child) {
    // This fails if no process of the group is left.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

fn is_grown(bounds: &Bounds<'_>) -> bool {
    bounds.folder.is_some_and(|(folder, most)| bytes_of(folder) > most)
}

/// Counts the bytes of the files below a folder; files that vanish meanwhile count as nothing.
pub(super) fn bytes_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_of(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn bounds(millis: u64) -> Bounds<'static> {
        Bounds { deadline: Instant::now() + Duration::from_millis(millis), stop: &|| false, folder: None }
    }

    #[test]
    fn all_that_was_said_is_read_and_of_complaints_the_last() {
        let script = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo end >&2; exit 3";
        let ran = run(&mut shell(script), &bounds(60_000)).unwrap();
        assert!(matches!(ran.end, End::Exited(status) if status.code() == Some(3)), "{:?}", ran.end);
        assert_eq!((ran.out.len(), ran.err.len()), (3_000_000, MAX_ERR));
        assert!(ran.err.ends_with("end\n"));
    }

    #[test]
    fn the_whole_group_ends_at_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let alive = folder.path().join("alive");
        let script = format!("(sleep 1; touch {}) & sleep 60", alive.display());
        assert_eq!(run(&mut shell(&script), &bounds(200)).unwrap().end, End::TimedOut);
        let stopped = Bounds { stop: &|| true, ..bounds(60_000) };
        assert_eq!(run(&mut shell(&script), &stopped).unwrap().end, End::Stopped);
        assert_eq!(run(&mut shell("yes"), &bounds(60_000)).unwrap().end, End::Talked);
        thread::sleep(Duration::from_millis(1500));
        assert!(!alive.exists(), "a part of the group lives on");
    }

    #[test]
    fn a_pipe_that_is_held_open_by_another_group_is_not_waited_for() {
        let ran = run(&mut shell("setsid sleep 5 & echo done"), &bounds(60_000)).unwrap();
        assert_eq!(ran.out, b"done\n");
    }

    #[test]
    fn a_folder_grows_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let big = folder.path().join("big");
        for script in ["sleep 0.5; cat /dev/zero > {}", "sleep 0.5; while :; do head -c 300000 /dev/zero >> {}; done"] {
            let script = script.replace("{}", &big.display().to_string());
            let bounds = Bounds { folder: Some((folder.path(), 1 << 20)), ..bounds(60_000) };
            assert_eq!(run(&mut shell(&script), &bounds).unwrap().end, End::Grown);
            assert!(bytes_of(folder.path()) <= (1 << 20) + 1);
            fs::remove_file(&big).unwrap();
        }
    }
}
