//! The mirror under all kinds of changes of its source.

use super::*;
use crate::{GitError, MAX_PACKS, Mirror};

fn mirrored() -> (Site, Mirror) {
    let site = Site::new();
    let mirror = Mirror::open_or_create(&site.root.join("state/mirror.git")).unwrap();
    assert!(mirror.fetch(&site.bare, &Wanted::Head).unwrap().changed);
    (site, mirror)
}

fn name_at(mirror: &Mirror, revision: &Revision) -> String {
    text(&mirror.repo().unwrap().tree(revision, "").unwrap(), "cluster.toml").to_owned()
}

#[test]
fn a_push_a_rewind_and_a_rewritten_history_are_followed() {
    let (site, mirror) = mirrored();
    let first = site.head();
    assert!(!mirror.fetch(&site.bare, &Wanted::Head).unwrap().changed);
    write(&site.clone, "cluster.toml", "name = \"second\"\n");
    let second = site.push("second");
    let fetched = mirror.fetch(&site.bare, &Wanted::Head).unwrap();
    assert_eq!((revision(&fetched.tip), fetched.changed), (second.clone(), true));
    assert_eq!(name_at(&mirror, &second), "name = \"second\"\n");

    git(&site.bare, &["update-ref", "refs/heads/main", first.as_str()]);
    assert_eq!(revision(&mirror.fetch(&site.bare, &Wanted::Head).unwrap().tip), first);

    git(&site.clone, &["checkout", "-q", "--orphan", "again"]);
    write(&site.clone, "cluster.toml", "name = \"rewritten\"\n");
    let rewritten = site.push("all is new");
    assert_eq!(revision(&mirror.fetch(&site.bare, &Wanted::Head).unwrap().tip), rewritten);
    assert_eq!(name_at(&mirror, &rewritten), "name = \"rewritten\"\n");
}

#[test]
fn a_deleted_branch_and_an_emptied_repository_leave_the_mirror_as_it_was() {
    let (site, mirror) = mirrored();
    let first = site.head();
    git(&site.clone, &["push", "-q", "origin", "HEAD:refs/heads/other"]);
    git(&site.bare, &["update-ref", "-d", "refs/heads/main"]);
    let fetched = mirror.fetch(&site.bare, &Wanted::Branch("main".into())).unwrap();
    assert!(matches!(&fetched.tip, Tip::Missing { near, .. } if near == &["other"]) && !fetched.changed);
    git(&site.bare, &["update-ref", "-d", "refs/heads/other"]);
    assert!(matches!(mirror.fetch(&site.bare, &Wanted::Head).unwrap().tip, Tip::Empty { .. }));
    assert_eq!(name_at(&mirror, &first), "name = \"first\"\n");
    std::fs::remove_dir_all(&site.bare).unwrap();
    assert!(matches!(mirror.fetch(&site.bare, &Wanted::Head), Err(GitError::PathMissing { .. })));
    assert_eq!(name_at(&mirror, &first), "name = \"first\"\n");
}

#[test]
fn packs_are_folded_past_the_bound_and_only_what_is_kept_survives() {
    let (site, mirror) = mirrored();
    let first = site.head();
    mirror.keep(std::slice::from_ref(&first)).unwrap();
    git(&site.clone, &["checkout", "-q", "--orphan", "again"]);
    write(&site.clone, "cluster.toml", "name = \"lost\"\n");
    let lost = site.push("not kept");
    mirror.fetch(&site.bare, &Wanted::Head).unwrap();

    git(&site.clone, &["checkout", "-q", "--orphan", "once-more"]);
    let held_open = mirror.repo().unwrap();
    let mut most = 0;

    for n in 0..MAX_PACKS {
        write(&site.clone, "cluster.toml", format!("name = \"n{n}\"\n"));
        site.push(&format!("n{n}"));
        assert!(mirror.fetch(&site.bare, &Wanted::Head).unwrap().changed);
        most = most.max(mirror.packs().unwrap());
    }

    assert_eq!(most, MAX_PACKS, "the bound was reached");
    assert!(mirror.packs().unwrap() < 5, "{} packs", mirror.packs().unwrap());
    assert_eq!(name_at(&mirror, &site.head()), format!("name = \"n{}\"\n", MAX_PACKS - 1));
    assert_eq!(name_at(&mirror, &first), "name = \"first\"\n");
    assert!(mirror.repo().unwrap().tree(&lost, "").unwrap_err().is_damage());
    assert_eq!(text(&held_open.tree(&first, "").unwrap(), "cluster.toml"), "name = \"first\"\n");
    assert!(git(&site.root.join("state/mirror.git"), &["fsck", "--strict"]).is_empty());

    mirror.keep(&[]).unwrap();
    mirror.compact().unwrap();
    assert!(mirror.repo().unwrap().tree(&first, "").unwrap_err().is_damage());
    assert!(!mirror.fetch(&site.bare, &Wanted::Head).unwrap().changed);
}

