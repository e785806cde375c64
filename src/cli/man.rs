//! `muster man`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;

use super::{Failure, Muster, Outcome};

/// Print the manual page of muster or of one command, or write all of them
#[derive(Debug, Args)]
pub struct Man {
    /// Write all pages into this folder: muster.1, muster-serve.1, ...
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Print the page of this command, such as `serve`
    #[arg(conflicts_with = "write")]
    name: Option<String>,
}

impl Man {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        if let Some(folder) = &self.write {
            let fault = |error: io::Error| Failure::new(format!("{}: cannot be written: {error}", folder.display()));
            std::fs::create_dir_all(folder).map_err(fault)?;
            let all = pages();
            for (name, command) in &all {
                std::fs::write(folder.join(format!("{name}.1")), page(name, command)?).map_err(fault)?;
            }
            let _ = writeln!(anstream::stderr(), "{} pages in {}", all.len(), folder.display());
            return Ok(Outcome::AsWished);
        }
        let asked = self.name.as_ref().map_or("muster".to_owned(), |name| format!("muster-{name}"));
        let all = pages();
        let Some((name, command)) = all.iter().find(|(name, _)| *name == asked) else {
            let names: Vec<&str> = all.iter().filter_map(|(name, _)| name.strip_prefix("muster-")).collect();
            let hint = format!("there are {}", names.join(", "));
            return Err(Failure::new(format!("there is no page `{asked}`")).hint(Some(hint)));
        };
        io::stdout().lock().write_all(&page(name, command)?)?;
        Ok(Outcome::AsWished)
    }
}

/// Returns the program and each command of it, by the names of their pages.
fn pages() -> Vec<(String, Command)> {
    let mut root = Muster::command().disable_help_subcommand(true);
    root.build();
    let commands = root.get_subcommands().filter(|command| !command.is_hide_set());
    let named = commands.map(|command| (format!("muster-{}", command.get_name()), command.clone()));
    let mut all: Vec<(String, Command)> = named.collect();
    all.insert(0, ("muster".to_owned(), root.clone()));
    all
}

/// Writes a page as roff. It bears no date: the same version gives the same bytes.
fn page(name: &str, command: &Command) -> io::Result<Vec<u8>> {
    let version = format!("muster {}", env!("CARGO_PKG_VERSION"));
    let mut out = Vec::new();
    let page = Page::new(command.clone()).title(name.to_uppercase());
    page.source(version).manual("User Commands").render(&mut out)?;
    Ok(out)
}
