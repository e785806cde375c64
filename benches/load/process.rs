//! Servers as processes of their own, and what they cost.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// `muster serve` over a repository.
pub struct Muster {
    process: std::process::Child,
    pub pid: u32,
    pub boot: String,
}

impl Muster {
    /// Starts the server and waits until it serves the repository's commit and has stored it.
    pub fn start(repository: &Path, store: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(["serve", "--listen", "127.0.0.1:0", "--repo"])
            .arg(repository)
            .arg("--store")
            .arg(store)
            .stderr(Stdio::piped())
            .spawn()
            .expect("muster starts");
        let log = BufReader::new(process.stderr.take().expect("the log is piped"));
        let mut lines = log.lines().map_while(Result::ok);
        let mut boot = None;
        for line in lines.by_ref() {
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let fields = &entry["fields"];
            match fields["message"].as_str() {
                Some("listening") => boot = fields["boot"].as_str().map(str::to_owned),
                Some("commit stored") => break,
                _ => {}
            }
        }
        // The log is read on, so that the server never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let pid = process.id();
        Self { process, pid, boot: boot.expect("muster says where it listens") }
    }
}

impl Drop for Muster {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This program started again as a server, which prints its address.
pub struct Child {
    process: std::process::Child,
    pub pid: u32,
    pub address: String,
}

impl Child {
    /// Starts a server of this program and waits for its address.
    pub fn start(kind: &str, arguments: &[&str]) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let mut process =
            Command::new(own).arg(kind).args(arguments).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut address = String::new();
        let stdout = process.stdout.take().expect("the output is piped");
        BufReader::new(stdout).read_line(&mut address).expect("the server prints its address");
        Self { pid: process.id(), process, address: address.trim().to_owned() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the processor time that a process has used: user and system, all threads.
pub fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let after_name = stat.rsplit_once(')').expect("the name is in parentheses").1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    // Linux counts in hundredths of a second here, whatever its own tick is.
    Duration::from_millis(ticks * 10)
}

/// Returns the most memory that a process ever had resident, in MiB.
pub fn peak_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().expect("a number") / 1024.0
}
