//! Owners and holders of the file, and corrupt files.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use redb::{Database, TableDefinition};

use super::*;

fn refused(place: &Place, identity: &Identity) -> StoreError {
    match Store::open(&place.file, identity, NOW) {
        Ok((_, opened)) => panic!("opened: {opened:?}"),
        Err(e) => e,
    }
}

#[test]
fn the_store_of_other_wishes_is_refused_with_both_names() {
    let place = Place::used();
    let others = [
        Identity { repository: "/srv/other.git".into(), ..ours() },
        Identity { branch: None, ..ours() },
        Identity { path: String::new(), ..ours() },
    ];

    for other in others {
        let error = refused(&place, &other);
        let text = error.to_string();
        assert!(text.contains(&ours().to_string()) && text.contains(&other.to_string()), "{text}");
        assert!(error.hint().unwrap().contains("--store"));
    }

    holds(&place.open().0, 1, &rows(100, "v1"));
}

#[test]
fn a_newer_format_and_another_programs_database_are_left_alone() {
    let place = Place::used();
    let meta: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
    {
        let db = Database::open(&place.file).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(meta).unwrap().insert("format", &7u32.to_le_bytes()[..]).unwrap();
        txn.open_table(meta).unwrap().insert("identity", &b"of the future"[..]).unwrap();
        txn.commit().unwrap();
    }

    let error = refused(&place, &ours());
    assert!(matches!(error, StoreError::NewerFormat { found: 7, known: FORMAT, .. }), "{error:?}");
    let stranger = Place::new();
    {
        let db = Database::create(&stranger.file).unwrap();
        let txn = db.begin_write().unwrap();
        let theirs: TableDefinition<u64, u64> = TableDefinition::new("theirs");
        txn.open_table(theirs).unwrap().insert(1, 2).unwrap();
        txn.commit().unwrap();
    }

    assert!(matches!(refused(&stranger, &ours()), StoreError::NotAStore { .. }));
    for place in [place, stranger] {
        assert_eq!(fs::read_dir(place.file.parent().unwrap()).unwrap().count(), 1, "nothing was moved");
    }
}

#[test]
fn a_missing_folder_and_a_folder_as_file_are_named() {
    let place = Place::new();
    let lost = Place { file: place.file.join("deeper/muster.redb"), ..Place::new() };
    let error = refused(&lost, &ours());
    assert!(matches!(error, StoreError::ParentMissing { .. }) && error.hint().unwrap().contains("mkdir"), "{error:?}");
    fs::create_dir(&place.file).unwrap();
    assert!(matches!(refused(&place, &ours()), StoreError::Open { .. }));
}

#[test]
fn the_process_that_holds_the_store_is_named() {
    let place = Place::used();
    let mut child = child("tests::open::child_holds_the_store", &place.file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();

    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.by_ref().any(|line| line.contains("holding")), "the child did not open it");
    let error = refused(&place, &ours());
    let StoreError::Held { by: Some(holder), .. } = &error else { panic!("{error:?}") };
    assert_eq!(holder.pid, child.id());
    let comm = fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap();
    assert_eq!(holder.program, comm.trim());

    assert!(error.to_string().contains(&child.id().to_string()));
    drop(child.stdin.take());
    child.wait().unwrap();
    holds(&place.open().0, 1, &rows(100, "v1"));
}

