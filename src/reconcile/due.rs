//! Which BMC to survey when, as plain state: frequent sweeps, rare deep surveys, never two of one
//! BMC at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::observed::Depth;
use crate::settings::SurveySettings;

/// The schedule of the declared BMCs.
pub struct Due {
    sweep: Option<Duration>,
    deep: Option<Duration>,
    jitter: f64,
    random: fastrand::Rng,
    bmcs: BTreeMap<Box<str>, Times>,
    /// The age of the last deep survey of BMCs that are not declared yet.
    ages: BTreeMap<Box<str>, Option<Duration>>,
    /// The BMCs that refused a credential before the server started, until the gate receives them.
    pub refused: Vec<(Box<str>, Box<str>)>,
}

struct Times {
    sweep: Option<Instant>,
    deep: Option<Instant>,
    is_running: bool,
}

impl Due {
    /// Starts without BMCs.
    pub fn new(settings: &SurveySettings, seed: u64) -> Self {
        Self {
            sweep: settings.sweep,
            deep: settings.deep,
            jitter: settings.jitter,
            random: fastrand::Rng::with_seed(seed),
            bmcs: BTreeMap::new(),
            ages: BTreeMap::new(),
            refused: Vec::new(),
        }
    }

    /// Records the age of a BMC's last survey before the server started, if there was one.
    pub fn remember(&mut self, bmc: Box<str>, deep: Option<Duration>) {
        self.ages.insert(bmc, deep);
    }

    /// Updates the declared BMCs; one that was never surveyed is due at once.
    pub fn follow<'b>(&mut self, declared: impl Iterator<Item = &'b Box<str>>, now: Instant) {
        let mut before = std::mem::take(&mut self.bmcs);
        for bmc in declared {
            let times = before.remove(bmc).unwrap_or_else(|| {
                let age = self.ages.get(bmc).copied().flatten();
                let deep = self.deep.map(|deep| match age {
                    Some(age) => now + strewn(&mut self.random, self.jitter, deep).saturating_sub(age),
                    None => now,
                });
                let sweep = self.sweep.map(|sweep| now + sweep.mul_f64(self.random.f64()));
                Times { sweep, deep, is_running: false }
            });
            self.bmcs.insert(bmc.clone(), times);
        }
    }

    /// Makes a BMC due for a deep survey.
    pub fn at_once(&mut self, bmc: &str) {
        if let Some(times) = self.bmcs.get_mut(bmc)
            && self.deep.is_some()
        {
            times.deep = Some(Instant::now());
        }
    }

    /// Takes the due BMCs and marks them as running.
    pub fn take(&mut self, now: Instant) -> Vec<(Depth, Vec<Box<str>>)> {
        let (mut deep, mut sweep) = (Vec::new(), Vec::new());
        for (bmc, times) in self.bmcs.iter_mut().filter(|(_, times)| !times.is_running) {
            let is_due = |time: Option<Instant>| time.is_some_and(|time| time <= now);
            let list = match (is_due(times.deep), is_due(times.sweep)) {
                (true, _) => &mut deep,
                (false, true) => &mut sweep,
                (false, false) => continue,
            };
            times.is_running = true;
            list.push(bmc.clone());
        }

        // BMCs that are neighbors in the cluster repository are neighbors in a rack, and share a
        // switch.
        self.random.shuffle(&mut deep);

        self.random.shuffle(&mut sweep);
        [(Depth::Deep, deep), (Depth::Sweep, sweep)].into_iter().filter(|(_, names)| !names.is_empty()).collect()
    }

    /// Records the end of a survey. A failed deep survey is repeated when a sweep would be due.
    pub fn done(&mut self, bmc: &str, depth: Depth, is_seen: bool, now: Instant) {
        let Some(times) = self.bmcs.get_mut(bmc) else { return };
        times.is_running = false;
        times.sweep = self.sweep.map(|sweep| now + strewn(&mut self.random, self.jitter, sweep));
        if depth == Depth::Deep {
            let wait = if is_seen { self.deep } else { self.sweep.or(self.deep) };
            times.deep = wait.map(|wait| now + strewn(&mut self.random, self.jitter, wait));
        }
    }
}

/// Returns an interval with jitter.
fn strewn(random: &mut fastrand::Rng, jitter: f64, interval: Duration) -> Duration {
    interval.mul_f64((1.0 + jitter * (random.f64() * 2.0 - 1.0)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn due() -> Due {
        Due::new(&SurveySettings { sweep: Some(MINUTE), deep: Some(60 * MINUTE), jitter: 0.1, surveys: 4 }, 7)
    }

    fn names() -> [Box<str>; 3] {
        ["a".into(), "b".into(), "c".into()]
    }

    #[test]
    fn whoever_was_never_seen_is_due_at_once_and_nobody_twice() {
        let (mut due, now) = (due(), Instant::now());
        due.remember("b".into(), Some(MINUTE));
        due.follow(names().iter(), now);
        let taken = due.take(now);
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].0, Depth::Deep);
        let mut first = taken[0].1.clone();
        first.sort();
        assert_eq!(first, ["a".into(), "c".into()]);
        assert!(due.take(now).is_empty(), "they run already");
        due.follow(names().iter(), now);
        assert!(due.take(now).is_empty(), "a commit starts nobody anew");
    }

    #[test]
    fn a_sweep_is_often_and_a_deep_survey_seldom() {
        let (mut due, start) = (due(), Instant::now());
        due.follow(names()[..1].iter(), start);
        let (mut sweeps, mut deep) = (0, 0);
        for second in 0..3 * 3600 {
            let now = start + Duration::from_secs(second);
            for (depth, names) in due.take(now) {
                *(if depth == Depth::Deep { &mut deep } else { &mut sweeps }) += names.len();
                names.iter().for_each(|name| due.done(name, depth, true, now));
            }
        }
        assert!((3..=4).contains(&deep), "{deep}");
        assert!((150..=200).contains(&sweeps), "{sweeps}");
    }

    #[test]
    fn what_failed_is_tried_as_often_as_a_sweep() {
        let (mut due, start) = (due(), Instant::now());
        due.follow(names()[..1].iter(), start);
        assert_eq!(due.take(start)[0].0, Depth::Deep);
        due.done("a", Depth::Deep, false, start);
        assert!(due.take(start + Duration::from_secs(50)).is_empty());
        assert_eq!(due.take(start + Duration::from_secs(67))[0].0, Depth::Deep);
    }
}
