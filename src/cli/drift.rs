//! `muster drift`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;

use super::hosted::Hosted;
use super::observations::Seen;
use super::source::{Source, Wishes};
use super::{Failure, Outcome, node_set, output};
use crate::desired::FailOn;
use crate::drift::{self, Exit, Options};
use crate::model::text::{plural, verb};
use crate::report::{self, DriftReport, Format};
use crate::roll;
use crate::snapshot::Snapshot;

/// Compare observed machines with the desired state
///
/// The observations come from the store that `muster discover` and `muster serve` write, from a running server, or
/// from an exported file; no BMC is contacted.
///
/// Exit codes: 0 as desired, 1 drift, 2 trouble, 3 no drift, but something is unknown.
#[derive(Debug, Args)]
pub struct Drift {
    /// Compare only these nodes: a name, or a node set such as 'nid[0001-0008]' or '@compute'
    nodes: Option<String>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    hosted: Hosted,
    #[command(flatten)]
    seen: Seen,
    /// Compare as of this time, such as 2026-11-23T03:00:00Z, instead of now
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The number of surveys that must observe a difference before it counts [default: that of policy.toml, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4))]
    confirm: Option<u32>,
    /// The conditions for an exit code other than 0: drift, unknown>1%, pending, settling, stale>24h, undeclared
    #[arg(long, value_name = "CONDITIONS", value_delimiter = ',', value_parser = FailOn::parse)]
    fail_on: Vec<FailOn>,
    /// The format on stdout: text, json, markdown, junit, sarif or github
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Also write a report to a file, such as sarif=drift.sarif; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = output)]
    output: Vec<(Format, PathBuf)>,
    #[command(flatten)]
    exceptions: Exceptions,
}

/// The options that turn drift into exceptions.
#[derive(Debug, Args)]
struct Exceptions {
    /// Write an exception for all drift of nodes to this new file under exceptions/
    #[arg(long, value_name = "NAME", requires = "owner", requires = "expires")]
    write_exceptions: Option<String>,
    /// The owner of the exceptions
    #[arg(long, value_name = "WHO", requires = "write_exceptions")]
    owner: Option<String>,
    /// The last day of the exceptions
    #[arg(long, value_name = "DATE", requires = "write_exceptions")]
    expires: Option<Date>,
    /// The reason for the exceptions
    #[arg(long, value_name = "WHY", requires = "write_exceptions")]
    reason: Option<String>,
}

impl Drift {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        // In parallel: neither keeps all cores busy.
        let (wished, observed) = rayon::join(|| self.wished(), || self.seen.read(&self.hosted));
        let (wishes, snapshot) = wished?;
        let nodes = self.nodes.as_deref().map(|set| node_set::nodes(&snapshot, set)).transpose()?;
        let observed = roll::declared(&snapshot, observed?);
        let at = self.at.unwrap_or_else(Timestamp::now).as_millisecond();
        let drift = drift::compare(&snapshot, &observed, at, &Options { confirm: self.confirm, nodes });
        let report = DriftReport { drift: &drift, snapshot: &snapshot, tree: &wishes.tree, prefix: &wishes.from_root };

        for (format, file) in &self.output {
            let failed = |error| Failure::new(format!("{}: cannot be written: {error}", file.display()));
            std::fs::write(file, report.write(*format, false).as_str()).map_err(failed)?;
        }

        self.exceptions.write(&wishes, &drift)?;
        let mut out = output::stdout();

        // A person opens the files from here; a program, from the root of the repository.
        let prefix = if self.format == Format::Text { &wishes.prefix } else { &wishes.from_root };
        let text = DriftReport { prefix, ..report }.write(self.format, out.is_terminal());
        out.safe(&text)?;
        let policy = &snapshot.desired().policy;
        let conditions = if self.fail_on.is_empty() { &policy.fail_on } else { &self.fail_on };

        Ok(match drift::exit(&drift, conditions, policy.stale_after) {
            Exit::AsWished => Outcome::AsWished,
            Exit::Findings => Outcome::Findings,
            Exit::Unjudged => Outcome::Unjudged,
        })
    }

    fn wished(&self) -> Result<(Wishes, Snapshot), Failure> {
        let wishes = self.source.read(None)?;
        let snapshot = wishes.built()?;
        Ok((wishes, snapshot))
    }
}

fn output(text: &str) -> Result<(Format, PathBuf), String> {
    let (format, file) = text.split_once('=').ok_or("write FORMAT=FILE, such as sarif=drift.sarif")?;
    if file.is_empty() {
        return Err("the name of the file is missing".into());
    }
    Ok((format.parse().map_err(|error: report::UnknownFormat| error.to_string())?, file.into()))
}

impl Exceptions {
    /// Writes the requested exceptions, if any.
    fn write(&self, wishes: &Wishes, drift: &drift::Drift) -> Result<(), Failure> {
        let (Some(name), Some(owner), Some(expires)) = (&self.write_exceptions, &self.owner, self.expires) else {
            return Ok(());
        };

        let Some(folder) = &wishes.folder else {
            return Err(Failure::new("exceptions are written to a work tree, and --rev reads none"));
        };

        let name = name.trim_start_matches("exceptions/").trim_end_matches(".toml");
        if name.is_empty() || name.contains('/') {
            return Err(Failure::new(format!("`{name}` is no name of a file under exceptions/")));
        }

        let path = folder.join("exceptions").join(format!("{name}.toml"));
        let (text, count) = report::exceptions(drift, owner, expires, self.reason.as_deref());
        let mut stderr = output::stderr();

        if count == 0 {
            let _ = writeln!(stderr, "there is no drift to except; nothing is written");
            return Ok(());
        }

        let failed = |error: std::io::Error| {
            let hint = (error.kind() == std::io::ErrorKind::AlreadyExists).then(|| "name another file".into());
            Failure::new(format!("{}: cannot be written: {error}", path.display())).hint(hint)
        };

        std::fs::create_dir_all(folder.join("exceptions")).map_err(failed)?;
        let mut file = std::fs::File::create_new(&path).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;

        let _ = writeln!(
            stderr,
            "{} {} written to {}; review and commit",
            plural(count, "exception"),
            verb(count, "is", "are"),
            path.display()
        );

        Ok(())
    }
}
