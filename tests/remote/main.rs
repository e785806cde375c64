//! Repositories on other hosts, followed by the real `muster serve` with the machine's own git: a forge over TLS with
//! accounts (`git http-backend`), a loopback sshd, and what goes wrong with either.
//!
//! Each test states one outcome; none connects to anything but loopback.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod https;
mod sshd;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use support::muster::{self, Served};
use support::watched::{until, until_serving, until_stored};
use support::wishes::Wishes;

/// Longer than a busy machine takes for anything here.
const PATIENCE: Duration = Duration::from_secs(180);

const CLUSTER: &str = "name = \"small\"\n\n[defaults]\nboot = \"live\"\nvars = { image = \"one\" }\n";

fn cluster() -> Wishes {
    Wishes::of(&[
        ("cluster.toml", CLUSTER),
        (
            "nodes/a.toml",
            "[[node]]\nname = \"n1\"\nnics = [{ name = \"eth0\", network = \"node\", mac = \"02:00:00:00:00:01\" }]\n",
        ),
        ("boot/live.toml", "kind = \"live\"\nkernel = \"http://images.example/{{ vars.image }}/vmlinuz\"\n"),
        ("networks/node.toml", "cidr = \"127.0.0.0/24\"\n"),
    ])
}

/// Commits and pushes another image.
fn publish_image(wishes: &Wishes, image: &str) -> String {
    wishes.write("cluster.toml", CLUSTER.replace("one", image));
    wishes.publish(&format!("image {image}"))
}

fn store(wishes: &Wishes) -> PathBuf {
    wishes.root().join("muster.redb")
}

/// Starts a server that follows `repo`, with HOME being the wishes' folder; it logs all that it can.
fn serve(wishes: &Wishes, repo: &str, more: &[&str]) -> Served {
    serve_at(wishes, "muster.redb", repo, more)
}

/// As [`serve`], with a store of its own.
fn serve_at(wishes: &Wishes, store: &str, repo: &str, more: &[&str]) -> Served {
    let mut command = muster::command(wishes.root());
    command.env("MUSTER_LOG", "trace").env("MUSTER_REPO", repo);
    command.arg("serve").arg("--store").arg(wishes.root().join(store)).args([
        "--listen",
        "127.0.0.1:0",
        "--fetch-interval",
        "5s",
    ]);
    Served::spawn({
        command.args(more);
        command
    })
}

/// Waits until the source fails, and returns why.
#[track_caller]
fn until_fails(served: &Served, with: &str) -> String {
    let status =
        until(served, with, |status| status["source"]["error"].as_str().is_some_and(|text| text.contains(with)));
    status["source"]["error"].as_str().unwrap_or_default().to_owned()
}

/// Tells that the first node gets an image.
#[track_caller]
fn assert_boots(served: &Served, image: &str) {
    let answer = served.get("/boot/v1/bootscript?mac=02:00:00:00:00:01");
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains(&format!("/{image}/vmlinuz")), "{}", answer.text());
}

/// Lists what a fetch that was cut short would leave in the mirror.
fn leftovers(wishes: &Wishes) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![wishes.root().join("muster.mirror.git")];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("tmp_") || name.ends_with(".lock") {
                found.push(entry.path());
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(entry.path());
            }
        }
    }
    found
}
