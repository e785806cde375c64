//! The only way from a command to stdout and stderr: single lines, which it makes safe, and
//! [`SafeText`].
//!
//! No other file of the program writes to either, which `tests/layers.rs` enforces. Text formatted
//! with `writeln!` is one line, whatever its values contain: a line break in a value is escaped,
//! and so is everything that acts on a terminal or on a CI system.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::model::SafeText;
use crate::model::text::line;

/// Writes output for people and tools.
pub struct OutputWriter {
    to: Box<dyn Write>,
    /// The incomplete last line.
    pending: String,
    is_terminal: bool,
}

/// Returns the writer of results.
pub fn stdout() -> OutputWriter {
    OutputWriter { to: Box::new(anstream::stdout()), pending: String::new(), is_terminal: io::stdout().is_terminal() }
}

/// Returns the writer of messages.
pub fn stderr() -> OutputWriter {
    OutputWriter { to: Box::new(anstream::stderr()), pending: String::new(), is_terminal: io::stderr().is_terminal() }
}

impl OutputWriter {
    /// Returns whether the output is a terminal, which may have colors.
    pub const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes a line, or a part of one that a later call ends; `write!` and `writeln!` call it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_fmt(&mut self, part: fmt::Arguments<'_>) -> io::Result<()> {
        self.pending.push_str(&part.to_string());
        let Some(whole) = self.pending.strip_suffix('\n') else { return Ok(()) };
        let text = format!("{}\n", line(whole));
        self.pending.clear();
        self.to.write_all(text.as_bytes())
    }

    /// Writes text that is already safe.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn safe(&mut self, text: &SafeText) -> io::Result<()> {
        self.to.write_all(text.as_bytes())
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = SafeText::json(value)?;
        self.safe(&text)
    }

    /// Writes a document of the repository, or one for it: byte for byte into a file or a pipe, and
    /// escaped on a terminal.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn document(&mut self, text: &str) -> io::Result<()> {
        match self.is_terminal {
            true => self.safe(&SafeText::document(text)),
            // Not through the color writer, which would remove escapes.
            false => io::stdout().lock().write_all(text.as_bytes()),
        }
    }

    /// Writes text that muster generates from itself alone: completions, manual pages, schemas.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn generated(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
    }

    /// Flushes the output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Drop for OutputWriter {
    fn drop(&mut self) {
        if !self.pending.is_empty() {
            // An incomplete line at the end; the output may be closed.
            let _ = self.to.write_all(line(&self.pending).as_bytes());
        }
    }
}

/// Prints why a command line is none that muster takes, or the help that it asks for.
///
/// # Errors
/// If it cannot be written.
pub fn command_line(error: &clap::Error) -> io::Result<()> {
    let plain = error.render().to_string();
    let safe = SafeText::lines(plain.lines());
    // An argument may come from elsewhere; it is safe if nothing in the text had to be escaped.
    if safe.trim_end() == plain.trim_end() {
        error.print()?;
        flush()
    } else {
        stderr().safe(&safe)
    }
}

/// Writes what the standard library still holds of the results: a last line without an end, whose failure would be
/// ignored when the process ends.
///
/// # Errors
/// If it cannot be written.
pub fn flush() -> io::Result<()> {
    io::stdout().flush()
}

/// Makes the message of a panic safe, which may hold a value from outside.
pub fn guard_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        if text.lines().all(|part| line(part) == part) {
            default(panic);
            return;
        }
        let mut out = stderr();
        let _ = writeln!(
            out,
            "muster panicked{}: {text}",
            panic.location().map(|at| format!(" at {at}")).unwrap_or_default()
        );
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_formatted_is_one_line() {
        let kept = Kept::default();
        let mut out = OutputWriter { to: Box::new(kept.clone()), pending: String::new(), is_terminal: false };
        let hostile = "a\n::add-mask::b\u{1b}[2J\n";
        writeln!(out, "{hostile}").unwrap();
        write!(out, "x: ").unwrap();
        writeln!(out, "{hostile}y").unwrap();
        let rest = "z";
        write!(out, "::{rest}").unwrap();
        drop(out);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let expected = "a\\n::add-mask::b\\u{1b}[2J\\n\nx: a\\n::add-mask::b\\u{1b}[2J\\ny\n\\u{3a}:z";
        assert_eq!(text, expected);
    }
}
