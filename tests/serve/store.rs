//! What becomes of the store: whose it is, who holds it, and starts from it alone.

use super::*;
use std::fs;

#[test]
fn a_start_without_the_repository_serves_the_last_good_at_once_and_resumes() {
    let wishes = cluster();
    // Named through a link, as /var/run is: away, it must still be known as the same.
    let link = wishes.root().join("link");
    std::os::unix::fs::symlink(wishes.root(), &link).expect("a link can be made");
    let repo = link.join("wishes.git");
    let served = Served::start(&repo, &store(&wishes), &[]);
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    until_stored(&served, &second);
    wishes.write("nodes/a.toml", broken());
    let bad = wishes.publish("refused, so never served from the store");
    until(&served, "the refusal", |status| status["refused"]["revision"]["id"] == *bad);
    served.kill();

    let away = wishes.root().join("away.git");
    fs::rename(wishes.bare(), &away).expect("it can be moved");
    fs::remove_dir_all(wishes.root().join("muster.mirror.git")).expect("the mirror is there");
    let served = Served::start(&repo, &store(&wishes), &[]);
    let status = until(&served, "the repository is away", |status| {
        status["served"]["id"] == *second && status["source"]["error"].is_string()
    });
    assert_eq!((&status["state"], &status["cluster"]), (&"degraded".into(), &"small".into()));
    assert_serves(&served, "two", &second);
    assert_eq!(served.get("/readyz").status, 200);
    until_stored(&served, &second);

    fs::rename(&away, wishes.bare()).expect("it can be moved back");
    until(&served, "the refusal", |status| {
        status["refused"]["revision"]["id"] == *bad && status["source"]["error"].is_null()
    });
    wishes.write("nodes/a.toml", NODES);
    let third = publish_image(&wishes, "three");
    until_serving(&served, &third);
    assert_serves(&served, "three", &third);
}

#[test]
fn a_start_without_the_repository_and_without_a_store_is_refused() {
    let wishes = cluster();
    let said = refuses_to_start(&wishes, &wishes.root().join("nowhere.git"), &[]);
    assert!(said.contains("no such folder") && said.contains("hint: check the spelling"), "{said}");
    assert!(!store(&wishes).exists(), "nothing is made for a repository that is a slip of the pen");
}

#[test]
fn a_corrupt_store_is_moved_aside_and_git_serves() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    fs::write(store(&wishes), vec![0xa5; 100_000]).expect("it can be written");
    let served = serve(&wishes, &[]);
    let status = until(&served, "the commit of git", |status| status["served"]["id"] == *first);
    assert_eq!((&status["state"], &status["store"]["state"]), (&"degraded".into(), &"replaced".into()));
    let aside = moved_aside(&wishes);
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(status["store"]["error"].as_str().unwrap().contains(&aside[0]), "{status:#}");
    assert_eq!(fs::read(wishes.root().join(&aside[0])).unwrap(), vec![0xa5; 100_000], "it is kept as it was");
    assert_serves(&served, "one", &first);
    until_stored(&served, &first);
    // The fresh one is whole: the next start has nothing to say of it.
    let (ended, log) = served.stop();
    assert!(ended.success(), "{}", log.join("\n"));
    let served = serve(&wishes, &[]);
    assert_eq!(until_serving(&served, &first)["store"]["state"], "ok");
    assert_eq!(moved_aside(&wishes).len(), 1);
}

fn moved_aside(wishes: &Wishes) -> Vec<String> {
    let names = fs::read_dir(wishes.root()).expect("it can be listed");
    let names = names.map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("muster.redb.corrupt-")).collect()
}

#[test]
fn what_is_damaged_in_the_store_reaches_no_machine() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    served.kill();
    let mut bytes = fs::read(store(&wishes)).expect("it can be read");
    let spoil = bytes.windows(6).enumerate().filter(|(_, window)| window.starts_with(b"quiet")).map(|(at, _)| at);
    let spoil: Vec<usize> = spoil.collect();
    assert!(!spoil.is_empty(), "the store holds the scripts");
    spoil.into_iter().for_each(|at| bytes[at..at + 5].copy_from_slice(b"QUIET"));
    fs::write(store(&wishes), bytes).expect("it can be written");
    let served = serve(&wishes, &[]);
    until(&served, "the commit of git", |status| status["served"]["id"] == *first);
    assert!(script(&served).text().contains(" quiet"), "{}", script(&served).text());
}

#[test]
fn another_repositorys_store_is_refused() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_stored(&served, &first);
    drop(served);
    let said = refuses_to_start(&wishes, &wishes.clone_dir(), &[]);
    assert!(said.contains("wishes.git") && said.contains("clone") && said.contains("hint: "), "{said}");
    let said = refuses_to_start(&wishes, &wishes.bare(), &["--path", "clusters/west"]);
    assert!(said.contains("path clusters/west") && said.contains("path /"), "{said}");
    assert!(moved_aside(&wishes).is_empty());
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    assert_eq!(status(&served)["store"]["state"], "ok");
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_untouched() {
    let wishes = cluster();
    let meta: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("meta");
    {
        let db = redb::Database::create(store(&wishes)).expect("it can be made");
        let txn = db.begin_write().expect("it can be written");
        let format = (::muster::store::FORMAT + 1).to_le_bytes();
        txn.open_table(meta).unwrap().insert("format", &format[..]).unwrap();
        txn.commit().expect("it can be written");
    }
    let said = refuses_to_start(&wishes, &wishes.bare(), &[]);
    assert!(said.contains("has format 2") && said.contains("run the newer muster"), "{said}");
    assert!(moved_aside(&wishes).is_empty());
}

