//! Undeclared machines that asked to boot: each address once, bounded by the store's limit.
//!
//! Any client can invent addresses, so an address costs only the logarithm of their number, and a
//! client with many addresses takes no space from others. This module does not know how unknown
//! machines are distinguished from declared ones, or when its contents are written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::MacAddr;
use crate::observed::UnknownMac;
use crate::store::MAX_UNKNOWN;

/// The number of addresses that a client may bring before its own are forgotten in favor of
/// others: a machine asks by at most nine (`/boot.ipxe`), and several machines may share an address
/// behind a router.
const FAIR_SHARE: usize = 64;

/// Unknown machines that asked, once each, with a count.
#[derive(Default)]
pub struct Unknown {
    all: BTreeMap<MacAddr, Entry>,
    by_age: BTreeSet<Age>,
    by_client: BTreeMap<IpAddr, BTreeSet<Age>>,
    /// Clients, ordered by their number of addresses.
    crowds: BTreeSet<(usize, IpAddr)>,
    changed: BTreeSet<MacAddr>,
    /// The number of unknown machines, for the status.
    count: Arc<AtomicU64>,
    /// Whether they are only counted for the status and never written.
    only_counted: bool,
}

struct Entry {
    machine: UnknownMac,
    /// The client that brought it first: a later request for a known address does not change this.
    client: IpAddr,
}

/// The time of an address's last request, in unix milliseconds, and the address.
type Age = (i64, MacAddr);

impl Unknown {
    /// Starts empty, with a shared count for the status.
    pub fn new(count: Arc<AtomicU64>) -> Self {
        Self { count, ..Self::default() }
    }

    /// Sets whether machines are only counted and never written.
    pub fn only_count(&mut self, only: bool) {
        self.only_counted = only;
    }

    /// Restores the machines of earlier runs.
    pub fn restore(&mut self, machines: Vec<UnknownMac>) {
        machines.into_iter().for_each(|machine| self.insert(machine));
    }

    /// Records a request of a machine.
    pub fn see(&mut self, seen: UnknownMac) {
        if !self.only_counted {
            self.changed.insert(seen.mac);
        }

        if let Some(entry) = self.all.get_mut(&seen.mac) {
            let (client, before, after) = (entry.client, (entry.machine.last, seen.mac), (seen.last, seen.mac));
            let known = &mut entry.machine;
            known.last = seen.last;
            known.count += seen.count;
            known.address = seen.address;
            known.user_agent = seen.user_agent;
            self.by_age.remove(&before);
            self.by_age.insert(after);
            let of_client = self.by_client.entry(client).or_default();
            of_client.remove(&before);
            of_client.insert(after);
            return;
        }

        if self.all.len() >= MAX_UNKNOWN {
            self.forget_one(seen.last);
        }
        self.insert(seen);
    }

    /// Publishes the count for the status.
    pub fn publish_count(&self) {
        self.count.store(self.all.len() as u64, Ordering::Relaxed);
    }

    /// Lists the machines that asked last, newest first.
    pub fn newest(&self, most: usize) -> Vec<UnknownMac> {
        self.by_age.iter().rev().take(most).map(|(_, mac)| self.all[mac].machine.clone()).collect()
    }

    /// Returns the machines that are not written yet, except those forgotten since.
    pub fn unwritten(&mut self) -> Vec<UnknownMac> {
        self.changed.retain(|mac| self.all.contains_key(mac));
        self.changed.iter().map(|mac| self.all[mac].machine.clone()).collect()
    }

    /// Records that all machines are written.
    pub fn written(&mut self) {
        self.changed.clear();
    }

    fn insert(&mut self, machine: UnknownMac) {
        let (client, age) = (client_of(machine.address), (machine.last, machine.mac));
        self.by_age.insert(age);
        self.change_crowd(client, |ages| {
            ages.insert(age);
        });
        self.all.insert(machine.mac, Entry { machine, client });
    }

    /// Makes room for one machine. Forgets the one that was silent the longest: of the client with
    /// the most addresses if it exceeds its share, otherwise of all.
    fn forget_one(&mut self, now: i64) {
        let crowd = self.crowds.last().filter(|(count, _)| *count > FAIR_SHARE);
        let ages = crowd.and_then(|(_, client)| self.by_client.get(client)).unwrap_or(&self.by_age);

        // A time in the future comes from a wrong clock, and goes first.
        let mut ahead = ages.range((Bound::Excluded((now, MacAddr([u8::MAX; 6]))), Bound::Unbounded));
        let Some(age) = ahead.next().or_else(|| ages.first()).copied() else { return };

        self.by_age.remove(&age);
        self.changed.remove(&age.1);
        if let Some(entry) = self.all.remove(&age.1) {
            self.change_crowd(entry.client, |ages| {
                ages.remove(&age);
            });
        }
    }

