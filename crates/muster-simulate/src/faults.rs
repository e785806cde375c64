//! Random faults: kinds, probabilities and share of BMCs. The same seed and request numbers give
//! the same faults.

use std::str::FromStr;

use super::chance;

/// The probabilities of faults per request.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Faults {
    pub seed: u64,
    /// Replies that are late by `delay_ms`.
    pub delay: f64,
    /// The least and the most milliseconds.
    pub delay_ms: (u64, u64),
    /// Connections that end instead of a reply.
    pub drop: f64,
    /// Replies with 500, 502 or 503.
    pub error: f64,
    /// Replies that are cut short.
    pub half: f64,
    /// Requests that are treated as unauthenticated.
    pub unauthorised: f64,
    /// Replies from before the last change, for `stale_ms` after it.
    pub stale: f64,
    pub stale_ms: u64,
    /// Writes that are accepted and not done, or undone a moment later.
    pub lie: f64,
    /// The share of BMCs that have faults at all.
    pub on: f64,
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Delay(u64),
    Drop,
    Error(u16),
    Half,
    Unauthorised,
    Stale,
    Lie { for_a_while: bool },
}

/// The error for text that is not a list of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no fault: write delay=SHARE:MS-MS, drop=SHARE, error=SHARE, half=SHARE, unauthorised=SHARE, stale=SHARE:MS, lie=SHARE or on=SHARE, with shares from 0 to 1"
)]
pub struct FaultsError(String);

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let mut all = Self { on: 1.0, delay_ms: (50, 500), stale_ms: 5_000, ..Self::default() };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let error = || FaultsError(part.to_owned());
            let (name, rest) = part.split_once('=').ok_or_else(error)?;
            let (number, detail) = rest.split_once(':').map_or((rest, None), |(number, detail)| (number, Some(detail)));
            let share: f64 = number.parse().map_err(|_| error())?;
            if !(0.0..=1.0).contains(&share) {
                return Err(error());
            }
            let ms = |text: &str| text.parse::<u64>().map_err(|_| error());
            match (name, detail) {
                ("delay", None) => all.delay = share,
                ("delay", Some(range)) => {
                    let (least, most) = range.split_once('-').unwrap_or((range, range));
                    all.delay = share;
                    all.delay_ms = (ms(least)?, ms(most)?);
                    if all.delay_ms.0 > all.delay_ms.1 {
                        return Err(error());
                    }
                }
                ("drop", None) => all.drop = share,
                ("error", None) => all.error = share,
                ("half", None) => all.half = share,
                ("unauthorised", None) => all.unauthorised = share,
                ("stale", None) => all.stale = share,
                ("stale", Some(detail)) => (all.stale, all.stale_ms) = (share, ms(detail)?),
                ("lie", None) => all.lie = share,
                ("on", None) => all.on = share,
                _ => return Err(error()),
            }
        }

        Ok(all)
    }
}

impl Faults {
    /// Returns the faults of a numbered request to a BMC.
    #[must_use]
    pub fn at(&self, bmc: usize, request: u64) -> Vec<Fault> {
        let here = chance::both(self.seed, bmc as u64 + 1);
        if chance::share(chance::both(here, 0xb3c)) >= self.on {
            return Vec::new();
        }
        let draw = |salt: u64| chance::both(chance::both(here, request), salt);
        let hit = |salt: u64, share: f64| chance::share(draw(salt)) < share;
        let mut all = Vec::new();

        if hit(1, self.delay) {
            let (least, most) = self.delay_ms;
            all.push(Fault::Delay(least + draw(11) % (most - least + 1)));
        }

        let one_of = [
            (2, self.drop, Fault::Drop),
            (3, self.error, Fault::Error([500, 502, 503][(draw(13) % 3) as usize])),
            (4, self.half, Fault::Half),
            (5, self.unauthorised, Fault::Unauthorised),
            (6, self.stale, Fault::Stale),
            (7, self.lie, Fault::Lie { for_a_while: draw(17).is_multiple_of(2) }),
        ];

        all.extend(one_of.into_iter().filter(|(salt, share, _)| hit(*salt, *share)).map(|(_, _, fault)| fault));
        all
    }

    /// Returns whether old replies must be kept.
    pub(super) fn needs_past(&self) -> bool {
        self.stale > 0.0
    }
}
