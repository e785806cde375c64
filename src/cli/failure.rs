//! The failure of a command: a kind, the chain of causes, and the next step.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use super::output::{self, OutputWriter};
use crate::git::GitError;

/// The exit code of a verdict whose reader closed the output before all was written: that of
/// a program killed by SIGPIPE (128 and its number). The rest may have contained findings, so it is
/// not 0.
const UNREAD_VERDICT: u8 = 141;

/// A command's failure; its exit code is 2.
#[derive(Debug)]
pub struct Failure {
    message: Box<str>,
    causes: Vec<String>,
    hint: Option<String>,
    /// The context of the message, line by line: a text, and a marker under the error.
    below: Box<[String]>,
    /// The commands that the hint suggests, line by line.
    commands: Box<[String]>,
    /// Whether there is no message: the reader of our output has gone away.
    silent: bool,
}

impl Failure {
    /// Creates a failure without causes.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into().into_boxed_str(),
            causes: Vec::new(),
            hint: None,
            below: Box::default(),
            commands: Box::default(),
            silent: false,
        }
    }

    /// Creates a failure from an error and all its causes.
    pub fn from_error(error: &dyn Error) -> Self {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.extend(cause_lines(cause));
            next = cause.source();
        }
        Self { causes, ..Self::new(error.to_string()) }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// Adds the lines that the message is about.
    #[must_use]
    pub fn below(mut self, lines: Vec<String>) -> Self {
        self.below = lines.into();
        self
    }

    /// Adds the commands of the hint.
    #[must_use]
    pub fn commands(mut self, lines: Vec<String>) -> Self {
        self.commands = lines.into();
        self
    }

    /// Prints the failure and returns the exit code; `is_verdict` marks a command whose exit code
    /// is a verdict.
    pub fn report(&self, is_verdict: bool) -> ExitCode {
        if self.silent {
            // A user who cuts a list short, as with `head`, has what they need.
            return if is_verdict { ExitCode::from(UNREAD_VERDICT) } else { ExitCode::SUCCESS };
        }
        // Stderr may be closed; the exit code is enough then.
        let _ = self.write(&mut output::stderr());
        ExitCode::from(2)
    }

    fn write(&self, out: &mut OutputWriter) -> io::Result<()> {
        writeln!(out, "error: {}", self.message)?;
        for line in &self.below {
            writeln!(out, "  {line}")?;
        }
        for cause in &self.causes {
            writeln!(out, "  {cause}")?;
        }
        match &self.hint {
            Some(hint) => writeln!(out, "  hint: {hint}")?,
            None => return Ok(()),
        }
        self.commands.iter().try_for_each(|command| writeln!(out, "        {command}"))
    }
}

/// Formats an error; for a TOML file, with the line of the file below it.
fn cause_lines(cause: &(dyn Error + 'static)) -> Vec<String> {
    let text = cause.to_string();
    if !cause.is::<toml::de::Error>() {
        return vec![format!("because: {text}")];
    }
    let indented = |(at, line): (usize, &str)| if at == 0 { format!("because: {line}") } else { format!("  {line}") };
    text.lines().enumerate().map(indented).collect()
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        Self::from_error(&error).hint(error.hint())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let silent = error.kind() == io::ErrorKind::BrokenPipe;
        Self { silent, ..Self::new(format!("cannot write the result: {error}")) }
    }
}
