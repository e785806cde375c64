//! Reading folders and commits as trees.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::{GitError, Limit, work_tree};
use muster_core::model::MAX_TOML_BYTES;

/// A tree with every kind of entry.
fn crowded() -> Site {
    let site = Site::new();
    let dir = &site.clone;
    write(dir, "nodes/x1000.toml", "[[node]]\n");
    write(dir, "nodes/rows/r1.facts.csv", "name\n");
    write(dir, "README.md", "read me");
    write(dir, "nodes/huge.toml", vec![b'#'; MAX_TOML_BYTES as usize + 1]);
    write(dir, "nodes/full.toml", vec![b'#'; MAX_TOML_BYTES as usize]);

    write(dir, "cloud-init/base.yaml", vec![b'#'; 1024 * 1024 + 1]);
    write(dir, "groups/binary.toml", [0xff, 0xfe]);
    std::os::unix::fs::symlink("x1000.toml", dir.join("nodes/link.toml")).unwrap();
    std::os::unix::fs::symlink("nodes", dir.join("linked-folder")).unwrap();
    std::fs::write(dir.join(OsStr::from_bytes(b"groups/\xff.toml")), "x").unwrap();
    std::fs::create_dir(dir.join(OsStr::from_bytes(b"b\xfed"))).unwrap();
    std::fs::write(dir.join(OsStr::from_bytes(b"b\xfed/inside.toml")), "x").unwrap();

    git(dir, &["submodule", "add", "-q", "../wishes.git", "groups/sub"]);
    site
}

#[test]
fn a_commit_and_its_work_tree_are_the_same_tree() {
    let site = crowded();
    let revision = site.commit("crowded");
    let tree = named(&site.clone).tree(&revision, "").unwrap();
    assert_eq!(text(&tree, "nodes/x1000.toml"), "[[node]]\n");
    assert_eq!(text(&tree, "nodes/rows/r1.facts.csv"), "name\n");
    assert_eq!(tree.get("README.md"), Some(&File::Unread));
    assert_eq!(tree.get("nodes/huge.toml"), Some(&File::TooLarge { bytes: MAX_TOML_BYTES + 1 }));

    assert!(matches!(tree.get("nodes/full.toml"), Some(File::Bytes(_))));
    assert_eq!(tree.get("cloud-init/base.yaml"), Some(&File::TooLarge { bytes: 1024 * 1024 + 1 }));
    assert_eq!(tree.get("groups/binary.toml"), Some(&File::Bytes([0xff, 0xfe].into())));
    for link in ["nodes/link.toml", "linked-folder"] {
        assert_eq!(tree.get(link), Some(&File::Symlink), "{link}");
    }
    assert_eq!(tree.get("groups/sub"), Some(&File::Submodule));

    assert_eq!(tree.get("groups/\u{fffd}.toml"), Some(&File::BadName));
    assert_eq!(tree.get("b\u{fffd}d"), Some(&File::BadName));
    assert!(tree.iter().all(|(path, _)| !path.starts_with(".git/") && !path.contains("inside")));
    assert_eq!(work_tree(&site.clone, "").unwrap(), tree);
}

#[test]
fn a_work_tree_needs_no_git_and_sees_what_is_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "cluster.toml", "name = \"plain\"\n");
    write(folder.path(), "target/debug/x.toml", "");
    assert!(std::process::Command::new("mkfifo").arg(folder.path().join("policy.toml")).status().unwrap().success());
    let tree = work_tree(folder.path(), "").unwrap();
    assert_eq!(text(&tree, "cluster.toml"), "name = \"plain\"\n");
    assert_eq!(tree.get("policy.toml"), Some(&File::Unread), "a pipe is not waited for");
    assert_eq!(tree.get("target/debug/x.toml"), Some(&File::Unread));
}

#[test]
fn a_path_roots_the_tree_in_a_folder() {
    let site = Site::new();
    write(&site.clone, "clusters/west/cluster.toml", "name = \"west\"\n");
    write(&site.clone, "clusters/west/nodes/a.toml", "");
    write(&site.clone, "clusters/east/cluster.toml", "name = \"east\"\n");
    let revision = site.push("two clusters");
    let repo = named(&site.bare);

    for sub in ["clusters/west", "./clusters//west/"] {
        let tree = repo.tree(&revision, sub).unwrap();
        assert_eq!(tree.len(), 2);
        assert_eq!(text(&tree, "cluster.toml"), "name = \"west\"\n");
        assert_eq!(work_tree(&site.clone, sub).unwrap(), tree);
    }

    std::os::unix::fs::symlink("clusters/west", site.clone.join("link")).unwrap();
    let revision = site.push("a link");
    for error in [repo.tree(&revision, "clusters/wset"), work_tree(&site.clone, "clusters/wset")] {
        let error = error.unwrap_err();
        assert!(matches!(&error, GitError::NoSuchFolder { near, .. } if near[0] == "west"), "{error:?}");
    }

    for sub in ["/etc", "../..", "clusters/../..", "cluster.toml", "link"] {
        for error in [repo.tree(&revision, sub), work_tree(&site.clone, sub)] {
            let error = error.unwrap_err();
            assert!(matches!(error, GitError::BadFolder { .. }), "{sub}: {error:?}");
        }
    }
}

