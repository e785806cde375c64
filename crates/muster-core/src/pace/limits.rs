//! The numbers of politeness.

/// How much is asked of BMCs at once, and how long those that fail are left alone. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests in flight to one BMC; a BMC's web server has few threads, and two keep it busy between round trips.
    pub per_bmc: u32,
    /// Requests in flight to all BMCs; it bounds sockets and memory.
    pub global: u32,
    /// How many requests one after another get no sign of life before the BMC rests.
    pub dead_before_rest: u32,
    /// The first rest.
    pub rest_base: u64,
    /// The longest rest.
    pub rest_cap: u64,
    /// How long a BMC is left alone that says it is busy, and not for how long.
    pub hold_base: u64,
    /// The longest time that a busy BMC is left alone, whatever it says.
    pub hold_cap: u64,
}

impl Default for Limits {
    /// The rests grow from half a minute (a BMC restarts in one to three) to a quarter of an hour.
    fn default() -> Self {
        Self {
            per_bmc: 2,
            global: 128,
            dead_before_rest: 3,
            rest_base: 30_000,
            rest_cap: 900_000,
            hold_base: 500,
            hold_cap: 30_000,
        }
    }
}

impl Limits {
    /// Returns the length of a rest before jitter, which doubles with each rest one after another, from 0.
    #[must_use]
    pub fn rest(&self, rests: u32) -> u64 {
        doubled(self.rest_base, rests).min(self.rest_cap)
    }

    /// Returns how long a busy BMC is left alone before jitter, which doubles with each busy answer one after another.
    #[must_use]
    pub fn hold(&self, busy: u32) -> u64 {
        doubled(self.hold_base, busy).min(self.hold_cap)
    }

    /// Takes off up to a quarter, by a part from 0 to 1, so that BMCs that failed together are not asked again together.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quarter of some minutes, rounded"
    )]
    pub fn jittered(&self, time: u64, part: f64) -> u64 {
        time - ((time / 4) as f64 * part.clamp(0.0, 1.0)) as u64
    }
}

fn doubled(base: u64, times: u32) -> u64 {
    1u64.checked_shl(times).map_or(u64::MAX, |factor| base.saturating_mul(factor))
}