#[test]
fn a_store_that_another_process_holds_is_refused_with_its_pid() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let said = refuses_to_start(&wishes, &wishes.bare(), &[]);
    assert!(said.contains(&format!("is held by process {} (muster)", served.pid())), "{said}");
    assert!(said.contains("hint: stop process"), "{said}");
    // The one that runs is not disturbed.
    until(&served, "serving", |status| status["state"] == "serving");
}

#[test]
fn repositories_of_other_formats_are_refused_by_their_own_names() {
    let wishes = cluster();
    let sha256 = wishes.root().join("sha256.git");
    wishes.git_in(wishes.root(), &["init", "-q", "--bare", "--object-format=sha256", "sha256.git"]);
    let said = refuses_to_start(&wishes, &sha256, &[]);
    assert!(said.contains("SHA-256") && said.contains("hint: "), "{said}");
    // As git 2.45 marks it; older ones cannot make it.
    for (key, value) in [("core.repositoryformatversion", "1"), ("extensions.refstorage", "reftable")] {
        let config = wishes.bare().join("config").display().to_string();
        wishes.git_in(wishes.root(), &["config", "--file", &config, key, value]);
    }
    let said = refuses_to_start(&wishes, &wishes.bare(), &[]);
    assert!(said.contains("`reftable`") && said.contains("git refs migrate"), "{said}");
    assert!(!store(&wishes).exists());
}

#[test]
fn a_mirror_that_was_damaged_or_taken_away_comes_back_from_git() {
    let wishes = cluster();
    let served = serve(&wishes, &[]);
    let mirror = wishes.root().join("muster.mirror.git");
    until(&served, "serving", |status| status["state"] == "serving");
    fs::remove_dir_all(&mirror).expect("the mirror is there");
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    fs::remove_dir_all(mirror.join("objects/pack")).expect("it is there");
    let third = publish_image(&wishes, "three");
    until_serving(&served, &third);
}

#[test]
fn stored_scripts_boot_when_an_upgrade_refuses_the_stored_commit_and_git_is_away() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_stored(&served, &first);
    let before = served.get("/boot/v1/bootscript?mac=02:00:00:00:00:01").text().to_owned();
    let documents = served.get("/cloud-init/node/n1/meta-data").text().to_owned();
    let (ended, _) = served.stop();
    assert!(ended.success());
    want_a_later_muster(&wishes);

    let away = wishes.root().join("away.git");
    fs::rename(wishes.bare(), &away).expect("it can be moved");
    let served = serve(&wishes, &[]);
    let status =
        until(&served, "the stored scripts", |status| status["served"]["id"] == *first && !status["refused"].is_null());
    assert_eq!(status["refused"]["diagnostics"][0]["code"], "version", "{status:#}");
    for key in ["mac=02:00:00:00:00:01", "name=n1", "nid=1"] {
        let after = served.get(&format!("/boot/v1/bootscript?{key}"));
        assert_eq!(after.status, 200, "{key}");
        assert_eq!(kernel(after.text()), kernel(&before), "{key}");
    }
    // A node that boots without its documents would be another node.
    assert_eq!(served.get("/cloud-init/node/n1/meta-data").text(), documents);
}

/// Returns a script's kernel line, up to what differs by server, and without what differs by request.
fn kernel(script: &str) -> String {
    let line = script.lines().nth(1).expect("a script has a kernel line");
    line.split(" ds=").next().expect("a line has a beginning").replace(" BOOTIF=01-02-00-00-00-00-01", "")
}

/// Makes the stored commit one that this muster refuses, as an upgrade might.
fn want_a_later_muster(wishes: &Wishes) {
    use ::muster::model::File;
    use ::muster::store::{Identity, Store};
    let identity = Identity {
        repository: wishes.bare().canonicalize().expect("it is there").display().to_string(),
        branch: None,
        path: String::new(),
    };
    let (store, _) = Store::open(&store(wishes), &identity, 0).expect("the server has ended");
    let last = store.last_good().expect("it can be read").expect("a commit was stored");
    let mut tree = last.tree;
    let Some(File::Bytes(cluster)) = tree.get("cluster.toml") else { panic!("cluster.toml is stored") };
    let later = ["muster = \">=99\"\n".as_bytes(), &cluster[..]].concat();
    tree.insert("cluster.toml", File::Bytes(later.into()));
    let (rendered, bodies) = (store.rendered().expect("rows"), store.bodies().expect("scripts"));
    store
        .accept(&last.accepted, &tree, &rendered, &|row| bodies[&row.digest].to_vec().into(), &[])
        .expect("it can be written");
}
