//! Over https: what works, whose word counts, and that no password is told to anybody.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::support::forge::{ACCOUNT, Forge, PASSWORD};

#[test]
fn a_push_is_served_with_the_sites_credential_helper() {
    let wishes = cluster();
    let Some(forge) = Forge::start("a_push_is_served_with_the_sites_credential_helper", &wishes) else { return };
    let config = fs::read_to_string(wishes.root().join(".gitconfig")).unwrap();
    fs::write(wishes.root().join(".gitconfig"), format!("{config}[credential]\n\thelper = store\n")).unwrap();
    let entry = format!("https://{ACCOUNT}@127.0.0.1:{}\n", forge.port);
    fs::write(wishes.root().join(".git-credentials"), entry).unwrap();

    let url = forge.url("private/wishes.git");
    let served = serve(&wishes, &url, &[]);
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let status = until_serving(&served, &first);
    assert_eq!((&status["source"]["repository"], &status["source"]["branch"]), (&url.into(), &"main".into()));
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    assert_boots(&served, "two");
    // The next look finds nothing new, and asks once.
    let before = forge.requests();
    until(&served, "another look", |_| forge.requests().len() > before.len());
    assert!(!forge.requests()[before.len()..].contains("command=fetch"));

    // History is rewritten: what the branch says is wished.
    wishes.git(&["reset", "-q", "--hard", &first]);
    wishes.push();
    until_serving(&served, &first);
    assert_boots(&served, "one");
    wishes.git_in(&wishes.bare(), &["update-ref", "-d", "refs/heads/main"]);
    until_fails(&served, "branch");
    assert_boots(&served, "one");
    let (_, log) = served.stop();
    assert!(!log.join("\n").contains(PASSWORD));
}

/// Looks again and again for a text in the command lines of all processes.
fn spied(stop: &AtomicBool, text: &str) -> Option<String> {
    while !stop.load(Ordering::Relaxed) {
        for entry in fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok) {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(text) {
                return Some(line);
            }
        }
    }
    None
}

#[test]
fn the_password_of_an_address_is_used_and_told_to_nobody() {
    let wishes = cluster();
    let Some(forge) = Forge::start("the_password_of_an_address_is_used_and_told_to_nobody", &wishes) else { return };
    let url = format!("https://{ACCOUNT}@127.0.0.1:{}/private/wishes.git", forge.port);
    let stop = Arc::new(AtomicBool::new(false));
    let spy = thread::spawn({
        let stop = Arc::clone(&stop);
        move || spied(&stop, PASSWORD)
    });
    let served = serve(&wishes, &url, &[]);
    let first = wishes.git(&["rev-parse", "HEAD"]);
    let status = until_serving(&served, &first);
    assert_eq!(status["source"]["repository"], *forge.url("private/wishes.git"));
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    let environ = fs::read(format!("/proc/{}/cmdline", served.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&environ).contains(PASSWORD));
    let told = served.get_api("/api/v1/status").text().to_owned();
    let (_, log) = served.stop();
    stop.store(true, Ordering::Relaxed);
    assert_eq!(spy.join().unwrap(), None, "a command line holds it");
    assert!(!told.contains(PASSWORD) && !log.join("\n").contains(PASSWORD));
    assert!(!holds(&store(&wishes), PASSWORD), "the store holds it");
    assert!(!holds(&wishes.root().join("muster.mirror.git"), PASSWORD), "the mirror holds it");

    // The same store serves the same repository with another account, which is refused and echoed by a rude forge.
    forge.mode("echo");
    let wrong = url.replace(PASSWORD, "wrong-as-can-be");
    let served = serve(&wishes, &wrong, &[]);
    let error = until_fails(&served, "refuses the account");
    assert!(error.contains("credential helper"), "{error}");
    assert_boots(&served, "two");
    let output = status_text(&wishes);
    let (_, log) = served.stop();
    assert!(!format!("{error}{output}{}", log.join("\n")).contains("wrong-as-can-be"), "{error}");
    assert!(output.contains("! the repository cannot be followed"), "{output}");
}

fn status_text(wishes: &Wishes) -> String {
    let output = muster::run(wishes.root(), &["status", "--store", "muster.redb"]);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tells whether a file, or one in a folder, holds a text.
fn holds(path: &Path, text: &str) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().any(|entry| holds(&entry.unwrap().path(), text));
    }
    let bytes = fs::read(path).unwrap();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn redirects_within_the_host_are_followed_and_others_are_not() {
    let wishes = cluster();
    let name = "redirects_within_the_host_are_followed_and_others_are_not";
    let Some(forge) = Forge::start(name, &wishes) else { return };
    let Some(other) = Forge::plain_or_not(name, &wishes, "other", &[]) else { return };
    forge.mode(&format!("302 {}", forge.url("moved")));
    let url = format!("https://{ACCOUNT}@127.0.0.1:{}/wishes.git", forge.port);
    let served = serve(&wishes, &url, &[]);
    let first = wishes.git(&["rev-parse", "HEAD"]);
    until_serving(&served, &first);
    // What was moved may move again, and to where it was.
    forge.mode("ok");
    let second = publish_image(&wishes, "two");
    until_serving(&served, &second);
    until_stored(&served, &second);
    drop(served);
    forge.mode(&format!("302 {}", other.url("moved")));
    let served = serve(&wishes, &url, &[]);
    let error = until_fails(&served, "redirects to");
    assert!(error.contains(&other.url("moved/wishes.git")) && error.contains("`repo`"), "{error}");
    assert_eq!(other.requests(), "", "the other host was asked");
    assert_boots(&served, "two");
}

#[test]
fn a_tag_is_followed_to_its_commit_wherever_it_is_moved() {
    let wishes = cluster();
    let Some(forge) = Forge::start("a_tag_is_followed_to_its_commit_wherever_it_is_moved", &wishes) else { return };
    let first = wishes.git(&["rev-parse", "HEAD"]);
    wishes.git(&["tag", "-a", "-m", "live", "live"]);
    wishes.git(&["push", "-q", "origin", "live"]);
    let second = publish_image(&wishes, "two");
    let served = serve(&wishes, &forge.url("wishes.git"), &["--tag", "live"]);
    let status = until_serving(&served, &first);
    assert_eq!(status["source"]["tag"], "live");
    wishes.git(&["tag", "-f", "live", &second]);
    wishes.git(&["push", "-q", "-f", "origin", "live"]);
    until_serving(&served, &second);
    drop(served);
    let again = serve(&wishes, &forge.url("wishes.git"), &["--tag", "live"]);
    until_serving(&again, &second);
}

#[test]
fn plain_http_is_told_loudly() {
    let wishes = cluster();
    let Some(forge) = Forge::plain_or_not("plain_http_is_told_loudly", &wishes, "forge", &["plain"]) else { return };
    let served = serve(&wishes, &format!("http://127.0.0.1:{}/wishes.git", forge.port), &[]);
    let status = until_serving(&served, &wishes.git(&["rev-parse", "HEAD"]));
    assert!(status["source"]["warning"].as_str().unwrap().contains("plain http"), "{status:#}");
    assert!(served.log().iter().any(|line| line.contains("WARN") && line.contains("plain http")));
}
