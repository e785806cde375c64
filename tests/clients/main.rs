//! Clients of every kind against the real `muster serve`: hostile and broken ones beside nodes that boot, forges that call
//! the webhook, and Prometheus.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;

mod chaos;
mod crowd;
mod flood;
mod metrics;
mod webhook;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use support::muster::Served;
use support::wishes::Wishes;

/// Longer than a busy machine takes for anything here.
const PATIENCE: Duration = Duration::from_secs(180);

/// Three nodes, one retired node and one that boots nothing.
const CLUSTER: &[(&str, &str)] = &[
    ("cluster.toml", "name = \"small\"\n\n[unknown]\naction = \"refuse\"\n"),
    ("boot/live.toml", "kind = \"live\"\nkernel = \"http://images.example/vmlinuz\"\nparams = [\"quiet\"]\n"),
    ("networks/node.toml", "cidr = \"127.0.0.0/24\"\n"),
    ("cloud-init/user.yaml.j2", "#cloud-config\nhostname: {{ name }}\n"),
    (
        "nodes/a.toml",
        "[[node]]\nname = \"n[1-3]\"\nnid = \"[1-3]\"\nboot = \"live\"\ncloud_init = { user_data = \"user.yaml.j2\" }\n\
         nics = [{ name = \"eth0\", network = \"node\", mac = \"02:00:00:00:00:0[1-3]\", ip = \"127.0.0.[1-3]\" }]\n\
         [[node]]\nname = \"old\"\nstate = \"retired\"\nnics = [{ name = \"eth0\", mac = \"02:00:00:00:00:11\" }]\n\
         [[node]]\nname = \"idle\"\nstate = \"spare\"\nnics = [{ name = \"eth0\", mac = \"02:00:00:00:00:12\" }]\n",
    ),
];

fn cluster() -> Wishes {
    Wishes::of(CLUSTER)
}

/// Serves the bare repository, and waits until it is served.
fn serve(wishes: &Wishes, more: &[&str]) -> Served {
    let served = Served::start(&wishes.bare(), &store(wishes), more);
    until("ready", || served.get("/readyz").status == 200);
    served
}

fn store(wishes: &Wishes) -> PathBuf {
    wishes.root().join("muster.redb")
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns one sample of `/metrics`, by its name and labels as they stand there.
#[track_caller]
fn sample(served: &Served, name: &str) -> f64 {
    let answer = served.get_api("/metrics");
    let value = answer.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("there is no {name} in\n{}", answer.text())).parse().expect("a value is a number")
}
