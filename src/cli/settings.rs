//! `muster settings`.

use clap::Args;

use super::hosted::Hosted;
use super::{Failure, Format, Outcome, output};
use crate::desired::advertise_fault;
use crate::settings::Given;

/// Print the settings of this host, from flags, variables and the settings file
///
/// Takes the flags of `muster serve`. Unset settings are omitted and have the defaults of `muster serve --help`. The
/// text output is a settings file.
///
/// Exit codes: 0 the settings can be used, 2 they cannot.
#[derive(Debug, Args)]
pub struct Settings {
    #[command(flatten)]
    hosted: Hosted,
    #[command(flatten)]
    given: Given,
    /// The output format: a settings file or JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Settings {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let given = self.hosted.all(self.given)?;
        let mut out = output::stdout();
        match self.format {
            Format::Text => {
                let text = toml::to_string(&given).map_err(|error| Failure::from_error(&error))?;
                out.document(&text)?;
            }
            Format::Json => out.json(&given)?,
        }
        given.complete(advertise_fault)?;
        Ok(Outcome::AsWished)
    }
}
