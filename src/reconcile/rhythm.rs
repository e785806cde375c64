//! When to look at the repository again, in plain numbers: it reads no clock and draws no lot.

use std::time::Duration;

/// How often a repository of this host is looked at whatever the watch says: some file systems tell nothing.
pub const LOCAL: Duration = Duration::from_secs(2);

/// How often a repository elsewhere is looked at where nobody says.
const REMOTE: Duration = Duration::from_secs(30);

/// How long an event of a repository of this host may be followed by others of the same push.
pub const SETTLE: Duration = Duration::from_millis(20);

/// The least between two looks at another host, however often we are woken: one look takes a part of a second.
const GAP: Duration = Duration::from_secs(1);

/// The least that a wake-up waits after the first failure; it doubles with each.
const FAILED_GAP: Duration = Duration::from_secs(5);

/// The most that a wake-up waits: whoever pushes the repair sees it taken within a minute.
const MOST_GAP: Duration = Duration::from_secs(60);

/// The longest that a failing repository is left alone, unless its interval is longer.
const MOST: Duration = Duration::from_secs(600);

/// By how much of itself a wait is made longer or shorter by lot, so that replicas do not ask at once.
const JITTER: f64 = 0.25;

/// How a look went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// The repository answered, whatever was found.
    Well,
    Badly,
}

/// How long to wait after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Until the next look where nobody wakes us.
    pub unasked: Duration,
    /// Until the next look where somebody does.
    pub woken: Duration,
}

/// The rhythm of the looks at one repository.
#[derive(Debug)]
pub struct Rhythm {
    interval: Duration,
    is_remote: bool,
    /// How many looks failed one after another.
    failures: u32,
}

impl Rhythm {
    /// Begins with no look; `interval` is what the settings say.
    pub fn new(interval: Option<Duration>, is_remote: bool) -> Self {
        let interval = if is_remote { interval.unwrap_or(REMOTE) } else { LOCAL };
        Self { interval, is_remote, failures: 0 }
    }

    /// Returns how long to wait after a look; `lot` is between 0 and 1.
    ///
    /// A wake-up never resets the failures: it shortens one wait, and less so the longer the repository fails.
    pub fn after(&mut self, looked: Looked, lot: f64) -> Wait {
        self.failures = match looked {
            Looked::Well => 0,
            Looked::Badly => self.failures.saturating_add(1),
        };
        if !self.is_remote {
            return Wait { unasked: self.interval, woken: SETTLE };
        }
        let lot = lot.clamp(0.0, 1.0);
        match self.failures {
            0 => Wait { unasked: self.interval.mul_f64(1.0 + JITTER * lot), woken: GAP },
            failures => {
                let longest = MOST.max(self.interval);
                let unasked = doubled(self.interval, failures, longest).mul_f64(1.0 - JITTER * lot).max(self.interval);
                let woken = doubled(FAILED_GAP, failures - 1, MOST_GAP).min(unasked);
                Wait { unasked, woken }
            }
        }
    }
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    2_u32.checked_pow(times).and_then(|factor| first.checked_mul(factor)).map_or(most, |wait| wait.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_failing_host_is_left_alone_for_longer_and_longer() {
        let mut rhythm = Rhythm::new(None, true);
        let seconds = |wait: Wait| (wait.unasked.as_secs(), wait.woken.as_secs());
        let waits: Vec<_> = (0..7).map(|_| seconds(rhythm.after(Looked::Badly, 0.0))).collect();
        assert_eq!(waits, [(60, 5), (120, 10), (240, 20), (480, 40), (600, 60), (600, 60), (600, 60)]);
        assert_eq!(seconds(rhythm.after(Looked::Well, 0.0)), (30, 1));
        assert_eq!(seconds(rhythm.after(Looked::Badly, 1.0)), (45, 5));
    }

    #[test]
    fn a_repository_of_this_host_is_always_looked_at_soon() {
        let mut rhythm = Rhythm::new(Some(Duration::from_secs(900)), false);
        for looked in [Looked::Well, Looked::Badly, Looked::Badly] {
            assert_eq!(rhythm.after(looked, 0.5), Wait { unasked: LOCAL, woken: SETTLE });
        }
    }

    proptest! {
        #[test]
        fn no_look_comes_too_soon_or_never(
            interval in 5_u64..100_000,
            looks in proptest::collection::vec((any::<bool>(), 0.0..=1.0), 1..80),
        ) {
            let interval = Duration::from_secs(interval);
            let mut rhythm = Rhythm::new(Some(interval), true);
            let mut last_failed: Option<Wait> = None;
            for (well, lot) in looks {
                let wait = rhythm.after(if well { Looked::Well } else { Looked::Badly }, lot);
                prop_assert!(wait.unasked >= interval && wait.unasked <= MOST.max(interval.mul_f64(1.0 + JITTER)));
                prop_assert!(wait.woken >= GAP && wait.woken <= wait.unasked && wait.woken <= MOST_GAP);
                if let Some(last) = last_failed.filter(|_| !well) {
                    // The lot may shorten a wait by a quarter, and doubling makes up for it until the longest.
                    prop_assert!(wait.woken >= last.woken.min(wait.unasked));
                }
                last_failed = (!well).then_some(wait);
            }
        }
    }
}
