//! `muster hook pre-receive`.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use clap::Args;

use super::super::apart::Bounds;
use super::super::{Failure, Outcome, output, watch};
use super::history::PushedHistory;
use super::judging::{self, Judged, Patience, Pushed};
use crate::git::{GitError, Repo, Update, Wanted};
use crate::model::text::plural;
use crate::model::{Code, Diagnostic, Revision, SafeText, Severity, Tree, parse_duration};
use crate::report;
use crate::settings::{BuildSettings, GivenBuild, SettingsError};

/// The maximum size of git's input in bytes: 600,000 references.
const MAX_LINES_BYTES: u64 = 64 * 1024 * 1024;

/// The number of findings that a pusher sees.
const MAX_FINDINGS: usize = 20;

/// The number of secrets among them, whatever other findings there are.
const MAX_SECRETS: usize = 5;

/// Check a push as git's pre-receive hook; git runs this with the references on standard input
///
/// Only the served branch is checked; everything else passes. A commit that fails its checks or violates a guard rail
/// of policy.toml is refused with the reason, and with it the whole push. For a good one the pusher sees the effect.
/// Everything ends within --within: a commit that is not checked by then is refused, and a comparison that is not
/// finished by then is skipped with a warning. Only the newest commit is checked, because only it is served; the commits
/// below it are searched for secrets in clear, which git would keep.
///
/// Exit codes: 0 accepted, 1 refused, 2 refused because it could not be judged.
#[derive(Debug, Args)]
pub struct PreReceive {
    /// The served branch [default: the branch of HEAD]
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// The folder of the cluster inside the repository
    #[arg(long, value_name = "DIR", default_value = "")]
    path: String,
    /// The time limit
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    within: Duration,
    /// The memory limit for building one commit, in MiB; a commit that exceeds it is refused [default: 4096]
    #[arg(long, value_name = "MIB", env = "MUSTER_BUILD_MAX_MIB")]
    build_max_mib: Option<u32>,
    /// Refuse a push with warnings too, also of secrets in any of its commits
    #[arg(long)]
    strict: bool,
}

impl PreReceive {
    /// Returns the limits of the builds: of the pushed commit, and of the one before it.
    pub fn bounds(&self) -> Result<Bounds, SettingsError> {
        let given = GivenBuild { timeout: None, max_mib: self.build_max_mib };
        let BuildSettings { max_bytes, .. } = given.complete()?;
        Ok(Bounds { timeout: self.within, max_bytes, commits: 2 })
    }

    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Failure> {
        watch::within(self.within, too_long(self.within), || self.judge())
    }

    fn judge(&self) -> Result<Outcome, Failure> {
        let patience = Patience { since: Instant::now(), within: self.within };
        let updates = updates(io::stdin().lock())?;
        let repo = Repo::pushed()?;
        let name = repo.full_name(&Wanted::new(self.branch.as_deref(), None))?;
        let Some(update) = updates.into_iter().find(|update| update.reference == name) else {
            return Ok(Outcome::AsWished);
        };

        let branch = name.strip_prefix("refs/heads/").unwrap_or(&name).to_owned();
        let Update { old, new, .. } = update;
        let Some(new) = new else {
            say(&SafeText::lines([
                format!("{branch} is not deleted: nodes boot by it"),
                "  hint: to serve another branch, change --branch of the hook and of `muster serve` first".into(),
            ]));
            return Ok(Outcome::Findings);
        };

        let sub = self.path.trim_matches('/').to_owned();
        let push = Push { repo: &repo, branch, sub, old, new, is_strict: self.strict };
        push.judge(&patience)
    }
}

