//! A pin in place of the newest commit, and break glass: what is served, what waits, and what survives.

use super::*;
use std::fs;

fn order(wishes: &Wishes, args: &[&str]) -> (Option<i32>, String) {
    order_in(wishes.root(), args)
}

fn order_in(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = ends(dir, &[args, &["--store", "muster.redb"]].concat(), &[("USER", "ada")]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_pin_holds_the_branch_survives_a_power_cut_without_git_and_ends_by_word() {
    let wishes = cluster();
    // The ports differ, and scripts name them otherwise.
    let advertise = ["--advertise", "http://boot.example:8270"];
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &advertise);
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);

    let (code, said) = order(&wishes, &["pin", "main~1", "--reason", "two\x1b[2J panics"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with(&format!("pinned to {}", &first[..12])) && said.contains("by ada: two [2J panics"),
        "{said}"
    );
    assert_serves(&served, "one", &first);
    let status = until(&served, "the newest waits", |status| status["pinned"]["waits"]["id"] == second);
    assert_eq!((&status["state"], &status["served"]["id"]), (&"degraded".into(), &first.clone().into()));
    assert_eq!(status["pinned"]["by"], "ada");
    let (code, said) = order(&wishes, &["status"]);
    assert!(code == Some(1) && said.contains("PINNED") && said.contains("checks and waits"), "{said}");

    wishes.write("nodes/a.toml", broken());
    let third = wishes.publish("broken");
    let status = until(&served, "the broken one is refused", |status| status["refused"]["revision"]["id"] == third);
    assert!(status["pinned"]["waits"].is_null(), "{status:#}");
    wishes.write("nodes/a.toml", NODES);
    let fourth = publish_image(&wishes, "four");
    until(&served, "the newest waits", |status| status["pinned"]["waits"]["id"] == fourth);
    until_stored(&served, &first);
    let before = script(&served).body;

    served.kill();
    let away = wishes.root().join("away.git");
    fs::rename(wishes.bare(), &away).expect("it is there");
    let served = serve(&wishes, &advertise);
    until(&served, "the pinned commit is served", |status| status["served"]["id"] == first);
    assert_serves(&served, "one", &first);
    assert_eq!(script(&served).body, before);
    until(&served, "the pin is there", |status| status["pinned"]["revision"]["id"] == first);

    let (code, said) = order(&wishes, &["unpin"]);
    assert!(code == Some(0) && said.contains("unpinned by ada"), "{said}");
    // Git is away, and the newest that was found good is in the mirror.
    assert_serves(&served, "four", &fourth);
    let (code, said) = order(&wishes, &["unpin"]);
    assert!(code == Some(2) && said.contains("nothing is pinned"), "{said}");
    fs::rename(&away, wishes.bare()).expect("it is there");
    let status = until_serving(&served, &fourth);
    assert!(status["pinned"].is_null());
}

#[test]
fn a_pin_ends_when_its_time_is_over() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    let (code, said) = order(&wishes, &["pin", &first[..8], "--until", "3s"]);
    assert_eq!(code, Some(0), "{said}");
    assert_serves(&served, "one", &first);
    until_serving(&served, &second);
    assert_serves(&served, "two", &second);
    served.wait_for("that the pin ended", |fields| {
        fields["message"].as_str().is_some_and(|text| text.contains("the pin ended: its time is over"))
    });
    let (code, said) = order(&wishes, &["pin", "HEAD", "--until", "soon"]);
    assert!(code == Some(2) && said.contains("or `forever`"), "{said}");
}

#[test]
fn what_cannot_be_pinned_changes_nothing() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    wishes.write("nodes/a.toml", broken());
    let second = wishes.publish("broken");
    until(&served, "the broken one is refused", |status| status["refused"]["revision"]["id"] == second);
    for (rev, word) in
        [("main", "does not check: 1 error"), ("nowhere", "no revision `nowhere`"), ("main~7", "`main~7`")]
    {
        let (code, said) = order(&wishes, &["pin", rev]);
        assert!(code == Some(2) && said.contains(word), "{rev}: {said}");
    }
    let (code, said) = order(&wishes, &["allow-rewind", "main"]);
    assert!(code == Some(2) && said.contains("no signature is required"), "{said}");
    let status = status(&served);
    assert!(status["pinned"].is_null() && status["served"]["id"] == first, "{status:#}");
    assert_serves(&served, "one", &first);
}

