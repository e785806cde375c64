//! The real `muster` on real git repositories: what `serve` does with commits, stores, sockets, signals and disks, and what
//! the commands say.
//!
//! Each test states one outcome. Nothing here measures time: a test waits until the server says what it should.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;

mod boots;
mod commands;
mod commits;
mod disk;
mod events;
mod fetches;
mod follow;
mod held;
mod hostile;
mod pins;
mod rails;
mod requests;
mod settings;
mod signed;
mod start;
mod store;

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::http::{self, Answer};
use support::muster::{self, Served};
use support::watched::{status, until, until_serving, until_stored};
use support::wishes::Wishes;

/// Longer than a busy machine takes for anything here.
const PATIENCE: Duration = Duration::from_secs(180);

/// A cluster of three nodes; its vars carry `one`, which tests change to see that a commit is served.
const CLUSTER: &[(&str, &str)] = &[
    ("cluster.toml", "name = \"small\"\n\n[defaults]\nboot = \"live\"\nvars = { image = \"one\" }\n"),
    ("nodes/a.toml", NODES),
    (
        "boot/live.toml",
        "kind = \"live\"\nkernel = \"http://images.example/{{ vars.image }}/vmlinuz\"\nparams = [\"quiet\"]\n",
    ),
    ("networks/node.toml", "cidr = \"127.0.0.0/24\"\n"),
    ("cloud-init/user.yaml.j2", "#cloud-config\nhostname: {{ name }}\n"),
];

const NODES: &str = r#"[[node]]
name = "n[1-3]"
nid  = "[1-3]"
nics = [{ name = "eth0", network = "node", mac = "02:00:00:00:00:0[1-3]", ip = "127.0.0.[1-3]" }]
cloud_init = { user_data = "user.yaml.j2" }
"#;

fn cluster() -> Wishes {
    Wishes::of(CLUSTER)
}

/// Says where a test keeps the store of its server.
fn store(wishes: &Wishes) -> PathBuf {
    wishes.root().join("muster.redb")
}

/// Serves the bare repository.
fn serve(wishes: &Wishes, more: &[&str]) -> Served {
    Served::start(&wishes.bare(), &store(wishes), more)
}

/// Commits and pushes another image.
fn publish_image(wishes: &Wishes, image: &str) -> String {
    wishes.write("cluster.toml", CLUSTER[0].1.replace("one", image));
    wishes.publish(&format!("image {image}"))
}

/// Gets the script of the first node.
fn script(served: &Served) -> Answer {
    let answer = served.get("/boot/v1/bootscript?mac=02:00:00:00:00:01");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer
}

/// Tells that the first node gets an image, from the commit.
#[track_caller]
fn assert_serves(served: &Served, image: &str, commit: &str) {
    let answer = script(served);
    assert!(answer.text().contains(&format!("/{image}/vmlinuz")), "{}", answer.text());
    assert_eq!(answer.header("x-muster-revision"), Some(commit));
}

/// Asks for the script of a node as iPXE does, which is a boot.
fn boot(addr: SocketAddr, mac: &str) -> Answer {
    let target = format!("/boot/v1/bootscript?mac={mac}&arch=x86_64");
    http::request(addr, "GET", &target, &[("User-Agent", "iPXE/1.21.1")], b"").expect("it answers")
}

fn node(served: &Served, name: &str) -> Value {
    let answer = served.get_api(&format!("/api/v1/nodes/{name}"));
    serde_json::from_str(answer.text()).unwrap_or_else(|_| panic!("{name}: {}", answer.text()))
}

/// Names the bare repository as its store does.
fn identity(wishes: &Wishes) -> ::muster::store::Identity {
    let repository = wishes.bare().canonicalize().expect("it is there").display().to_string();
    ::muster::store::Identity { repository, branch: None, path: String::new() }
}

/// Waits until a node's boot is in the file of a store, which its server holds, so a copy is read.
fn until_on_disk(wishes: &Wishes, file: &Path, node: &str) {
    let copy = wishes.root().join("copy.redb");
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A copy that was cut by a write is as good as none.
        std::fs::copy(file, &copy).expect("it can be copied");
        let found = ::muster::store::Store::open(&copy, &identity(wishes), 0).and_then(|(store, _)| store.fetches());
        if found.as_ref().is_ok_and(|fetches| fetches.iter().any(|fetch| &*fetch.node == node)) {
            return;
        }
        assert!(Instant::now() < deadline, "the boot of {node} is not on disk: {found:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

/// What a commit is refused for where `nodes/a.toml` is [`broken`].
fn broken() -> String {
    NODES.replace("nics =", "nisc =")
}

/// Runs `muster ARGS`, which must end; what would go on is killed.
fn ends(dir: &Path, args: &[&str], envs: &[(&str, &str)]) -> Output {
    let mut command = muster::command(dir);
    command.args(args).envs(envs.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("muster starts");
    let mut pipes = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let readers = (thread::spawn(move || read(&mut pipes.0)), thread::spawn(move || read(&mut pipes.1)));
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().expect("our child can be waited for") {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().expect("our child can be killed");
                break child.wait().expect("our child can be waited for");
            }
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    let (stdout, stderr) = (readers.0.join().expect("no panic"), readers.1.join().expect("no panic"));
    Output { status, stdout, stderr }
}

fn read(pipe: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).expect("a pipe can be read");
    bytes
}

/// Starts a server that must refuse to start: exit code 2 and a message; returns what it said.
#[track_caller]
fn refuses_to_start(wishes: &Wishes, repo: &Path, more: &[&str]) -> String {
    let (repo, file) = (repo.display().to_string(), store(wishes).display().to_string());
    let mut args = vec!["serve", "--repo", &repo];
    if !more.contains(&"--store") {
        args.extend(["--store", &file]);
    }
    if !more.contains(&"--listen") {
        args.extend(["--listen", "127.0.0.1:0"]);
    }
    args.extend(more);
    let output = ends(wishes.root(), &args, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("error: ") && !said.contains("panicked"), "{said}");
    said
}
