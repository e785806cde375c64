//! When to look at the repository again, in plain numbers: it reads no clock and draws no random
//! numbers.

use std::time::Duration;

/// How often a repository on this host is checked regardless of the watch: some file systems report
/// no changes.
pub const LOCAL: Duration = Duration::from_secs(2);

/// The default interval for a repository on another host.
const REMOTE: Duration = Duration::from_secs(30);

/// How long an event of a repository on this host may be followed by others of the same push.
pub const SETTLE: Duration = Duration::from_millis(20);

/// The minimum time between two looks at another host, however often it is woken: one look takes a
/// fraction of a second.
const GAP: Duration = Duration::from_secs(1);

/// The minimum wait of a wake-up after the first failure; it doubles with each failure.
const FAILED_GAP: Duration = Duration::from_secs(5);

/// The maximum wait of a wake-up: a pushed repair is taken within a minute.
const MOST_GAP: Duration = Duration::from_secs(60);

/// The maximum wait for a failing repository, unless its interval is longer.
const MOST: Duration = Duration::from_secs(600);

/// The random fraction by which a wait is longer or shorter, so that replicas do not ask at once.
const JITTER: f64 = 0.25;

/// The result of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// The repository answered, whatever it contains.
    Well,
    Badly,
}

/// How long to wait after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The time until the next look without a wake-up.
    pub unasked: Duration,
    /// The time until the next look after a wake-up.
    pub woken: Duration,
}

/// The schedule of the looks at one repository.
#[derive(Debug)]
pub struct Rhythm {
    interval: Duration,
    is_remote: bool,
    /// The number of consecutive failures.
    failures: u32,
}

impl Rhythm {
    /// Starts without a look; `interval` comes from the settings.
    pub fn new(interval: Option<Duration>, is_remote: bool) -> Self {
        let interval = if is_remote { interval.unwrap_or(REMOTE) } else { LOCAL };
        Self { interval, is_remote, failures: 0 }
    }

    /// Returns how long to wait after a look; `lot` is a random number between 0 and 1.
    ///
    /// A wake-up never resets the failures: it shortens one wait, and by less the longer the
    /// repository fails.
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
                    // The jitter may shorten a wait by a quarter; doubling makes up for it up to
                    // the maximum.
                    prop_assert!(wait.woken >= last.woken.min(wait.unasked));
                }
                last_failed = (!well).then_some(wait);
            }
        }
    }
}
