//! The parent: it starts the child, sends it the commit, resolves the same in parallel, and
//! monitors it until it ends.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{BuildBounds, Built, COMMAND, wire};
use crate::model::{Revision, Tree};
use crate::snapshot::{self, Draft};

/// The interval of checks of the limits while the child writes nothing.
const TICK: Duration = Duration::from_millis(20);

/// The stack of the resolving thread here: more than the child's, for which its own was enough.
const STACK: usize = 4 * 1024 * 1024;

/// The length of the kept end of the child's stderr.
const MAX_ERR: usize = 4096;

/// The length of the child's stderr in a refusal.
const SHOWN_ERR: usize = 200;

/// Builds a commit in a child process; stops once `stop` returns true.
///
/// # Errors
/// The child cannot be started, or communication with it fails.
pub fn build(tree: &Tree, revision: &Revision, bounds: &BuildBounds, stop: &dyn Fn() -> bool) -> io::Result<Built> {
    let deadline = Instant::now() + bounds.timeout;
    let mut child = Running(start(bounds)?);
    let (input, output) = (child.0.stdin.take(), child.0.stdout.take());
    let mut output = Output::new(output, child.0.stderr.take())?;

    thread::scope(|scope| {
        scope.spawn(move || {
            // A child that ended does not read the rest; the code below reports how it ended.
            let _ = input.map(|input| wire::write_commit(tree, revision, io::BufWriter::with_capacity(1 << 16, input)));
        });
        let mut draft = None;
        let end = loop {
            // Checked before the pipes are read, so that its last output is read too.
            let ended = child.0.try_wait()?;
            output.read()?;
            if draft.is_none() && output.bytes.first() == Some(&wire::RESOLVED) {
                let thread = thread::Builder::new().name("resolve".into()).stack_size(STACK);
                draft = Some(thread.spawn_scoped(scope, || snapshot::draft(tree))?);
            }
            match ended {
                Some(status) => break End::Exited(status),
                None if stop() => break End::Stopped,
                None if Instant::now() >= deadline => break End::TimedOut,
                None => output.rest()?,
            }
        };
        drop(child);
        let draft = draft.and_then(|draft| draft.join().ok().flatten());
        match end {
            End::Stopped => Ok(Built::Stopped),
            End::TimedOut => Ok(Built::Died(format!(
                "building it takes longer than {:?}, as `build.timeout` allows",
                bounds.timeout
            ))),
            End::Exited(status) if status.success() => finish(&output.bytes, draft, revision),
            End::Exited(status) => Ok(Built::Died(death(status, &output.complaints(), bounds))),
        }
    })
}

/// How the child ended.
enum End {
    Exited(ExitStatus),
    TimedOut,
    Stopped,
}

/// A child that does not outlive its handle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It fails if the child has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(bounds: &BuildBounds) -> io::Result<Child> {
    Command::new(program()?)
        .arg0("muster")
        .arg(COMMAND)
        .args(["--timeout-ms".to_owned(), bounds.timeout.as_millis().to_string()])
        .args(["--max-bytes".to_owned(), bounds.max_bytes.to_string()])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Returns the path of this program as started: an upgrade may have replaced the file since.
fn program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// Creates the snapshot from the child's result.
fn finish(bytes: &[u8], draft: Option<Draft>, revision: &Revision) -> io::Result<Built> {
    let result = match bytes {
        [wire::RESOLVED, wire::RESULT, result @ ..] | [wire::RESULT, result @ ..] => result,
        _ => return Ok(Built::Died("its build ended without a result, which is a fault of muster".into())),
    };

    let (rendered, findings) = wire::read_outcome(result)?;
    let snapshot = match (rendered, draft) {
        (None, _) => None,
        (Some(rendered), Some(draft)) => match draft.with(revision.clone(), rendered) {
            Some(snapshot) => Some(Box::new(snapshot)),
            None => return Ok(Built::Died(DIFFERS.into())),
        },
        (Some(_), None) => return Ok(Built::Died(DIFFERS.into())),
    };

    Ok(Built::Done(snapshot, findings))
}

