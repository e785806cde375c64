//! Objects above the size limits, names that no file can have, and references that name nothing.

use super::super::{GitError, Mirror};
use super::*;
use std::io::Write;

/// Writes an object without git's checks.
fn object(site: &Site, kind: &str, bytes: &[u8]) -> String {
    let mut command = git_command(&site.clone);
    command.args(["hash-object", "-t", kind, "--literally", "-w", "--stdin"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

/// Sets the branch of the bare repository to a commit with this root folder.
fn publish(site: &Site, tree: &str, message: &str) -> Revision {
    let text = format!("tree {tree}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\n{message}\n");
    let commit = object(site, "commit", text.as_bytes());
    let objects = site.bare.join("objects");
    for folder in std::fs::read_dir(site.clone.join(".git/objects")).unwrap().filter_map(Result::ok) {
        for file in std::fs::read_dir(folder.path()).into_iter().flatten().filter_map(Result::ok) {
            let to = objects.join(folder.file_name());
            std::fs::create_dir_all(&to).unwrap();
            let _ = std::fs::copy(file.path(), to.join(file.file_name()));
        }
    }
    std::fs::write(site.bare.join("refs/heads/main"), format!("{commit}\n")).unwrap();
    Revision::commit(&commit)
}

fn mirror_of(site: &Site) -> Mirror {
    Mirror::open_or_create(&site.root.join("state/mirror.git")).unwrap()
}

fn objects_of(mirror: &Mirror) -> u64 {
    crate::child::bytes_of(&mirror.path().join("objects"))
}

#[test]
fn a_file_that_is_too_large_to_be_read_is_left_out_of_the_mirror_and_of_its_copies() {
    let site = Site::new();

    // Noise does not compress.
    let mut state = 7_u32;
    let noise: Vec<u8> = (0..9 << 20)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();

    write(&site.clone, "picture.bin", &noise);
    write(&site.clone, "nodes/huge.toml", &noise);
    let head = site.push("large");
    let mirror = mirror_of(&site);

    for turn in 0..3 {
        assert_eq!(revision(&mirror.fetch(&site.bare, &Wanted::Head).unwrap().tip), head);
        assert!(objects_of(&mirror) < 1 << 20, "{turn}: {}", objects_of(&mirror));
        let repo = mirror.repo().unwrap();
        let tree = repo.tree(&head, "").unwrap();
        assert_eq!(tree, named(&site.bare).tree(&head, "").unwrap());
        assert_eq!(tree.get("nodes/huge.toml"), Some(&File::TooLarge { bytes: 9 << 20 }));
        let mut walk = repo.walk();
        let folder = walk.folder(&head, "").unwrap().unwrap();
        for (path, listed) in walk.list(folder, &head).unwrap().iter() {
            assert_eq!(tree.get(path), Some(&walk.file(path, listed, &head).unwrap()), "{path}");
        }
        match turn {
            0 => mirror.compact().unwrap(),
            1 => drop(mirror_of(&site)),
            _ => {}
        }
    }

    // Later commits are copied without the large file too.
    write(&site.clone, "cluster.toml", "name = \"next\"\n");
    let next = site.push("next");
    assert!(mirror.fetch(&site.bare, &Wanted::Head).unwrap().changed);
    assert_eq!(text(&mirror.repo().unwrap().tree(&next, "").unwrap(), "cluster.toml"), "name = \"next\"\n");

    assert!(objects_of(&mirror) < 1 << 20);
}

#[test]
fn a_message_is_read_as_far_as_it_is_of_use_and_one_that_fills_a_book_is_refused() {
    let site = Site::new();
    let tree = git(&site.clone, &["rev-parse", "HEAD^{tree}"]);
    let long = publish(&site, &tree, &"é".repeat(1 << 20));
    let mirror = mirror_of(&site);
    mirror.fetch(&site.bare, &Wanted::Head).unwrap();
    let subject = mirror.repo().unwrap().commit_info(&long).unwrap().subject;
    assert_eq!(subject, format!("{}…", "é".repeat(crate::MAX_SUBJECT)));

    publish(&site, &tree, &"x".repeat(20 << 20));
    let error = mirror.fetch(&site.bare, &Wanted::Head).unwrap_err();
    assert!(error.to_string().contains("a commit or tag of more than 4 MB"), "{error}");
    assert_eq!(mirror.tip(), Some(long), "the last tip stays");
}

#[test]
fn an_entry_that_no_file_can_be_called_is_refused_where_it_is_read_and_where_it_is_copied() {
    let site = Site::new();
    let blob = object(&site, "blob", b"name = \"x\"\n");
    let raw: Vec<u8> = (0..20).map(|at| u8::from_str_radix(&blob[2 * at..2 * at + 2], 16).unwrap()).collect();
    let entry = |name: &[u8]| [b"100644 ", name, b"\0", &raw].concat();
    let good = revision(&named(&site.bare).tip(&Wanted::Head).unwrap());
    let mirror = mirror_of(&site);
    mirror.fetch(&site.bare, &Wanted::Head).unwrap();

    for (names, why) in [
        (&[&b"."[..]][..], "names a folder around it"),
        (&[b".."], "names a folder around it"),
        (&[b".git"], "is called like git's own folder"),
        (&[b".GIT"], "is called like git's own folder"),
        (&[b"git~1"], "is called like git's own folder"),
        (&[b"nodes/a.toml"], "has a slash in its name"),
        (&[b"cluster.toml", b"cluster.toml"], "stands twice in its folder"),
    ] {
        let tree: Vec<u8> = names.iter().flat_map(|name| entry(name)).collect();
        let tree = object(&site, "tree", &tree);
        let bad = publish(&site, &tree, "bad");
        let repo = named(&site.bare);
        let error = repo.tree(&bad, "").unwrap_err();
        assert!(matches!(error, GitError::Unsound { .. }) && error.to_string().contains(why), "{why}: {error}");
        let mut walk = repo.walk();
        let folder = walk.folder(&bad, "").unwrap().unwrap();
        assert!(walk.list(folder, &bad).unwrap_err().to_string().contains(why), "{why}");
        let error = mirror.fetch(&site.bare, &Wanted::Head).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(cause.contains(why), "{why}: {error}: {cause}");
        assert_eq!(mirror.tip(), Some(good.clone()), "{why}: the last tip stays");
    }
}

#[test]
fn a_mirror_heals_from_what_a_power_cut_leaves_of_its_references() {
    let site = Site::new();
    let mirror = mirror_of(&site);
    mirror.fetch(&site.bare, &Wanted::Head).unwrap();
    let path = mirror.path().to_path_buf();
    let put = |name: &str, bytes: &[u8]| std::fs::write(path.join(name), bytes).unwrap();
    let id = site.head();

    let spoil: [(&str, &dyn Fn()); 9] = [
        ("empty", &|| put("refs/heads/followed", b"")),
        ("zeroed", &|| put("refs/heads/followed", &[0; 41])),
        ("cut", &|| put("refs/heads/followed", &id.as_str().as_bytes()[..20])),
        ("locked", &|| put("refs/heads/followed.lock", b"")),
        ("packed zeroed", &|| put("packed-refs", &[0; 64])),
        ("packed cut", &|| {
            put("packed-refs", format!("# pack-refs with: peeled\n{id} refs/heads/a\n{}", &id.as_str()[..9]).as_bytes())
        }),
        ("packed locked", &|| put("packed-refs.lock", b"")),
        ("kept zeroed", &|| put(&format!("refs/muster/kept/{id}"), &[0; 41])),
        ("head zeroed", &|| put("HEAD", &[0; 23])),
    ];

    for (case, spoil) in spoil {
        for reopens in [false, true] {
            spoil();
            let next = site.push(case);
            let again = mirror_of(&site);
            let used = if reopens { &again } else { &mirror };
            let tip = used.fetch(&site.bare, &Wanted::Head).unwrap_or_else(|error| panic!("{case}: {error}")).tip;
            assert_eq!(revision(&tip), next, "{case}");
            used.keep(std::slice::from_ref(&next)).unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(used.kept().unwrap(), std::slice::from_ref(&next), "{case}");
            assert_eq!(used.tip(), Some(next), "{case}");
        }
    }

    assert!(!mirror.is_of("a"));
    mirror.claim("a").unwrap();
    mirror.compact().unwrap();
    assert!(mirror.is_of("a") && !mirror.is_of("b"));
}

#[test]
fn a_partial_clone_is_named_as_one() {
    let site = Site::new();
    write(&site.clone, "cluster.toml", "name = \"second\"\n");
    site.push("second");
    git(&site.bare, &["config", "uploadpack.allowFilter", "true"]);
    let from = format!("file://{}", site.bare.display());
    git(&site.root, &["clone", "-q", "--filter=blob:none", "--no-checkout", &from, "partial"]);
    let repo = Repo::open(&site.root.join("partial"), Trust::Person).unwrap();
    let head = repo.resolve("HEAD").unwrap();
    let error = repo.tree(&head, "").unwrap_err();
    assert!(matches!(error, GitError::Partial { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("without --filter"));
}
