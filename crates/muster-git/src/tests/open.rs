//! Opening repositories, and the errors for everything else.

use super::*;
use crate::{GitError, Watch};

fn refused(dir: &Path, trust: Trust) -> GitError {
    match Repo::open(dir, trust) {
        Ok(_) => panic!("{} opened", dir.display()),
        Err(e) => e,
    }
}

#[test]
fn bare_work_tree_and_linked_work_tree_have_their_own_tips() {
    let site = Site::new();
    let first = site.head();
    git(&site.clone, &["worktree", "add", "-q", "-b", "side", "../linked"]);
    let linked = site.root.join("linked");
    write(&linked, "cluster.toml", "name = \"side\"\n");
    git(&linked, &["commit", "-qam", "side"]);

    for trust in [Trust::Named, Trust::Person] {
        let open = |dir: &Path| Repo::open(dir, trust).unwrap();
        assert_eq!(
            open(&site.bare).tip(&Wanted::Head).unwrap(),
            Tip::Commit { branch: "main".into(), revision: first.clone() }
        );
        assert_eq!(revision(&open(&site.clone).tip(&Wanted::Head).unwrap()), first);
        let side = open(&linked);
        let tip = revision(&side.tip(&Wanted::Head).unwrap());
        assert_ne!(tip, first);
        assert_eq!(text(&side.tree(&tip, "").unwrap(), "cluster.toml"), "name = \"side\"\n");
        assert_eq!(revision(&open(&site.clone).tip(&Wanted::Branch("side".into())).unwrap()), tip);
        assert_eq!(
            open(&site.clone.join(".git")).tip(&Wanted::Head).unwrap(),
            open(&site.clone).tip(&Wanted::Head).unwrap()
        );
    }
}

#[test]
fn a_person_may_stand_below_the_root_and_the_administrator_may_not() {
    let site = Site::new();
    write(&site.clone, "clusters/west/cluster.toml", "");
    let below = site.clone.join("clusters/west");
    assert_eq!(Repo::open(&below, Trust::Person).unwrap().prefix(), "clusters/west");
    assert_eq!(Repo::open(&site.clone, Trust::Person).unwrap().prefix(), "");
    assert!(matches!(refused(&below, Trust::Named), GitError::NotRepository { .. }));
}

#[test]
fn each_kind_of_wrong_path_has_its_own_words_and_hint() {
    let site = Site::new();
    let missing = refused(&site.root.join("nowhere"), Trust::Named);
    assert!(matches!(missing, GitError::PathMissing { .. }), "{missing}");
    write(&site.root, "file", "text");
    assert!(matches!(refused(&site.root.join("file"), Trust::Named), GitError::IsFile { bundle: false, .. }));
    git(&site.clone, &["bundle", "create", "-q", "../wishes.bundle", "main"]);
    let bundle = refused(&site.root.join("wishes.bundle"), Trust::Person);

    assert!(bundle.to_string().contains("git bundle") && bundle.hint().unwrap().contains("git clone"), "{bundle}");
    std::fs::create_dir(site.root.join("plain")).unwrap();
    let plain = refused(&site.root.join("plain"), Trust::Named);
    assert!(matches!(plain, GitError::NotRepository { .. }) && plain.hint().is_some());
    write(&site.root, "lost/.git", "gitdir: ../gone/.git\n");

    assert!(matches!(refused(&site.root.join("lost"), Trust::Named), GitError::BrokenLink { .. }));
}

#[test]
fn sha256_and_reftable_are_named_as_what_they_are() {
    let site = Site::new();
    git(&site.root, &["init", "-q", "--object-format=sha256", "sha256"]);
    for trust in [Trust::Named, Trust::Person] {
        assert!(matches!(refused(&site.root.join("sha256"), trust), GitError::Sha256 { .. }));
    }
    git(&site.bare, &["config", "core.repositoryformatversion", "1"]);
    git(&site.bare, &["config", "extensions.refStorage", "reftable"]);
    let refused = refused(&site.bare, Trust::Named);
    assert!(matches!(&refused, GitError::RefFormat { format, .. } if format == "reftable"), "{refused:?}");
    assert!(refused.hint().unwrap().contains("git refs migrate"));
}

