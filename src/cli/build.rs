//! `muster build-in-child`, which `muster serve` starts to build a commit. It is not meant for
//! people, so neither help nor completions list it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use super::{Failure, output};
use crate::trial::{self, BuildBounds};

/// Build the commit that comes on standard input, for the process that started this one
#[derive(Debug, Parser)]
#[command(name = trial::COMMAND)]
struct Build {
    #[arg(long)]
    timeout_ms: u64,
    #[arg(long)]
    max_bytes: u64,
}

/// Runs the command if the arguments name it.
pub fn run() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_none_or(|first| first != trial::COMMAND) {
        return None;
    }

    let Build { timeout_ms, max_bytes } = match Build::try_parse_from(arguments) {
        Ok(build) => build,
        Err(error) => {
            // The exit code says enough if stderr is gone.
            let _ = output::command_line(&error);
            return Some(ExitCode::from(2));
        }
    };

    let bounds = BuildBounds { timeout: Duration::from_millis(timeout_ms), max_bytes };
    Some(trial::run(bounds).map_or_else(|error| Failure::from(error).report(true), |()| ExitCode::SUCCESS))
}