/// Reads git's input.
fn updates(input: impl Read) -> Result<Vec<Update>, Failure> {
    let mut bytes = Vec::new();
    let read = input.take(MAX_LINES_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(format!("what is pushed cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_LINES_BYTES {
        return Err(Failure::new("more references are pushed at once than any repository has"));
    }

    // A name that is not UTF-8 cannot be the served one.
    let text = String::from_utf8_lossy(&bytes);
    let hint = "git runs this as the hook pre-receive, with `OLD NEW REF` on each line of standard input";

    let parse = |line: &str| {
        let fault = || Failure::new(format!("`{}` is no line of a push", line.escape_debug()));
        Update::parse(line).ok_or_else(|| fault().hint(Some(hint.into())))
    };

    text.lines().map(parse).collect()
}

/// A push to the served branch.
struct Push<'r> {
    repo: &'r Repo,
    branch: String,
    sub: String,
    old: Option<Revision>,
    new: Revision,
    is_strict: bool,
}

impl Push<'_> {
    fn judge(&self, patience: &Patience) -> Result<Outcome, Failure> {
        let tree = self.repo.tree(&self.new, &self.sub)?;
        let base = self.base();
        self.tell_left_out(patience);
        let pushed = Pushed { tree, revision: self.new.clone(), base };

        match judging::judge(pushed, &self.branch, patience) {
            Judged::TooLong => Err(too_long(patience.within)),
            Judged::Nothing => {
                let hint =
                    "a fault of muster's own, whose words stand above; `muster diff` in your clone should show it too";
                Err(Failure::new("comparing failed, so nothing is taken").hint(Some(hint.into())))
            }
            Judged::Unsound { findings, tree } => {
                self.history(patience)?;
                Ok(self.refuse(&findings, &tree, "mend them, and push again"))
            }
            Judged::Breaches { findings, stat, tree } => {
                say(&stat);
                self.history(patience)?;
                let next = "if it is wished, allow it as told above, and push again; `muster diff` tells all";
                Ok(self.refuse(&findings, &tree, next))
            }
            Judged::Sound { told, findings, tree } => {
                let is_clean = self.history(patience)?;
                if self.is_strict && (!is_clean || !findings.is_empty()) {
                    return Ok(self.refuse(&findings, &tree, "the hook is strict: mend the warnings, and push again"));
                }
                say(&report::text(&findings, &tree, &self.prefix(), false));
                say(&told);
                Ok(Outcome::AsWished)
            }
        }
    }

    /// Reports the secrets that the push leaves in the history, and returns whether there are none.
    ///
    /// A history that cannot be searched is reported; only a strict hook refuses it.
    fn history(&self, patience: &Patience) -> Result<bool, Failure> {
        let history = PushedHistory { repo: self.repo, sub: &self.sub, old: self.old.as_ref(), new: &self.new };
        match history.secrets(patience) {
            Ok(found) => {
                say(&found.text());
                Ok(found.is_empty() && found.unsearched.is_none())
            }
            Err(error) if self.is_strict => Err(error.into()),
            Err(error) => {
                say(&SafeText::lines([format!("note: the commits of the push are not searched for secrets: {error}")]));
                Ok(true)
            }
        }
    }

    /// Reads the current tree, or returns why there is none, which does not prevent a push that
    /// fixes it.
    fn base(&self) -> Result<(Tree, Revision), String> {
        let Some(old) = &self.old else { return Err("there is no commit before it".into()) };
        match self.repo.tree(old, &self.sub) {
            Ok(tree) => Ok((tree, old.clone())),
            Err(GitError::NoSuchFolder { .. }) => Err(format!("{} has no `{}`", old.short(), self.sub)),
            Err(error) => Err(format!("{} cannot be read ({error})", old.short())),
        }
    }

    fn tell_left_out(&self, patience: &Patience) {
        let Some(old) = self.old.as_ref().filter(|_| !patience.left().is_zero()) else { return };
        let commits = match self.repo.left_out(old, &self.new) {
            Ok(0) => return,
            Ok(1) => "1 commit is".to_owned(),
            Ok(many) => format!("{many} commits are"),
            Err(error) => {
                let (branch, old) = (&self.branch, old.short());
                return say(&SafeText::lines([format!("how {branch} went on from {old} is not known: {error}")]));
            }
        };
        say(&SafeText::lines([format!("{} leaves what it was: {commits} left out", self.branch)]));
    }

    fn refuse(&self, findings: &[Diagnostic], tree: &Tree, next: &str) -> Outcome {
        let (gravest, more) = gravest(findings);
        say(&report::text(&gravest, tree, &self.prefix(), false));
        let mut last = SafeText::default();
        if more > 0 {
            let more = plural(more, "more finding");
            last.push_line(&format!("… and {more}: `muster check` in your clone tells all"));
        }
        let (branch, short) = (&self.branch, self.new.short());
        last.push_line(&format!("{branch} is not moved to {short}: {}", report::count(findings)));
        last.push_line(&format!("  hint: {next}"));
        say(&last);
        Outcome::Findings
    }

    fn prefix(&self) -> String {
        if self.sub.is_empty() { String::new() } else { format!("{}/", self.sub) }
    }
}

/// Returns the failure for an exceeded deadline.
fn too_long(within: Duration) -> Failure {
    let hint = "something in it takes long; `muster check` in your clone says what, if it ends. If the repository is large, \
                raise --within of the hook";
    Failure::new(format!("the commit is not checked within {within:?}, so nothing is taken")).hint(Some(hint.into()))
}

/// Selects the findings that a pusher sees, and counts the others: errors first, but always some
/// secrets, which git would keep if they were pushed again with all else fixed.
fn gravest(findings: &[Diagnostic]) -> (Vec<Diagnostic>, usize) {
    let is_secret = |finding: &Diagnostic| finding.code == Code::ClearSecret;
    let (mut secrets, mut shown): (Vec<Diagnostic>, Vec<Diagnostic>) =
        findings.iter().cloned().partition(|finding| is_secret(finding));
    shown.sort_by_key(|finding| finding.severity() != Severity::Error);
    secrets.truncate(MAX_SECRETS.max(MAX_FINDINGS.saturating_sub(shown.len())));
    shown.truncate(MAX_FINDINGS.saturating_sub(secrets.len()));
    shown.append(&mut secrets);
    let more = findings.len() - shown.len();
    (shown, more)
}

/// Writes to the pusher through git; the result does not depend on whether the pusher is still
/// connected.
fn say(text: &SafeText) {
    let _ = output::stderr().safe(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_never_writes_is_refused() {
        assert_eq!(updates(&b""[..]).expect("nothing is pushed"), []);
        let fault = updates(&b"1234 5678 refs/heads/main\n"[..]).expect_err("these are no ids");
        assert!(format!("{fault:?}").contains("is no line of a push"), "{fault:?}");
    }
}
