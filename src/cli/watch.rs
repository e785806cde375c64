//! The time limit of a command's builds, and the name of the current build, for the error message.
//!
//! Only building is bounded: a person may read the result page by page for as long as they like.

use std::process;
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::{Failure, apart};

/// The time limit of the builds of this process, if its command sets one.
static LIMIT: OnceLock<Duration> = OnceLock::new();

/// Limits all builds of this process.
pub fn limit(timeout: Duration) {
    LIMIT.get_or_init(|| timeout);
}

/// Runs a build, and ends the process if it exceeds the limit; `what` names it.
pub fn building<T>(what: &str, build: impl FnOnce() -> T) -> T {
    apart::begin(what);
    let built = match LIMIT.get() {
        None => build(),
        Some(limit) => {
            let message = format!("building {what} takes longer than {limit:?}, as `--build-timeout` allows");
            let hint = "look for a template that loops, or for values that multiply; `muster serve` refuses such a commit, \
                        unless its `build.timeout` is longer";
            within(*limit, Failure::new(message).hint(Some(hint.into())), build)
        }
    };
    apart::end();
    built
}

/// Runs some work, and ends the process with a failure if it exceeds a limit.
pub fn within<T>(limit: Duration, failure: Failure, work: impl FnOnce() -> T) -> T {
    let (done, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            failure.report(true);
            process::exit(2);
        }
    });
    let result = work();
    drop(done);
    result
}