/// A dead process left its lock to a child that ends by itself: the store opens once that child is
/// gone.
#[test]
fn a_lock_that_outlives_its_process_for_a_moment_is_waited_for() {
    let place = Place::used();
    // The shell takes the lock and ends; `sleep` has inherited the open file, and the lock with it.
    let script = r#"exec 9<>"$1"; flock 9; sleep 0.5 >/dev/null 2>&1 & echo locked"#;
    let output = std::process::Command::new("bash").args(["-c", script, "bash"]).arg(&place.file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "locked\n", "{output:?}");

    holds(&place.open().0, 1, &rows(100, "v1"));
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn child_holds_the_store() {
    let (_store, _) = Store::open(&told(), &ours(), NOW).unwrap();
    println!("holding");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

fn is_moved_aside(place: &Place, spoiled: &[u8], case: &str) {
    let (store, opened) = place.open();
    let Opened::MovedAside { to, why } = opened else { panic!("{case}: {opened:?}") };
    assert!(!why.is_empty(), "{case}");
    assert!(to.to_string_lossy().contains(&format!(".corrupt-{NOW}")), "{case}: {}", to.display());
    assert!(fs::read(&to).unwrap().starts_with(&spoiled[..spoiled.len().min(9)]), "{case}: not the same file");
    assert_eq!(store.last_good().unwrap(), None, "{case}");
    accept(&store, 3, &rows(5, "v3"));
    drop(store);
    holds(&place.open().0, 3, &rows(5, "v3"));
}

#[test]
fn a_corrupt_file_is_moved_aside_and_a_fresh_one_made() {
    let whole = fs::read(&Place::used().file).unwrap();
    let mut headless = whole.clone();
    headless[..4096].fill(0);

    let cases: [(&str, Vec<u8>); 6] = [
        ("no database", b"[[node]]\nname = \"nid0001\"\n".to_vec()),
        ("a page of text", b"text ".repeat(4_000)),
        ("a header without pages", whole[..4096].to_vec()),
        ("half a file", whole[..whole.len() / 2].to_vec()),
        ("one byte", vec![0]),
        ("no header", headless),
    ];

    for (case, bytes) in cases {
        let place = Place::new();
        fs::write(&place.file, &bytes).unwrap();
        is_moved_aside(&place, &bytes, case);
    }
}

#[test]
fn an_empty_file_is_a_fresh_store_and_a_second_corrupt_one_gets_its_own_name() {
    let place = Place::new();
    fs::write(&place.file, "").unwrap();
    assert_eq!(place.open().1, Opened::Fresh);
    for _ in 0..3 {
        fs::write(&place.file, "garbage").unwrap();
        assert!(matches!(place.open().1, Opened::MovedAside { .. }));
    }
    assert_eq!(fs::read_dir(place.file.parent().unwrap()).unwrap().count(), 4);
}

/// Corrupts pages all over the file: every open either finds everything unchanged (the page is
/// unused) or moves it aside.
#[test]
fn garbage_in_any_page_is_found_and_never_read_as_data() {
    let whole = fs::read(&Place::used().file).unwrap();
    let mut moved = 0;
    for (n, offset) in (0..whole.len()).step_by(4096).enumerate() {
        let mut bytes = whole.clone();
        let mut seed = n as u64 + 1;
        for byte in &mut bytes[offset..(offset + 512).min(whole.len())] {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (seed >> 33) as u8;
        }
        if bytes[offset..offset + 512] == whole[offset..offset + 512] || n > 200 && n % 16 != 0 {
            continue;
        }
        let place = Place::new();
        fs::write(&place.file, &bytes).unwrap();
        match place.open() {
            (store, Opened::Existing) => holds(&store, 1, &rows(100, "v1")),
            (store, Opened::MovedAside { .. }) => {
                assert_eq!(store.last_good().unwrap(), None);
                moved += 1;
            }
            (_, Opened::Fresh) => panic!("page {n} was taken for no store at all"),
        }
    }

    assert!(moved > 3, "{moved} pages were found to be spoiled");
}

#[test]
fn a_record_that_cannot_be_read_is_corruption() {
    for (table, key, value) in [
        ("last-good", "inputs", &b"\x01not lz4"[..]),
        ("last-good", "rows", b"\x09"),
        ("last-good", "record", b""),
        ("meta", "identity", b"\x01\xff\xff"),
        ("boot-fetches", "nid1", b"\x01\x00"),
    ] {
        let place = Place::used();
        {
            let db = Database::open(&place.file).unwrap();
            let txn = db.begin_write().unwrap();
            let table: TableDefinition<&str, &[u8]> = TableDefinition::new(table);
            txn.open_table(table).unwrap().insert(key, value).unwrap();
            txn.commit().unwrap();
        }
        is_moved_aside(&place, &fs::read(&place.file).unwrap(), key);
    }

    let place = Place::used();
    {
        let db = Database::open(&place.file).unwrap();
        let txn = db.begin_write().unwrap();
        let bodies: TableDefinition<&[u8], &[u8]> = TableDefinition::new("bodies");
        txn.open_table(bodies).unwrap().remove(&row(3, "v1").digest[..]).unwrap();
        txn.commit().unwrap();
    }

    is_moved_aside(&place, &fs::read(&place.file).unwrap(), "a missing script");
}
