//! `muster schema`.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, Outcome, output};
use crate::desired::schema;
use crate::model::text::plural;
use crate::settings::Given;
use crate::view::{BootsView, DiffView, DriftView, EventView, FindingList, LogView, ObservedFile};

/// Print the JSON schemas of the cluster repository and of reports, or write them for editors
///
/// A file that begins with `#:schema ../schemas/NAME.schema.json` gets completion and errors in editors that know
/// TOML schemas (Tombi, Even Better TOML).
#[derive(Debug, Args)]
pub struct Schema {
    /// Write the schemas into the folder `schemas` of this cluster repository
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Print only this schema, such as `cluster`
    #[arg(conflicts_with = "write")]
    name: Option<String>,
}

impl Schema {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        if let Some(folder) = &self.write {
            let folder = folder.join("schemas");
            let fault =
                |error: std::io::Error| Failure::new(format!("{}: cannot be written: {error}", folder.display()));
            std::fs::create_dir_all(&folder).map_err(fault)?;
            let all = all();
            for (name, text) in &all {
                std::fs::write(folder.join(name), text).map_err(fault)?;
            }
            let _ = writeln!(output::stderr(), "{} in {}", plural(all.len(), "schema"), folder.display());
            return Ok(Outcome::AsWished);
        }

        let all = all();
        let wanted = |name: &str| self.name.as_ref().is_none_or(|wanted| name.split('.').next() == Some(wanted));
        let found: Vec<&(&str, String)> = all.iter().filter(|(name, _)| wanted(name)).collect();

        if found.is_empty() {
            let names: Vec<&str> = all.iter().filter_map(|(name, _)| name.split('.').next()).collect();
            let asked = self.name.unwrap_or_default();
            let hint = format!("there are {}", names.join(", "));
            return Err(Failure::new(format!("there is no schema `{asked}`")).hint(Some(hint)));
        }

        let mut out = output::stdout();
        for (_, text) in found {
            out.generated(text.as_bytes())?;
        }

        Ok(Outcome::AsWished)
    }
}

/// Returns all schemas: of the files of the cluster repository and of host settings, of the JSON
/// output of `muster check`, `muster boots`, `muster diff`, `muster log` and `muster drift`, of the
/// lines of
/// `muster events`, and of the file that `muster discover --export` writes.
fn all() -> Vec<(&'static str, String)> {
    let mut all = schema::all();
    all.extend([
        BootsView::schema(),
        DiffView::schema(),
        DriftView::schema(),
        EventView::schema(),
        FindingList::schema(),
        LogView::schema(),
        ObservedFile::schema(),
    ]);

    all.push(("settings.schema.json", schema::text::<Given>("A host's settings: muster.toml")));
    all.sort_unstable();
    all
}
