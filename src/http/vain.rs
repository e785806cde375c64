//! Clients that ask in vain: for machines that nothing declares, or for what is not here.
//!
//! Such a request costs as much as any other, and anybody can send a hundred thousand of them a second. So, past an
//! allowance that no room of machines needs, a client is answered later, one request after the other, and what it says of
//! unknown machines is counted and not noted. Whoever asks for a declared machine is never held up. It does not know what
//! is asked or answered.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many requests of a client are answered at once in each second: a machine asks by nine addresses every ten seconds, so
/// this is some 2,000 of them behind one router. They cost a fiftieth of a processor.
const ALLOWANCE: u32 = 2000;

/// How much later others are answered: short beside the ten seconds after which a machine asks again.
pub const PAUSE: Duration = Duration::from_millis(100);

/// How many counters there are. Clients that share one share an allowance; which do, only this process knows.
const COUNTERS: usize = 4096;

/// What clients asked in vain in this second.
pub struct VainRequests {
    /// The second in the upper half, and the count in the lower.
    counters: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for VainRequests {
    fn default() -> Self {
        Self { counters: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl VainRequests {
    /// Tells whether a client has used up its allowance, at a time in unix milliseconds.
    pub fn is_used_up(&self, client: IpAddr, now: i64) -> bool {
        let (second, count) = parts(self.counter(client).load(Ordering::Relaxed));
        second == second_of(now) && count >= ALLOWANCE
    }

    /// Counts a request; true if it is within the allowance of its client.
    pub fn count(&self, client: IpAddr, now: i64) -> bool {
        let this = second_of(now);
        let counter = self.counter(client);
        let next = |packed: u64| match parts(packed) {
            (second, count) if second == this => pack(this, count.saturating_add(1)),
            _ => pack(this, 1),
        };
        // The closure never refuses.
        let before = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| Some(next(packed)));
        let (second, count) = parts(before.unwrap_or_default());
        second != this || count < ALLOWANCE
    }

    fn counter(&self, client: IpAddr) -> &AtomicU64 {
        // A machine has many addresses of IPv6, all in one /64.
        let key = match client {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        &self.counters[self.hasher.hash_one(key) as usize % COUNTERS]
    }
}

/// Returns the second of a time in unix milliseconds, as far as 32 bits can tell it from its neighbours.
fn second_of(now: i64) -> u32 {
    now.div_euclid(1000) as u32
}

fn pack(second: u32, count: u32) -> u64 {
    u64::from(second) << 32 | u64::from(count)
}

fn parts(packed: u64) -> (u32, u32) {
    ((packed >> 32) as u32, packed as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_allowance_each_second() {
        let vain = VainRequests::default();
        let (one, now) = (IpAddr::from([10, 0, 0, 1]), 1_780_300_800_123);
        let allowed = (0..2 * ALLOWANCE).filter(|_| vain.count(one, now)).count();
        assert_eq!(allowed, ALLOWANCE as usize);
        assert!(vain.is_used_up(one, now) && !vain.is_used_up(one, now + 1000));
        assert!(vain.count(one, now + 1000) && !vain.is_used_up(one, now + 1000));

        // Of many others next to none shares its counter.
        let others = (0..200_u8).map(|last| IpAddr::from([10, 0, 1, last]));
        assert!(others.filter(|other| vain.is_used_up(*other, now)).count() < 5);
        let of_network = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        let counted = (0..ALLOWANCE).filter(|number| vain.count(of_network(*number as u16), now)).count();
        assert_eq!(counted, ALLOWANCE as usize);
        assert!(vain.is_used_up(of_network(9999), now));
    }
}
