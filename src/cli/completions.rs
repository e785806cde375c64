//! `muster completions`.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Failure, Muster, Outcome, output};

/// Print shell completions
///
/// bash: `muster completions bash >/usr/share/bash-completion/completions/muster`; zsh: a file `_muster` in a folder
/// of `$fpath`; fish: `muster completions fish >~/.config/fish/completions/muster.fish`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut Muster::command(), "muster", &mut script);
        output::stdout().generated(&script)?;
        Ok(Outcome::AsWished)
    }
}
