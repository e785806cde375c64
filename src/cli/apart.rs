//! Commands that build commits run in a process of their own, started by this one with the same arguments: whatever a
//! commit does to it, a person or a git server reads a sentence and gets an exit code.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Failure;

/// Says to the second process that it is one.
const MARK: &str = "_MUSTER_APART";

/// The most memory of a command, in bytes: what comparing two commits of 100,000 nodes takes, four times. On a small
/// machine it is half of what there is.
const MAX_BYTES: u64 = 8 << 30;

/// The least that it is bounded to, however small the machine.
const MIN_BYTES: u64 = 1 << 30;

/// The most processor time of a command on one core, in seconds: a hundred times what comparing 100,000 nodes takes.
const MAX_SECONDS: u64 = 900;

/// Runs this program once more, and returns how that ended; nothing in the process that is to do the work.
pub fn run() -> Option<ExitCode> {
    if std::env::var_os(MARK).is_some() {
        bind();
        return None;
    }
    let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe().ok()? };
    let mut again = Command::new(program);
    // Where no second process can be started, this one does the work, unbounded.
    let status = again.arg0("muster").args(std::env::args_os().skip(1)).env(MARK, "1").status().ok()?;
    Some(code(status))
}

/// Takes bounds upon this process.
fn bind() {
    let lower = |resource: Resource, most: u64| {
        let hard = getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
        let _ = setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) });
    };
    let half = memory().map_or(MAX_BYTES, |all| all / 2);
    lower(Resource::Data, half.clamp(MIN_BYTES, MAX_BYTES));
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    lower(Resource::Cpu, MAX_SECONDS.saturating_mul(cores));
    lower(Resource::Core, 0);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

/// Returns how much memory the machine has, in bytes, where it says so.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

fn code(status: ExitStatus) -> ExitCode {
    if let Some(code) = status.code() {
        return ExitCode::from(u8::try_from(code).unwrap_or(2));
    }
    let signal = status.signal().unwrap_or_default();
    let why = match signal {
        6 => "it overflowed its stack, or took more memory than it may",
        9 => "it was killed, as the system does if memory runs out",
        24 => "it took more processor time than it may",
        _ => "it died",
    };
    let hint = "something in the commit is too large, too deep or without an end; `muster serve` refuses such a commit";
    Failure::new(format!("this command came to no result: {why} (signal {signal})"))
        .hint(Some(hint.into()))
        .report(true)
}
