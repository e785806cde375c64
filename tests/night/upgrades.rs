//! A server of another version finds what an earlier one stored.

use super::*;
use ::muster::model::{File, Tree};
use ::muster::store::{Accepted, BootRow, Rendered};
use std::borrow::Cow;
use std::fs;

/// Serves a cluster until it is stored, and takes git away.
fn stored() -> (Wishes, String) {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    let (ended, log) = served.stop();
    assert!(ended.success(), "{}", log.join("\n"));
    let away = wishes.root().join("away.git");
    fs::rename(wishes.bare(), away).expect("it can be moved");
    (wishes, first)
}

/// Makes the store as an earlier version would have left it.
fn as_by_another(wishes: &Wishes, change: impl Fn(&mut Tree, &mut Rendered)) -> Accepted {
    let (store, _) = open(wishes);
    let (last, mut rendered) = (store.last_good().unwrap().expect("it is stored"), store.rendered().unwrap());
    let bodies = store.bodies().unwrap();
    let mut tree = last.tree;
    change(&mut tree, &mut rendered);
    let body = |row: &BootRow| {
        bodies.get(&row.digest).map_or(Cow::Borrowed(&b"#!ipxe\nexit 0\n"[..]), |body| body.to_vec().into())
    };
    store.accept(&last.accepted, &tree, &rendered, &body, &[]).unwrap();
    last.accepted
}

#[test]
fn stored_bytes_boot_where_the_new_rules_refuse_their_inputs() {
    let (wishes, first) = stored();
    let served = serve(&wishes, &[]);
    until(&served, "it serves", |status| status["served"]["id"] == *first);
    let everything = |served: &Served| {
        let all = (1..=NODES).flat_map(|node| {
            DOCUMENTS.map(|document| document_of(node, document)).into_iter().chain([script_of(node)])
        });
        all.map(|target| served.get(&target)).map(|answer| (answer.status, answer.body)).collect::<Vec<_>>()
    };
    let before = everything(&served);
    let by_address = served.get("/cloud-init/user-data").body;
    served.kill();

    as_by_another(&wishes, |tree, rendered| {
        rendered.muster = Some("0.0.9".into());
        tree.insert("nodes/b.toml", File::Bytes(b"[[node]]\nname = \"x\"\nno_key_any_more = 1\n"[..].into()));
    });
    let served = serve(&wishes, &[]);
    let status = until(&served, "the stored commit is refused", |status| status["refused"].is_object());
    assert_eq!((&status["served"]["id"], &status["state"]), (&first.as_str().into(), &"degraded".into()));
    assert_eq!(everything(&served), before, "scripts and documents, as they were");
    assert_eq!(served.get("/cloud-init/user-data").body, by_address, "by the address that asks, too");
    let text = muster::run(wishes.root(), &["status", "--store", "muster.redb"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("no_key_any_more"), "{text}");
    drop(served);

    // An earlier version kept no documents: a machine is told to ask again, and not that there are none.
    as_by_another(&wishes, |_, rendered| rendered.documents = None);
    let served = serve(&wishes, &[]);
    until(&served, "the stored commit is refused", |status| status["refused"].is_object());
    assert_eq!(served.get(&script_of(1)).status, 200);
    let answer = served.get(&document_of(1, "user-data"));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
}

#[test]
fn scripts_that_an_upgrade_changed_are_counted_and_the_new_ones_served() {
    let (wishes, first) = stored();
    let accepted = as_by_another(&wishes, |_, rendered| {
        rendered.muster = Some("0.0.9".into());
        for row in &mut rendered.rows[..5] {
            row.digest = [row.nid.unwrap() as u8; 32];
        }
    });
    let served = serve(&wishes, &[]);
    let status = until(&served, "what changed", |status| status["upgraded"].is_object());
    assert_eq!((&status["upgraded"]["from"], &status["upgraded"]["scripts_changed"]), (&"0.0.9".into(), &5.into()));
    assert_eq!(status["served"]["id"], *first);
    assert!(served.get(&script_of(1)).text().contains("vmlinuz"), "what this version renders");
    let text = muster::run(wishes.root(), &["status", "--store", "muster.redb"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("upgraded  from 0.0.9; it changed the scripts of 5 nodes of this commit"), "{text}");
    served.wait_for("it is stored again", |fields| fields["message"] == "commit stored");
    let (ended, log) = served.stop();
    assert!(ended.success(), "{}", log.join("\n"));
    let (store, _) = open(&wishes);
    assert_eq!(store.accepted(9).unwrap(), [accepted], "it is the same commit");
    assert_eq!(store.rendered().unwrap().muster.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    drop(store);
    let served = serve(&wishes, &[]);
    served.wait_for("it is built", |fields| fields["message"] == "serving the last good commit from the store");
    assert!(super::status(&served)["upgraded"].is_null(), "it is told once");
}