#[test]
fn orders_are_taken_over_a_unix_socket_alone() {
    let wishes = cluster();
    let served = serve(&wishes, &["--api", "127.0.0.1:0"]);
    until(&served, "serving", |status| status["state"] == "serving");
    let output = ends(wishes.root(), &["pin", "HEAD", "--api", served.api()], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("over a unix socket alone"), "{said}");
    let json = [("Content-Type", "application/json")];
    for path in ["/api/v1/pin", "/api/v1/unpin", "/api/v1/allow-rewind"] {
        let address = served.api().parse().unwrap();
        let answer = http::request(address, "POST", path, &json, br#"{"rev":"HEAD"}"#).expect("it answers");
        assert!(matches!(answer.status, 403 | 422), "{path}: {}", answer.status);
    }
    assert!(status(&served)["pinned"].is_null());
}

#[test]
fn an_order_to_a_server_that_does_not_react_is_given_up_and_never_carried_out() {
    let wishes = cluster();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &[]);
    until_serving(&served, &first);
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill").args([name, &served.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    };
    signal("-STOP");
    let orders: [&[&str]; 3] = [&["pin", "HEAD"], &["unpin"], &["allow-rewind", "HEAD"]];
    // Together, as each waits for the same stopped server.
    let dir = wishes.root();
    let replies: Vec<_> = thread::scope(|scope| {
        let waits: Vec<_> = orders.iter().map(|args| scope.spawn(|| order_in(dir, args))).collect();
        waits.into_iter().map(|wait| wait.join().expect("it ends")).collect()
    });
    signal("-CONT");
    for (code, said) in &replies {
        assert_eq!(*code, Some(2), "{said}");
        assert!(said.contains("has not accepted the order yet; `muster status` shows"), "{said}");
        assert!(said.contains("did not accept the order within 10s") && said.contains("nothing was changed"), "{said}");
    }

    // A later order is carried out, and the one that was given up is not.
    let (code, said) = order(&wishes, &["unpin"]);
    assert!(code == Some(2) && said.contains("nothing is pinned"), "{said}");
    assert!(status(&served)["pinned"].is_null());
}

#[test]
fn break_glass_is_a_push_to_the_mirror_and_a_pin() {
    let (wishes, file, _) = signed::signed();
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let served = serve(&wishes, &["--require-signed", &file]);
    until_serving(&served, &first);
    until_stored(&served, &first);
    fs::rename(wishes.bare(), wishes.root().join("away.git")).expect("it is there");
    let push = |image: &str, sign: &str| {
        wishes.write("cluster.toml", CLUSTER[0].1.replace("one", image));
        wishes.git(&["commit", "-q", "-a", sign, "-m", image]);
        wishes.git(&["push", "-q", "--force", "../muster.mirror.git", "HEAD:refs/heads/break-glass"]);
        wishes.git(&["rev-parse", "HEAD"])
    };
    let glass = push("glass", "--no-gpg-sign");
    let (code, said) = order(&wishes, &["pin", "break-glass"]);
    assert!(code == Some(2) && said.contains("it is not signed") && said.contains("--unsigned"), "{said}");
    assert_serves(&served, "one", &first);
    let (code, said) = order(&wishes, &["pin", "break-glass", "--unsigned", "--reason", "git is down"]);
    assert!(code == Some(0) && said.contains("it needed no signature"), "{said}");
    assert_serves(&served, "glass", &glass);
    assert!(status(&served)["signed_by"].is_null());
    let signed = push("signed", "-S");
    let (code, said) = order(&wishes, &["pin", "break-glass", "--until", "forever"]);
    assert!(code == Some(0) && !said.contains("needed no signature"), "{said}");
    assert_serves(&served, "signed", &signed);
    until_stored(&served, &signed);

    served.kill();
    let served = serve(&wishes, &["--require-signed", &file]);
    let status = until(&served, "it is pinned", |status| {
        status["served"]["id"] == signed && status["pinned"]["revision"]["id"] == signed
    });
    assert_serves(&served, "signed", &signed);
    assert!(status["pinned"]["until"].is_null() && status["state"] == "degraded", "{status:#}");
    let (code, said) = order(&wishes, &["unpin"]);
    assert_eq!(code, Some(0), "{said}");
    // What was pushed here is no part of the branch.
    assert_serves(&served, "one", &first);
    fs::rename(wishes.root().join("away.git"), wishes.bare()).expect("it is there");
    until_serving(&served, &first);
}
