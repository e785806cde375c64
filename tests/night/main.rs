//! What may happen at three in the morning to the real `muster serve`: it is killed, its store is deleted, its disk is full, its
//! clock jumps, it is upgraded, one of two replicas goes.
//!
//! Nothing here measures time: a test waits until the server says what it should.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;

mod balancer;
mod clocks;
mod disks;
mod kills;
mod replicas;
mod upgrades;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::http::{self, Answer};
use support::muster::{self, Served};
use support::watched::{revisions, status, until, until_serving, until_stored};
use support::wishes::Wishes;

/// Longer than a busy machine takes for anything here.
const PATIENCE: Duration = Duration::from_secs(180);

/// The URL that all replicas tell their machines.
const ADVERTISE: [&str; 2] = ["--advertise", "http://10.0.0.1:8270"];

const CLUSTER: &str = "name = \"small\"\n\n[defaults]\nboot = \"live\"\nvars = { image = \"one\" }\n";

/// How many nodes [`cluster`] has.
const NODES: usize = 24;

/// A cluster whose scripts and documents carry an image's name.
fn cluster() -> Wishes {
    let nodes = format!(
        "[[node]]\nname = \"n[01-{NODES}]\"\nnid = \"[1-{NODES}]\"\n\
         nics = [{{ name = \"eth0\", network = \"node\", mac = \"02:00:00:00:00:[01-{NODES}]\", ip = \"127.0.0.[1-{NODES}]\" }}]\n\
         cloud_init = {{ user_data = \"user.yaml.j2\" }}\n"
    );
    Wishes::of(&[
        ("cluster.toml", CLUSTER),
        ("nodes/a.toml", &nodes),
        (
            "boot/live.toml",
            "kind = \"live\"\nkernel = \"http://images.example/{{ vars.image }}/vmlinuz\"\nparams = [\"quiet\"]\n",
        ),
        ("networks/node.toml", "cidr = \"127.0.0.0/24\"\n"),
        ("cloud-init/user.yaml.j2", "#cloud-config\nhostname: {{ name }}\n# image {{ vars.image }}\n"),
    ])
}

fn mac(node: usize) -> String {
    format!("02:00:00:00:00:{node:02}")
}

fn script_of(node: usize) -> String {
    format!("/boot/v1/bootscript?mac={}&arch=x86_64", mac(node))
}

fn document_of(node: usize, document: &str) -> String {
    format!("/cloud-init/node/n{node:02}/{document}")
}

const DOCUMENTS: [&str; 4] = ["meta-data", "user-data", "vendor-data", "network-config"];

/// Says where a test keeps the store of its server.
fn store(wishes: &Wishes) -> PathBuf {
    wishes.root().join("muster.redb")
}

fn serve(wishes: &Wishes, more: &[&str]) -> Served {
    Served::start(&wishes.bare(), &store(wishes), &[&ADVERTISE, more].concat())
}

/// Commits and pushes another image.
fn publish_image(wishes: &Wishes, image: &str) -> String {
    wishes.write("cluster.toml", CLUSTER.replace("one", image));
    wishes.publish(&format!("image {image}"))
}

/// Gets `target` as iPXE does.
fn ipxe(addr: SocketAddr, target: &str) -> io::Result<Answer> {
    http::request(addr, "GET", target, &[("User-Agent", "iPXE/1.21.1")], b"")
}

/// Names the bare repository as its store does.
fn identity(wishes: &Wishes) -> ::muster::store::Identity {
    let repository = wishes.bare().canonicalize().unwrap_or_else(|_| wishes.bare()).display().to_string();
    ::muster::store::Identity { repository, branch: None, path: String::new() }
}

/// Opens the store of a server that has ended.
fn open(wishes: &Wishes) -> (::muster::store::Store, ::muster::store::Opened) {
    ::muster::store::Store::open(&store(wishes), &identity(wishes), 0).expect("the store opens")
}
