//! Receiving into the mirror what `git fetch` brings.

use std::path::Path;

use super::super::mirror::INCOMING;
use super::*;
use crate::{GitError, MAX_PACKS, Mirror};

/// Fetches from a folder in the same way as from a remote.
fn bring(source: &Path) -> impl FnMut(&Path) -> Result<(), GitError> {
    let source = source.to_owned();
    move |dir| {
        let refspec = format!("+refs/heads/main:{INCOMING}");
        let args =
            ["fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", &source.to_string_lossy(), &refspec];
        let out = git_command(dir).args(["-c", "fetch.unpackLimit=1", "--git-dir=."]).args(args).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        Ok(())
    }
}

#[test]
fn packs_stay_few_over_many_fetches_and_nothing_is_lost() {
    let site = Site::new();
    let path = site.root.join("mirror.git");
    let mirror = Mirror::open_or_create(&path).unwrap();
    let first = site.head();
    mirror.receive(&mut bring(&site.bare)).unwrap();
    mirror.keep(std::slice::from_ref(&first)).unwrap();

    for n in 0..120 {
        write(&site.clone, "cluster.toml", format!("name = \"n{n}\"\n"));
        let pushed = site.push("next");
        assert_eq!(mirror.receive(&mut bring(&site.bare)).unwrap(), pushed);
        assert!(mirror.packs().unwrap() <= MAX_PACKS, "after {n}");
    }

    let repo = mirror.repo().unwrap();
    assert_eq!(mirror.tip(), Some(site.head()));
    assert!(repo.tree(&first, "").is_ok() && repo.commit_info(&site.head()).is_ok());
    assert!(repo.inner.find_reference(INCOMING).is_err());
    let history = git(&path, &["--git-dir=.", "rev-list", "--count", "followed"]);

    assert_eq!(history, "121", "the whole history is there");
}

#[test]
fn what_a_killed_fetch_left_is_swept_and_a_damaged_mirror_is_filled_anew() {
    let site = Site::new();
    let path = site.root.join("mirror.git");
    let mirror = Mirror::open_or_create(&path).unwrap();
    write(&path, "objects/pack/tmp_pack_abc", "half a pack");
    write(&path, "refs/muster/incoming.lock", "");
    write(&path, "packed-refs.lock", "");
    let first = mirror.receive(&mut bring(&site.bare)).unwrap();

    assert_eq!(first, site.head());
    assert!(!path.join("objects/pack/tmp_pack_abc").exists() && !path.join("packed-refs.lock").exists());

    // The pack of the first commit is lost; git still treats it as present.
    let mut lost = 0;
    for entry in std::fs::read_dir(path.join("objects/pack")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
        lost += 1;
    }

    assert!(lost > 0);
    let mut tries = 0;
    let next = site.push("next");
    let mut fetch = bring(&site.bare);

    let taken = mirror.receive(&mut |dir| {
        tries += 1;
        if tries == 1 {
            // git's message about missing objects is for people; any failure will do.
            let url = "https://h/a".parse().unwrap();
            let muster_core::model::RepoAddress::Remote(url) = url else { panic!() };
            return Err(GitError::Remote(super::super::fault::RemoteError {
                url: url.to_string(),
                transport: url.transport(),
                fault: crate::RemoteFault::Other,
                said: String::new(),
            }));
        }
        fetch(dir)
    });

    assert_eq!((taken.unwrap(), tries), (next, 2));
}
