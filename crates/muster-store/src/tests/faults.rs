//! Disks that fail at any one call, and machines that lose power: unsynced data is gone.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::StorageBackend;

use super::super::database::{Opener, Retry};
use super::*;

/// The behavior of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The n-th call fails, and later calls work again.
    Once(u64),
    /// Every call from the n-th on fails until the power is back.
    From(u64),
    /// All calls succeed, but from the n-th call on, syncs have no effect.
    Lies(u64),
}

#[derive(Debug)]
struct Platter {
    /// The content that reads return.
    seen: Vec<u8>,
    /// The content after a power failure.
    safe: Vec<u8>,
    calls: u64,
    fault: Option<Fault>,
}

/// A disk that outlives its users.
#[derive(Debug, Clone)]
struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Platter { seen: Vec::new(), safe: Vec::new(), calls: 0, fault: None })))
    }

    /// Sets a fault, counting calls from the next one.
    fn breaks(&self, fault: Fault) {
        let mut platter = self.0.lock().unwrap();
        (platter.calls, platter.fault) = (0, Some(fault));
    }

    /// Cuts the power and restores it with a working disk; returns whether the fault was ever
    /// reached.
    fn power_cut(&self) -> bool {
        let mut platter = self.0.lock().unwrap();
        platter.seen = platter.safe.clone();
        let fault = platter.fault.take();
        fault.is_none_or(|(Fault::Once(n) | Fault::From(n) | Fault::Lies(n))| platter.calls >= n)
    }

    fn call<T>(&self, work: impl FnOnce(&mut Platter) -> io::Result<T>) -> io::Result<T> {
        let mut platter = self.0.lock().unwrap();
        platter.calls += 1;
        let fails = match platter.fault {
            Some(Fault::Once(n)) => platter.calls == n,
            Some(Fault::From(n)) => platter.calls >= n,
            Some(Fault::Lies(_)) | None => false,
        };
        if fails { Err(io::Error::other("the disk failed")) } else { work(&mut platter) }
    }

    fn open(&self) -> Result<(Store, Opened), StoreError> {
        let disk = self.clone();
        let opener: Opener = Box::new(move |builder| builder.create_with_backend(disk.clone()));
        let retry = Retry { first: Duration::ZERO, most: Duration::ZERO };
        super::super::open::with(Path::new("disk"), Some(&ours()), NOW, retry, opener)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.call(|platter| Ok(platter.seen.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.call(|platter| {
            let from = platter.seen.get(offset as usize..offset as usize + out.len());
            out.copy_from_slice(from.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(|platter| {
            platter.seen.resize(len as usize, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(|platter| {
            if !matches!(platter.fault, Some(Fault::Lies(n)) if platter.calls >= n) {
                platter.safe.clone_from(&platter.seen);
            }
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call(|platter| {
            platter.seen[offset as usize..offset as usize + data.len()].copy_from_slice(data);
            Ok(())
        })
    }
}

/// The number of nodes of the commits here: enough for more than one page of each table.
const NODES: usize = 40;

fn of(n: u32) -> Vec<BootRow> {
    rows(NODES, &format!("v{n}"))
}

/// Accepts commits 2 to 4 on a disk that holds the first, closes the store, and returns the
/// acknowledged ones.
fn work(store: Store) -> Vec<u32> {
    let acknowledged = (2..=4).filter(|n| try_accept(&store, *n, &of(*n)).is_ok()).collect();
    // Reads must not panic either, whatever they return.
    let _ = (store.last_good(), store.rendered(), store.bodies(), store.accepted(9));
    drop(store);
    acknowledged
}

/// Checks that a store holds one of the commits completely, and returns its number.
fn whole(store: &Store) -> u32 {
    let newest = store.last_accepted().unwrap().expect("a commit was acknowledged").nodes;
    holds(store, newest, &of(newest));
    newest
}

/// Makes a disk fail at every call in turn, until the work ends without reaching the fault.
fn at_every_call(fault: impl Fn(u64) -> Fault, judge: impl Fn(&Disk, &[u32], u64)) -> u64 {
    let base = Disk::new();
    accept(&base.open().unwrap().0, 1, &of(1));
    let image = base.0.lock().unwrap().safe.clone();

    for n in 1.. {
        let disk = Disk::new();
        {
            let mut platter = disk.0.lock().unwrap();
            (platter.seen, platter.safe) = (image.clone(), image.clone());
        }
        disk.breaks(fault(n));
        let acknowledged = match disk.open() {
            Ok((store, Opened::Existing)) => work(store),
            Ok((_, other)) => panic!("call {n}: {other:?}"),
            // If the disk refuses the start, that is reported, and nothing is moved.
            Err(error) => {
                assert!(
                    !matches!(error, StoreError::Foreign { .. } | StoreError::NotAStore { .. }),
                    "call {n}: {error:?}"
                );
                Vec::new()
            }
        };
        let came = disk.power_cut();
        judge(&disk, &acknowledged, n);
        if !came {
            return n;
        }
    }

    unreachable!("every disk has an end")
}

#[test]
fn no_acknowledged_commit_is_lost_to_one_failed_call_and_a_power_cut() {
    let judge = |disk: &Disk, acknowledged: &[u32], n: u64| {
        let (store, opened) = disk.open().unwrap_or_else(|error| panic!("call {n}: {error:?}"));
        assert_eq!(opened, Opened::Existing, "call {n}");
        let newest = acknowledged.last().copied().unwrap_or(1);
        let found = whole(&store);
        assert!(found >= newest, "call {n}: acknowledged {acknowledged:?}, found {found}");
        let list: Vec<u32> = store.accepted(9).unwrap().iter().map(|accepted| accepted.nodes).collect();
        assert!(acknowledged.iter().all(|n| list.contains(n)) && list.contains(&1), "call {n}: {list:?}");
        // The store continues to work.
        accept(&store, 9, &of(9));
        holds(&store, 9, &of(9));
    };

    let once = at_every_call(Fault::Once, judge);
    let on = at_every_call(Fault::From, judge);
    assert!(once > 50 && on > 50, "{once}, {on}");
}

#[test]
fn a_disk_that_lies_about_syncing_costs_news_but_never_gives_a_mixture() {
    let judge = |disk: &Disk, _: &[u32], n: u64| match disk.open() {
        Ok((store, Opened::Existing)) => assert!((1..=4).contains(&whole(&store)), "call {n}"),
        Ok((_, other)) => panic!("call {n}: {other:?}"),
        Err(error) => panic!("call {n}: {error:?}"),
    };
    at_every_call(Fault::Lies, judge);
}