    /// Changes a client's addresses and keeps the order of `crowds` correct.
    fn change_crowd(&mut self, client: IpAddr, change: impl FnOnce(&mut BTreeSet<Age>)) {
        let ages = self.by_client.entry(client).or_default();
        self.crowds.remove(&(ages.len(), client));
        change(ages);
        match ages.len() {
            0 => {
                self.by_client.remove(&client);
            }
            count => {
                self.crowds.insert((count, client));
            }
        }
    }
}

/// Returns the client that an address counts for: a machine has many IPv6 addresses, all in one
/// /64.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mac(number: u32) -> MacAddr {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddr([2, 0, a, b, c, d])
    }

    fn seen_from(address: [u8; 4], number: u32, last: i64) -> UnknownMac {
        UnknownMac { mac: mac(number), first: last, last, count: 1, address: address.into(), user_agent: "x".into() }
    }

    fn seen(number: u32, last: i64) -> UnknownMac {
        seen_from([10, 0, 0, 9], number, last)
    }

    impl Unknown {
        fn has(&self, number: u32) -> bool {
            self.all.contains_key(&mac(number))
        }

        /// Checks that all four indices of the entries agree.
        fn assert_whole(&self) {
            let ages: BTreeSet<Age> = self.all.iter().map(|(mac, entry)| (entry.machine.last, *mac)).collect();
            assert_eq!(self.by_age, ages);
            let of_clients: BTreeSet<Age> = self.by_client.values().flatten().copied().collect();
            assert_eq!(of_clients, ages);
            let crowds: BTreeSet<_> = self.by_client.iter().map(|(client, ages)| (ages.len(), *client)).collect();
            assert_eq!(self.crowds, crowds);
            assert!(self.changed.iter().all(|mac| self.all.contains_key(mac)));
        }
    }

    #[test]
    fn a_clock_that_goes_back_forgets_what_is_yet_to_come_and_not_what_is_new() {
        let mut unknown = Unknown::default();
        let most = MAX_UNKNOWN as u32;
        (0..most).for_each(|number| unknown.see(seen(number, 1_000_000 + i64::from(number))));
        unknown.see(seen(most, 10));
        unknown.see(seen(most + 1, 20));
        assert_eq!(unknown.all.len(), MAX_UNKNOWN);
        assert!(unknown.has(most) && unknown.has(most + 1) && !unknown.has(0) && !unknown.has(1) && unknown.has(2));
    }

    #[test]
    fn a_client_that_makes_addresses_up_takes_no_room_from_others() {
        let mut unknown = Unknown::default();
        let real = (MAX_UNKNOWN - FAIR_SHARE - 1) as u32;
        for number in 0..real {
            let [_, _, high, low] = number.to_be_bytes();
            unknown.see(seen_from([10, 1, high, low], number, i64::from(number)));
        }
        for made_up in 0..3 * MAX_UNKNOWN as u32 {
            unknown.see(seen_from([10, 2, 0, 1], 1_000_000 + made_up, 1_000_000 + i64::from(made_up)));
        }
        assert!((0..real).all(|number| unknown.has(number)));
        assert_eq!(unknown.all.len(), MAX_UNKNOWN);
        assert!(unknown.unwritten().len() <= MAX_UNKNOWN);

        // A request for another client's address does not change its owner.
        unknown.see(seen_from([10, 2, 0, 1], 0, 9_000_000));
        (0..200).for_each(|more| unknown.see(seen_from([10, 2, 0, 1], 2_000_000 + more, 9_000_001)));
        assert!(unknown.has(0));
        assert_eq!(unknown.newest(1)[0].last, 9_000_001);
        unknown.assert_whole();
    }

    #[test]
    fn a_client_of_ipv6_is_its_network() {
        let text = |text: &str| client_of(text.parse().unwrap());
        assert_eq!(text("2001:db8:1:2:3:4:5:6"), text("2001:db8:1:2::9"));
        assert_ne!(text("2001:db8:1:3::"), text("2001:db8:1:2::"));
        assert_eq!(text("::ffff:192.0.2.7"), text("192.0.2.7"));
    }

    #[test]
    fn what_is_only_counted_is_not_written() {
        let mut unknown = Unknown::default();
        unknown.only_count(true);
        unknown.see(seen(1, 10));
        assert!(unknown.unwritten().is_empty() && unknown.all.len() == 1);
    }

    proptest! {
        #[test]
        fn its_ways_to_find_an_entry_agree(
            asked in prop::collection::vec((0_u8..4, 0_u32..40, -5_i64..50), 0..200), restored in 0_u32..20,
        ) {
            let mut unknown = Unknown::default();
            unknown.restore((0..restored).map(|number| seen(number, 7)).collect());
            for (client, number, at) in asked {
                unknown.see(seen_from([10, 0, 0, client], number, at));
                if number % 7 == 0 {
                    unknown.forget_one(at);
                }
                unknown.assert_whole();
            }
            let newest = unknown.newest(3);
            prop_assert!(newest.is_sorted_by(|a, b| a.last >= b.last));
        }
    }
}
