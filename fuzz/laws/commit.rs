//! A commit whose objects are anybody's: it is read within the bounds, or refused.

use super::wishes::{builds, is_large};
use git2::{ObjectType, Odb, Oid, Repository};
use muster::git::{MAX_DEPTH, MAX_ENTRIES, Repo, Trust};
use muster::model::{Revision, Tree};
use std::path::Path;

/// Between two objects of an input.
const BETWEEN: &[u8] = b"\xff\xff";

/// The most objects of one input.
const MOST: usize = 48;

/// Writes the objects of an input into a repository, the last as the root of a commit, and reads the commit.
///
/// An object is the letter of its kind (`b`, `c`, `t`) and its bytes, in which a zero byte and a number after it become a
/// zero byte and the id of the object of that number, as a tree's entries and a submodule's have it.
pub fn holds(input: &[u8]) {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("muster-fuzz-");
    let dir =
        if memory.is_dir() { builder.tempdir_in(memory) } else { builder.tempdir() }.expect("a folder can be made");
    let written = Repository::init_bare(dir.path()).expect("a repository can be made");
    let commit = write(&written.odb().expect("it has objects"), input);
    let repo = Repo::open(dir.path(), Trust::Named).expect("it is a repository");
    let revision = Revision::commit(&commit.to_string());
    // A commit of such bytes may be damaged; what matters is that somebody says so.
    let _ = repo.commit_info(&revision);
    for sub in ["", "clusters/west"] {
        if let Ok(tree) = repo.tree(&revision, sub) {
            reads(&tree);
        }
    }
}

fn write(odb: &Odb<'_>, input: &[u8]) -> Oid {
    let mut ids: Vec<Oid> = Vec::new();
    let mut rest = input;
    for _ in 0..MOST {
        let end = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        let object = &rest[..end.unwrap_or(rest.len())];
        let (kind, bytes) = object.split_first().unwrap_or((&b't', b""));
        let kind = match kind {
            b'b' => ObjectType::Blob,
            b'c' => ObjectType::Commit,
            _ => ObjectType::Tree,
        };
        ids.push(odb.write(kind, &with_ids(bytes, &ids)).expect("an object can be written"));
        let Some(end) = end else { break };
        rest = &rest[end + BETWEEN.len()..];
    }
    let root = ids.last().expect("there is one");
    let who = "Ada <ada@site.example> 1767225600 +0000";
    let commit = format!("tree {root}\nauthor {who}\ncommitter {who}\n\nwishes\n");
    odb.write(ObjectType::Commit, commit.as_bytes()).expect("an object can be written")
}

fn with_ids(bytes: &[u8], ids: &[Oid]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        all.push(byte);
        if byte == 0 {
            match rest.next().map(|number| ids.get(usize::from(number))) {
                Some(Some(id)) => all.extend_from_slice(id.as_bytes()),
                Some(None) => all.extend_from_slice(&[7; 20]),
                None => {}
            }
        }
    }
    all
}

fn reads(tree: &Tree) {
    assert!(tree.len() <= MAX_ENTRIES, "{} paths", tree.len());
    let deep = |path: &str| path.split('/').count() > MAX_DEPTH + 64;
    assert!(!tree.iter().any(|(path, _)| deep(path)), "a path is deeper than the bound");
    let large = tree.blobs().any(|(_, bytes)| is_large(&String::from_utf8_lossy(bytes)));
    if tree.len() < 200 && !large {
        builds(tree);
    }
}
