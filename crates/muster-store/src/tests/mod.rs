//! Tests with real redb files in temporary folders; failures come from a custom storage backend and
//! from SIGKILL.

mod broken;
mod faults;
mod keep;
mod open;
mod surveys;
mod survive;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use muster_core::model::{MacAddr, Revision, Tree};
use muster_core::story::{Commit, Happening, What};

const NOW: i64 = 1_795_000_000;

struct Place {
    _folder: TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { file: folder.path().join("muster.redb"), _folder: folder }
    }

    fn open(&self) -> (Store, Opened) {
        Store::open(&self.file, &ours(), NOW).unwrap()
    }

    /// Creates a closed store with one accepted commit.
    fn used() -> Self {
        let place = Self::new();
        let (store, opened) = place.open();
        assert_eq!(opened, Opened::Fresh);
        accept(&store, 1, &rows(100, "v1"));
        place
    }
}

fn ours() -> Identity {
    Identity { repository: "/srv/wishes.git".into(), branch: Some("main".into()), path: "west".into() }
}

fn accepted(n: u32) -> Accepted {
    let revision = Revision::commit(&format!("{n:040x}"));
    Accepted { revision, at: i64::from(n), subject: format!("change {n}").into(), nodes: n }
}

/// Returns the script of a row, which starts with its digest, so that a mix-up shows.
fn script(row: &BootRow) -> Vec<u8> {
    [&row.digest[..], b"#!ipxe\nkernel http://images.example/vmlinuz console=ttyS0,115200\nboot\n"].concat()
}

fn row(n: usize, version: &str) -> BootRow {
    let mut digest = [0; 32];
    let text = format!("{version}/{n}");
    digest[..text.len()].copy_from_slice(text.as_bytes());
    let [_, _, a, b, c, d] = (n as u64).to_be_bytes()[2..] else { unreachable!() };

    BootRow {
        name: format!("nid{n:06}").into(),
        macs: vec![MacAddr([2, 0, a, b, c, d])],
        nid: Some(n as u32),
        xname: n.is_multiple_of(2).then(|| format!("x1000c0s{n}b0n0").into()),
        serial: n.is_multiple_of(3).then(|| format!("S{n}").into()),
        uuid: n.is_multiple_of(5).then(|| uuid::Uuid::from_u128(n as u128)),
        ips: (0..n % 3).map(|ip| [10, ip as u8, c, d].into()).collect(),
        digest,
    }
}

/// Returns the rendered data for some rows; the documents identify them.
fn rendered(rows: &[BootRow]) -> Rendered {
    let sheaf = |rows: &[BootRow]| rows.iter().flat_map(|row| row.digest).collect::<Vec<u8>>().into();
    Rendered {
        muster: Some("0.0.1".into()),
        cluster: "small".into(),
        advertise: Some("http://10.0.0.1:8270".into()),
        networks: vec![(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/64".parse().unwrap()], "http://10.0.0.2".into())],
        rows: rows.to_vec(),
        documents: Some(rows.chunks(32).map(sheaf).collect()),
    }
}

fn rows(count: usize, version: &str) -> Vec<BootRow> {
    (0..count).map(|n| row(n, version)).collect()
}

fn inputs(n: u32) -> Tree {
    let mut tree = Tree::from_fixture("//- nodes/a.toml\n[[node]]\n//- README.md\nx\n//- groups/empty.toml\n");
    tree.insert("cluster.toml", muster_core::model::File::Bytes(format!("name = \"n{n}\"\n").as_bytes().into()));
    tree.insert("nodes/big.toml", muster_core::model::File::TooLarge { bytes: 9_000_000 });
    tree.insert("link", muster_core::model::File::Symlink);
    tree.insert("sub", muster_core::model::File::Submodule);
    tree.insert("b\u{fffd}d", muster_core::model::File::BadName);
    tree
}

fn accept(store: &Store, n: u32, rows: &[BootRow]) {
    try_accept(store, n, rows).unwrap();
}

fn try_accept(store: &Store, n: u32, rows: &[BootRow]) -> Result<(), StoreError> {
    let happened = [happening(n)];
    store.accept(&accepted(n), &inputs(n), &rendered(rows), &|row| Cow::Owned(script(row)), &happened).map(drop)
}

/// Returns the event of commit `n`.
fn happening(n: u32) -> Happening {
    let Accepted { revision, at, subject, nodes } = accepted(n);
    let what = What::Accepted { nodes, signed_by: None, stat: None };
    Happening { at, commit: Some(Commit::new(revision.as_str(), &subject)), what }
}

/// Checks that a store holds commit `n` completely.
fn holds(store: &Store, n: u32, rows: &[BootRow]) {
    let last = store.last_good().unwrap().expect("a last good commit");
    assert_eq!(last, LastGood { accepted: accepted(n), tree: inputs(n) });
    assert_eq!(store.last_accepted().unwrap(), Some(accepted(n)));
    assert_eq!(store.events().unwrap().last().map(|event| &event.happening), Some(&happening(n)), "its event, too");
    assert_eq!(store.rendered().unwrap(), rendered(rows));
    let bodies = store.bodies().unwrap();
    assert_eq!(bodies.len(), rows.len());
    for row in rows {
        assert_eq!(*bodies[&row.digest], *script(row), "{}", row.name);
    }
}

/// Starts one ignored test of this binary in a separate process.
fn child(test: &str, file: &Path) -> std::process::Command {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]).env("MUSTER_TEST_STORE", file);
    child
}

/// Runs an ignored test on its own 8 MB file system, if the system lets a test mount one.
fn on_a_small_file_system(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=8m tmpfs \"$0\" || exit 77; exec \"$@\"";
    let child = child(test, &folder.path().join("muster.redb"));
    let mut inside = std::process::Command::new("unshare");
    inside.args(["--map-root-user", "--mount", "sh", "-c", mount]).arg(folder.path());
    inside.arg(child.get_program()).args(child.get_args());
    inside.envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))));

    let out = inside.output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    if out.status.code() == Some(77) || said.contains("unshare failed") {
        eprintln!("SKIPPED: no file system can be mounted here: {said}");
        return;
    }

    assert!(out.status.success() && said.contains("1 passed"), "{said}");
}

/// Returns the file that the parent test passed to this child process.
fn told() -> PathBuf {
    std::env::var_os("MUSTER_TEST_STORE").expect("run by another test").into()
}

#[test]
fn a_store_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Store>();
}
