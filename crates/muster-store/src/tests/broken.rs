//! Disks that refuse, and processes that are killed.

use std::io::{self, BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::StorageBackend;

use super::super::database::{Opener, Retry};
use super::*;

/// A disk in memory that survives a close and can be made to refuse writes.
#[derive(Debug, Default)]
pub(super) struct Disk {
    bytes: Mutex<Vec<u8>>,
    full: AtomicBool,
    opened: AtomicU64,
}

#[derive(Debug)]
struct OnDisk(Arc<Disk>);

impl OnDisk {
    fn room(&self) -> Result<(), io::Error> {
        if self.0.full.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for OnDisk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let bytes = self.0.bytes.lock().unwrap();
        let from = bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(from.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.room()?;
        self.0.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.room()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.room()?;
        self.0.bytes.lock().unwrap()[offset as usize..offset as usize + data.len()].copy_from_slice(data);
        Ok(())
    }
}

pub(super) fn on(disk: &Arc<Disk>, first: Duration) -> Store {
    let held = disk.clone();
    let opener: Opener = Box::new(move |builder| {
        held.opened.fetch_add(1, Ordering::SeqCst);
        builder.create_with_backend(OnDisk(held.clone()))
    });
    let retry = Retry { first, most: first };
    super::super::open::with(Path::new("disk"), Some(&ours()), NOW, retry, opener).unwrap().0
}

#[test]
fn a_full_disk_loses_nothing_and_is_tried_again() {
    let disk = Arc::new(Disk::default());
    let store = on(&disk, Duration::ZERO);
    accept(&store, 1, &rows(100, "v1"));
    disk.full.store(true, Ordering::SeqCst);

    for _ in 0..3 {
        let error = try_accept(&store, 2, &rows(100, "v2")).unwrap_err();
        assert!(error.is_disk(), "{error:?}");
        assert!(error.hint().unwrap().contains("free some space"), "{error:?}");
        assert!(store.trouble().is_some());
    }

    disk.full.store(false, Ordering::SeqCst);
    holds(&store, 1, &rows(100, "v1"));
    assert_eq!(store.trouble(), None);
    accept(&store, 2, &rows(100, "v2"));
    holds(&store, 2, &rows(100, "v2"));
    drop(store);

    holds(&on(&disk, Duration::ZERO), 2, &rows(100, "v2"));
}

#[test]
fn scripts_of_a_commit_that_was_not_stored_are_written_with_the_next() {
    let disk = Arc::new(Disk::default());
    let store = on(&disk, Duration::ZERO);
    disk.full.store(true, Ordering::SeqCst);
    try_accept(&store, 1, &rows(500, "v1")).unwrap_err();
    disk.full.store(false, Ordering::SeqCst);
    accept(&store, 2, &rows(500, "v1"));
    holds(&store, 2, &rows(500, "v1"));
    assert_eq!(store.accepted(9).unwrap(), [accepted(2)]);
}

#[test]
fn a_broken_disk_is_left_alone_until_the_wait_is_over() {
    let disk = Arc::new(Disk::default());
    let store = on(&disk, Duration::from_secs(3_600));
    accept(&store, 1, &rows(10, "v1"));
    disk.full.store(true, Ordering::SeqCst);
    let error = try_accept(&store, 2, &rows(10, "v2")).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    disk.full.store(false, Ordering::SeqCst);

    let opened = disk.opened.load(Ordering::SeqCst);
    for _ in 0..10 {
        let error = try_accept(&store, 2, &rows(10, "v2")).unwrap_err();
        assert!(matches!(error, StoreError::Waiting { .. }) && error.is_disk(), "{error:?}");
    }

    assert_eq!(disk.opened.load(Ordering::SeqCst), opened, "it was opened during the wait");
    assert!(store.trouble().unwrap().contains("record a commit"), "{:?}", store.trouble());
}

/// Runs on its own 8 MB file system, if the system lets a test mount one.
#[test]
fn a_file_system_that_is_really_full_is_survived() {
    on_a_small_file_system("tests::broken::child_fills_its_file_system");
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn child_fills_its_file_system() {
    let file = told();
    let filler = file.with_file_name("filler");
    let open = || Store::open(&file, &ours(), NOW).unwrap();
    let (store, _) = open();
    accept(&store, 1, &rows(100, "v1"));
    let fill = || io::copy(&mut io::repeat(1), &mut std::fs::File::create(&filler).unwrap()).unwrap_err();
    assert_eq!(fill().kind(), io::ErrorKind::StorageFull);
    let error = try_accept(&store, 2, &rows(20_000, "v2")).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    assert!(store.trouble().unwrap().contains("No space left"), "{:?}", store.trouble());
    drop(store);

    let (store, opened) = open();
    assert_eq!(opened, Opened::Existing, "a start on a full disk");
    holds(&store, 1, &rows(100, "v1"));
    try_accept(&store, 2, &rows(20_000, "v2")).unwrap_err();
    std::fs::remove_file(&filler).unwrap();
    let mut tries = 0;
    while let Err(error) = try_accept(&store, 3, &rows(500, "v3")) {
        assert!(error.is_disk(), "{error:?}");
        tries += 1;
        assert!(tries < 300, "never came back: {error:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(tries > 0, "it did not wait");
    holds(&store, 3, &rows(500, "v3"));
}

/// Runs on its own 8 MB file system, if the system lets a test mount one.
#[test]
fn a_first_start_on_a_full_disk_leaves_nothing_behind() {
    on_a_small_file_system("tests::broken::child_begins_on_a_full_disk");
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn child_begins_on_a_full_disk() {
    let file = told();
    let folder = file.parent().unwrap();
    let filler = file.with_file_name("filler");
    let fill = || io::copy(&mut io::repeat(1), &mut std::fs::File::create(&filler).unwrap()).unwrap_err();
    assert_eq!(fill().kind(), io::ErrorKind::StorageFull);
    let full = filler.metadata().unwrap().len();
    let mut refused = 0;

    for free in (0..40).map(|pages| pages * 8192) {
        std::fs::File::options().write(true).open(&filler).unwrap().set_len(full - free).unwrap();
        match Store::open(&file, &ours(), NOW) {
            Ok((store, opened)) => {
                assert_eq!(opened, Opened::Fresh, "{free} bytes free");
                drop(store);
                std::fs::remove_file(&file).unwrap();
            }
            Err(error) => {
                refused += 1;
                assert!(error.is_disk() && error.hint().is_some(), "{free} bytes free: {error:?}");
            }
        }
        let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["filler"], "{free} bytes free");
    }

    assert!(refused > 1, "{refused} starts found no room");
}

#[test]
fn what_was_reported_done_survives_being_killed() {
    let place = Place::new();
    let mut done = 0;
    for round in 0..20u64 {
        let mut child = child("tests::broken::child_accepts_until_killed", &place.file)
            .env("MUSTER_TEST_FROM", (done + 1).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut note = |line: &str| {
            if let Some((_, n)) = line.split_once("done ") {
                done = n.parse().unwrap();
            }
        };
        let first = lines.by_ref().find(|line| line.contains("done ")).expect("the child accepts something");
        note(&first);
        std::thread::sleep(Duration::from_millis(round * 7 % 40));
        child.kill().unwrap();
        lines.for_each(|line| note(&line));
        child.wait().unwrap();
        let (store, opened) = place.open();
        assert_eq!(opened, Opened::Existing, "round {round}");
        let list = store.accepted(usize::MAX).unwrap();
        let last = list[0].nodes;
        assert!(last == done || last == done + 1, "reported {done}, found {last}");
        assert!(list.iter().map(|a| a.nodes).rev().eq(1.max(last.saturating_sub(999))..=last), "a gap");
        holds(&store, last, &rows(60, &format!("v{}", last % 7)));
        done = last;
    }
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn child_accepts_until_killed() {
    let from: u32 = std::env::var("MUSTER_TEST_FROM").unwrap().parse().unwrap();
    let (store, _) = Store::open(&told(), &ours(), NOW).unwrap();
    for n in from.. {
        accept(&store, n, &rows(60, &format!("v{}", n % 7)));
        println!("done {n}");
    }
}
