//! Limits for unsuccessful requests: for undeclared machines, or for unknown paths.
//!
//! Such a request costs as much as any other, and anyone can send a hundred thousand per second. So
//! beyond an allowance that no machine room needs, a client is answered later, one request after
//! the other, and its unknown machines are counted but not recorded. All clients together have a
//! pace too, because a flood may come from many addresses. Requests for declared machines are never
//! delayed. This module does not know the requests or the answers.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The number of requests per client and second that are answered at once: a machine asks by nine
/// addresses every ten seconds, so this is some 2,000 of them behind one router. They cost a
/// fiftieth of a processor.
const ALLOWANCE: u32 = 2000;

/// The delay of further answers: short compared with the ten seconds until a machine asks again.
pub const PAUSE: Duration = Duration::from_millis(100);

/// The time between unsuccessful answers over all clients. 20,000 per second take at most a fifth
/// of a processor, and are the requests of 20,000 unknown machines.
const APART: Duration = Duration::from_micros(50);

/// The part of that pace that can be used at once after a calm time: 4,000 answers.
const AHEAD: Duration = Duration::from_millis(200);

/// The number of counters. Clients that share one share an allowance; only this process knows
/// which.
const COUNTERS: usize = 4096;

/// The unsuccessful requests of clients in this second.
pub struct VainRequests {
    /// The second in the upper half, and the count in the lower.
    counters: Box<[AtomicU64]>,
    hasher: RandomState,
    /// The time of the next answer over all clients, in microseconds since the server began.
    next: AtomicU64,
}

impl Default for VainRequests {
    fn default() -> Self {
        let counters = (0..COUNTERS).map(|_| AtomicU64::new(0)).collect();
        Self { counters, hasher: RandomState::new(), next: AtomicU64::new(0) }
    }
}

impl VainRequests {
    /// Returns whether a client has used up its allowance, at a time in unix milliseconds.
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

    /// Takes the next place in the pace of all clients, and returns how long it is away; `since` is the time since the
    /// server began.
    ///
    /// A connection takes one place at a time, so the wait is bounded by the number of connections.
    pub fn wait(&self, since: Duration) -> Duration {
        let now = since.as_micros() as u64;
        let earliest = now.saturating_sub(AHEAD.as_micros() as u64);
        let after = |due: u64| due.max(earliest) + APART.as_micros() as u64;
        // The closure never refuses.
        let due = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| Some(after(due)));
        Duration::from_micros(due.unwrap_or_default().saturating_sub(now))
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
    fn all_clients_together_have_a_pace() {
        let vain = VainRequests::default();
        let start = Duration::from_secs(1000);
        let at_once = (AHEAD.as_micros() / APART.as_micros()) as u32;
        assert!((0..=at_once).all(|_| vain.wait(start).is_zero()), "what a calm time has left is given at once");
        assert_eq!(vain.wait(start), APART);
        assert_eq!(vain.wait(start), 2 * APART);
        assert_eq!(vain.wait(start + 2 * APART), APART, "time brings it nearer");

        // Nothing is saved up beyond that, and nothing is owed after a calm time.
        let later = start + 100 * AHEAD;
        let waits = (0..2 * at_once).filter(|_| !vain.wait(later).is_zero()).count() as u32;
        assert_eq!(waits, at_once - 1);
    }

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
