//! Drift that somebody answers for until a day.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Excused, Verdict, canonical};
use crate::desired::{Desired, Exception};
use crate::model::{Code, Diagnostic};

/// The exceptions of a commit on one day.
pub struct Exceptions<'d> {
    desired: &'d Desired,
    today: jiff::civil::Date,
    /// Indices of exceptions by node and attribute.
    by_attribute: HashMap<(u32, &'d str), Vec<usize>>,
    used: Vec<AtomicBool>,
}

impl<'d> Exceptions<'d> {
    /// Takes the exceptions of a commit; `now` is in unix milliseconds.
    pub fn of(desired: &'d Desired, now: i64) -> Self {
        let today = Timestamp::from_millisecond(now).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC).date();
        let mut by_attribute: HashMap<_, Vec<usize>> = HashMap::new();
        for (at, exception) in desired.exceptions.iter().enumerate() {
            for node in &exception.nodes {
                by_attribute.entry((*node, &*exception.attribute)).or_default().push(at);
            }
        }
        let used = desired.exceptions.iter().map(|_| AtomicBool::new(false)).collect();
        Self { desired, today, by_attribute, used }
    }

    /// Excuses a difference, or says why its exception does not any more.
    pub fn judge(
        &self,
        node: usize,
        attribute: &str,
        seen: Option<&str>,
        verdict: Verdict,
    ) -> (Verdict, Option<Box<str>>) {
        let Some(all) = self.by_attribute.get(&(node as u32, attribute)) else { return (verdict, None) };
        let mut note = None;
        for at in all {
            let exception = &self.desired.exceptions[*at];
            if !covers(exception, seen) {
                let text = exception.seen.as_ref().map_or_else(|| "nothing".into(), canonical::text);
                note.get_or_insert_with(|| format!("{}'s exception is for `{text}` only", exception.owner).into());
                continue;
            }
            self.used[*at].store(true, Ordering::Relaxed);
            if self.today > exception.expires {
                note = Some(format!("{}'s exception ended with {}", exception.owner, exception.expires).into());
                continue;
            }
            let Exception { owner, reason, expires, origin, .. } = exception;
            let excused =
                Excused::Exception { owner: owner.clone(), reason: reason.clone(), until: *expires, origin: *origin };
            return (Verdict::Excepted(excused), None);
        }
        (verdict, note)
    }

    /// Tells of exceptions that excuse nothing; those of nodes that were not judged are passed over.
    pub fn unused(&self, is_judged: impl Fn(u32) -> bool) -> Vec<Diagnostic> {
        let all = self.desired.exceptions.iter().zip(&self.used);
        let unused = all.filter(|(exception, used)| {
            !used.load(Ordering::Relaxed) && exception.nodes.iter().all(|node| is_judged(*node))
        });
        unused
            .map(|(exception, _)| {
                let place = self.desired.sources.place(exception.origin);
                let message = format!("{}'s exception for `{}` excuses nothing", exception.owner, exception.attribute);
                Diagnostic::new(Code::UnusedException, place, message).hint("take it out")
            })
            .collect()
    }
}

/// An exception is for the value that was seen when it was written, and no other.
fn covers(exception: &Exception, seen: Option<&str>) -> bool {
    match (&exception.seen, seen) {
        (None, None) => true,
        (Some(value), Some(seen)) => {
            canonical::same(value, seen) || canonical::same_text(&canonical::text(value), seen)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}
