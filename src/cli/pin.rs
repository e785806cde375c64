//! `muster pin`, `muster unpin` and `muster allow-rewind`: orders to a running server.

use std::time::Duration;

use clap::Args;

use super::hosted::Hosted;
use super::{Failure, Outcome, api, output};
use crate::model::parse_duration;
use crate::model::text::subject;
use crate::view::{Ordered, PinOrder, RewindOrder, UnpinOrder};

/// The maximum duration of a pin with an end; `forever` requests a longer one.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Serve one commit instead of the newest, for some time
///
/// The server continues to follow the branch and to judge its commits, and
/// serves the newest when the pin ends: after --until, or by `muster unpin`.
/// A commit that fails its checks is not pinned. A pin survives a restart, and
/// `muster status` shows it, with exit code 1.
///
/// If the git host is down, push to the server's mirror and pin that commit:
///
///   git push /var/lib/muster/muster.mirror.git HEAD:refs/heads/break-glass
///   muster pin break-glass --reason 'git is down, and the new kernel panics'
///
/// Exit codes: 0 it is in service, 2 it is not, or no server answers.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Pin {
    #[command(flatten)]
    hosted: Hosted,
    /// The commit: a branch, a tag, an id or its first digits, or an expression such as main~3
    rev: String,
    /// The duration: 30m, 8h, 2d, or `forever`, which means until `muster unpin`
    #[arg(long, value_name = "TIME", default_value = "8h", value_parser = until)]
    until: Until,
    /// The reason, shown by `muster status`
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Pin it without the signature that --require-signed demands
    #[arg(long)]
    unsigned: bool,
}

/// Follow the branch again after `muster pin`
///
/// Exit codes: 0 the branch is followed, 2 nothing is pinned, or no server answers.
#[derive(Debug, Args)]
pub struct Unpin {
    #[command(flatten)]
    hosted: Hosted,
}

/// Let the branch go back to a commit, or to another history, if commits must be signed
///
/// With --require-signed, a commit that does not follow the newest accepted one is refused, because it may be a
/// replay of an old one. If the branch was rewound on purpose, name its current commit; it must be signed too.
///
/// Exit codes: 0 it is allowed, 2 it is not, or no server answers.
#[derive(Debug, Args)]
pub struct AllowRewind {
    #[command(flatten)]
    hosted: Hosted,
    /// The current commit of the branch: an id or its first digits
    rev: String,
}

/// The duration of a pin; `None` without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Until(Option<Duration>);

fn until(text: &str) -> Result<Until, String> {
    if text == "forever" {
        return Ok(Until(None));
    }
    match parse_duration(text).map_err(|fault| format!("{fault}, or `forever`"))? {
        length if length < Duration::from_secs(1) => Err("a pin lasts a second at least".into()),
        length if length > LONGEST => Err("a pin that ends by itself lasts 366d at most; `forever` has no end".into()),
        length => Ok(Until(Some(length))),
    }
}

/// Returns the author of the order according to this session; it is informative and proves nothing.
fn by() -> String {
    let said = |name: &str| std::env::var(name).ok().filter(|name| !name.is_empty());
    said("SUDO_USER").or_else(|| said("USER")).or_else(|| said("LOGNAME")).unwrap_or_default()
}

impl Pin {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let Self { hosted, rev, until: Until(length), reason, unsigned } = self;
        let seconds = length.map(|length| length.as_secs());
        let order = PinOrder { rev, seconds, reason, by: by(), unsigned };
        told(&api::order(&hosted.api()?, "/api/v1/pin", &order)?, false)
    }
}

impl Unpin {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        told(&api::order(&self.hosted.api()?, "/api/v1/unpin", &UnpinOrder { by: by() })?, true)
    }
}

impl AllowRewind {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        let order = RewindOrder { rev: self.rev, by: by() };
        told(&api::order(&self.hosted.api()?, "/api/v1/allow-rewind", &order)?, true)
    }
}

/// Prints the result, and the served commit if the order alone does not imply it.
fn told(ordered: &Ordered, says_served: bool) -> Result<Outcome, Failure> {
    let mut out = output::stdout();
    writeln!(out, "{}", ordered.done)?;
    if let Some(served) = ordered.served.as_ref().filter(|_| says_served) {
        writeln!(out, "serves {} {}", served.short, subject(&served.subject))?;
    }
    let mut err = output::stderr();
    for warning in ordered.warnings.iter().filter(|warning| **warning != ordered.done) {
        writeln!(err, "! {warning}")?;
    }
    Ok(Outcome::AsWished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_has_an_end_unless_it_is_said_to_have_none() {
        assert_eq!(until("forever"), Ok(Until(None)));
        assert_eq!(until("90m"), Ok(Until(Some(Duration::from_secs(5400)))));
        for text in ["", "0s", "10ms", "8", "ever", "367d"] {
            assert!(until(text).is_err(), "{text}");
        }
    }
}
