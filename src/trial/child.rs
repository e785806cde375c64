//! The child: it limits itself, reads a commit from its input, builds it, and writes the result.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{BuildBounds, wire};
use crate::snapshot;

/// The stack of each build thread: less than the parent's, which resolves and renders the same
/// again.
const STACK: usize = 1536 * 1024;

/// Builds the commit on standard input, and writes the result to standard output.
///
/// # Errors
/// The input is not a commit, or the output was closed.
pub fn run(bounds: BuildBounds) -> io::Result<()> {
    bind(&bounds);
    let (tree, revision) = wire::read_commit(io::stdin().lock())?;
    let pool = rayon::ThreadPoolBuilder::new().stack_size(STACK).build_global();
    pool.map_err(io::Error::other)?;

    let build = move || {
        let resolved = || {
            let mut out = io::stdout().lock();
            // A parent that has exited ends this process anyway.
            let _ = out.write_all(&[wire::RESOLVED]).and_then(|()| out.flush());
        };
        // A panic gives neither a snapshot nor findings.
        let built = AssertUnwindSafe(|| snapshot::build_watched(&tree, revision, &resolved));
        let (snapshot, findings) = catch_unwind(built).unwrap_or_default();
        let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
        out.write_all(&[wire::RESULT])?;
        wire::write_outcome(snapshot.as_ref(), &findings, out)?;
        // Dropping 100,000 nodes is left to the end of the process.
        std::mem::forget(snapshot);
        Ok(())
    };
    let builder = thread::Builder::new().name("build".into()).stack_size(STACK).spawn(build)?;
    builder.join().unwrap_or_else(|_| Err(io::Error::other("the build ended early")))
}

/// Applies the limits to this process. The parent monitors limits that cannot be set here.
fn bind(bounds: &BuildBounds) {
    let lower = |resource: Resource, most: u64| {
        let hard = getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
        let _ = setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) });
    };
    lower(Resource::Data, bounds.max_bytes);
    lower(Resource::Core, 0);
    // On all cores at once, and a little longer than the parent waits.
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let seconds = (bounds.timeout + Duration::from_secs(2)).as_secs();
    lower(Resource::Cpu, seconds.saturating_mul(cores));

    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        // If the machine runs out of memory, this process should be killed.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        let _ = rustix::process::setpriority_process(None, NICE);
    }
}

/// The nice(2) value of a build, below the threads that boot machines.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
