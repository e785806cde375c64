//! A pin in force: its remaining time and its description.
//!
//! It ends at its end time, or once it has been in force for its duration, whichever is first. So a
//! clock that is set back does not prolong it, and a server that was down over its end, or started
//! with a clock far behind, ends it as soon as the clock is right. A clock that is set forward past
//! its end ends it.

use std::time::{Duration, Instant};

use super::clock::rfc3339;
use super::words;
use crate::store::Pin;
use crate::view::{PinView, RevisionView};

/// The interval at which the log mentions the pin and the store records its remaining time.
const REMIND: Duration = Duration::from_secs(3600);

/// A pin, and when this process started to count.
pub struct Pinned {
    pub pin: Pin,
    /// When `pin.left` was correct.
    noted: Instant,
    /// Whether the store has the pin in its present form.
    pub is_stored: bool,
    /// The newest commit of the branch, if its checks pass.
    pub waits: Option<RevisionView>,
}

impl Pinned {
    /// Puts a pin in force.
    pub fn new(pin: Pin, is_stored: bool) -> Self {
        Self { pin, noted: Instant::now(), is_stored, waits: None }
    }

    /// Returns whether the pin has ended at a time in unix milliseconds.
    pub fn is_over(&self, now: i64) -> bool {
        left(&self.pin, now, self.noted.elapsed()).is_some_and(|left| left.is_zero())
    }

    /// Returns whether a reminder is due; if so, the remaining time is to be stored.
    pub fn reminds(&mut self) -> bool {
        let ran = self.noted.elapsed();
        if ran < REMIND {
            return false;
        }
        self.pin.left = self.pin.left.map(|left| spent(left, ran));
        self.noted = Instant::now();
        self.is_stored = false;
        true
    }

    /// Describes the pin for the status.
    pub fn view(&self) -> PinView {
        let Pin { revision, subject, since, until, left: _, by, reason, unsigned } = &self.pin;
        PinView {
            revision: RevisionView::new(revision, subject, rfc3339(*since)),
            until: until.map(rfc3339),
            by: by.to_string(),
            reason: reason.to_string(),
            unsigned: *unsigned,
            waits: self.waits.clone(),
        }
    }
}

/// Returns the remaining time of a pin at a time in unix milliseconds, after it was recorded `ran`
/// of running time ago, or `None` if it has no end.
fn left(pin: &Pin, now: i64, ran: Duration) -> Option<Duration> {
    let (until, left) = (pin.until?, pin.left?);
    let by_clock = u64::try_from(until.saturating_sub(now)).unwrap_or(0);
    Some(Duration::from_millis(by_clock.min(spent(left, ran))))
}

fn spent(left: u64, ran: Duration) -> u64 {
    left.saturating_sub(u64::try_from(ran.as_millis()).unwrap_or(u64::MAX))
}

/// Describes the pin in a sentence: the commit, its end, its author and its reason.
pub fn told(view: &PinView) -> String {
    let PinView { revision, until, by, reason, unsigned, waits } = view;
    let mut text = format!("pinned to {} ({}) since {}", revision.short, revision.subject, revision.at);
    match until {
        Some(until) => text.push_str(&format!(" until {until}")),
        None => text.push_str(" until `muster unpin`"),
    }

    if !by.is_empty() {
        text.push_str(&format!(" by {by}"));
    }

    if !reason.is_empty() {
        text.push_str(&format!(": {reason}"));
    }

    if *unsigned {
        text.push_str("; it needed no signature");
    }

    if let Some(waits) = waits {
        text.push_str(&format!("; the newest commit {} ({}) checks and waits", waits.short, waits.subject));
    }

    text
}

/// Turns text from a person into one line of bounded length.
pub fn one_line(text: &str, most: usize) -> Box<str> {
    words::one_line(text).chars().take(most).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Revision;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;

    fn pin(since: i64, length: Option<i64>) -> Pin {
        Pin {
            revision: Revision::commit("0123456789abcdef0123456789abcdef01234567"),
            subject: "the image of last week".into(),
            since,
            until: length.map(|length| since + length),
            left: length.map(|length| length as u64),
            by: "ada".into(),
            reason: "the new one does not boot".into(),
            unsigned: false,
        }
    }

    fn hours(hours: u64) -> Duration {
        Duration::from_secs(hours * 3600)
    }

    #[test]
    fn it_lasts_as_long_as_it_was_made_for() {
        let now = 1_767_225_600_000;
        let pin = pin(now, Some(8 * HOUR));
        assert_eq!(left(&pin, now, hours(0)), Some(hours(8)));
        assert_eq!(left(&pin, now + 5 * HOUR, hours(5)), Some(hours(3)));
        assert_eq!(left(&pin, now + 8 * HOUR, hours(8)), Some(hours(0)));
        // Down for four hours: the running time does not advance, the clock does.
        assert_eq!(left(&pin, now + 7 * HOUR, hours(3)), Some(hours(1)));
    }

    #[test]
    fn a_clock_that_jumps_makes_it_no_longer() {
        let now = 1_767_225_600_000;
        let pin = pin(now, Some(8 * HOUR));
        for back in [HOUR, 24 * HOUR, now] {
            assert_eq!(left(&pin, now - back, hours(3)), Some(hours(5)), "set back by {back}");
            assert_eq!(left(&pin, now - back, hours(8)), Some(hours(0)), "set back by {back}");
        }
        // Set forward past its end, it ends; set forward by less, it ends earlier by that amount.
        assert_eq!(left(&pin, now + 100 * HOUR, hours(1)), Some(hours(0)));
        assert_eq!(left(&pin, now + 2 * HOUR, hours(1)), Some(hours(6)));
        assert_eq!(left(&pin, i64::MIN, hours(1)), Some(hours(7)));
    }

    proptest! {
        #[test]
        fn it_never_lasts_longer_than_it_was_made_for(
            now in any::<i64>(), later in any::<i64>(), length in 1..1_000_000_000_i64, ran in 0..2_000_000_000_u64,
        ) {
            let pin = pin(now / 2, Some(length));
            let left = left(&pin, later, Duration::from_millis(ran)).unwrap();
            prop_assert!(left <= Duration::from_millis((length as u64).saturating_sub(ran)));
            prop_assert!(super::left(&super::tests::pin(now / 2, None), later, Duration::from_millis(ran)).is_none());
        }
    }

    #[test]
    fn it_is_told_in_one_sentence() {
        let mut pinned = Pinned::new(pin(1_767_225_600_000, Some(8 * HOUR)), true);
        assert_eq!(
            told(&pinned.view()),
            "pinned to 0123456789ab (the image of last week) since 2026-01-01T00:00:00Z until 2026-01-01T08:00:00Z by ada: \
             the new one does not boot"
        );
        pinned.pin = Pin { by: "".into(), reason: "".into(), unsigned: true, ..pin(1_767_225_600_000, None) };
        let waits = Revision::commit("fedcba9876543210fedcba9876543210fedcba98");
        pinned.waits = Some(RevisionView::new(&waits, "the next", "2026-01-01T01:00:00Z".into()));
        assert_eq!(
            told(&pinned.view()),
            "pinned to 0123456789ab (the image of last week) since 2026-01-01T00:00:00Z until `muster unpin`; it needed no \
             signature; the newest commit fedcba987654 (the next) checks and waits"
        );
    }
}
