//! Runs commands that build commits in a process of their own, started by this one with the same
//! arguments: whatever a commit does to it, the user or git server gets a message and an exit code.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Failure;

/// Marks the second process, and names the file in which it reports what it builds.
const MARK: &str = "_MUSTER_APART";

/// The minimum memory limit of a command, however small the machine.
const MIN_BYTES: u64 = 1 << 30;

/// The maximum length of the second process's report: the names of two commits.
const MAX_WORDS: usize = 4096;

/// The limits of a command's builds.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The time of one build, or of two in parallel.
    pub timeout: Duration,
    /// The memory of one commit, in bytes.
    pub max_bytes: u64,
    /// The number of commits in memory at once.
    pub commits: u64,
}

/// The file in which the second process reports what it builds.
static WORDS: OnceLock<File> = OnceLock::new();

/// Runs this program again and returns its exit code, or `None` in the process that does the work.
pub fn run(bounds: &Bounds) -> Option<ExitCode> {
    if let Some(mark) = std::env::var_os(MARK) {
        bind(bounds);
        let words =
            mark.to_str().and_then(|fd| OpenOptions::new().write(true).open(format!("/proc/self/fd/{fd}")).ok());
        words.map(|words| WORDS.set(words));
        return None;
    }

    let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe().ok()? };
    let words = shared_file().or_else(|| File::open("/dev/null").ok())?;
    let mark = words.as_raw_fd().to_string();

    // If a second process cannot be started, this one does the work, without limits.
    let mut again = Command::new(program);
    let status = again.arg0("muster").args(std::env::args_os().skip(1)).env(MARK, mark).status().ok()?;
    Some(code(status, &words_in(&words), bounds))
}

/// Creates a file without a name that survives exec, so that the second process can open it by
/// number.
#[cfg(target_os = "linux")]
fn shared_file() -> Option<File> {
    rustix::fs::memfd_create("muster", rustix::fs::MemfdFlags::empty()).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn shared_file() -> Option<File> {
    None
}

/// Reports what is built from now on, in case this process dies of it.
pub fn begin(what: &str) {
    if let Some(words) = WORDS.get() {
        say(words, what);
    }
}

/// Reports the end of the build.
pub fn end() {
    begin("");
}

fn say(words: &File, what: &str) {
    // Without this report, the message about a death does not name the commit.
    let _ = words.set_len(0).and_then(|()| words.write_all_at(what.as_bytes(), 0));
}

fn words_in(words: &File) -> String {
    let mut part = vec![0; MAX_WORDS];
    let length = words.read_at(&mut part, 0).unwrap_or(0);
    String::from_utf8_lossy(&part[..length]).into_owned()
}

/// Applies the limits to this process.
fn bind(bounds: &Bounds) {
    let lower = |resource: Resource, most: u64| {
        let hard = getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
        let _ = setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) });
    };
    lower(Resource::Data, memory_of(bounds));
    // For a build that does not notice its own deadline.
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let seconds = (bounds.timeout + Duration::from_secs(2)).as_secs().saturating_mul(bounds.commits);
    lower(Resource::Cpu, seconds.saturating_mul(cores));
    lower(Resource::Core, 0);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

/// Returns the memory limit of the command: on a small machine, half of its memory.
fn memory_of(bounds: &Bounds) -> u64 {
    let most = bounds.max_bytes.saturating_mul(bounds.commits);
    let half = memory().map_or(most, |all| all / 2).max(MIN_BYTES);
    // A user or a service manager may have set a lower one.
    getrlimit(Resource::Data).maximum.map_or(u64::MAX, |hard| hard).min(most).min(half)
}

/// Returns the memory of the machine in bytes, if known.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

fn code(status: ExitStatus, built: &str, bounds: &Bounds) -> ExitCode {
    if let Some(code) = status.code() {
        return ExitCode::from(u8::try_from(code).unwrap_or(2));
    }
    death(status.signal().unwrap_or_default(), built, bounds).report(true)
}

/// Describes which signal killed the second process, and during which build.
fn death(signal: i32, built: &str, bounds: &Bounds) -> Failure {
    let mib = memory_of(bounds) >> 20;
    let of = if built.is_empty() { String::new() } else { format!(" of {built}") };
    let why = match signal {
        6 => format!("the build{of} overflowed its stack, or needs more than {mib} MiB of memory (`--build-max-mib`)"),
        9 => format!("the build{of} was killed, as the system does if memory runs out"),
        24 => format!("the build{of} took more processor time than `--build-timeout` allows"),
        _ => format!("the build{of} died"),
    };
    let hint = "something in the commit is too large, too deep or without an end; `muster serve` refuses such a commit";
    Failure::new(format!("this command came to no result: {why} (signal {signal})")).hint(Some(hint.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_names_what_was_built_and_its_bound() {
        let bounds = Bounds { timeout: Duration::from_secs(1), max_bytes: 64 << 20, commits: 2 };
        let said = |signal: i32, built: &str| format!("{:?}", death(signal, built, &bounds));
        assert!(
            said(6, "commit 0123")
                .contains("the build of commit 0123 overflowed its stack, or needs more than 128 MiB")
        );
        assert!(
            said(24, "./wishes/").contains("the build of ./wishes/ took more processor time than `--build-timeout`")
        );
        assert!(said(9, "").contains("the build was killed"));
    }

    #[test]
    fn the_last_words_are_what_was_built_when_it_ended() {
        let words = tempfile::tempfile().expect("a file");
        for what in ["the files in ./", "commit 0123", ""] {
            say(&words, what);
            assert_eq!(words_in(&words), what);
        }
    }
}
