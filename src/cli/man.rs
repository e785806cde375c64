//! `muster man`.

use std::io;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};

use super::hosted::Hosted;
use super::{Failure, Muster, Outcome, output, reference};
use crate::model::text::plural;
use crate::settings::Given;

/// The source in the footer of each page.
const SOURCE: &str = concat!("muster ", env!("CARGO_PKG_VERSION"));

/// Print the manual page of muster or of one command, or write all of them
#[derive(Debug, Args)]
pub struct Man {
    /// Write all pages into this folder: muster.1, muster-serve.1, ..., muster.toml.5
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Print the reference of all commands as Markdown, for docs/commands.md
    #[arg(long, hide = true, conflicts_with_all = ["write", "name"])]
    markdown: bool,
    /// Print the page of this command, such as `serve`, or of the settings file, `toml`
    #[arg(conflicts_with = "write")]
    name: Option<String>,
}

impl Man {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        if self.markdown {
            output::stdout().generated(reference::page(&built()).as_bytes())?;
            return Ok(Outcome::AsWished);
        }

        if let Some(folder) = &self.write {
            let fault = |error: io::Error| Failure::new(format!("{}: cannot be written: {error}", folder.display()));
            std::fs::create_dir_all(folder).map_err(fault)?;
            let all = pages()?;
            for (name, text) in &all {
                std::fs::write(folder.join(name), text).map_err(fault)?;
            }
            let _ = writeln!(output::stderr(), "{} in {}", plural(all.len(), "page"), folder.display());
            return Ok(Outcome::AsWished);
        }

        let asked = self.name.as_deref().unwrap_or_default();
        let all = pages()?;
        let Some((_, text)) = all.iter().find(|(name, _)| called(name) == asked) else {
            let names: Vec<&str> = all.iter().map(|(name, _)| called(name)).filter(|name| !name.is_empty()).collect();
            let hint = format!("there are {}", names.join(", "));
            return Err(Failure::new(format!("there is no page of `{asked}`")).hint(Some(hint)));
        };

        output::stdout().generated(text)?;
        Ok(Outcome::AsWished)
    }
}

/// Returns a page's name on the command line: `serve` for `muster-serve.1`, nothing for `muster.1`.
fn called(file: &str) -> &str {
    let name = file.strip_prefix("muster").unwrap_or(file).trim_start_matches(['-', '.']);
    name.rsplit_once('.').map_or("", |(name, _)| name)
}

/// Returns all pages as roff, by file name: of the program, of each command, of the settings file.
///
/// They have no date: the same version gives the same bytes.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let root = built();
    let mut all = vec![("muster.1".to_owned(), page("muster", &root)?)];
    for command in root.get_subcommands() {
        let name = format!("muster-{}", command.get_name());
        all.push((format!("{name}.1"), page(&name, command)?));
    }
    all.push(("muster.toml.5".to_owned(), settings()?));
    Ok(all)
}

/// Returns the whole command line, with the full names of its parts.
fn built() -> Command {
    let mut root = Muster::command().disable_help_subcommand(true);
    root.build();
    root
}

fn page(name: &str, command: &Command) -> io::Result<Vec<u8>> {
    let page = Page::new(command.clone()).title(name.to_uppercase());
    let mut out = Vec::new();
    page.source(SOURCE).manual("User Commands").render(&mut out)?;
    Ok(out)
}

/// Writes the page of the settings file: each key with its flag, its variable and its meaning.
fn settings() -> io::Result<Vec<u8>> {
    let mut page = Roff::new();
    page.control("TH", ["MUSTER.TOML", "5", "", SOURCE, "File Formats"]);
    let section = |page: &mut Roff, name: &str| {
        page.control("SH", [name]);
    };

    section(&mut page, "NAME");
    page.text([roman("muster.toml - the settings of a host that runs muster")]);
    section(&mut page, "DESCRIPTION");
    page.text([roman(
        "A TOML file that --config or MUSTER_CONFIG names. A flag wins over its variable, and both over the file. \
         A relative path in the file begins at the file's folder. `muster settings` shows what they come to. \
         A key with a point in it stands in a table: fetch.interval is interval in [fetch].",
    )]);

    section(&mut page, "KEYS");
    for setting in Given::augment_args(Hosted::augment_args(Command::new("muster"))).get_arguments() {
        let (Some(long), Some(variable)) = (setting.get_long(), setting.get_env()) else { continue };
        if long == "config" {
            continue;
        }
        let help = setting.get_help().map(ToString::to_string).unwrap_or_default();
        page.control("TP", []);
        page.text([bold(setting.get_id().as_str())]);
        page.text([roman(format!("{help}."))]);
        page.control("br", []);
        page.text([roman("--"), roman(long), roman(", "), roman(variable.to_string_lossy())]);
    }

    section(&mut page, "FILES");
    page.text([roman("/etc/muster/muster.toml, where muster is installed from a package")]);
    section(&mut page, "SEE ALSO");
    page.text([roman("muster-serve(1), muster-settings(1)")]);
    let mut out = Vec::new();
    page.to_writer(&mut out)?;

    Ok(out)
}