#[test]
fn an_unborn_an_emptied_and_a_missing_branch_differ() {
    let site = Site::new();
    git(&site.root, &["init", "--bare", "-q", "unborn.git"]);
    assert_eq!(named(&site.root.join("unborn.git")).tip(&Wanted::Head).unwrap(), Tip::Empty { branch: "main".into() });
    let Tip::Missing { branch, near } = named(&site.bare).tip(&Wanted::Branch("mian".into())).unwrap() else {
        panic!()
    };
    assert_eq!((branch.as_str(), near), ("mian", vec!["main".to_owned()]));

    git(&site.bare, &["update-ref", "-d", "refs/heads/main"]);
    assert_eq!(named(&site.bare).tip(&Wanted::Head).unwrap(), Tip::Empty { branch: "main".into() });
    assert_eq!(
        named(&site.bare).tip(&Wanted::Branch("a b..~".into())).unwrap(),
        Tip::Empty { branch: "a b..~".into() }
    );
}

#[test]
fn a_detached_head_needs_a_named_branch() {
    let site = Site::new();
    git(&site.clone, &["checkout", "-q", "--detach"]);
    let repo = named(&site.clone);
    let detached = repo.tip(&Wanted::Head).unwrap_err();
    assert!(matches!(detached, GitError::Detached { .. }) && detached.hint().unwrap().contains("--branch"));
    assert_eq!(revision(&repo.tip(&Wanted::Branch("main".into())).unwrap()), site.head());
}

#[test]
fn revisions_are_resolved_or_the_nearest_is_named() {
    let site = Site::new();
    let first = site.head();
    git(&site.clone, &["tag", "-a", "v1.0", "-m", "first release"]);
    let second = site.commit("second, with ü");
    let repo = Repo::open(&site.clone, Trust::Person).unwrap();
    for rev in ["main", "HEAD", second.as_str(), second.short()] {
        assert_eq!(repo.resolve(rev).unwrap(), second, "{rev}");
    }

    for rev in ["v1.0", "HEAD~1", "main^"] {
        assert_eq!(repo.resolve(rev).unwrap(), first, "{rev}");
    }
    let unknown = repo.resolve("v1.1").unwrap_err();
    assert!(unknown.hint().unwrap().contains("`v1.0`"), "{unknown:?}");
    for rev in ["HEAD:cluster.toml", "", "main..HEAD", "\0"] {
        let error = repo.resolve(rev).unwrap_err();
        assert!(matches!(error, GitError::BadRevision { .. } | GitError::NoSuchRevision { .. }), "{rev}: {error:?}");
    }

    let info = repo.commit_info(&second).unwrap();
    assert_eq!((info.subject.as_str(), info.author.as_str()), ("second, with ü", "Ada Tester"));
    assert!(info.time > 1_600_000_000);
}

