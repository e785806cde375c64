//! Simulated BMCs over real sockets: what they say, how they change, what goes wrong with them, and who may ask.
//!
//! Nothing here measures time but to see that nothing hangs; machines are waited for.

#![allow(clippy::disallowed_methods, reason = "tests touch the world")]

#[path = "../support/mod.rs"]
mod support;

mod command;
mod faults;
mod logins;
mod many;
mod plant;
mod quirks;
mod state;
mod tls;
mod validator;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muster::model::{Revision, Secret, Tree};
use muster::simulate::{Choices, Credentials, Fleet, Options, Quirks, Running, Timing, World};
use muster::snapshot;
use serde_json::Value;
use support::http::{self, Answer};
use tokio::runtime::Runtime;

/// Longer than a busy machine takes for anything here.
const PATIENCE: Duration = Duration::from_secs(180);

/// One machine alone behind `one`, two behind `two`, a switch, and what the first is expected to be.
const WISHES: &str = r#"
//- cluster.toml
name = "small"
credentials = ["rack"]
[defaults]
boot = "live"
[defaults.bmc]
credentials = "rack"
//- boot/live.toml
kind = "live"
kernel = "http://images.example/vmlinuz"
//- nodes/all.toml
[[bmc]]
name = "one"
url = "https://10.0.0.1"
mac = "02:00:00:00:01:01"
[[bmc]]
name = "two"
url = "https://10.0.0.2:8443/"
[[bmc]]
name = "switch"
kind = "switch"
url = "https://10.0.0.3"
[[node]]
name = "a"
bmc = "one"
serial = "SERIAL-A"
uuid = "6f6960b5-0568-5495-af5c-741b04c60dae"
nics = [{ name = "eth0", mac = "02:00:00:00:00:0a", boot = true }, { name = "ib0", kind = "infiniband", guid = "0002c90385994b8a" }]
[node.expect]
manufacturer = "Acme"
model = "Box 9"
memory_gib = 384
power = "on"
secure_boot = true
processors = { count = 1, model = "Quick 1", cores = 12 }
accelerators = { count = 2, model = "H200" }
drives = { count = 3 }
bios.version = "7.7"
bios.attributes = { LogicalProc = "Disabled", Ways = 4, Quiet = true, BootProfile = "MaxPerformance" }
firmware = { BMC = "9.9.9" }
[[node]]
name = "b[0-1]"
bmc = "two"
system = "Node[0-1]"
serial = "SERIAL-B[0-1]"
macs = "from-bmc"
nics = [{ name = "eth0", boot = true }]
"#;

/// Short phases, which tests wait for.
const QUICK: Timing = Timing {
    latency: 0,
    power: 200,
    post: 400,
    session_idle: 600_000,
    lock: 600_000,
    pause: 600_000,
    slow_first: 700,
    lie: 300,
};

/// The user name and the password of every BMC.
const LOGIN: (&str, &str) = ("rack", "right-horse");

fn world(choices: &Choices) -> World {
    let (snapshot, findings) = snapshot::build(&Tree::from_fixture(WISHES), Revision::work_tree());
    World::new(snapshot.unwrap_or_else(|| panic!("{findings:?}")).resolved(), choices)
}

fn quirky(quirks: &[muster::model::Quirk]) -> World {
    world(&Choices { quirks: Quirks::of(quirks), ..Choices::default() })
}

fn options() -> Options {
    let credentials = Credentials { password: Secret::new(LOGIN.1.to_owned()) };
    Options { timing: QUICK, credentials, ..Options::default() }
}

/// A fleet, and the runtime that it lives in.
struct Sim {
    running: Option<Running>,
    runtime: Runtime,
}

impl Sim {
    fn of(world: World, options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let running = {
            let _inside = runtime.enter();
            Fleet::start(world, options).unwrap()
        };
        Self { running: Some(running), runtime }
    }

    fn new() -> Self {
        Self::of(world(&Choices::default()), options())
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    fn at(&self, bmc: usize) -> SocketAddr {
        self.running().address(bmc)
    }

    /// Asks the BMC of a number with the right password.
    fn ask(&self, bmc: usize, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let login = basic(LOGIN.0, LOGIN.1);
        let mut all = vec![("Authorization", login.as_str())];
        all.extend(headers);
        let answer = http::request(self.at(bmc), method, path, &all, body.as_bytes());
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Gets a resource as JSON.
    fn json(&self, bmc: usize, path: &str) -> Value {
        let answer = self.ask(bmc, "GET", path, &[], "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text()))
    }

    fn status(&self, bmc: usize, method: &str, path: &str, body: &str) -> u16 {
        self.ask(bmc, method, path, &[], body).status
    }

    /// Waits until a resource says what it should.
    fn wait(&self, bmc: usize, path: &str, says: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let value = self.json(bmc, path);
            if says(&value) {
                return value;
            }
            assert!(begin.elapsed() < PATIENCE, "{path} still says {value}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

fn basic(user: &str, password: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{user}:{password}");
    let mut coded = String::from("Basic ");
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at)) as usize & 63] as char;
            coded.push(if at <= part.len() { letter } else { '=' });
        }
    }
    coded
}