/// Why a build is not trusted if the parent resolved something else.
const DIFFERS: &str = "two builds of it do not agree, which is a fault of muster";

/// Describes how a child died.
fn death(status: ExitStatus, complaints: &str, bounds: &BuildBounds) -> String {
    if complaints.contains("memory allocation of") {
        let most = bounds.max_bytes >> 20;
        return format!("building it takes more than {most} MiB of memory, as `build.max_mib` allows");
    }

    if complaints.contains("overflowed its stack") {
        return "building it overflows the stack: something in it nests too deep".into();
    }

    let last = complaints.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let last: String = last.chars().filter(|c| !c.is_control()).take(SHOWN_ERR).collect();
    let said = if last.is_empty() { last } else { format!(": {last}") };

    match (status.signal(), status.code()) {
        (Some(9), _) => "its build was killed, as the system does if memory runs out".into(),
        (Some(24), _) => "building it takes more processor time than `build.timeout` allows".into(),
        (Some(signal), _) => format!("its build died of signal {signal}{said}"),
        (None, Some(code)) => format!("its build ended with exit code {code}{said}"),
        (None, None) => format!("its build died{said}"),
    }
}

/// The child's output, read without blocking.
struct Output {
    out: Option<File>,
    err: Option<File>,
    bytes: Vec<u8>,
    complaints: Vec<u8>,
}

impl Output {
    fn new(out: Option<impl Into<OwnedFd>>, err: Option<impl Into<OwnedFd>>) -> io::Result<Self> {
        let out = out.map(|end| File::from(end.into()));
        let err = err.map(|end| File::from(end.into()));
        for file in [&out, &err].into_iter().flatten() {
            rustix::io::ioctl_fionbio(file, true)?;
        }
        Ok(Self { out, err, bytes: Vec::new(), complaints: Vec::new() })
    }

    /// Reads the available output.
    fn read(&mut self) -> io::Result<()> {
        read(&mut self.out, &mut self.bytes)?;
        read(&mut self.err, &mut self.complaints)?;
        let more = self.complaints.len().saturating_sub(MAX_ERR);
        self.complaints.drain(..more);
        Ok(())
    }

    fn complaints(&self) -> String {
        String::from_utf8_lossy(&self.complaints).into_owned()
    }

    /// Waits for a short time until there is something to read.
    fn rest(&self) -> io::Result<()> {
        let pipes = [&self.out, &self.err].into_iter().flatten();
        let mut open: Vec<PollFd<'_>> =
            pipes.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)).collect();
        if open.is_empty() {
            thread::sleep(Duration::from_millis(1));
            return Ok(());
        }
        let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
        match poll(&mut open, Some(&tick)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads the available bytes until the writer pauses, and closes a pipe whose writer is gone.
fn read(pipe: &mut Option<File>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut part = vec![0; 256 << 10];
    // A writer that never pauses is left until the next call, so that the limits are checked.
    for _ in 0..64 {
        let Some(file) = pipe else { return Ok(()) };
        match file.read(&mut part) {
            Ok(0) => *pipe = None,
            Ok(length) => bytes.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }

    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_death_says_what_it_was() {
        let bounds = BuildBounds { timeout: Duration::from_secs(1), max_bytes: 64 << 20 };
        let died = |raw: i32, said: &str| death(ExitStatus::from_raw(raw), said, &bounds);
        assert!(died(6, "memory allocation of 99 bytes failed\n").contains("more than 64 MiB"));
        assert!(died(6, "\nthread 'build' (7) has overflowed its stack\nfatal").contains("overflows the stack"));
        assert!(died(9, "").contains("killed"));
        assert!(died(24, "").contains("`build.timeout`"));
        assert_eq!(died(11, ""), "its build died of signal 11");
        assert_eq!(died(2 << 8, "error: \u{1b}[31mno\n\n"), "its build ended with exit code 2: error: [31mno");
    }
}