#[test]
fn another_users_repository_is_served_when_named_and_refused_to_a_person() {
    use std::os::unix::fs::chown;
    let site = Site::new();
    // Only root may change the owner of a folder; without root there is nothing to test.
    if chown(&site.bare, Some(54_321), None).is_err() {
        return;
    }
    assert_eq!(revision(&named(&site.bare).tip(&Wanted::Head).unwrap()), site.head());
    let home = tempfile::tempdir().unwrap();
    in_child("tests::open::child_is_refused_by_owner", |child| {
        child.env("MUSTER_TEST_REPO", &site.bare).env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
    });
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn child_is_refused_by_owner() {
    let dir = PathBuf::from(std::env::var_os("MUSTER_TEST_REPO").unwrap());
    let refused = refused(&dir, Trust::Person);
    assert!(matches!(refused, GitError::OtherOwner { .. }), "{refused:?}");
    assert!(refused.hint().unwrap().contains("safe.directory"));
}

#[test]
fn an_inherited_git_dir_redirects_nothing() {
    let (site, other) = (Site::new(), Site::new());
    write(&other.clone, "cluster.toml", "name = \"other\"\n");
    other.push("other");
    in_child("tests::open::child_ignores_git_dir", |child| {
        child.env("MUSTER_TEST_REPO", &site.bare).env("MUSTER_TEST_TIP", site.head().as_str());
        child.env("GIT_DIR", &other.bare).env("GIT_COMMON_DIR", &other.bare).env("GIT_NAMESPACE", "elsewhere");
        child.env("GIT_OBJECT_DIRECTORY", other.bare.join("objects"));
    });
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn child_ignores_git_dir() {
    let dir = PathBuf::from(std::env::var_os("MUSTER_TEST_REPO").unwrap());
    let expected = Revision::commit(&std::env::var("MUSTER_TEST_TIP").unwrap());
    for trust in [Trust::Named, Trust::Person] {
        let repo = Repo::open(&dir, trust).unwrap();
        assert_eq!(revision(&repo.tip(&Wanted::Head).unwrap()), expected);
        assert_eq!(text(&repo.tree(&expected, "").unwrap(), "cluster.toml"), "name = \"first\"\n");
    }
}

#[test]
fn a_home_that_cannot_be_looked_at_is_named_as_the_cause() {
    let site = Site::new();
    // A link to itself cannot be stat'ed even by root.
    let home = site.root.join("loop");
    std::os::unix::fs::symlink(&home, &home).unwrap();
    in_child("tests::open::child_names_its_home", |child| {
        child.env("MUSTER_TEST_REPO", &site.bare).env("HOME", &home).env_remove("XDG_CONFIG_HOME");
    });
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn child_names_its_home() {
    let dir = PathBuf::from(std::env::var_os("MUSTER_TEST_REPO").unwrap());
    for trust in [Trust::Named, Trust::Person] {
        let refused = refused(&dir, trust);
        assert!(matches!(refused, GitError::HomeConfig { .. }), "{refused:?}");
        assert!(refused.hint().unwrap().contains("HOME"));
    }
}

#[test]
fn a_watch_fires_on_push_on_commit_and_on_a_branch_in_a_new_folder() {
    let site = Site::new();
    git(&site.clone, &["worktree", "add", "-q", "-b", "side", "../linked"]);
    let linked = site.root.join("linked");
    let watch = |dir: &Path| {
        let (send, receive) = std::sync::mpsc::channel();
        (Watch::new(dir, move || send.send(()).unwrap_or_default()).unwrap(), receive)
    };

    let (_bare, pushed) = watch(&site.bare);
    let (_linked, committed) = watch(&linked);
    let fired = |receive: &std::sync::mpsc::Receiver<()>, what: &str| {
        receive.recv_timeout(std::time::Duration::from_secs(120)).unwrap_or_else(|e| panic!("{what}: {e}"));
        while receive.recv_timeout(std::time::Duration::from_millis(200)).is_ok() {}
    };

    site.push("second");
    fired(&pushed, "a push");
    git(&site.bare, &["pack-refs", "--all"]);
    fired(&pushed, "packed references");
    git(&site.bare, &["branch", "team/new/one", "main"]);
    fired(&pushed, "a branch in a new folder");
    git(&site.bare, &["branch", "-f", "team/new/one", "main~1"]);

    fired(&pushed, "a branch moved in a folder made after the watch");
    git(&linked, &["commit", "-q", "--allow-empty", "-m", "linked"]);
    fired(&committed, "a commit in a linked work tree");
    while pushed.recv_timeout(std::time::Duration::from_secs(1)).is_ok() {}
    named(&site.bare).tip(&Wanted::Head).unwrap();

    assert!(pushed.recv_timeout(std::time::Duration::from_millis(300)).is_err(), "reading woke the reader");
}
