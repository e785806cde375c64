//! The commands: one file each; the doc comments of the arguments are the help text.
//!
//! A command reads its arguments, calls the rooms, prints results on stdout and messages on stderr,
//! and returns an exit code (0 as desired, 1 findings, 2 trouble, 3 something could not be judged).
//! It makes no decisions about machines.

#![expect(clippy::disallowed_methods, reason = "a bank room: commands meet the terminal and the clock")]

mod adopt;
mod apart;
mod api;
mod boots;
mod build;
mod check;
mod completions;
mod diff;
mod discover;
mod drift;
mod events;
mod failure;
mod forget;
mod hook;
mod hosted;
mod log;
mod log_format;
mod log_writer;
mod man;
mod node_set;
mod observations;
mod output;
mod pin;
mod reference;
mod schema;
mod serve;
mod settings;
mod show;
mod sides;
#[cfg(feature = "simulate")]
mod simulate;
mod source;
mod status;
mod watch;
mod why;

use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use failure::Failure;

use crate::settings::{BuildSettings, SettingsError};

/// Boot a cluster from its git repository, and find the machines that differ from it
#[derive(Debug, Parser)]
#[command(name = "muster", version, max_term_width = 100, propagate_version = true)]
struct Muster {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Show(show::Show),
    Diff(diff::Diff),
    Log(log::Log),
    Why(why::Why),
    Hook(hook::Hook),
    Discover(Box<discover::Discover>),
    Drift(drift::Drift),
    Boots(boots::Boots),
    Forget(forget::Forget),
    Serve(Box<serve::Serve>),
    Status(status::Status),
    Events(events::Events),
    Pin(pin::Pin),
    Unpin(pin::Unpin),
    AllowRewind(pin::AllowRewind),
    Settings(Box<settings::Settings>),
    #[cfg(feature = "simulate")]
    Simulate(Box<simulate::Simulate>),
    Adopt(adopt::Adopt),
    Schema(schema::Schema),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Command {
    /// Returns the limits of a command that only builds commits, so that it runs in its own
    /// process.
    fn bounds(&self) -> Result<Option<apart::Bounds>, SettingsError> {
        let (limits, commits) = match self {
            Self::Check(check) => (&check.limits, check.commits()),
            Self::Show(show) => (&show.limits, 1),
            Self::Diff(diff) => (&diff.limits, 2),
            Self::Log(log) => (&log.limits, 2),
            Self::Why(why) => (&why.limits, 1),
            Self::Hook(hook) => return hook.bounds(),
            Self::Discover(_)
            | Self::Drift(_)
            | Self::Boots(_)
            | Self::Forget(_)
            | Self::Serve(_)
            | Self::Status(_)
            | Self::Events(_)
            | Self::Pin(_)
            | Self::Unpin(_)
            | Self::AllowRewind(_)
            | Self::Settings(_)
            | Self::Adopt(_)
            | Self::Schema(_)
            | Self::Completions(_)
            | Self::Man(_) => return Ok(None),
            #[cfg(feature = "simulate")]
            Self::Simulate(_) => return Ok(None),
        };

        let BuildSettings { timeout, max_bytes } = limits.clone().complete()?;
        Ok(Some(apart::Bounds { timeout, max_bytes, commits }))
    }

    /// Returns whether the exit code is a verdict, and not only success or failure.
    fn is_verdict(&self) -> bool {
        match self {
            Self::Check(_)
            | Self::Diff(_)
            | Self::Hook(_)
            | Self::Discover(_)
            | Self::Drift(_)
            | Self::Boots(_)
            | Self::Status(_)
            | Self::Settings(_)
            | Self::Adopt(_) => true,
            Self::Show(_)
            | Self::Log(_)
            | Self::Why(_)
            | Self::Serve(_)
            | Self::Forget(_)
            | Self::Events(_)
            | Self::Pin(_)
            | Self::Unpin(_)
            | Self::AllowRewind(_)
            | Self::Schema(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
            #[cfg(feature = "simulate")]
            Self::Simulate(_) => false,
        }
    }
}

/// How a command prints its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// The result of a completed command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    AsWished,
    Findings,
    /// No findings, but something could not be judged.
    Unjudged,
    /// Nothing could be tried; all messages are printed already.
    Trouble,
}

/// Runs the program and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = build::run() {
        return code;
    }

    output::guard_panics();
    let muster = match parse() {
        Ok(muster) => muster,
        Err(error) => {
            let written = output::command_line(&error);
            return match written {
                _ if error.use_stderr() => ExitCode::from(2),
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => Failure::from(error).report(false),
            };
        }
    };

    let is_verdict = muster.command.is_verdict();
    match muster.command.bounds() {
        Ok(Some(bounds)) => {
            if let Some(code) = apart::run(&bounds) {
                return code;
            }
            watch::limit(bounds.timeout);
        }
        Ok(None) => {}
        Err(error) => return Failure::from_error(&error).report(is_verdict),
    }

    let result = match muster.command {
        Command::Check(command) => command.run(),
        Command::Show(command) => command.run(),
        Command::Diff(command) => command.run(),
        Command::Log(command) => command.run(),
        Command::Why(command) => command.run(),
        Command::Hook(command) => command.run(),
        Command::Discover(command) => command.run(),
        Command::Drift(command) => command.run(),
        Command::Boots(command) => command.run(),
        Command::Forget(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Events(command) => command.run(),
        Command::Pin(command) => command.run(),
        Command::Unpin(command) => command.run(),
        Command::AllowRewind(command) => command.run(),
        Command::Settings(command) => command.run(),
        #[cfg(feature = "simulate")]
        Command::Simulate(command) => command.run(),
        Command::Adopt(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    };
    let result = result.and_then(|outcome| {
        output::flush()?;
        Ok(outcome)
    });
    match result {
        Ok(Outcome::AsWished) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Ok(Outcome::Trouble) => ExitCode::from(2),
        Ok(Outcome::Unjudged) => ExitCode::from(3),
        Err(failure) => failure.report(is_verdict),
    }
}

/// Reads the command line and the `MUSTER_*` variables.
///
/// An empty variable counts as absent: unit files and compose files leave a setting out this way.
/// Help shows no values of variables, which may hold a password.
fn parse() -> Result<Muster, clap::Error> {
    fn without_empty(command: clap::Command) -> clap::Command {
        let is_empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        let command =
            command.mut_args(|arg| if is_empty(&arg) { arg.env(Resettable::Reset) } else { arg.hide_env_values(true) });
        command.mut_subcommands(without_empty)
    }
    Muster::from_arg_matches(&without_empty(Muster::command()).try_get_matches()?)
}
