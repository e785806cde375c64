//! What an installation has: the package, the unit, the settings file, pages and completions, the guides, and what `muster
//! check` says to CI. Judged by the programs that read them: lintian, systemd, groff, bash, dnsmasq, Kea, ISC's dhcpd.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;

mod check;
mod guides;
mod package;
mod settings;
mod shells;
mod unit;

use std::path::PathBuf;
use std::process::Command;

/// Returns a file of this repository.
fn ours(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the text of a file of this repository.
fn text(path: &str) -> String {
    std::fs::read_to_string(ours(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a program to its end; returns its exit code, and all that it said.
fn said(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}
