//! Surveys and drift as a user meets them: the real `muster` against simulated fleets on loopback, with real git
//! repositories, stores, files and signals.
//!
//! Each test states one law. Nothing here measures time; a test waits until muster says what it should.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;

mod allowed;
mod exceptions;
mod kills;
mod logins;
mod planted;
mod same;
mod secrets;
mod serving;
mod shown;
mod strangers;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use ::muster::model::{File, Revision, Secret, Tree};
use ::muster::simulate::{
    self, Choices, Credentials, Fleet, Mix, Options, Planted, Running, Surplus, World, write_settings,
};
use ::muster::snapshot;
use serde_json::Value;
use support::muster::{self, Served};
use support::wishes::Wishes;
use tokio::runtime::Runtime;

/// Longer than a busy machine takes for anything here.
const PATIENCE: Duration = Duration::from_secs(180);

/// The password of every BMC: nothing else that is written looks like it.
const PASSWORD: &str = "Zq7-vexed.Okapi_91";

/// The few BIOS settings and firmware rows that machines here show beside those of the wishes.
const FEW: Surplus = Surplus { bios_attributes: 12, firmware_rows: 4 };

/// A fleet, the wishes that it is declared by, and this host's settings that point muster at it.
struct Site {
    wishes: Wishes,
    running: Option<Running>,
    runtime: Runtime,
    names: Vec<Box<str>>,
    planted: Vec<Planted>,
}

/// How a command ended, and what it said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("muster writes UTF-8");
        let said = Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!said.err.contains("panicked"), "{said:#?}");
        said
    }

    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

/// What a site is made of.
struct Plan {
    nodes: usize,
    models: &'static str,
    seed: u64,
    drift: usize,
    options: Options,
}

impl Default for Plan {
    fn default() -> Self {
        Self { nodes: 8, models: "generic", seed: 1, drift: 0, options: Options::default() }
    }
}

impl Plan {
    fn site(self) -> Site {
        let mix: Mix = self.models.parse().expect("it is a mix of models");
        let (files, models) = simulate::wishes(self.nodes, &mix, self.seed);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let choices = Choices { seed: self.seed, mix, models, surplus: FEW, ..Choices::default() };
        self.of(&files, &choices)
    }

    /// Makes a site of wishes that a test wrote.
    fn of(self, files: &[(&str, &str)], choices: &Choices) -> Site {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(*path, File::Bytes(text.as_bytes().into()));
        }
        let (snapshot, findings) = snapshot::build(&tree, Revision::work_tree());
        let snapshot = snapshot.unwrap_or_else(|| panic!("{findings:?}"));
        let mut world = World::new(snapshot.resolved(), choices);
        let planted = world.plant(self.drift, self.seed);
        assert_eq!(planted.len(), self.drift, "as many differences can be planted");
        let names = world.credentials.clone();
        let credentials = Credentials { password: Secret::new(PASSWORD.to_owned()) };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads can be started");
        let running = {
            let _inside = runtime.enter();
            Fleet::start(world, Options { credentials, ..self.options }).expect("loopback has free ports")
        };
        let wishes = Wishes::of(files);
        let site = Site { wishes, running: Some(running), runtime, names, planted };
        write_settings(&site.settings(), site.fleet(), &site.names).expect("the folder is writable");
        site
    }
}

impl Site {
    fn fleet(&self) -> &Running {
        self.running.as_ref().expect("it runs until it is stopped")
    }

    fn root(&self) -> &Path {
        self.wishes.root()
    }

    fn settings(&self) -> PathBuf {
        self.root().join("settings.toml")
    }

    fn store(&self) -> PathBuf {
        self.root().join("muster.redb")
    }

    /// Takes the network away from all BMCs.
    fn stop_fleet(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }

    /// Prepares a command in the work tree, as this host's user would run it.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = muster::command(&self.wishes.clone_dir());
        command.args(args).arg("--config").arg(self.settings()).arg("--store").arg(self.store());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().expect("muster starts"))
    }

    fn discover(&self, more: &[&str]) -> Said {
        self.run(&[&["discover"], more].concat())
    }

    fn drift(&self, more: &[&str]) -> Said {
        self.run(&[&["drift"], more].concat())
    }

    fn show(&self, bmcs: &str, more: &[&str]) -> Said {
        self.run(&[&["show", "--bmc", bmcs], more].concat())
    }

    /// Runs a command that knows nothing of this host's settings.
    fn run_plain(&self, args: &[&str]) -> Said {
        Said::of(muster::run(&self.wishes.clone_dir(), args))
    }

    /// States how often a server surveys.
    fn loops(&self, text: &str) {
        let settings = std::fs::read_to_string(self.settings()).expect("it is there");
        std::fs::write(self.settings(), format!("{settings}\n[survey]\n{text}")).expect("it can be written");
    }

    /// Serves the wishes and surveys the fleet.
    fn serve(&self) -> Served {
        let settings = self.settings().display().to_string();
        Served::start(&self.wishes.bare(), &self.store(), &["--config", &settings])
    }

    /// Waits until the status is as wanted; returns it.
    #[track_caller]
    fn until(&self, served: &Served, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(|| served.get_api("/api/v1/status").text().to_owned(), what, wanted)
    }

    /// Compares, and returns the report for programs.
    fn report(&self, more: &[&str]) -> Value {
        self.drift(&[&["--format", "json"], more].concat()).json()
    }

    /// Writes a file beside the work tree, and returns its path.
    fn file(&self, name: &str) -> String {
        self.root().join(name).display().to_string()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop_fleet();
    }
}

/// Asks until the answer is as wanted; returns it.
#[track_caller]
fn until(ask: impl Fn() -> String, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = ask();
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        if wanted(&value) {
            return value;
        }
        assert!(Instant::now() < deadline, "it never said: {what}. It says:\n{text}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// One finding about one node: the node, the attribute, what is wished and what was seen.
type Found = (String, String, String, String);

/// Lists the findings of a verdict, by node and attribute.
fn found(report: &Value, verdict: &str) -> Vec<Found> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = Vec::new();
    for finding in report["findings"].as_array().expect("there is a list") {
        if finding["verdict"] == verdict {
            for name in finding["names"].as_array().expect("names are a list") {
                let (wished, seen) = (text(&finding["wished"]), text(&finding["seen"]));
                all.push((text(name), text(&finding["attribute"]), wished, seen));
            }
        }
    }
    all.sort();
    all
}
