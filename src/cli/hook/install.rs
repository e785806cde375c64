//! `muster hook install` and `muster hook uninstall`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::{Failure, Outcome, output};
use crate::git;

/// The line that distinguishes our hook from others.
const MARK: &str = "# Written by `muster hook install`; `muster hook uninstall` takes it away.";

/// Install `muster hook pre-receive` into a repository of a git server
///
/// A pre-receive hook of another origin is left alone. Running the command again updates the hook.
#[derive(Debug, Args)]
pub struct Install {
    /// The repository that people push to
    repo: PathBuf,
    /// The served branch [default: the branch of HEAD]
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// The folder of the cluster inside the repository
    #[arg(long, value_name = "DIR", default_value = "")]
    path: String,
    /// Refuse pushes with warnings too, also of secrets in any of their commits
    #[arg(long)]
    strict: bool,
    /// Write into a hook folder that is shared with other repositories (core.hooksPath)
    #[arg(long)]
    shared: bool,
    /// Print the hook instead of writing it
    #[arg(long)]
    dry_run: bool,
}

/// Remove the hook that `muster hook install` wrote
#[derive(Debug, Args)]
pub struct Uninstall {
    /// The repository that people push to
    repo: PathBuf,
    /// Remove it from a hook folder that is shared with other repositories (core.hooksPath)
    #[arg(long)]
    shared: bool,
}

impl Install {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let hook = place(&self.repo, self.shared)?;
        let text = self.script()?;
        let mut out = output::stdout();

        match found(&hook)? {
            Found::Foreign => return Err(foreign(&hook, &self.line()?)),
            Found::Ours(old) if old == text && is_executable(&hook) => {
                writeln!(out, "{} is as it should be", hook.display())?;
                return Ok(Outcome::AsWished);
            }
            Found::Ours(_) | Found::Nothing => {}
        }

        if self.dry_run {
            writeln!(out, "{} would be:", hook.display())?;
            writeln!(out)?;
            out.document(&text)?;
            return Ok(Outcome::AsWished);
        }

        write_hook(&hook, &text).map_err(|error| cannot(&hook, "written", &error))?;
        let branch =
            self.branch.as_deref().map_or_else(|| "the branch that HEAD names".into(), |name| format!("`{name}`"));
        writeln!(out, "{}: every push to {branch} is judged from now on", hook.display())?;

        Ok(Outcome::AsWished)
    }

    /// Returns the command that the hook runs.
    fn line(&self) -> Result<String, Failure> {
        let mut line = format!("{} hook pre-receive", quoted(&program()?));
        if let Some(branch) = &self.branch {
            line.push_str(&format!(" --branch {}", quoted(branch)));
        }
        if !self.path.is_empty() {
            line.push_str(&format!(" --path {}", quoted(&self.path)));
        }
        if self.strict {
            line.push_str(" --strict");
        }
        Ok(line)
    }

    fn script(&self) -> Result<String, Failure> {
        let program = quoted(&program()?);
        Ok(format!(
            "#!/bin/sh\n{MARK}\n\
             if ! [ -x {program} ]; then\n    \
             echo 'muster is not where it was, so nothing is taken: install it again, and run `muster hook install`' >&2\n    \
             exit 1\nfi\nexec {}\n",
            self.line()?
        ))
    }
}

impl Uninstall {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let hook = place(&self.repo, self.shared)?;
        let said = match found(&hook)? {
            Found::Nothing => "there is no hook",
            Found::Foreign => {
                let hint = "take the line out that runs `muster hook pre-receive`";
                let failure = Failure::new(format!("{}: muster did not write this hook", hook.display()));
                return Err(failure.hint(Some(hint.into())));
            }
            Found::Ours(_) => {
                fs::remove_file(&hook).map_err(|error| cannot(&hook, "removed", &error))?;
                "removed; pushes are judged no more"
            }
        };

        writeln!(output::stdout(), "{}: {said}", hook.display())?;
        Ok(Outcome::AsWished)
    }
}

/// The present state of the hook's path.
enum Found {
    Nothing,
    Ours(String),
    Foreign,
}

fn found(hook: &Path) -> Result<Found, Failure> {
    let meta = match fs::symlink_metadata(hook) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(cannot(hook, "read", &error)),
    };

    // A link leads to a file that others use.
    if !meta.is_file() {
        return Ok(Found::Foreign);
    }

    let bytes = fs::read(hook).map_err(|error| cannot(hook, "read", &error))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) if text.lines().nth(1) == Some(MARK) => Found::Ours(text),
        Ok(_) | Err(_) => Found::Foreign,
    })
}

fn foreign(hook: &Path, line: &str) -> Failure {
    let hint = "let it hand its standard input on: let it begin with `input=$(cat)`, and run";
    let failure = Failure::new(format!("{}: there is a hook that muster did not write", hook.display()));
    failure.hint(Some(hint.into())).commands(vec![format!("printf '%s\\n' \"$input\" | {line} || exit 1")])
}

/// Returns the path of the hook.
fn place(repo: &Path, shared: bool) -> Result<PathBuf, Failure> {
    let (folder, is_own) = git::to_be_hooked(repo)?.hooks()?;
    if !is_own && !shared {
        let message =
            format!("{}: core.hooksPath leads here, where other repositories may have theirs", folder.display());
        return Err(Failure::new(message).hint(Some("say --shared to judge the pushes of them all".into())));
    }
    Ok(folder.join("pre-receive"))
}

/// Returns the path of this program, which the hook runs.
fn program() -> Result<String, Failure> {
    let path =
        std::env::current_exe().map_err(|error| Failure::new(format!("where muster lies is not known: {error}")))?;
    let path = path.into_os_string().into_string();
    path.map_err(|path| Failure::new(format!("{}: a hook needs a path in UTF-8", path.to_string_lossy())))
}

/// Quotes a word for sh.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o111 == 0o111)
}

/// Writes the hook next to its final path, and renames it, so that no push runs a partial hook.
fn write_hook(hook: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = hook.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = hook.with_extension("muster-new");
    fs::write(&beside, text)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755))?;
    fs::rename(&beside, hook)
}

fn cannot(hook: &Path, what: &str, error: &io::Error) -> Failure {
    let hint = "run it as the account that owns the repository";
    Failure::new(format!("{} cannot be {what}: {error}", hook.display())).hint(Some(hint.into()))
}
