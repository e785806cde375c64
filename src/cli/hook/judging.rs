//! Judges a push: a check with a deadline, and a comparison that is skipped if it takes too long.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::change;
use crate::model::text::plural;
use crate::model::{Diagnostic, Revision, SafeText, Tree};
use crate::report::{self, ChangeReport};
use crate::snapshot::{self, Snapshot};

/// The number of lines of the comparison that a pusher sees.
const MAX_LINES: usize = 40;

/// The deadline of a waiting person.
pub struct Patience {
    pub since: Instant,
    pub within: Duration,
}

impl Patience {
    /// Returns the time left for judging. A tenth of the time is reserved for reporting the result.
    pub fn left(&self) -> Duration {
        (self.within - self.within / 10).saturating_sub(self.since.elapsed())
    }
}

/// The pushed commit, and its base, or why that is unknown.
pub struct Pushed {
    pub tree: Tree,
    pub revision: Revision,
    pub base: Result<(Tree, Revision), String>,
}

/// The result of a push.
pub enum Judged {
    /// Its checks fail.
    Unsound { findings: Vec<Diagnostic>, tree: Tree },
    /// It violates guard rails; the findings are those of the rails, and the warnings of the check.
    Breaches { findings: Vec<Diagnostic>, stat: SafeText, tree: Tree },
    /// It may be accepted; the findings are warnings.
    Sound { told: SafeText, findings: Vec<Diagnostic>, tree: Tree },
    /// The comparison did not complete.
    Nothing,
    /// The time was over before it was checked.
    TooLong,
}

/// The result of the comparison with the previous commit.
enum Compared {
    Told {
        stat: SafeText,
        findings: Vec<Diagnostic>,
        is_sound: bool,
    },
    /// Why there is nothing to compare with.
    NoBase(String),
}

/// Judges a push; checks and compares it until the deadline.
pub fn judge(pushed: Pushed, branch: &str, patience: &Patience) -> Judged {
    let Pushed { tree, revision, base } = pushed;
    let checks = format!("{} checks", revision.short());
    let (give, head) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    let branch = branch.to_owned();

    // The base is built in parallel with the head, on its own threads: a slow base must not delay
    // the commit that fixes it. Threads are not joined after the deadline: they end with the
    // process.
    thread::spawn(move || {
        let compare = move || compared(base, &head, &branch);
        let compared = match rayon::ThreadPoolBuilder::new().build() {
            Ok(pool) => pool.install(compare),
            Err(_) => compare(),
        };
        // The receiver is gone if the checks of the head fail, or the time is over.
        compared.map(|compared| answer.send(compared))
    });

    let (check, checked) = mpsc::channel();
    thread::spawn(move || {
        let built = snapshot::build(&tree, revision);
        // The receiver is gone if the time is over.
        let _ = check.send((built, tree));
    });

    let ((snapshot, mut findings), tree) = match checked.recv_timeout(patience.left()) {
        Ok(checked) => checked,
        Err(mpsc::RecvTimeoutError::Timeout) => return Judged::TooLong,
        Err(mpsc::RecvTimeoutError::Disconnected) => return Judged::Nothing,
    };

    let Some(snapshot) = snapshot.map(Arc::new) else { return Judged::Unsound { findings, tree } };
    // A failed thread sends no answer.
    let _ = give.send(snapshot);

    match answered.recv_timeout(patience.left()) {
        Ok(Compared::Told { stat, findings: of_rails, is_sound: false }) => {
            findings.extend(of_rails);
            Judged::Breaches { findings, stat, tree }
        }
        Ok(Compared::Told { stat, findings: of_rails, is_sound: true }) => {
            findings.extend(of_rails);
            Judged::Sound { told: stat, findings, tree }
        }
        Ok(Compared::NoBase(why)) => {
            let told = format!("{checks}; {why}, so nothing is compared and no guard rail is judged");
            let told = SafeText::lines([told]);
            Judged::Sound { told, findings, tree }
        }
        Err(mpsc::RecvTimeoutError::Timeout) => {
            let told = format!(
                "{checks}; SKIPPED, as it takes longer than {:?}: what it changes, and the guard rails, which `muster \
                 serve` judges before it takes the commit",
                patience.within
            );
            let told = SafeText::lines([told]);
            Judged::Sound { told, findings, tree }
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => Judged::Nothing,
    }
}

/// Compares with the base once the head is built; `None` if it is not.
fn compared(
    base: Result<(Tree, Revision), String>,
    head: &mpsc::Receiver<Arc<Snapshot>>,
    branch: &str,
) -> Option<Compared> {
    let (tree, revision) = match base {
        Ok(base) => base,
        Err(why) => return Some(Compared::NoBase(why)),
    };

    let (old, findings) = snapshot::build(&tree, revision.clone());
    let label = format!("{branch} ({})", revision.short());
    let Some(old) = old else {
        return Some(Compared::NoBase(format!("{label} does not check ({})", report::count(&findings))));
    };

    let new = head.recv().ok()?;
    let change = change::compare(&Arc::new(old), &new, None);
    let folds = change::fold(&change);
    let judgement = change::judge(&change, &folds);
    let (findings, is_sound) = (judgement.findings(), judgement.is_sound());

    // The findings include those of the rails.
    let report = ChangeReport { change: &change, folds, judgement: None, base: &label, head: new.revision().short() };
    Some(Compared::Told { stat: first_lines(&report.text(true, false)), findings, is_sound })
}

/// Shortens a text in the middle, with a note: its last line is the summary.
fn first_lines(text: &SafeText) -> SafeText {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= MAX_LINES {
        return text.clone();
    }
    let (first, last) = (&lines[..MAX_LINES - 3], lines[lines.len() - 1]);
    let more = lines.len() - first.len() - 1;
    let mut short = SafeText::lines(first);
    short.push_line(&format!("… and {} of `muster diff --stat`", plural(more, "more line")));
    short.push_line("");
    short.push_line(last);
    short
}