#[test]
fn an_endless_depth_and_a_missing_object_are_errors() {
    let site = Site::new();
    write(&site.clone, &format!("{}x.toml", "d/".repeat(70)), "");
    let revision = site.push("deep");
    for error in [named(&site.bare).tree(&revision, ""), work_tree(&site.clone, "")] {
        assert!(matches!(error.unwrap_err(), GitError::TooMuch { .. }));
    }
    let blob = git(&site.clone, &["rev-parse", "HEAD:cluster.toml"]);
    std::fs::remove_file(site.bare.join("objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let error = named(&site.bare).tree(&site.head(), "").unwrap_err();
    assert!(error.is_damage(), "{error:?}");
    let error = named(&site.bare).tree(&Revision::work_tree(), "").unwrap_err();
    assert!(error.is_damage(), "{error:?}");
}

#[test]
fn ten_thousand_files_arrive_whole() {
    let site = Site::new();
    for n in 0..10_000 {
        write(&site.clone, &format!("nodes/r{:02}/n{n}.toml", n % 100), format!("[[node]]\nname = \"n{n}\"\n"));
    }
    let revision = site.push("many");
    git(&site.bare, &["gc", "-q"]);
    let start = std::time::Instant::now();

    let tree = named(&site.bare).tree(&revision, "").unwrap();
    eprintln!("10,000 files read in {:?}", start.elapsed());
    assert_eq!(tree.blobs().count(), 10_001);
    assert_eq!(text(&tree, "nodes/r42/n4242.toml"), "[[node]]\nname = \"n4242\"\n");
    let start = std::time::Instant::now();
    let mirror = crate::Mirror::open_or_create(&site.root.join("mirror.git")).unwrap();
    mirror.fetch(&site.bare, &Wanted::Head).unwrap();

    eprintln!("and fetched in {:?}", start.elapsed());
    write(&site.clone, "nodes/r00/n0.toml", "");
    let next = site.push("one more");
    let start = std::time::Instant::now();
    mirror.fetch(&site.bare, &Wanted::Head).unwrap();
    eprintln!("and one change fetched in {:?}", start.elapsed());

    assert_eq!(mirror.repo().unwrap().tree(&next, "").unwrap().blobs().count(), 10_001);
}

/// Six levels of ten names for one folder each: a few objects, a million paths.
#[test]
fn a_tree_that_multiplies_itself_is_bounded() {
    let site = Site::new();
    let mut id = git(&site.clone, &["rev-parse", "HEAD:cluster.toml"]);
    let mut kind = "100644 blob";

    for _ in 0..6 {
        let names: String = (0..10).map(|n| format!("{kind} {id}\tn{n}\n")).collect();
        write(&site.root, "names", names);
        let mut mktree = git_command(&site.clone);
        mktree.arg("mktree").stdin(std::fs::File::open(site.root.join("names")).unwrap());
        id = String::from_utf8(mktree.output().unwrap().stdout).unwrap().trim().to_owned();
        kind = "040000 tree";
    }

    let bomb = git(&site.clone, &["commit-tree", "-m", "bomb", &id]);
    git(&site.clone, &["push", "-q", "--force", "origin", &format!("{bomb}:refs/heads/main")]);
    let mirror = crate::Mirror::open_or_create(&site.root.join("mirror.git")).unwrap();
    assert!(mirror.fetch(&site.bare, &Wanted::Head).unwrap().changed, "few objects are copied");
    let error = mirror.repo().unwrap().tree(&Revision::commit(&bomb), "").unwrap_err();

    assert!(matches!(error, GitError::TooMuch { limit: Limit::Entries, .. }), "{error:?}");
}

/// Ten levels of two long names for one folder each: a few small objects, and paths of half a
/// megabyte.
#[test]
fn a_tree_whose_paths_grow_is_bounded() {
    let site = Site::new();
    let repo = git2::Repository::open_bare(&site.bare).unwrap();
    let odb = repo.odb().unwrap();
    let name = "n".repeat(60_000);
    let mut id = odb.write(git2::ObjectType::Tree, b"").unwrap();
    for _ in 0..10 {
        let entry = |last: &str| [format!("40000 {name}{last}\0").as_bytes(), id.as_bytes()].concat();
        id = odb.write(git2::ObjectType::Tree, &[entry("a"), entry("b")].concat()).unwrap();
    }

    let who = "Ada <ada@site.example> 1767225600 +0000";
    let commit = format!("tree {id}\nauthor {who}\ncommitter {who}\n\nbomb\n");
    let commit = odb.write(git2::ObjectType::Commit, commit.as_bytes()).unwrap();
    let error = named(&site.bare).tree(&Revision::commit(&commit.to_string()), "").unwrap_err();
    assert!(matches!(error, GitError::TooMuch { limit: Limit::Path, .. }), "{error:?}");
}