#[test]
fn a_broken_mirror_is_made_anew_and_a_strangers_folder_is_not_touched() {
    let (site, mirror) = mirrored();
    let path = site.root.join("state/mirror.git");
    let head = site.head();
    let spoil: [&dyn Fn(); 4] = [
        &|| std::fs::remove_dir_all(path.join("objects/pack")).unwrap(),
        &|| std::fs::write(path.join("config"), "[core\n").unwrap(),
        &|| std::fs::remove_file(path.join("HEAD")).unwrap(),
        &|| {
            for pack in std::fs::read_dir(path.join("objects/pack")).unwrap() {
                let file = pack.unwrap().path();
                std::fs::remove_file(&file).unwrap();
                std::fs::write(&file, "garbage").unwrap();
            }
        },
    ];
    for (case, spoil) in spoil.iter().enumerate() {
        spoil();
        let again = Mirror::open_or_create(&path).unwrap_or_else(|e| panic!("{case}: {e:?}"));
        assert!(again.fetch(&site.bare, &Wanted::Head).unwrap().changed, "{case}");
        assert_eq!(name_at(&again, &head), "name = \"first\"\n", "{case}");
    }
    // Damaged under a running server: the next commit that needs the lost objects brings all of
    // them.
    std::fs::remove_dir_all(path.join("objects/pack")).unwrap();
    std::fs::create_dir(path.join("objects/pack")).unwrap();
    let next = site.push("next");
    assert_eq!(revision(&mirror.fetch(&site.bare, &Wanted::Head).unwrap().tip), next);
    assert_eq!(name_at(&mirror, &next), "name = \"first\"\n");

    std::fs::remove_dir_all(&path).unwrap();
    assert!(mirror.fetch(&site.bare, &Wanted::Head).unwrap().changed);
    assert_eq!(name_at(&mirror, &next), "name = \"first\"\n");

    assert!(matches!(Mirror::open_or_create(&site.clone), Err(GitError::NotOurMirror { .. })));
    assert_eq!(site.head(), next);
}

#[test]
fn a_swap_cut_short_is_finished() {
    let (site, mirror) = mirrored();
    let path = site.root.join("state/mirror.git");
    drop(mirror);
    std::fs::rename(&path, site.root.join("state/mirror.git.old")).unwrap();
    let mirror = Mirror::open_or_create(&path).unwrap();
    assert_eq!(name_at(&mirror, &site.head()), "name = \"first\"\n");
}

#[test]
fn a_shallow_clone_and_another_branch_can_be_followed() {
    let (site, mirror) = mirrored();
    let second = site.push("second");
    let url = format!("file://{}", site.bare.display());
    git(&site.root, &["clone", "-q", "--depth", "1", &url, "shallow"]);
    assert_eq!(
        revision(&mirror.fetch(&site.root.join("shallow"), &Wanted::Branch("main".into())).unwrap().tip),
        second
    );
    let fresh = Mirror::open_or_create(&site.root.join("fresh.git")).unwrap();
    assert_eq!(revision(&fresh.fetch(&site.root.join("shallow"), &Wanted::Head).unwrap().tip), second);
    assert_eq!(name_at(&fresh, &second), "name = \"first\"\n");
}
