//! The format of the log: no field can begin a line, move a cursor, or command a CI system.
//!
//! Fields contain text from commits, BMCs and clients. In the text format each is part of one line;
//! in JSON each keeps its exact value, with JSON's escapes.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use super::log_writer::LogWriter;
use crate::model::text::{harden_json, line};

/// Starts logging to stderr: as text on a terminal, and as JSON otherwise.
///
/// If the log cannot be written (its reader is gone, the disk is full), it is lost silently: the
/// library's own complaint would go to the same place and end the logging thread.
///
/// # Errors
/// The thread of the log cannot be started.
pub fn begin(filter: EnvFilter) -> io::Result<LogWriter> {
    let is_json = !io::stderr().is_terminal();
    let writer = LogWriter::to_stderr(is_json)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).log_internal_errors(false);
    let to = writer.clone();
    if is_json {
        log.json().with_writer(move || JsonLog(to.clone())).init();
    } else {
        log.fmt_fields(text_fields()).with_writer(move || TextLog(to.clone())).init();
    }
    Ok(writer)
}

/// Writes the fields of a line of text.
fn text_fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(field).delimited(" ")
}

fn field(out: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    let value = line(&value);
    match (field.name(), out.has_ansi_escapes()) {
        ("message", _) => write!(out, "{value}"),
        (name, true) => write!(out, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{value}"),
        (name, false) => write!(out, "{name}={value}"),
    }
}

/// The log writer for JSON, one line per event.
struct JsonLog(LogWriter);

impl Write for JsonLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.line(harden_json(&String::from_utf8_lossy(bytes)).as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log writer for text, one line per event.
struct TextLog(LogWriter);

impl Write for TextLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.line(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
